/*
 * worker.h - one unit of a corpus from text to aggregates, through all models
 *
 *     unit -> layout (tokens, windows) -> labels of all hypotheses
 *                                             |
 *       all models score block after block of windows; collectors see them     unit_scores.h
 *                                             |
 *       collectors end the unit: they may ask the models about single tokens
 *
 * What a worker makes of a unit depends on the unit alone, and no other thread helps.  It knows no
 * statistic by name: those of the run's results are at work.
 *
 * Threads: a worker belongs to one thread; what struct work names is shared.
 */
#ifndef GAPSCOPE_SCAN_WORK_WORKER_H
#define GAPSCOPE_SCAN_WORK_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "corpora/units.h"
#include "miners/hypotheses.h"
#include "out/results/collector.h"
#include "scan/load/layout.h"
#include "scan/load/lineup.h"
#include "scan/work/finite.h"
#include "scan/work/predictor.h"
#include "scan/work/unit_scores.h"

/* What all workers share: set before they start, then read only. */
struct work {
    const struct lineup *lineup;
    const struct predictor *predictors; // [lineup->n]
    const struct run *run;
    const struct results *results; // whose collectors are at work; a worker sees their shapes
    struct layout_options layout;
    uint64_t settings;                   // input_settings(): how documents are read
    const struct hypotheses *hypotheses; // NULL: none
    uint64_t refused;    // number of the unit in which log-probs that are not finite are an error;
                         // UINT64_MAX: in none
    double epsilon;      // nats; no log-prob as scored is further from the exact one
    bool leaves_changed; // the changed models are not run, and say nothing
    const atomic_int *stop; // looked at every few milliseconds: once it is set, workers give up
};

struct worker;

/* work outlives it. Errors: ERR_NOMEM, ERR_UNSUPPORTED (a collector needs what a model has not). */
int worker_new(struct worker **out, const struct work *work, struct err *err);

/* How far it is in the unit in hand; any thread may ask. */
struct unit_share worker_share(const struct worker *w);

/* Before the next unit: lets the parts look at the wholes.  The run's lock is held. */
void worker_look(struct worker *w);

/*
 * Makes everything of unit 'u' in the parts.  *stopped: it gave up, and what they hold is worth
 * nothing.  Errors: ERR_NOMEM, ERR_LIMIT, labeller_run()'s, those of collectors; finite_refuse()'s
 * in the unit work->refused.
 */
int worker_run(struct worker *w, const struct unit *u, bool *stopped, struct err *err);

/* Adds the parts' unit to the wholes.  The run's lock is held.  On failure the wholes are fit to be
 * freed only. */
int worker_add(struct worker *w, struct err *err);

/* Log-probs of the unit that are not finite; of worker_run()'s. */
const struct not_finite *worker_not_finite(const struct worker *w);

/* Tokens of the unit that models predict and that are counted, and documents; of worker_run()'s. */
uint64_t worker_tokens(const struct worker *w);
uint64_t worker_docs(const struct worker *w);

/* Where its time went. */
struct unit_times worker_times(const struct worker *w);

/* Special tokens of the unit that are counted nowhere. */
uint64_t worker_skipped(const struct worker *w);

/* Documents of the unit that begin with BOS themselves, behind the window's. */
uint64_t worker_double_bos(const struct worker *w);

/* Tokens of 'u' that a model would predict and that would be counted.  Errors: as worker_run(). */
int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err);

void worker_free(struct worker *w); // NULL is allowed

#endif
