/*
 * The chunks hypothesis/H.
 */
#include "out/report/report.h"

#include <inttypes.h>
#include <stdbool.h>

#include "out/read/queries.h"

#define COUNTEREXAMPLES                                                                            \
    "SELECT c.model, c.layer, c.idx, kind, rank, activation, shard, doc, byte_start, byte_end,"    \
    " token_index, tokens, activations, labelled, n.min, n.max FROM counterexample c"              \
    " LEFT JOIN neuron n ON n.model = c.model AND n.layer = c.layer AND n.idx = c.idx"             \
    " WHERE hypothesis = ?1 AND rank <= ?2 ORDER BY c.model, c.layer, c.idx, kind, rank"

enum { C_AT = 10, C_TOKENS, C_ACTIVATIONS, C_LABELLED, C_MIN, C_MAX };

static const char counterexample_columns[] =
    "[\"model\",\"layer\",\"idx\",\"kind\",\"rank\",\"activation\",\"shard\",\"doc\","
    "\"byte_start\",\"byte_end\",\"step\",\"at\",\"tokens\",\"acts\",\"labelled\"]";

static int put_counterexamples(const struct report *r, struct draft *d, int64_t id, struct err *err)
{
    static const struct report_place place = {.token_index = C_AT,
                                              .tokens = C_TOKENS,
                                              .activations = C_ACTIVATIONS,
                                              .labelled = C_LABELLED};
    const int64_t args[] = {id, (int64_t)r->examples};
    int rc = 0;
    sqlite3_stmt *stmt = view_query(r->v, COUNTEREXAMPLES, args, &rc, err);
    struct jsonout *j = &d->json;
    report_open_table(j, "counterexample", counterexample_columns);
    while (view_step(r->v, stmt, &rc, err)) {
        const double step = report_step(view_real(stmt, C_MIN), view_real(stmt, C_MAX));
        jsonout_begin(j, '[');
        for (int i = 0; i < C_AT; i++) {
            view_json_cell(j, stmt, i, REPORT_DIGITS);
        }
        jsonout_rounded(j, step, REPORT_DIGITS);
        report_put_place(j, stmt, &place, step);
        jsonout_end(j, ']');
    }
    report_end_table(j);
    sqlite3_finalize(stmt);
    return rc;
}

static int add_hypothesis(struct report *r, int64_t id, struct err *err)
{
    struct draft d;
    int rc = draft_open(&d, err);
    if (rc) {
        return rc;
    }
    const int64_t domains[] = {id, INT64_MAX};
    const int64_t best[] = {id, -1, -1, -1, REPORT_SCORES, true};
    jsonout_begin(&d.json, '{');
    rc = report_put_table(r, &d, "domain", SQL_DOMAINS, domains, err);
    rc = rc ? rc : report_put_table(r, &d, "score", SQL_NEURONS, best, err);
    rc = rc ? rc
            : report_put_table(r, &d, "split_hist",
                               "SELECT model, layer, idx, split, labelled, rest FROM split_hist"
                               " WHERE hypothesis = ?1 ORDER BY model, layer, idx, split",
                               &id, err);
    rc = rc ? rc : put_counterexamples(r, &d, id, err);
    jsonout_end(&d.json, '}');
    r->n_hypotheses += !rc;
    return chunks_add(&r->chunks, &d, rc, err, "hypothesis/%" PRId64, id);
}

int report_add_hypotheses(struct report *r, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(r->v, "SELECT id FROM hypothesis ORDER BY id", NULL, &rc, err);
    while (view_step(r->v, stmt, &rc, err)) {
        rc = add_hypothesis(r, sqlite3_column_int64(stmt, 0), err);
    }
    sqlite3_finalize(stmt);
    return rc;
}
