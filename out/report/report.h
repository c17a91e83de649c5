/*
 * report.h - what a run.db holds, as the chunks of a report
 *
 *     report_add_run, report_add_gaps, report_add_hypotheses, report_add_trigrams,
 *     report_add_neurons -> page_write
 *
 * A chunk is an object of tables, {"columns": [...], "rows": [[...], ...]}, whose columns are named
 * as run.db's; P, H and B count from 0:
 *
 *     run            meta (an object), state (a sentence), shard, reject, model, pair, domain, ...
 *     texts          the text of every token
 *     tokens/P       token_gap of pair P
 *     hits/P         hit of pair P, both sides
 *     hypothesis/H   one hypothesis: domains, its best neurons, their histograms, counterexamples
 *     trigrams       what the run says of them; a row a trigram, its gaps, its models with verdicts
 * in words; not there in a run without trigram/B      all there is of the trigrams B * REPORT_BLOCK
 * and on of that list neurons        a row a neuron: what it can be found and ranked by neuron/B
 * all there is of the neurons B * REPORT_BLOCK and on of that list
 *
 * Reals have REPORT_DIGITS significant digits.  Of the tokens around a place REPORT_BEFORE and
 * REPORT_AFTER are taken; their activations are whole numbers of 'step', the power of ten that
 * gives the neuron's extreme three digits, and those of three digits are rounded to tens: two
 * significant digits, or 1/100 of the extreme.
 */
#ifndef GAPSCOPE_OUT_REPORT_REPORT_H
#define GAPSCOPE_OUT_REPORT_REPORT_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "out/read/reader.h"
#include "out/report/chunks.h"

#define REPORT_DIGITS 6
#define REPORT_DETAIL_DIGITS 5 // of what models said of a hit: a probability has three then
#define REPORT_BLOCK 16        // neurons a chunk, some 150 KB; trigrams
#define REPORT_BEFORE 32
#define REPORT_AFTER 16
#define REPORT_SCORES 10 // neurons of a hypothesis, hypotheses of a neuron

struct report {
    const struct view *v;
    size_t hits;     // of a side, at most
    size_t examples; // of a kind, at most
    struct chunks chunks;
    size_t n_hits, n_neurons, n_hypotheses, n_trigrams; // that were added
};

/* Errors of all: view_step()'s, chunks_add()'s. */
int report_add_run(struct report *r, struct err *err); // run, texts
int report_add_gaps(struct report *r, struct err *err);
int report_add_hypotheses(struct report *r, struct err *err);
int report_add_trigrams(struct report *r, struct err *err);
int report_add_neurons(struct report *r, struct err *err);

// --- shared by these

/* A query's rows as a table of the draft. */
int report_put_table(const struct report *r, struct draft *d, const char *key, const char *sql,
                     const int64_t *args, struct err *err);

/* The same for rows that are put one by one between these two; columns: a JSON list of their names.
 */
void report_open_table(struct jsonout *j, const char *key, const char *columns);
void report_end_table(struct jsonout *j);

/* The power of ten that gives the larger of |min| and |max| three digits; 1 where both are 0. */
double report_step(double min, double max);

/* Where a row has the tokens around a place. */
struct report_place {
    int token_index, tokens;
    int activations; // -1: it has none
    int labelled;    // -1: it has none
};

/* Puts the place's tokens as cells of the row in hand: at, tokens, activations (in steps, null
 * where one is not finite), and labelled (indices into tokens; null: not known). */
void report_put_place(struct jsonout *j, sqlite3_stmt *row, const struct report_place *at,
                      double step);

#endif
