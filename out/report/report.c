#include "out/report/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "corpora/base/json.h"
#include "out/read/battery.h"
#include "out/read/gaps.h"
#include "out/read/names.h"
#include "out/read/queries.h"
#include "out/read/row_json.h"
#include "corpora/base/token_kind.h"
#include "out/read/trigram_facts.h"

// --- chunks and tables -------------------------------------------------------------------------

bool report_begin(struct report *r, struct draft *d)
{
    *d = (struct draft){0};
    if (r->reader->rc || reader_take(r->reader, draft_open(d, r->reader->err))) {
        return false;
    }
    jsonout_begin(&d->json, '{');
    return true;
}

int report_end(struct report *r, struct draft *d, const char *name, ...)
{
    char text[CHUNK_NAME];
    va_list args;
    va_start(args, name);
    vsnprintf(text, sizeof text, name, args);
    va_end(args);
    jsonout_end(&d->json, '}');
    return reader_take(r->reader,
                       chunks_add(&r->chunks, d, r->reader->rc, r->reader->err, "%s", text));
}

void report_table(const struct report *r, struct draft *d, const char *key, const char *sql,
                  const int64_t *args)
{
    sqlite3_stmt *stmt = reader_query(r->reader, sql, args);
    json_table(r->reader, &d->json, key, stmt, REPORT_DIGITS);
    sqlite3_finalize(stmt);
}

bool report_has_table(const struct report *r, const char *name)
{
    sqlite3_stmt *stmt = reader_query(r->reader, "SELECT name FROM sqlite_master", NULL);
    bool has = false;
    while (reader_step(r->reader, stmt)) {
        has = has || strcmp(column_text(stmt, 0), name) == 0;
    }
    sqlite3_finalize(stmt);
    return has;
}

void report_open_table(struct jsonout *j, const char *key, const char *const *names, size_t n)
{
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    jsonout_key(j, "columns");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_string(j, names[i]);
    }
    jsonout_end(j, ']');
    jsonout_key(j, "rows");
    jsonout_begin(j, '[');
}

void report_end_table(struct jsonout *j)
{
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

void report_fields(struct jsonout *j, const struct row_kind *k, const void *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        field_json(j, &k->columns[i], row, REPORT_DIGITS);
    }
}

double report_step(double min, double max)
{
    const double extreme = fmax(fabs(min), fabs(max));
    return isfinite(extreme) && extreme > 0 ? pow(10, floor(log10(extreme)) - 2) : 1;
}

// --- a place -----------------------------------------------------------------------------------

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
static void json_whole_numbers(struct jsonout *j, struct json_object *list, struct stretch s)
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
static void json_reals(struct jsonout *j, struct json_object *list, struct stretch s)
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

static void json_activations(struct jsonout *j, struct json_object *list, struct stretch s,
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

static struct stretch stretch_of(const struct place *p)
{
    return stretch_around((int64_t)count_of(p->token_index), list_length(p->tokens));
}

void report_place(struct jsonout *j, const struct place *p, const double *step)
{
    const struct stretch s = stretch_of(p);
    jsonout_i64(j, s.at);
    json_whole_numbers(j, p->tokens, s);
    if (step) {
        json_activations(j, p->activations, s, *step);
    }
}

void report_labelled(struct jsonout *j, const struct place *p)
{
    const struct stretch s = stretch_of(p);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < list_length(p->labelled); i++) {
        struct json_object *value = json_object_array_get_idx(p->labelled, i);
        const int64_t at =
            json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
        if (at >= s.from && at < s.end) {
            jsonout_i64(j, at - s.from);
        }
    }
    jsonout_end(j, ']');
}

// --- the run -----------------------------------------------------------------------------------

static void json_meta(const struct report *r, struct jsonout *j)
{
    sqlite3_stmt *stmt = reader_query(
        r->reader, "SELECT key, value FROM meta WHERE key NOT NULL ORDER BY key", NULL);
    jsonout_key(j, "meta");
    jsonout_begin(j, '[');
    while (reader_step(r->reader, stmt)) {
        jsonout_begin(j, '[');
        json_text(j, column_text(stmt, 0));
        json_text(j, column_text(stmt, 1));
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(stmt);
}

/* A chunk of one table. */
static int add_table(struct report *r, const char *chunk, const char *key, const char *sql,
                     const int64_t *args)
{
    struct draft d;
    if (report_begin(r, &d)) {
        report_table(r, &d, key, sql, args);
        report_end(r, &d, "%s", chunk);
    }
    return r->reader->rc;
}

// Of pairs that have a page: those of scan --ablate are a list.
#define SQL_FULL " IN (SELECT id FROM pair WHERE NOT brief)"

static const struct {
    const char *key, *sql;
} run_tables[] = {
    {"shard", "SELECT id, name, bytes, docs, tokens, units, units_done, skipped_docs, text_bytes,"
              " repaired FROM shard ORDER BY id"},
    {"reject", "SELECT shard, reason, n, places FROM reject ORDER BY shard, reason"},
    {"model", "SELECT id, name, act_fn, site, n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx,"
              " tokens, mean_logprob, se, bits_per_byte, clamped_share, n_not_finite FROM model"
              " WHERE id NOT IN (SELECT base FROM pair WHERE brief) ORDER BY id"},
    {"pair", "SELECT p.id, (SELECT name FROM model WHERE id = p.base) AS base_name,"
             " " SQL_PAIR_OTHERS " AS others_name, p.base, p.others, p.floor, p.tokens, p.docs,"
             " p.mean_gap, p.se, p.share_other_better,"
             " (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'other') AS hits_other,"
             " (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'base') AS hits_base"
             " FROM pair p WHERE NOT p.brief ORDER BY p.id"},
    {"gap_hist", "SELECT pair, lo, hi, n FROM gap_hist WHERE pair" SQL_FULL " ORDER BY pair, lo"},
    {"position_gap", "SELECT pair, lo, hi, n, mean_gap, base_mean_logprob, other_mean_logprob"
                     " FROM position_gap WHERE pair" SQL_FULL " ORDER BY pair, lo"},
    {"ablation", "SELECT p.id AS pair, w.name AS model, b.changes, p.tokens, p.docs,"
                 " p.mean_difference, p.se_difference, p.mean_gap, p.share_other_better"
                 " FROM pair p JOIN model b ON b.id = p.base"
                 " JOIN model w ON '[' || w.id || ']' = p.others WHERE p.brief ORDER BY p.id"},
    {"ablation_gap", "SELECT g.pair, g.hypothesis, g.n, g.mean_gap, g.se FROM hypothesis_gap g"
                     " JOIN pair p ON p.id = g.pair WHERE p.brief AND g.n > 0"
                     " ORDER BY g.pair, g.hypothesis"},
    {"domain", "SELECT id, name, docs, tokens FROM domain ORDER BY id"},
    {"domain_loss", "SELECT domain, model, tokens, mean_logprob, se FROM domain_loss"
                    " ORDER BY domain, model"},
    {"domain_gap", "SELECT domain, pair, tokens, mean_gap, se FROM domain_gap"
                   " ORDER BY domain, pair"},
    {"compare", "SELECT pair, share, left_out, docs, tokens, n_not_finite, mean_kl, se_kl,"
                " share_same_top, se_same_top, mean_p_difference, se_p_difference FROM compare"
                " ORDER BY pair"},
    {"compare_percentile", "SELECT pair, percentile, lo, hi FROM compare_percentile"
                           " ORDER BY pair, percentile"},
    {"compare_kind", "SELECT pair, kind, docs, tokens, mean_kl, se_kl, share_same_top,"
                     " mean_p_difference FROM compare_kind ORDER BY pair, kind"},
    {"compare_domain", "SELECT pair, domain, docs, tokens, mean_kl, se_kl, share_same_top,"
                       " mean_p_difference FROM compare_domain ORDER BY pair, domain"},
    {"compare_hypothesis", "SELECT pair, hypothesis, docs, tokens, mean_kl, se_kl, share_same_top,"
                           " mean_p_difference FROM compare_hypothesis ORDER BY pair, hypothesis"},
    {"kind_loss", "SELECT model, kind, n, docs, mean_logprob, se FROM kind_loss"
                  " ORDER BY model, kind"},
    {"kind_gap", "SELECT pair, kind, n, docs, mean_gap, se, mean_difference, se_difference"
                 " FROM kind_gap ORDER BY pair, kind"},
    {"hypothesis_loss", "SELECT model, hypothesis, n, docs, mean_logprob, se FROM hypothesis_loss"
                        " ORDER BY model, hypothesis"},
    {"hypothesis_difference", "SELECT pair, hypothesis, n, docs, mean_difference, se_difference"
                              " FROM hypothesis_difference WHERE pair"
                              " IN (SELECT id FROM pair WHERE brief) ORDER BY pair, hypothesis"},
    {"battery", SQL_BATTERY("(SELECT " SQL_BATTERY_BASE ")", "(SELECT " SQL_BATTERY_COUNTS ")")},
    {"bin", "SELECT id, lo, hi FROM bin ORDER BY id"},
    {"hypothesis", SQL_HYPOTHESES},
    {"hypothesis_gap", "SELECT pair, hypothesis, n, docs, mean_gap, se, mean_gap_rest,"
                       " se_rest, share_of_gap, share_beyond_earlier, share_of_gain,"
                       " gain_beyond_earlier"
                       " FROM hypothesis_gap WHERE pair" SQL_FULL " ORDER BY pair, hypothesis"},
};

/* The names of the numbers in the table of texts. */
static void json_kinds(struct jsonout *j)
{
    jsonout_key(j, "kinds");
    jsonout_begin(j, '[');
    for (size_t i = 0; token_kind_name(i); i++) {
        json_text(j, token_kind_name(i));
    }
    jsonout_end(j, ']');
}

int report_add_run(struct report *r)
{
    struct draft d;
    if (report_begin(r, &d)) {
        json_meta(r, &d.json);
        for (size_t i = 0; i < sizeof run_tables / sizeof *run_tables; i++) {
            report_table(r, &d, run_tables[i].key, run_tables[i].sql, NULL);
        }
        if (report_has_table(r, "depth")) {
            report_table(r, &d, "depth",
                         "SELECT model, k, n, docs, mean_logprob, se FROM depth ORDER BY model, k",
                         NULL);
        }
        jsonout_key(&d.json, "heads");
        jsonout_i64(&d.json, report_heads(r));
        jsonout_key(&d.json, "neurons");
        jsonout_i64(&d.json, reader_number(r->reader, "SELECT count(*) FROM neuron", NULL));
        json_kinds(&d.json);
        jsonout_key(&d.json, "trigrams");
        jsonout_i64(&d.json, trigram_count(r->reader));
        jsonout_key(&d.json, "skips");
        jsonout_i64(&d.json, reader_number(r->reader, "SELECT count(*) FROM skip", NULL));
        jsonout_key(&d.json, "bugs");
        jsonout_i64(&d.json, reader_number(r->reader, "SELECT count(*) FROM skip_bug", NULL));
        jsonout_key(&d.json, "block");
        jsonout_u64(&d.json, REPORT_BLOCK);
        report_end(r, &d, "run");
    }
    return add_table(r, "texts", "token",
                     "SELECT id, text, token_kind_number(text) AS kind FROM token ORDER BY id",
                     NULL);
}

// --- gaps --------------------------------------------------------------------------------------

#define SQL_HITS SQL_HIT " WHERE pair = ?1 AND rank <= ?2 ORDER BY side DESC, rank"

static const char *const hit_names[] = {"side",          "rank",  "gap",        "base_logprob",
                                        "other_logprob", "shard", "doc",        "byte_start",
                                        "byte_end",      "token", "token_text", "duplicates",
                                        "before",        "after", "detail"};
#define HIT_DUPLICATES 13 // of hit_kind
#define HIT_TOKEN_TEXT 11 // the first columns, up to this one, are those of hit_kind

/* As much of the tokens around a hit as of those around an example. */
static void json_around(struct jsonout *j, struct json_object *around)
{
    struct json_object *tokens = json_member(around, "tokens");
    const struct stretch s =
        stretch_around(json_object_get_int64(json_member(around, "at")), list_length(tokens));
    jsonout_begin(j, '{');
    jsonout_key(j, "at");
    jsonout_i64(j, s.at);
    jsonout_key(j, "tokens");
    json_whole_numbers(j, tokens, s);
    jsonout_key(j, "gaps");
    json_reals(j, json_member(around, "gaps"), s);
    jsonout_end(j, '}');
}

static void json_detail(struct jsonout *j, struct json_object *detail)
{
    jsonout_begin(j, '{');
    json_object_object_foreach(detail, key, value)
    {
        jsonout_key(j, key);
        if (strcmp(key, "around") == 0) {
            json_around(j, value);
        } else {
            json_value(j, value, REPORT_DETAIL_DIGITS);
        }
    }
    jsonout_end(j, '}');
}

static void json_hit(struct jsonout *j, const struct hit *hit)
{
    struct json_object *around = json_member(hit->detail, "around");
    jsonout_begin(j, '[');
    report_fields(j, &hit_kind, hit, HIT_TOKEN_TEXT);
    field_json(j, &hit_kind.columns[HIT_DUPLICATES], hit, REPORT_DIGITS);
    if (list_length(json_member(around, "tokens")) > 0) {
        jsonout_raw(j, "null"); // the tokens say it
        jsonout_raw(j, "null");
    } else {
        text_json(j, &hit->before);
        text_json(j, &hit->after);
    }
    if (json_object_is_type(hit->detail, json_type_object)) {
        json_detail(j, hit->detail);
    } else {
        jsonout_raw(j, "null");
    }
    jsonout_end(j, ']');
}

static void add_hits(struct report *r, const int64_t args[2])
{
    struct draft d;
    struct hit hit = {0};
    if (!report_begin(r, &d)) {
        return;
    }
    sqlite3_stmt *stmt = reader_query(r->reader, SQL_HITS, args);
    REPORT_OPEN_TABLE(&d.json, "hit", hit_names);
    for (; reader_step(r->reader, stmt); r->n_hits++) {
        row_read(&hit, &hit_kind, r->reader, stmt);
        json_hit(&d.json, &hit);
        row_free(&hit, &hit_kind);
    }
    report_end_table(&d.json);
    sqlite3_finalize(stmt);
    report_end(r, &d, "hits/%" PRId64, args[0]);
}

static void add_pair(struct report *r, int64_t pair)
{
    char name[CHUNK_NAME];
    const int64_t args[] = {pair, limit_of(r->hits)};
    snprintf(name, sizeof name, "tokens/%" PRId64, pair);
    add_table(r, name, "token_gap",
              "SELECT token, n, mean_gap, base_mean_logprob, other_mean_logprob"
              " FROM token_gap WHERE pair = ?1 ORDER BY token",
              args);
    add_hits(r, args);
}

int report_add_gaps(struct report *r)
{
    sqlite3_stmt *stmt =
        reader_query(r->reader, "SELECT id FROM pair WHERE NOT brief ORDER BY id", NULL);
    while (reader_step(r->reader, stmt)) {
        add_pair(r, sqlite3_column_int64(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return r->reader->rc;
}
