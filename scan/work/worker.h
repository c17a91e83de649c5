/*
 * worker.h - one unit of a corpus from text to aggregates, through all models
 *
 *     unit -> layout (tokens, windows) -> labels of all hypotheses
 *                                             |
 *       every model scores all windows, its neurons are seen on the way -> part, trigrams
 *                                             |
 *                                   tally, trigrams, record
 *                                             |
 *                      what may be a hit, once more: exactly, if it was not; and its details
 *
 * What a worker makes of a unit depends on the unit alone, and no other thread helps.
 *
 * Threads: a worker belongs to one thread; what struct work names is shared.
 */
#ifndef GAPSCOPE_SCAN_WORK_WORKER_H
#define GAPSCOPE_SCAN_WORK_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "corpora/units.h"
#include "miners/hypotheses.h"
#include "out/results/gaps/tally.h"
#include "out/results/neurons/unit_neurons.h"
#include "out/results/record/record.h"
#include "out/results/trigrams/trigrams.h"
#include "scan/load/layout.h"
#include "scan/load/lineup.h"
#include "scan/work/predictor.h"

/* What all workers share: set before they start, then read only. */
struct work {
    const struct lineup *lineup;
    const struct predictor *predictors; // [lineup->n]
    const struct tally_shape *shape;
    struct layout_options layout;
    uint64_t settings;                   // count_settings(): how documents are read
    const struct hypotheses *hypotheses; // NULL: none
    const struct neurons_shape *neurons; // NULL: none are kept
    const enum site *sites;              // [lineup->n]; of models whose neurons are kept
    const size_t *first_layers; // [lineup->n] their first in neurons->layers; SIZE_MAX: not kept
    struct record *record;      // NULL: none
    const atomic_int *stop;     // looked at every few milliseconds: once it is set, workers give up
};

struct worker;

/* work outlives it.  Errors: ERR_NOMEM. */
int worker_new(struct worker **out, const struct work *work, struct err *err);

/* What a worker makes of a unit, and what the whole that it goes into still lets in. */
struct worker_out {
    struct tally *tally;                        // clear
    const int64_t *cutoff;                      // tally_add_doc()'s
    struct unit_neurons *part;                  // NULL where no neurons are kept
    const struct unit_neurons_cutoffs *cutoffs; // unit_neurons_begin()'s
    struct trigrams *trigrams;                  // NULL: none are looked for
};

/*
 * Adds everything of unit 'u'.  *stopped: it gave up, and what 'out' holds is worth nothing.
 * Errors: ERR_NOMEM, ERR_LIMIT, record_unit()'s, labeller_run()'s.
 */
int worker_run(struct worker *w, const struct unit *u, const struct worker_out *out, bool *stopped,
               struct err *err);

/* Tokens of 'u' that a model would predict.  Errors: as worker_run(). */
int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err);

void worker_free(struct worker *w); // NULL is allowed

#endif
