/*
 * The chunks neurons and neuron/B.
 */
#include "out/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/cover.h"
#include "out/read/histogram.h"
#include "out/read/neuron_page.h"
#include "out/read/queries.h"
#include "out/read/row_json.h"

#define TOKEN_MEANS_LISTED 15 // as many as it raises
#define TOKENS_LISTED 5       // of the index: what a neuron raises, where it peaks

#define NEURONS                                                                                    \
    "SELECT model, layer, idx, n, mean, sd, min, max, share_positive, kurtosis, left_out, hist"    \
    " FROM neuron ORDER BY model, layer, idx"

enum { N_COLUMN_MIN = 6, N_COLUMN_MAX, N_COLUMN_LEFT_OUT = 10, N_COLUMN_HIST };

#define EFFECTS "SELECT kind, token, value FROM effect WHERE " SQL_OF_NEURON " ORDER BY kind, rank"

#define TOKEN_MEANS                                                                                \
    "SELECT token, n, mean FROM token_mean WHERE " SQL_OF_NEURON " ORDER BY rank LIMIT ?4"

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
    " s.auroc, s.auroc_bound, s.average_precision_bound, s.threshold, s.precision, s.recall,"      \
    " s.f1, s.mcc,"                                                                                \
    " s.mutual_information, s.r, s.mass_covered, s.top_covered" SQL_BEST_FIRST " LIMIT ?4"
#define SCORE_INDEXED 8

/* Of both halves. */
#define SPLIT                                                                                      \
    "SELECT hypothesis, split, labelled, rest FROM split_hist WHERE hypothesis = ?4 AND"           \
    " " SQL_OF_NEURON

/* One after the other through all neurons: the statements are made once. */
struct pass {
    struct report *report;
    struct reader *reader;
    struct bins bins;
    uint64_t *hist; // [bins.n]
    sqlite3_stmt *effects, *means, *raised, *peaks, *scores, *split, *examples;
    struct draft block, index;
};

static int open_pass(struct pass *p, struct report *report)
{
    struct reader *r = report->reader;
    const int64_t none[5] = {0};
    *p = (struct pass){.report = report, .reader = r};
    bins_read(&p->bins, r);
    p->hist = reader_new(r, p->bins.n, sizeof *p->hist);
    p->effects = reader_query(r, EFFECTS, none);
    p->means = reader_query(r, TOKEN_MEANS, none);
    p->raised = reader_query(r, RAISED, none);
    p->peaks = reader_query(r, PEAKS, none);
    p->scores = reader_query(r, SCORES, none);
    p->split = reader_query(r, SPLIT, none);
    p->examples = reader_query(r, SQL_EXAMPLES, none);
    return r->rc ? r->rc : reader_take(r, draft_open(&p->index, r->err));
}

static void close_pass(struct pass *p)
{
    sqlite3_stmt *const statements[] = {p->effects, p->means, p->raised,  p->peaks,
                                        p->scores,  p->split, p->examples};
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
static void json_list(struct pass *p, sqlite3_stmt *stmt, const int64_t *args)
{
    reader_again(stmt, args);
    jsonout_begin(&p->index.json, '[');
    while (reader_step(p->reader, stmt)) {
        jsonout_i64(&p->index.json, sqlite3_column_int64(stmt, 0));
    }
    jsonout_end(&p->index.json, ']');
}

static const char *const index_names[] = {"model",
                                          "layer",
                                          "idx",
                                          "n",
                                          "mean",
                                          "sd",
                                          "min",
                                          "max",
                                          "share_positive",
                                          "kurtosis",
                                          "left_out",
                                          "raised",
                                          "peaks",
                                          "top",
                                          "by_none",
                                          "hypothesis",
                                          "n_pos",
                                          "n_neg",
                                          "docs_pos",
                                          "prevalence",
                                          "average_precision",
                                          "dev_average_precision",
                                          "dev_prevalence"};

/* The row up to what json_scores() adds; args: the neuron's key, and TOKENS_LISTED. */
static void begin_index_row(struct pass *p, sqlite3_stmt *row, const int64_t *args,
                            const struct cover *cover)
{
    struct jsonout *j = &p->index.json;
    jsonout_begin(j, '[');
    for (int i = 0; i <= N_COLUMN_LEFT_OUT; i++) {
        json_cell(p->reader, j, row, i, REPORT_DIGITS);
    }
    json_list(p, p->raised, args);
    json_list(p, p->peaks, args);
    jsonout_u64(j, cover->n_examples);
    jsonout_u64(j, cover->n_none);
}

// --- a neuron ----------------------------------------------------------------------------------

static const char *const example_names[] = {"kind",  "rank",   "activation", "lo",       "hi",
                                            "shard", "doc",    "byte_start", "byte_end", "labels",
                                            "at",    "tokens", "acts"};
#define EXAMPLE_BYTE_END 9 // columns of neuron_example_kind
#define EXAMPLE_LABELS 12

static void json_examples(struct pass *p, const int64_t *key, double step)
{
    const int64_t most = limit_of(p->report->examples);
    const int64_t args[] = {key[0], key[1], key[2], most, most};
    struct jsonout *j = &p->block.json;
    struct neuron_example *examples;
    size_t n;
    reader_again(p->examples, args);
    examples_step(&examples, &n, p->reader, p->examples);
    REPORT_OPEN_TABLE(j, "example", example_names);
    for (size_t i = 0; i < n; i++) {
        jsonout_begin(j, '[');
        report_fields(j, &neuron_example_kind, &examples[i], EXAMPLE_BYTE_END);
        field_json(j, &neuron_example_kind.columns[EXAMPLE_LABELS], &examples[i], REPORT_DIGITS);
        report_place(j, &examples[i].place, &step);
        jsonout_end(j, ']');
    }
    report_end_table(j);
    examples_free(examples, n);
}

/* The statement once more, its rows as a table. */
static void json_again(struct pass *p, const char *key, sqlite3_stmt *stmt, const int64_t *args)
{
    reader_again(stmt, args);
    json_table(p->reader, &p->block.json, key, stmt, REPORT_DIGITS);
}

static const char *const score_names[] = {"hypothesis",
                                          "n_pos",
                                          "n_neg",
                                          "docs_pos",
                                          "prevalence",
                                          "average_precision",
                                          "dev_average_precision",
                                          "dev_prevalence",
                                          "auroc",
                                          "auroc_bound",
                                          "average_precision_bound",
                                          "threshold",
                                          "precision",
                                          "recall",
                                          "f1",
                                          "mcc",
                                          "mutual_information",
                                          "r",
                                          "mass_covered",
                                          "top_covered"};

/* Its best hypotheses; the first columns of the best one end the row of the index.  args[3] becomes
 * the best one whose histograms are kept; -1: there is none. */
static void json_scores(struct pass *p, int64_t *args)
{
    struct reader *r = p->reader;
    struct jsonout *j = &p->block.json;
    int64_t kept = -1;
    reader_again(p->scores, args);
    REPORT_OPEN_TABLE(j, "score", score_names);
    for (bool first = true; reader_step(r, p->scores); first = false) {
        jsonout_begin(j, '[');
        for (int i = 0; i < sqlite3_column_count(p->scores); i++) {
            json_cell(r, j, p->scores, i, REPORT_DIGITS);
            if (first && i < SCORE_INDEXED) {
                json_cell(r, &p->index.json, p->scores, i, REPORT_DIGITS);
            }
        }
        jsonout_end(j, ']');
        if (kept < 0) {
            args[3] = sqlite3_column_int64(p->scores, 0);
            reader_again(p->split, args);
            kept = reader_step(r, p->split) ? args[3] : -1;
        }
    }
    report_end_table(j);
    args[3] = kept;
}

static void json_neuron(struct pass *p, sqlite3_stmt *row, const struct cover *cover)
{
    struct jsonout *j = &p->block.json;
    const double step = report_step(column_real(row, N_COLUMN_MIN), column_real(row, N_COLUMN_MAX));
    int64_t args[] = {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                      sqlite3_column_int64(row, 2), REPORT_SCORES};
    jsonout_begin(j, '{');
    jsonout_key(j, "step");
    jsonout_rounded(j, step, REPORT_DIGITS);
    jsonout_key(j, "hist");
    json_cell(p->reader, j, row, N_COLUMN_HIST, REPORT_DIGITS);
    json_again(p, "effect", p->effects, args);
    args[3] = TOKEN_MEANS_LISTED;
    json_again(p, "token_mean", p->means, args);
    args[3] = REPORT_SCORES;
    json_scores(p, args);
    json_again(p, "split_hist", p->split, args);
    cover_json(cover, j);
    json_examples(p, args, step);
    jsonout_end(j, '}');
}

static void add_neuron(struct pass *p, sqlite3_stmt *row)
{
    struct report *report = p->report;
    const int64_t args[] = {sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                            sqlite3_column_int64(row, 2), TOKENS_LISTED};
    struct cover cover = {0};
    if (report->n_neurons % REPORT_BLOCK == 0) {
        if (reader_take(p->reader, draft_open(&p->block, p->reader->err))) {
            return;
        }
        jsonout_begin(&p->block.json, '[');
    }
    memset(p->hist, 0, p->bins.n * sizeof *p->hist);
    bins_count(&p->bins, row, N_COLUMN_HIST, p->hist);
    if (!cover_read(&cover, p->reader, args)) {
        begin_index_row(p, row, args, &cover);
        json_neuron(p, row, &cover);
        jsonout_end(&p->index.json, ']');
    }
    cover_free(&cover);
    report->n_neurons += !p->reader->rc;
}

/* Ends the current block, which is full or the last. */
static void end_block(struct pass *p)
{
    jsonout_end(&p->block.json, ']');
    reader_take(p->reader, chunks_add(&p->report->chunks, &p->block, p->reader->rc, p->reader->err,
                                      "neuron/%zu", (p->report->n_neurons - 1) / REPORT_BLOCK));
}

/* The index is a table whose rows come one by one, and what all neurons did for the pairs' hits. */
static void open_index(struct pass *p)
{
    struct jsonout *j = &p->index.json;
    jsonout_begin(j, '{');
    REPORT_OPEN_TABLE(j, "neuron", index_names);
}

static void end_index(struct pass *p)
{
    report_end_table(&p->index.json);
    report_table(p->report, &p->index, "gap_credit",
                 "SELECT pair, model, layer, idx, hits, credit FROM gap_credit"
                 " ORDER BY pair, credit DESC",
                 NULL);
    report_end(p->report, &p->index, "neurons");
}

int report_add_neurons(struct report *report)
{
    struct reader *r = report->reader;
    struct pass p;
    if (open_pass(&p, report)) {
        close_pass(&p);
        return r->rc;
    }
    sqlite3_stmt *row = reader_query(r, NEURONS, NULL);
    open_index(&p);
    while (reader_step(r, row)) {
        add_neuron(&p, row);
        if (!r->rc && report->n_neurons % REPORT_BLOCK == 0) {
            end_block(&p);
        }
    }
    sqlite3_finalize(row);
    if (!r->rc && report->n_neurons % REPORT_BLOCK != 0) {
        end_block(&p);
    }
    end_index(&p);
    close_pass(&p);
    return r->rc;
}
