/*
 * The chunks heads, composition and head/B.
 */
#include "out/report/report.h"

#include <inttypes.h>
#include <stddef.h>

#include "out/read/row_json.h"

#define HEADS                                                                                      \
    "SELECT model, layer, idx, n, n_dla, n_repeat, n_beyond, to_bos, to_self, to_previous,"        \
    " to_duplicate, to_induction, entropy, distance, out_norm, dla, dla_se, copying_score,"        \
    " copying_raw, previous_token_score, duplicate_token_score, induction_score, bos_score,"       \
    " self_score, kind FROM head ORDER BY model, layer, idx"

// Heads [?1, ?2) of that list.
#define OF_BLOCK                                                                                   \
    " JOIN (SELECT model, layer, idx, row_number() OVER (ORDER BY model, layer, idx) - 1 AS"       \
    " number FROM head) USING(model, layer, idx) WHERE number >= ?1 AND number < ?2"

#define LABELS                                                                                     \
    "SELECT hypothesis, model, layer, idx, n, dla, dla_rest, to_label FROM head_label" OF_BLOCK    \
    " ORDER BY number, hypothesis"

#define EXAMPLES                                                                                   \
    "SELECT model, layer, idx, kind, rank, dla, shard, doc, byte_start, byte_end, token_index,"    \
    " tokens, sources FROM (SELECT e.*, number, row_number() OVER (PARTITION BY number, e.kind"    \
    " ORDER BY rank) AS turn FROM head_example e" OF_BLOCK ") WHERE turn <= ?3"                    \
    " ORDER BY number, kind, rank"

#define COMPOSITION                                                                                \
    "SELECT model, source, layer, idx, input, n, share, norm, ratio FROM composition"              \
    " ORDER BY model, layer, idx, input, source"

/* A place kept for a head. */
struct head_place {
    int64_t model, layer, idx;
    struct text kind;
    int64_t rank;
    double dla;
    struct place place;
    struct json_object *sources;
};

static const struct column columns[] = {
    {"model", CELL_WHOLE, offsetof(struct head_place, model)},
    {"layer", CELL_WHOLE, offsetof(struct head_place, layer)},
    {"idx", CELL_WHOLE, offsetof(struct head_place, idx)},
    {"kind", CELL_TEXT, offsetof(struct head_place, kind)},
    {"rank", CELL_WHOLE, offsetof(struct head_place, rank)},
    {"dla", CELL_REAL, offsetof(struct head_place, dla)},
    {"shard", CELL_WHOLE, offsetof(struct head_place, place.shard)},
    {"doc", CELL_WHOLE, offsetof(struct head_place, place.doc)},
    {"byte_start", CELL_WHOLE, offsetof(struct head_place, place.byte_start)},
    {"byte_end", CELL_WHOLE, offsetof(struct head_place, place.byte_end)},
    {"token_index", CELL_WHOLE, offsetof(struct head_place, place.token_index)},
    {"tokens", CELL_JSON, offsetof(struct head_place, place.tokens)},
    {"sources", CELL_JSON, offsetof(struct head_place, sources)},
};
static const struct row_kind place_kind = ROW_KIND(struct head_place, columns);

static void json_examples(struct report *r, struct draft *d, const int64_t *args)
{
    const char *names[sizeof columns / sizeof *columns];
    for (size_t i = 0; i < place_kind.n; i++) {
        names[i] = columns[i].name;
    }
    sqlite3_stmt *stmt = reader_query(r->reader, EXAMPLES, args);
    struct head_place p = {0};
    REPORT_OPEN_TABLE(&d->json, "example", names);
    while (reader_step(r->reader, stmt)) {
        row_read(&p, &place_kind, r->reader, stmt);
        jsonout_begin(&d->json, '[');
        report_fields(&d->json, &place_kind, &p, place_kind.n);
        jsonout_end(&d->json, ']');
        row_free(&p, &place_kind);
    }
    report_end_table(&d->json);
    sqlite3_finalize(stmt);
}

static void add_one(struct report *r, const char *chunk, const char *sql)
{
    struct draft d;
    if (report_begin(r, &d)) {
        report_table(r, &d, chunk, sql, NULL);
        report_end(r, &d, "%s", chunk);
    }
}

int64_t report_heads(const struct report *r)
{
    return report_has_table(r, "head") ? reader_number(r->reader, "SELECT count(*) FROM head", NULL)
                                       : 0;
}

int report_add_heads(struct report *r)
{
    const int64_t n = report_heads(r);
    if (n > 0) {
        add_one(r, "heads", HEADS);
    }
    if (n > 0 && report_has_table(r, "composition")) {
        add_one(r, "composition", COMPOSITION);
    }
    for (int64_t at = 0; at < n && !r->reader->rc; at += REPORT_BLOCK) {
        const int64_t args[] = {at, at + REPORT_BLOCK, limit_of(r->examples)};
        struct draft d;
        if (report_begin(r, &d)) {
            report_table(r, &d, "label", LABELS, args);
            json_examples(r, &d, args);
            report_end(r, &d, "head/%" PRId64, at / REPORT_BLOCK);
        }
    }
    r->n_heads = (size_t)n;
    return r->reader->rc;
}
