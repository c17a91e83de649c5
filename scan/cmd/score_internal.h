/*
 * score_internal.h - what the files of `gapscope score` share
 *
 *     cmd_score.c      windows: scoring, printing
 *     score_changes.c  changed models: means, donors
 */
#ifndef GAPSCOPE_SCAN_CMD_SCORE_INTERNAL_H
#define GAPSCOPE_SCAN_CMD_SCORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/cli/args.h"
#include "scan/cmd/score_answers.h"
#include "scan/cmd/score_lens.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"
#include "scan/work/predictor.h"
#include "scan/work/replaced.h"

struct score_options {
    struct arg_list models;
    struct input_options input;
    const char *tokenizer, *precision, *kernels, *output;
    const char *reference; // whose means replace; NULL: the input's
    const char *answers;   // hypotheses whose answers are shown
    size_t top;
    bool entropy, lens;
};

/* One model at work, and what it says of the current window. */
struct score_model {
    const struct lineup_model *model;
    struct predictor predictor;
    struct predictor_ctx *run;
    struct replaced replaced;      // of a changed model
    struct engine_window *windows; // [REPLACED_GROUP] the group's, of this model
    struct engine_pick *picks;     // [n_ctx]
    double *logprob;               // [n_ctx]; [i] is ln P(ids[i+1] | ids[0..i]), n - 1 of them
    float *entropy;                // [n_ctx], nats
    uint32_t *top_ids;             // [n_ctx][top]
    float *top_logprob;            // [n_ctx][top]
    float *answers;                // [places of the window][MINER_ANSWERS_MAX] their log-probs
    size_t answers_cap;
    const struct score_places *places; // of the window; NULL: none are asked for
    size_t top;                        // K of --top, at most d_vocab
    struct score_lens *lens;           // of --lens, or NULL
    bool *counts;                      // [n_ctx] which of the window's tokens are counted
    double sum;                        // of all finite log-probs so far that are counted, nats
    uint64_t n_not_finite;             // of those that are counted; the lines have null
    uint64_t n_no_donor;               // of those in windows that a resampled model says nothing of
};

/* A window that waits for the others of its group. */
struct score_held {
    struct window window;
    uint32_t *ids, *ends; // its own
    size_t ids_cap, ends_cap;
    struct score_places places;
};

/* All models at work, and what they have seen so far. */
struct score {
    const struct score_options *options;
    struct score_model *scorers; // [n]
    size_t n;
    uint64_t windows;
    uint64_t tokens;                   // predicted, and counted
    uint64_t text_bytes;               // that they stand for; 0 with --ids
    uint64_t skipped;                  // special tokens, which are printed and not counted
    uint64_t reference_tokens;         // that means are made of
    const struct tokenizer *tokenizer; // that knows them; NULL: all are counted
    struct score_answers *answers;     // NULL: none are asked for
    struct score_held held[REPLACED_GROUP];
    size_t n_held, group; // windows that are scored together
    int rc;               // the first failure
    struct err err;
};

static inline bool score_is_changed(const struct score_model *s)
{
    return s->model->changes.n > 0;
}

/* A window as the engine takes it. */
static inline struct engine_window score_window_of(const struct window *w, double *logprob)
{
    return (struct engine_window){
        .first = w->ids[0], .tokens = w->ids + 1, .n = w->n - 1, .logprob = logprob};
}

/* Makes the changes of the models that have some; 'input' is what is scored.  Errors: ERR_NOMEM,
 * ERR_USAGE (--reference that nobody needs, means of standard input), ERR_NOT_FOUND (it holds no
 * token), those of reading. */
int score_make_changes(struct score *score, const char *input, const struct lineup *lineup,
                       struct err *err);

#endif
