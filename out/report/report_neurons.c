/*
 * The chunks neurons and neuron/B.
 */
#include "out/report/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "out/read/cover.h"
#include "out/read/queries.h"
#include "out/text/bars.h"

#define TOKENS_LISTED 5 // of the index: what a neuron raises, where it peaks

#define NEURONS                                                                                    \
    "SELECT model, layer, idx, n, mean, sd, min, max, share_positive, hist FROM neuron"            \
    " ORDER BY model, layer, idx"

enum { N_COLUMN_MEAN = 4, N_COLUMN_MIN = 6, N_COLUMN_MAX, N_COLUMN_SHARE, N_COLUMN_HIST };

#define EFFECTS "SELECT kind, token, value FROM effect WHERE " SQL_OF_NEURON " ORDER BY kind, rank"

#define RAISED                                                                                     \
    "SELECT token FROM effect WHERE " SQL_OF_NEURON " AND kind = 'output_top' ORDER BY rank"       \
    " LIMIT ?4"

/* The tokens on which it is strongest, the commonest first; json_extract() would end the query
 * where the list is damaged. */
#define PEAKS                                                                                      \
    "SELECT json_extract(tokens, '$[' || token_index || ']') AS token FROM example WHERE"          \
    " " SQL_OF_NEURON " AND kind = 'top' AND json_valid(tokens) AND typeof(token_index) ="         \
    " 'integer' AND token_index >= 0 GROUP BY token HAVING typeof(token) = 'integer'"              \
    " ORDER BY count(*) DESC, min(rank) LIMIT ?4"

/* The best ?4: of the test half, and how good it was on dev.  The first SCORE_INDEXED columns are
 * the index's too. */
#define SCORES                                                                                     \
    "SELECT h.id AS hypothesis, s.n_pos, s.n_neg, s.docs_pos, s.prevalence, s.average_precision,"  \
    " d.average_precision AS dev_average_precision, d.prevalence AS dev_prevalence,"               \
    " s.auroc, s.auroc_bound, s.threshold, s.precision, s.recall, s.f1, s.mcc,"                    \
    " s.mutual_information, s.r, s.mass_covered, s.top_covered" SQL_BEST_FIRST " LIMIT ?4"
#define SCORE_INDEXED 8

/* Of both halves. */
#define SPLIT                                                                                      \
    "SELECT hypothesis, split, labelled, rest FROM split_hist WHERE hypothesis = ?4 AND"           \
    " " SQL_OF_NEURON

enum { E_AT = 9, E_TOKENS, E_ACTIVATIONS, E_LABELS };

/* One after the other through all neurons: the statements are made once. */
struct pass {
    struct report *report;
    struct bins bins;
    uint64_t *hist; // [bins.n]
    sqlite3_stmt *effects, *raised, *peaks, *scores, *split, *examples;
    struct draft block, index;
};

static int open_pass(struct pass *p, struct report *r, struct err *err)
{
    const struct view *v = r->v;
    const int64_t none[5] = {0};
    *p = (struct pass){.report = r};
    int rc = bins_read(&p->bins, v, err);
    p->hist = mem_zero(p->bins.n, sizeof *p->hist);
    rc = rc || p->hist ? rc : err_nomem(err, "a histogram");
    p->effects = view_query(v, EFFECTS, none, &rc, err);
    p->raised = view_query(v, RAISED, none, &rc, err);
    p->peaks = view_query(v, PEAKS, none, &rc, err);
    p->scores = view_query(v, SCORES, none, &rc, err);
    p->split = view_query(v, SPLIT, none, &rc, err);
    p->examples = view_query(v, SQL_EXAMPLES, none, &rc, err);
    return rc ? rc : draft_open(&p->index, err);
}

static void close_pass(struct pass *p)
{
    sqlite3_stmt *const statements[] = {p->effects, p->raised, p->peaks,
                                        p->scores,  p->split,  p->examples};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        sqlite3_finalize(statements[i]);
    }
    bins_free(&p->bins);
    free(p->hist);
    draft_discard(&p->block);
    draft_discard(&p->index);
}

// --- the index ---------------------------------------------------------------------------------

/* The first column of a statement as a list. */
static int put_list(struct pass *p, sqlite3_stmt *stmt, const int64_t *args, struct err *err)
{
    int rc = 0;
    view_again(stmt, args);
    jsonout_begin(&p->index.json, '[');
    while (view_step(p->report->v, stmt, &rc, err)) {
        jsonout_i64(&p->index.json, sqlite3_column_int64(stmt, 0));
    }
    jsonout_end(&p->index.json, ']');
    return rc;
}

static const char index_columns[] =
    "[\"model\",\"layer\",\"idx\",\"n\",\"mean\",\"sd\",\"min\",\"max\",\"share_positive\","
    "\"kurtosis\",\"raised\",\"peaks\",\"top\",\"by_none\",\"hypothesis\",\"n_pos\",\"n_neg\","
    "\"docs_pos\",\"prevalence\",\"average_precision\",\"dev_average_precision\","
    "\"dev_prevalence\"]";

/* The row up to what put_scores() adds; args: the neuron's key, and TOKENS_LISTED. */
static int begin_index_row(struct pass *p, sqlite3_stmt *row, const int64_t *args,
                           const struct cover *cover, struct err *err)
{
    struct jsonout *j = &p->index.json;
    jsonout_begin(j, '[');
    for (int i = 0; i <= N_COLUMN_SHARE; i++) {
        view_json_cell(j, row, i, REPORT_DIGITS);
    }
    const struct bins_known known = {view_real(row, N_COLUMN_MEAN), view_real(row, N_COLUMN_MIN),
                                     view_real(row, N_COLUMN_MAX)};
    double skewness, kurtosis;
    bins_shape(&p->bins, p->hist, &known, &skewness, &kurtosis);
    jsonout_rounded(j, kurtosis, REPORT_DIGITS);
    int rc = put_list(p, p->raised, args, err);
    rc = rc ? rc : put_list(p, p->peaks, args, err);
    jsonout_u64(j, cover->n_examples);
    jsonout_u64(j, cover->n_none);
    return rc;
}

// --- a neuron ----------------------------------------------------------------------------------

static const char example_columns[] =
    "[\"kind\",\"rank\",\"activation\",\"lo\",\"hi\",\"shard\",\"doc\",\"byte_start\","
    "\"byte_end\",\"labels\",\"at\",\"tokens\",\"acts\"]";

static int put_examples(struct pass *p, const int64_t *key, double step, struct err *err)
{
    static const struct report_place place = {
        .token_index = E_AT, .tokens = E_TOKENS, .activations = E_ACTIVATIONS, .labelled = -1};
    const int64_t most = (int64_t)p->report->examples;
    const int64_t args[] = {key[0], key[1], key[2], most, most};
    struct jsonout *j = &p->block.json;
    int rc = 0;
    view_again(p->examples, args);
    report_open_table(j, "example", example_columns);
    while (view_step(p->report->v, p->examples, &rc, err)) {
        jsonout_begin(j, '[');
        for (int i = 0; i < E_AT; i++) {
            view_json_cell(j, p->examples, i, REPORT_DIGITS);
        }
        view_json_cell(j, p->examples, E_LABELS, REPORT_DIGITS);
        report_put_place(j, p->examples, &place, step);
        jsonout_end(j, ']');
    }
    report_end_table(j);
    return rc;
}

/* The statement once more, its rows as a table. */
static int put_table(struct pass *p, const char *key, sqlite3_stmt *stmt, const int64_t *args,
                     struct err *err)
{
    view_again(stmt, args);
    return view_json_table(p->report->v, &p->block.json, key, stmt, REPORT_DIGITS, err);
}

static const char score_columns[] =
    "[\"hypothesis\",\"n_pos\",\"n_neg\",\"docs_pos\",\"prevalence\",\"average_precision\","
    "\"dev_average_precision\",\"dev_prevalence\",\"auroc\",\"auroc_bound\",\"threshold\","
    "\"precision\",\"recall\",\"f1\",\"mcc\",\"mutual_information\",\"r\",\"mass_covered\","
    "\"top_covered\"]";

/* Its best hypotheses; the first columns of the best one end the row of the index.  args[3] becomes
 * the best one whose histograms are kept; -1: there is none. */
static int put_scores(struct pass *p, int64_t *args, struct err *err)
{
    const struct view *v = p->report->v;
    struct jsonout *j = &p->block.json;
    int64_t kept = -1;
    int rc = 0;
    view_again(p->scores, args);
    report_open_table(j, "score", score_columns);
    for (bool first = true; view_step(v, p->scores, &rc, err); first = false) {
        jsonout_begin(j, '[');
        for (int i = 0; i < sqlite3_column_count(p->scores); i++) {
            view_json_cell(j, p->scores, i, REPORT_DIGITS);
            if (first && i < SCORE_INDEXED) {
                view_json_cell(&p->index.json, p->scores, i, REPORT_DIGITS);
            }
        }
        jsonout_end(j, ']');
        if (kept < 0) {
            args[3] = sqlite3_column_int64(p->scores, 0);
            view_again(p->split, args);
            kept = view_step(v, p->split, &rc, err) ? args[3] : -1;
        }
    }
    report_end_table(j);
    args[3] = kept;
    return rc;
}

static int put_neuron(struct pass *p, sqlite3_stmt *row, const struct cover *cover, struct err *err)
{
    struct jsonout *j = &p->block.json;
    const double step = report_step(view_real(row, N_COLUMN_MIN), view_real(row, N_COLUMN_MAX));
    int64_t args[] = {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                      sqlite3_column_int64(row, 2), REPORT_SCORES};
    jsonout_begin(j, '{');
    jsonout_key(j, "step");
    jsonout_rounded(j, step, REPORT_DIGITS);
    jsonout_key(j, "hist");
    view_json_cell(j, row, N_COLUMN_HIST, REPORT_DIGITS);
    int rc = put_table(p, "effect", p->effects, args, err);
    rc = rc ? rc : put_scores(p, args, err);
    rc = rc ? rc : put_table(p, "split_hist", p->split, args, err);
    cover_json(cover, j);
    rc = rc ? rc : put_examples(p, args, step, err);
    jsonout_end(j, '}');
    return rc;
}

static int add_neuron(struct pass *p, sqlite3_stmt *row, struct err *err)
{
    struct report *r = p->report;
    const int64_t args[] = {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                            sqlite3_column_int64(row, 2), TOKENS_LISTED};
    struct cover cover = {0};
    int rc = 0;
    if (r->n_neurons % REPORT_BLOCK == 0 && (rc = draft_open(&p->block, err)) == 0) {
        jsonout_begin(&p->block.json, '[');
    }
    for (size_t i = 0; i < p->bins.n; i++) {
        p->hist[i] = 0;
    }
    bins_count(&p->bins, row, N_COLUMN_HIST, p->hist);
    rc = rc ? rc : cover_read(&cover, r->v, args, err);
    rc = rc ? rc : begin_index_row(p, row, args, &cover, err);
    rc = rc ? rc : put_neuron(p, row, &cover, err);
    jsonout_end(&p->index.json, ']');
    cover_free(&cover);
    r->n_neurons += !rc;
    return rc;
}

/* The block in hand is full, or the last. */
static int end_block(struct pass *p, struct err *err)
{
    jsonout_end(&p->block.json, ']');
    return chunks_add(&p->report->chunks, &p->block, 0, err, "neuron/%zu",
                      (p->report->n_neurons - 1) / REPORT_BLOCK);
}

/* The index is a table whose rows come one by one, and what all neurons did for the pairs' hits. */
static void open_index(struct pass *p)
{
    struct jsonout *j = &p->index.json;
    jsonout_begin(j, '{');
    report_open_table(j, "neuron", index_columns);
}

static int end_index(struct pass *p, struct err *err)
{
    struct jsonout *j = &p->index.json;
    report_end_table(j);
    const int rc = report_put_table(
        p->report, &p->index, "gap_credit",
        "SELECT pair, model, layer, idx, hits, credit FROM gap_credit ORDER BY pair, credit DESC",
        NULL, err);
    jsonout_end(j, '}');
    return chunks_add(&p->report->chunks, &p->index, rc, err, "neurons");
}

int report_add_neurons(struct report *r, struct err *err)
{
    struct pass p;
    int rc = open_pass(&p, r, err);
    sqlite3_stmt *row = view_query(r->v, NEURONS, NULL, &rc, err);
    if (!rc) {
        open_index(&p);
    }
    while (view_step(r->v, row, &rc, err)) {
        rc = add_neuron(&p, row, err);
        if (!rc && r->n_neurons % REPORT_BLOCK == 0) {
            rc = end_block(&p, err);
        }
    }
    sqlite3_finalize(row);
    if (!rc && r->n_neurons % REPORT_BLOCK != 0) {
        rc = end_block(&p, err);
    }
    rc = rc ? rc : end_index(&p, err);
    close_pass(&p);
    return rc;
}
