#include "scan/report/report.h"

#include <inttypes.h>
#include <math.h>

#include "scan/base/json.h"
#include "scan/view_names.h"
#include "scan/view_sql.h"

int report_put_table(const struct report *r, struct draft *d, const char *key, const char *sql,
                     const int64_t *args, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(r->v, sql, args, &rc, err);
    rc = rc ? rc : view_json_table(r->v, &d->json, key, stmt, REPORT_DIGITS, err);
    sqlite3_finalize(stmt);
    return rc;
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

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_double) ||
           json_object_is_type(value, json_type_int);
}

/* What is shown of a list. */
struct stretch {
    int64_t from, end;
};

/* The whole numbers of list[from, end); what is damaged becomes null. */
static void put_whole_numbers(struct jsonout *j, struct json_object *list, struct stretch s)
{
    jsonout_begin(j, '[');
    for (int64_t i = s.from; i < s.end; i++) {
        struct json_object *value = json_object_array_get_idx(list, (size_t)i);
        if (json_object_is_type(value, json_type_int)) {
            jsonout_i64(j, json_object_get_int64(value));
        } else {
            jsonout_raw(j, "null");
        }
    }
    jsonout_end(j, ']');
}

static void put_activations(struct jsonout *j, struct json_object *list, struct stretch s,
                            double step)
{
    const int64_t n = (int64_t)list_length(list);
    jsonout_begin(j, '[');
    for (int64_t i = s.from; i < s.end; i++) {
        struct json_object *value = i < n ? json_object_array_get_idx(list, (size_t)i) : NULL;
        double steps = is_number(value) ? rint(json_object_get_double(value) / step) : NAN;
        steps = fabs(steps) >= 100 ? 10 * rint(steps / 10) : steps;
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
        const int64_t at = json_object_get_int64(json_object_array_get_idx(list, i));
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
    struct json_object *activations = view_json(row, at->activations);
    const int64_t n = (int64_t)list_length(tokens);
    int64_t own = sqlite3_column_int64(row, at->token_index);
    own = own < 0 || own >= n ? 0 : own;
    const struct stretch s = {own > REPORT_BEFORE ? own - REPORT_BEFORE : 0,
                              n - own > REPORT_AFTER ? own + REPORT_AFTER + 1 : n};
    jsonout_i64(j, own - s.from);
    put_whole_numbers(j, tokens, s);
    put_activations(j, activations, s, step);
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
    jsonout_key(&d.json, "block");
    jsonout_u64(&d.json, REPORT_BLOCK);
    jsonout_end(&d.json, '}');
    rc = chunks_add(&r->chunks, &d, rc, err, "run");
    return rc ? rc
              : add_table(r, "texts", "token", "SELECT id, text FROM token ORDER BY id", NULL, err);
}

// --- gaps --------------------------------------------------------------------------------------

/* Where the detail has the tokens around, their text is not needed twice. */
#define CONTEXT                                                                                    \
    "iif(json_valid(detail) AND json_type(detail, '$.around.tokens') = 'array', NULL, before)"     \
    " AS before, iif(json_valid(detail) AND json_type(detail, '$.around.tokens') = 'array',"       \
    " NULL, after) AS after,"

static int add_pair(struct report *r, int64_t pair, struct err *err)
{
    char name[CHUNK_NAME];
    const int64_t args[] = {pair, (int64_t)r->hits};
    snprintf(name, sizeof name, "tokens/%" PRId64, pair);
    int rc = add_table(r, name, "token_gap",
                       "SELECT token, n, mean_gap, base_mean_logprob, other_mean_logprob"
                       " FROM token_gap WHERE pair = ?1 ORDER BY token",
                       args, err);
    snprintf(name, sizeof name, "hits/%" PRId64, pair);
    rc = rc ? rc
            : add_table(r, name, "hit",
                        "SELECT side, rank, gap, base_logprob, other_logprob, shard, doc,"
                        " byte_start, byte_end, token, token_text, " CONTEXT " duplicates,"
                        " detail FROM hit WHERE pair = ?1 AND rank <= ?2 ORDER BY side DESC, rank",
                        args, err);
    r->n_hits += (size_t)view_number(
        r->v, "SELECT count(*) FROM hit WHERE pair = ?1 AND rank <= ?2", args, &rc, err);
    return rc;
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
