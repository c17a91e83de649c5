/*
 * neuron_page.h - one neuron of a run: its activations, what it does, what it is about
 *
 *     neuron_page_read -> neuron_page_free
 */
#ifndef GAPSCOPE_OUT_READ_NEURON_PAGE_H
#define GAPSCOPE_OUT_READ_NEURON_PAGE_H

#include "out/read/cover.h"
#include "out/read/histogram.h"
#include "out/read/names.h"
#include "out/read/place.h"
#include "out/read/score.h"

/* A row of table neuron. */
struct neuron {
    struct text site;
    int64_t n; // tokens whose activation is finite
    double mean, sd, skewness, kurtosis, min, max, share_positive;
    int64_t left_out; // tokens whose activation is not finite
};
extern const struct row_kind neuron_kind;

/* A token that it raises, lowers, ... */
struct effect {
    struct text kind; // output_top, output_bottom, input_top, input_bottom
    int64_t rank, token;
    struct text token_text; // NULL or "": the run has no text of it
    double value;
};
extern const struct row_kind effect_kind;

/* A token at which its mean activation is among the greatest. */
struct token_mean {
    int64_t rank, token;
    struct text token_text; // NULL or "": the run has no text of it
    int64_t n;
    double mean;
};
extern const struct row_kind token_mean_kind;

struct gap_credit {
    struct text pair;
    double credit;
    int64_t hits, of_hits;
};
extern const struct row_kind gap_credit_kind;

struct neuron_example {
    struct text kind; // top, interval, random, bottom
    int64_t rank;
    double lo, hi;              // of its interval; NaN: open, or none
    struct json_object *labels; // of its own token: hypotheses
    struct place place;
};
extern const struct row_kind neuron_example_kind;

/* The hypothesis that suggest made for the neuron, if the run was made with it. */
struct suggested {
    struct text name;
    struct json_object *spec; // NULL: damaged
    double average_precision, f1, precision, recall; // on the test half
};

extern const struct row_kind suggested_kind;

struct neuron_page {
    struct neuron_ref ref;
    struct neuron neuron;
    struct run_state state;
    struct bins bins;
    uint64_t *all;             // [bins.n] tokens
    uint64_t *labelled, *rest; // [bins.n] of the best hypothesis, if it has them
    char *best;                // its name, or NULL
    uint64_t n_labelled;
    struct effect *effects; // [n_effects], by kind and rank
    size_t n_effects;
    bool has_inputs;     // the run knows what drives neurons of this model
    bool writes_nothing; // the run's effects are known, and no token is raised or lowered
    struct token_mean *token_means; // [n_token_means] by rank
    size_t n_token_means;
    int64_t n_mean_tokens;     // of which they are the greatest; 0: the run has no means by token
    struct score *best_scores; // [n_best_scores] on the test half, the best hypotheses first
    size_t n_best_scores;
    struct score *scores; // [n_scores] of all hypotheses, on every half
    size_t n_scores;
    bool has_suggestion;
    struct suggested suggestion;
    struct cover cover;
    struct gap_credit *credit; // [n_credit] for each pair of its model
    size_t n_credit;
    struct neuron_example *examples; // [n_examples]: top, interval, random, bottom
    size_t n_examples;
};

struct neuron_page_options {
    size_t hypotheses; // of best_scores, at most
    size_t examples;   // of each kind, at most, but
    size_t intervals;  // of each interval
};

/* neuron_page_free() ends *p, {0} before, in any case.  Errors: those of neuron_find(),
 * ERR_NOT_FOUND (nothing is known of it yet). */
int neuron_page_read(struct neuron_page *p, struct reader *r, const char *name,
                     const struct neuron_page_options *o);
void neuron_page_free(struct neuron_page *p);

/* The examples of one neuron as a new array, also with a statement of SQL_EXAMPLES that was made
 * before; examples_free() ends it. */
int examples_step(struct neuron_example **examples, size_t *n, struct reader *r,
                  sqlite3_stmt *stmt);
void examples_free(struct neuron_example *examples, size_t n);

#endif
