/*
 * The chunks hypothesis/H.
 */
#include "out/report/report.h"

#include <inttypes.h>

#include "out/read/hypothesis_page.h"
#include "out/read/queries.h"

/* Of hypothesis ?1, the first ?2 of each kind of all neurons; with the neuron's extremes. */
#define SQL_COUNTEREXAMPLES_OF_ALL                                                                 \
    "SELECT c.model, c.layer, c.idx, kind, rank, activation, shard, doc, byte_start, byte_end,"    \
    " token_index, tokens, activations, labelled, labelled IS NULL AS no_labels, n.min, n.max"     \
    " FROM counterexample c"                                                                       \
    " LEFT JOIN neuron n ON n.model = c.model AND n.layer = c.layer AND n.idx = c.idx"             \
    " WHERE hypothesis = ?1 AND rank <= ?2 ORDER BY c.model, c.layer, c.idx, kind, rank"

/* A counterexample with its neuron. */
struct row {
    int64_t model, layer, idx;
    struct counterexample counterexample;
    int64_t no_labels; // 1: which tokens are labelled is not known
    double min, max;   // of the neuron's activation
};

#define AT(field) offsetof(struct row, field)
#define AT_PLACE(field) offsetof(struct row, counterexample.place.field)
// clang-format off
static const struct column columns[] = {
    {"model", CELL_WHOLE, AT(model)}, {"layer", CELL_WHOLE, AT(layer)},
    {"idx", CELL_WHOLE, AT(idx)}, {"kind", CELL_TEXT, AT(counterexample.kind)},
    {"rank", CELL_WHOLE, AT(counterexample.rank)}, {"activation", CELL_REAL, AT_PLACE(activation)},
    {"shard", CELL_WHOLE, AT_PLACE(shard)}, {"doc", CELL_WHOLE, AT_PLACE(doc)},
    {"byte_start", CELL_WHOLE, AT_PLACE(byte_start)}, {"byte_end", CELL_WHOLE, AT_PLACE(byte_end)},
    // COLUMNS_SHOWN: up to here
    {"token_index", CELL_WHOLE, AT_PLACE(token_index)}, {"tokens", CELL_JSON, AT_PLACE(tokens)},
    {"activations", CELL_JSON, AT_PLACE(activations)}, {"labelled", CELL_JSON, AT_PLACE(labelled)},
    {"no_labels", CELL_WHOLE, AT(no_labels)}, {"min", CELL_REAL, AT(min)},
    {"max", CELL_REAL, AT(max)},
};
// clang-format on
#define COLUMNS_SHOWN 10
static const struct row_kind kind = ROW_KIND(struct row, columns);

static const char *const counterexample_names[] = {
    "model",      "layer",    "idx",  "kind", "rank",   "activation", "shard",   "doc",
    "byte_start", "byte_end", "step", "at",   "tokens", "acts",       "labelled"};

static void json_counterexamples(const struct report *r, struct jsonout *j, int64_t id)
{
    const int64_t args[] = {id, limit_of(r->examples)};
    struct row row = {0};
    sqlite3_stmt *stmt = reader_query(r->reader, SQL_COUNTEREXAMPLES_OF_ALL, args);
    REPORT_OPEN_TABLE(j, "counterexample", counterexample_names);
    while (reader_step(r->reader, stmt)) {
        row_read(&row, &kind, r->reader, stmt);
        const double step = report_step(row.min, row.max);
        jsonout_begin(j, '[');
        report_fields(j, &kind, &row, COLUMNS_SHOWN);
        jsonout_rounded(j, step, REPORT_DIGITS);
        report_place(j, &row.counterexample.place, &step);
        if (row.no_labels) {
            jsonout_raw(j, "null");
        } else {
            report_labelled(j, &row.counterexample.place);
        }
        jsonout_end(j, ']');
        row_free(&row, &kind);
    }
    report_end_table(j);
    sqlite3_finalize(stmt);
}

static void add_hypothesis(struct report *r, int64_t id)
{
    const int64_t domains[] = {id, INT64_MAX};
    const int64_t best[] = {id, -1, -1, -1, REPORT_SCORES, true};
    struct draft d;
    if (!report_begin(r, &d)) {
        return;
    }
    report_table(r, &d, "domain", SQL_DOMAINS, domains);
    report_table(r, &d, "score", SQL_NEURONS, best);
    report_table(r, &d, "split_hist",
                 "SELECT model, layer, idx, split, labelled, rest FROM split_hist"
                 " WHERE hypothesis = ?1 ORDER BY model, layer, idx, split",
                 &id);
    json_counterexamples(r, &d.json, id);
    r->n_hypotheses += !report_end(r, &d, "hypothesis/%" PRId64, id);
}

int report_add_hypotheses(struct report *r)
{
    sqlite3_stmt *stmt = reader_query(r->reader, "SELECT id FROM hypothesis ORDER BY id", NULL);
    while (reader_step(r->reader, stmt)) {
        add_hypothesis(r, sqlite3_column_int64(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return r->reader->rc;
}
