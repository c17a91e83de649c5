#include "out/read/battery.h"

#include <stdlib.h>
#include <string.h>

#include "out/read/names.h"

#define FIELD(name) offsetof(struct battery_row, name)
static const struct column columns[] = {
    {"hypothesis", CELL_WHOLE, FIELD(hypothesis)},
    {"name", CELL_TEXT, FIELD(name)},
    {"model_id", CELL_WHOLE, FIELD(model_id)},
    {"model", CELL_TEXT, FIELD(model)},
    {"n", CELL_WHOLE, FIELD(n)},
    {"docs", CELL_WHOLE, FIELD(docs)},
    {"logprob_true", CELL_REAL, FIELD(logprob_true)},
    {"logprob_answer", CELL_REAL, FIELD(logprob_answer)},
    {"n_differ", CELL_WHOLE, FIELD(n_differ)},
    {"share_answer_first", CELL_REAL, FIELD(share_answer_first)},
    {"gap", CELL_REAL, FIELD(gap)},
    {"gap_se", CELL_REAL, FIELD(gap_se)},
    {"counts_gap", CELL_REAL, FIELD(counts_gap)},
    {"counts_gap_se", CELL_REAL, FIELD(counts_gap_se)},
    {"heads", CELL_JSON, FIELD(heads)},
    {"logit_difference", CELL_REAL, FIELD(logit_difference)},
    {"logit_difference_se", CELL_REAL, FIELD(logit_difference_se)},
    {"n_either", CELL_WHOLE, FIELD(n_either)},
    {"share_right", CELL_REAL, FIELD(share_right)},
    {"logit_difference_right", CELL_REAL, FIELD(logit_difference_right)},
    {"logit_difference_right_se", CELL_REAL, FIELD(logit_difference_right_se)},
};
const struct row_kind battery_kind = ROW_KIND(struct battery_row, columns);

/* The name of a model; "" of one that is not there. */
static char *name_of(struct reader *r, int64_t id)
{
    sqlite3_stmt *stmt = reader_query(r, "SELECT name FROM model WHERE id = ?1", &id);
    char *name = reader_step(r, stmt) ? column_strdup(r, stmt, 0) : strdup("");
    sqlite3_finalize(stmt);
    if (!name) {
        reader_fail(r, ERR_NOMEM, "out of memory");
    }
    return name;
}

int battery_read(struct battery *b, struct reader *r, const char *base)
{
    b->base = reader_number(r, "SELECT " SQL_BATTERY_BASE, NULL);
    if (base) {
        reader_find(r, "model", base, &b->base);
    }
    const int64_t counts = reader_number(r, "SELECT " SQL_BATTERY_COUNTS, NULL);
    const int64_t args[] = {b->base, counts};
    b->base_name = name_of(r, b->base);
    b->counts_name = name_of(r, counts);
    rows_read(&b->rows, &b->n, &battery_kind, r, SQL_BATTERY("?1", "?2"), args);
    if (!r->rc && b->n == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: no hypothesis of it says what comes next: scan --battery tests what does, "
                    "and so do hypotheses with answers",
                    r->path);
    }
    return r->rc;
}

void battery_free(struct battery *b)
{
    rows_free(b->rows, b->n, &battery_kind);
    free(b->base_name);
    free(b->counts_name);
    *b = (struct battery){0};
}

// --- places -------------------------------------------------------------------------------------

#define HIT(name) offsetof(struct battery_place, hit.name)
static const struct column place_columns[] = {
    {"side", CELL_TEXT, HIT(side)},
    {"rank", CELL_WHOLE, HIT(rank)},
    {"gap", CELL_REAL, HIT(gap)},
    {"base_logprob", CELL_REAL, HIT(base_logprob)},
    {"other_logprob", CELL_REAL, HIT(other_logprob)},
    {"shard", CELL_WHOLE, HIT(shard)},
    {"doc", CELL_WHOLE, HIT(doc)},
    {"byte_start", CELL_WHOLE, HIT(byte_start)},
    {"byte_end", CELL_WHOLE, HIT(byte_end)},
    {"token", CELL_WHOLE, HIT(token)},
    {"token_text", CELL_TEXT, HIT(token_text)},
    {"before", CELL_TEXT, HIT(before)},
    {"after", CELL_TEXT, HIT(after)},
    {"duplicates", CELL_WHOLE, HIT(duplicates)},
    {"detail", CELL_JSON, HIT(detail)},
    {"shard_name", CELL_TEXT, HIT(shard_name)},
    {"base_top", CELL_JSON, offsetof(struct battery_place, base_top)},
    {"other_top", CELL_JSON, offsetof(struct battery_place, other_top)},
};
const struct row_kind battery_place_kind = ROW_KIND(struct battery_place, place_columns);

#define SQL_DETAIL "iif(json_valid(hit.detail), hit.detail, '{}')"
#define SQL_ID "iif(e.type = 'array', json_extract(e.value, '$[0]'), NULL)"

/* The most likely tokens of one model, with their texts. */
#define SQL_TOP(path)                                                                              \
    "(SELECT json_group_array(json_array(coalesce((SELECT text FROM token WHERE id = " SQL_ID      \
    "), '<' || " SQL_ID " || '>'), iif(e.type = 'array', json_extract(e.value, '$[1]'), NULL)))"   \
    " FROM json_each(" SQL_DETAIL ", '" path "') e)"

/* ?1 is the pair, ?2 the class, ?3 how many, ?4 1 for the least. */
#define SQL_PLACES                                                                                 \
    "SELECT hit.*, (SELECT name FROM shard WHERE id = hit.shard) AS shard_name,"                   \
    " " SQL_TOP("$.base.top") " AS base_top, " SQL_TOP(                                            \
        "$.others[0].top") " AS other_top"                                                         \
                           " FROM hit WHERE pair = ?1 AND side = iif(?4, 'base', 'other') AND "    \
                           "EXISTS(SELECT 1 FROM"                                                  \
                           " json_each(" SQL_DETAIL                                                \
                           ", '$.hypotheses') n JOIN hypothesis h ON h.name = n.value"             \
                           " WHERE h.id = ?2) ORDER BY rank LIMIT ?3"

int battery_places_read(struct battery_place **places, size_t *n, struct reader *r, int64_t base,
                        const struct battery_row *row, size_t most, bool worst)
{
    const int64_t of[] = {base, row->model_id};
    const int64_t pair = reader_number(r,
                                       "SELECT coalesce((SELECT min(id) FROM pair WHERE base = ?1"
                                       " AND others = '[' || ?2 || ']'), -1)",
                                       of);
    const int64_t args[] = {pair, row->hypothesis, limit_of(most), worst};
    return rows_read(places, n, &battery_place_kind, r, SQL_PLACES, args);
}
