/*
 * unit_scores.h - a unit of text scored by all models, and shown to the collectors
 *
 *     layout -> windows -> blocks of about ENGINE_BLOCK rows, which depend on the unit alone
 *
 *     for each block: what collectors ask for -> every model scores it; rows are seen on the way
 *                     -> all logits at chosen tokens -> end_block() of all collectors
 *
 * Afterwards the models can be asked about single tokens: exact log-probs, and what a model says
 * before a token (struct unit_models).
 *
 * Threads: one thread at a time; predictors and shapes are shared.
 */
#ifndef GAPSCOPE_SCAN_WORK_UNIT_SCORES_H
#define GAPSCOPE_SCAN_WORK_UNIT_SCORES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "scan/load/layout.h"
#include "scan/work/predictor.h"

/* Rows of a block, at most, unless one window has more. */
#define UNIT_BLOCK_ROWS ((size_t)1024)

struct unit_scores;

/* A collector at work in this thread. */
struct unit_collector {
    const struct collector *collector;
    void *part;
};

/* Everything outlives it.  run: what the collectors belong to.  epsilon (nats): no log-prob as
 * scored is further from the exact one.  Errors: ERR_NOMEM, ERR_UNSUPPORTED (a collector needs rows
 * that a model has not). */
int unit_scores_new(struct unit_scores **out, const struct predictor *predictors, size_t n_models,
                    const struct run *run, const struct unit_collector *collectors,
                    size_t n_collectors, double epsilon, const atomic_int *stop, struct err *err);

/* From now on the changed models are not run: they say nothing. */
void unit_scores_leave_changed(struct unit_scores *s);
void unit_scores_free(struct unit_scores *s); // NULL is allowed

/* Scores the unit and shows it to the collectors, up to end_block().  Once 'stop' is set it returns
 * early, and nothing that came out means anything.  The layout and the unit stay as long as
 * unit_scores_models() is used.  Errors: ERR_NOMEM, those of the collectors. */
int unit_scores_make(struct unit_scores *s, const struct layout *layout,
                     const struct unit_tokens *unit, struct err *err);

/* How far it is in its unit; any thread may ask.  unit_scores_rewind(): nothing of the next one is
 * scored yet. */
struct unit_share {
    size_t scored, tokens; // by all models, and in all; both 0: it is not known yet
};
struct unit_share unit_scores_share(const struct unit_scores *s);
void unit_scores_rewind(struct unit_scores *s);

/* Where the time of the last unit went: this thread's, in seconds. */
struct unit_times {
    double models, changed; // scoring: unchanged and changed models
    bool together;          // models: with changed ones, whose logits come from theirs
    double logits;          // all logits, and what collectors make of them
};
struct unit_times unit_scores_times(const struct unit_scores *s);

/* What the models can still be asked about the unit. */
const struct unit_models *unit_scores_models(const struct unit_scores *s);

#endif
