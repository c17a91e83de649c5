/*
 * report.h - what a run.db holds, as the chunks of a report
 *
 *     report_add_run, report_add_gaps, report_add_hypotheses, report_add_trigrams,
 *     report_add_heads, report_add_skips, report_add_neurons -> page_write
 *
 * A chunk is an object of tables, {"columns": [...], "rows": [[...], ...]}, whose columns are named
 * as run.db's; P, H and B count from 0:
 *
 *     run            meta (an object), state (a sentence), shard, reject, model, pair, domain, ...
 *     texts          the text of every token
 *     tokens/P       token_gap of pair P
 *     hits/P         hits of pair P, both sides
 *     hypothesis/H   one hypothesis: domains, its best neurons, their histograms, counterexamples
 *     trigrams       what the run says of them; a row for each trigram, its gaps, its models with
 *                    verdicts in words; not there in a run without trigrams
 *     trigram/B      all there is of REPORT_BLOCK trigrams of that list, from B * REPORT_BLOCK on
 *     heads          a row for each attention head; not there in a run without heads
 *     composition    what the heads' queries, keys and values are made of, where the run has it
 *     head/B         hypotheses and places of REPORT_BLOCK heads of that list, from
 *                    B * REPORT_BLOCK on
 *     skips          what the run says of skip-trigrams, those that stand in the corpus, the bugs
 *                    and their places; not there in a run without any
 *     neurons        a row for each neuron: what it can be found and ranked by
 *     neuron/B       all there is of REPORT_BLOCK neurons of that list, from B * REPORT_BLOCK on
 *
 * Where a chunk shows a table of run.db as it is, its query's rows go through as cells
 * (report_table()): a struct for each row would only add copies.  What needs work (a place, a hit,
 * a verdict in words, a neuron's cover) is read as the structs of out/read that the commands show.
 *
 * Reals have REPORT_DIGITS significant digits.  Of the tokens around a place REPORT_BEFORE and
 * REPORT_AFTER are taken; their activations are whole numbers of 'step', the power of ten that
 * gives the neuron's extreme three digits, and those of three digits are rounded to tens: two
 * significant digits, or 1/100 of the extreme.
 */
#ifndef GAPSCOPE_OUT_REPORT_REPORT_H
#define GAPSCOPE_OUT_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/read/place.h"
#include "out/read/reader.h"
#include "out/read/row.h"
#include "out/report/chunks.h"

#define REPORT_DIGITS 6
#define REPORT_DETAIL_DIGITS 5 // of what models said of a hit: a probability has three then
#define REPORT_BLOCK 16        // neurons a chunk, some 150 KB; trigrams
#define REPORT_BEFORE 32
#define REPORT_AFTER 16
#define REPORT_SCORES 10 // neurons of a hypothesis, hypotheses of a neuron

struct report {
    struct reader *reader;
    size_t hits;     // of a side, at most
    size_t examples; // of a kind, at most
    struct chunks chunks;
    size_t n_hits, n_neurons, n_hypotheses, n_trigrams, n_heads; // that were added
};

/* Errors of all: those of the reader, ERR_NOMEM, ERR_LIMIT (a chunk that is too large). */
int report_add_run(struct report *r); // run, texts
int report_add_gaps(struct report *r);
int report_add_hypotheses(struct report *r);
int report_add_trigrams(struct report *r);
int report_add_heads(struct report *r);
int report_add_skips(struct report *r);
int report_add_neurons(struct report *r);

// --- shared by these

/* Has run.db this table?  Of how many heads it has rows. */
bool report_has_table(const struct report *r, const char *name);
int64_t report_heads(const struct report *r);

/* Begins and ends a chunk: an object whose name is made by printf(). */
bool report_begin(struct report *r, struct draft *d);
int report_end(struct report *r, struct draft *d, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* The rows of a query as a table of the draft. */
void report_table(const struct report *r, struct draft *d, const char *key, const char *sql,
                  const int64_t *args);

/* A table whose rows are written one by one between these two; names[n]: of its columns. */
void report_open_table(struct jsonout *j, const char *key, const char *const *names, size_t n);
void report_end_table(struct jsonout *j);
#define REPORT_OPEN_TABLE(j, key, names)                                                           \
    report_open_table((j), (key), (names), sizeof(names) / sizeof *(names))

/* Fields of a row as cells of the open row of a table: the first n columns of its kind. */
void report_fields(struct jsonout *j, const struct row_kind *k, const void *row, size_t n);

/* The power of ten that gives the larger of |min| and |max| three digits; 1 where both are 0. */
double report_step(double min, double max);

/* The place's tokens as cells of the open row: at, tokens and, where 'step' is not NULL,
 * activations (in steps, null where one is not finite). */
void report_place(struct jsonout *j, const struct place *p, const double *step);

/* One cell more: which of these tokens are labelled, as indices. */
void report_labelled(struct jsonout *j, const struct place *p);

#endif
