#include "out/report/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "corpora/base/json.h"
#include "out/read/names.h"
#include "out/read/queries.h"
#include "out/read/trigram_facts.h"

int report_put_table(const struct report *r, struct draft *d, const char *key, const char *sql,
                     const int64_t *args, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(r->v, sql, args, &rc, err);
    rc = rc ? rc : view_json_table(r->v, &d->json, key, stmt, REPORT_DIGITS, err);
    sqlite3_finalize(stmt);
    return rc;
}

void report_open_table(struct jsonout *j, const char *key, const char *columns)
{
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    jsonout_key(j, "columns");
    jsonout_raw(j, columns);
    jsonout_key(j, "rows");
    jsonout_begin(j, '[');
}

void report_end_table(struct jsonout *j)
{
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

double report_step(double min, double max)
{
    const double extreme = fmax(fabs(min), fabs(max));
    return isfinite(extreme) && extreme > 0 ? pow(10, floor(log10(extreme)) - 2) : 1;
}

// --- a place -----------------------------------------------------------------------------------

static size_t list_length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* NULL where there is none: json-c does not look whether a list is one. */
static struct json_object *list_item(struct json_object *list, int64_t i)
{
    return (size_t)i < list_length(list) ? json_object_array_get_idx(list, (size_t)i) : NULL;
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_double) ||
           json_object_is_type(value, json_type_int);
}

/* What is shown of a list: [from, end), with the place in question 'at' from the begin. */
struct stretch {
    int64_t from, end, at;
};

static struct stretch stretch_around(int64_t own, size_t length)
{
    const int64_t n = (int64_t)length;
    own = own < 0 || own >= n ? 0 : own;
    const int64_t from = own > REPORT_BEFORE ? own - REPORT_BEFORE : 0;
    return (struct stretch){from, n - own > REPORT_AFTER ? own + REPORT_AFTER + 1 : n, own - from};
}

/* The whole numbers of list[from, end); what is damaged becomes null. */
static void put_whole_numbers(struct jsonout *j, struct json_object *list, struct stretch s)
{
    jsonout_begin(j, '[');
    for (int64_t i = s.from; i < s.end; i++) {
        struct json_object *value = list_item(list, i);
        if (json_object_is_type(value, json_type_int)) {
            jsonout_i64(j, json_object_get_int64(value));
        } else {
            jsonout_raw(j, "null");
        }
    }
    jsonout_end(j, ']');
}

/* The numbers of list[from, end), null where there is none. */
static void put_reals(struct jsonout *j, struct json_object *list, struct stretch s)
{
    jsonout_begin(j, '[');
    for (int64_t i = s.from; i < s.end; i++) {
        struct json_object *value = list_item(list, i);
        if (is_number(value)) {
            jsonout_rounded(j, json_object_get_double(value), REPORT_DETAIL_DIGITS);
        } else {
            jsonout_raw(j, "null");
        }
    }
    jsonout_end(j, ']');
}

static void put_activations(struct jsonout *j, struct json_object *list, struct stretch s,
                            double step)
{
    jsonout_begin(j, '[');
    for (int64_t i = s.from; i < s.end; i++) {
        struct json_object *value = list_item(list, i);
        const double exact = is_number(value) ? json_object_get_double(value) / step : NAN;
        const double steps = fabs(exact) >= 99.5 ? 10 * rint(exact / 10) : rint(exact);
        if (fabs(steps) <= 1e6) { // no neuron of the run has more
            jsonout_i64(j, (int64_t)steps);
        } else {
            jsonout_raw(j, "null");
        }
    }
    jsonout_end(j, ']');
}

/* The indices that lie in the stretch, from its begin. */
static void put_labelled(struct jsonout *j, sqlite3_stmt *row, int column, struct stretch s)
{
    if (view_is_null(row, column)) {
        jsonout_raw(j, "null");
        return;
    }
    struct json_object *list = view_json(row, column);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < list_length(list); i++) {
        struct json_object *value = json_object_array_get_idx(list, i);
        const int64_t at =
            json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
        if (at >= s.from && at < s.end) {
            jsonout_i64(j, at - s.from);
        }
    }
    jsonout_end(j, ']');
    json_object_put(list);
}

void report_put_place(struct jsonout *j, sqlite3_stmt *row, const struct report_place *at,
                      double step)
{
    struct json_object *tokens = view_json(row, at->tokens);
    struct json_object *activations = at->activations >= 0 ? view_json(row, at->activations) : NULL;
    const struct stretch s =
        stretch_around(sqlite3_column_int64(row, at->token_index), list_length(tokens));
    jsonout_i64(j, s.at);
    put_whole_numbers(j, tokens, s);
    if (at->activations >= 0) {
        put_activations(j, activations, s, step);
    }
    if (at->labelled >= 0) {
        put_labelled(j, row, at->labelled, s);
    }
    json_object_put(tokens);
    json_object_put(activations);
}

// --- the run -----------------------------------------------------------------------------------

static int put_meta(const struct report *r, struct draft *d, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(
        r->v, "SELECT key, value FROM meta WHERE key NOT NULL ORDER BY key", NULL, &rc, err);
    jsonout_key(&d->json, "meta");
    jsonout_begin(&d->json, '[');
    while (view_step(r->v, stmt, &rc, err)) {
        jsonout_begin(&d->json, '[');
        view_json_text(&d->json, view_text(stmt, 0));
        view_json_text(&d->json, view_text(stmt, 1));
        jsonout_end(&d->json, ']');
    }
    jsonout_end(&d->json, ']');
    sqlite3_finalize(stmt);
    return rc;
}

/* A chunk of one table. */
static int add_table(struct report *r, const char *chunk, const char *key, const char *sql,
                     const int64_t *args, struct err *err)
{
    struct draft d;
    int rc = draft_open(&d, err);
    if (!rc) {
        jsonout_begin(&d.json, '{');
        rc = report_put_table(r, &d, key, sql, args, err);
        jsonout_end(&d.json, '}');
        rc = chunks_add(&r->chunks, &d, rc, err, "%s", chunk);
    }
    return rc;
}

static const struct {
    const char *key, *sql;
} run_tables[] = {
    {"shard", "SELECT id, name, bytes, docs, tokens, units, units_done, skipped_docs, text_bytes,"
              " repaired FROM shard ORDER BY id"},
    {"reject", "SELECT shard, reason, n, places FROM reject ORDER BY shard, reason"},
    {"model", "SELECT id, name, act_fn, site, n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx,"
              " tokens, mean_logprob, se, bits_per_byte, clamped_share FROM model ORDER BY id"},
    {"pair", "SELECT p.id, (SELECT name FROM model WHERE id = p.base) AS base_name,"
             " " VIEW_PAIR_OTHERS " AS others_name, p.base, p.others, p.floor, p.tokens, p.docs,"
             " p.mean_gap, p.se, p.share_other_better,"
             " (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'other') AS hits_other,"
             " (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'base') AS hits_base"
             " FROM pair p ORDER BY p.id"},
    {"gap_hist", "SELECT pair, lo, hi, n FROM gap_hist ORDER BY pair, lo"},
    {"position_gap", "SELECT pair, lo, hi, n, mean_gap, base_mean_logprob, other_mean_logprob"
                     " FROM position_gap ORDER BY pair, lo"},
    {"domain", "SELECT id, name, docs, tokens FROM domain ORDER BY id"},
    {"domain_loss", "SELECT domain, model, tokens, mean_logprob, se FROM domain_loss"
                    " ORDER BY domain, model"},
    {"domain_gap", "SELECT domain, pair, tokens, mean_gap, se FROM domain_gap"
                   " ORDER BY domain, pair"},
    {"bin", "SELECT id, lo, hi FROM bin ORDER BY id"},
    {"hypothesis", SQL_HYPOTHESES},
    {"hypothesis_gap", "SELECT pair, hypothesis, n, mean_gap, se, mean_gap_rest, se_rest,"
                       " share_of_gap, share_beyond_earlier, share_of_gain, gain_beyond_earlier"
                       " FROM hypothesis_gap ORDER BY pair, hypothesis"},
};

int report_add_run(struct report *r, struct err *err)
{
    struct draft d;
    int rc = draft_open(&d, err);
    if (rc) {
        return rc;
    }
    jsonout_begin(&d.json, '{');
    rc = put_meta(r, &d, err);
    for (size_t i = 0; i < sizeof run_tables / sizeof *run_tables && !rc; i++) {
        rc = report_put_table(r, &d, run_tables[i].key, run_tables[i].sql, NULL, err);
    }
    jsonout_key(&d.json, "neurons");
    jsonout_i64(&d.json, view_number(r->v, "SELECT count(*) FROM neuron", NULL, &rc, err));
    jsonout_key(&d.json, "trigrams");
    jsonout_i64(&d.json, trigram_count(r->v, &rc, err));
    jsonout_key(&d.json, "block");
    jsonout_u64(&d.json, REPORT_BLOCK);
    jsonout_end(&d.json, '}');
    rc = chunks_add(&r->chunks, &d, rc, err, "run");
    return rc ? rc
              : add_table(r, "texts", "token", "SELECT id, text FROM token ORDER BY id", NULL, err);
}

// --- gaps --------------------------------------------------------------------------------------

#define HITS                                                                                       \
    "SELECT side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start, byte_end,"       \
    " token, token_text, duplicates, before, after, detail FROM hit WHERE pair = ?1"               \
    " AND rank <= ?2 ORDER BY side DESC, rank"

enum { H_BEFORE = 12, H_AFTER, H_DETAIL };

static const char hit_columns[] =
    "[\"side\",\"rank\",\"gap\",\"base_logprob\",\"other_logprob\",\"shard\",\"doc\","
    "\"byte_start\",\"byte_end\",\"token\",\"token_text\",\"duplicates\",\"before\","
    "\"after\",\"detail\"]";

/* As much of the tokens around a hit as of those around an example. */
static void put_around(struct jsonout *j, struct json_object *around)
{
    struct json_object *tokens = json_member(around, "tokens");
    const struct stretch s =
        stretch_around(json_object_get_int64(json_member(around, "at")), list_length(tokens));
    jsonout_begin(j, '{');
    jsonout_key(j, "at");
    jsonout_i64(j, s.at);
    jsonout_key(j, "tokens");
    put_whole_numbers(j, tokens, s);
    jsonout_key(j, "gaps");
    put_reals(j, json_member(around, "gaps"), s);
    jsonout_end(j, '}');
}

static void put_detail(struct jsonout *j, struct json_object *detail)
{
    jsonout_begin(j, '{');
    json_object_object_foreach(detail, key, value)
    {
        jsonout_key(j, key);
        if (strcmp(key, "around") == 0) {
            put_around(j, value);
        } else {
            view_json_value(j, value, REPORT_DETAIL_DIGITS);
        }
    }
    jsonout_end(j, '}');
}

static void put_hit(struct jsonout *j, sqlite3_stmt *row)
{
    struct json_object *detail = view_json(row, H_DETAIL);
    const bool around = list_length(json_member(json_member(detail, "around"), "tokens")) > 0;
    jsonout_begin(j, '[');
    for (int i = 0; i < H_DETAIL; i++) {
        if (around && (i == H_BEFORE || i == H_AFTER)) {
            jsonout_raw(j, "null"); // the tokens say it
        } else {
            view_json_cell(j, row, i, REPORT_DIGITS);
        }
    }
    if (json_object_is_type(detail, json_type_object)) {
        put_detail(j, detail);
    } else {
        jsonout_raw(j, "null");
    }
    jsonout_end(j, ']');
    json_object_put(detail);
}

static int add_hits(struct report *r, const int64_t args[2], struct err *err)
{
    struct draft d;
    int rc = draft_open(&d, err);
    if (rc) {
        return rc;
    }
    sqlite3_stmt *row = view_query(r->v, HITS, args, &rc, err);
    jsonout_begin(&d.json, '{');
    report_open_table(&d.json, "hit", hit_columns);
    for (; view_step(r->v, row, &rc, err); r->n_hits++) {
        put_hit(&d.json, row);
    }
    report_end_table(&d.json);
    jsonout_end(&d.json, '}');
    sqlite3_finalize(row);
    return chunks_add(&r->chunks, &d, rc, err, "hits/%" PRId64, args[0]);
}

static int add_pair(struct report *r, int64_t pair, struct err *err)
{
    char name[CHUNK_NAME];
    const int64_t args[] = {pair, (int64_t)r->hits};
    snprintf(name, sizeof name, "tokens/%" PRId64, pair);
    const int rc = add_table(r, name, "token_gap",
                             "SELECT token, n, mean_gap, base_mean_logprob, other_mean_logprob"
                             " FROM token_gap WHERE pair = ?1 ORDER BY token",
                             args, err);
    return rc ? rc : add_hits(r, args, err);
}

int report_add_gaps(struct report *r, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(r->v, "SELECT id FROM pair ORDER BY id", NULL, &rc, err);
    while (view_step(r->v, stmt, &rc, err)) {
        rc = add_pair(r, sqlite3_column_int64(stmt, 0), err);
    }
    sqlite3_finalize(stmt);
    return rc;
}
