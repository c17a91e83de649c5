/*
 * trials.h - the trigrams of a finished scan, tested on its models: which neuron does it
 *
 * Tried are those that beat the base: of TRIGRAM_CHOICE_DOCS documents at least, with a mean gap of
 * the first pair of rule.gap at least; of these the rule.test of the greatest gain, n x mean gap.
 * (Without a pair: those of the most places.)  Their contexts are the places that the scan has
 * kept.  Where all models are counts nothing is tested.  What comes out depends on the run's
 * results and the models alone, not on threads.
 */
#ifndef GAPSCOPE_SCAN_WORK_TRIALS_H
#define GAPSCOPE_SCAN_WORK_TRIALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/store/store.h"

struct trials {
    const struct run *run; // finished
    const struct results *results;
    const struct engine *const
        *engines; // [run->n_models]; NULL: counts and changed models, which are not
                  // tested
    size_t n_threads;
    const char *command;    // "scan": a line of progress begins with it
    const atomic_int *stop; // or NULL
    atomic_int *status;     // a progress line is asked for (stop_signals.h), or NULL
};

/* Is the run finished, and does it look for trigrams? */
bool trials_are_due(const struct run *run, const struct results *results);

/* Tries them and writes the tables trigram_model and trigram_neuron; once 'stop' is set nothing is
 * written.  *n_tested: how many.  Errors: ERR_NOMEM, ERR_FORMAT (a damaged run), ERR_IO (a thread),
 * store_write()'s. */
int trials_run(const struct trials *t, struct store *s, size_t *n_tested, struct err *err);

/* trials_run(), or others that need the same. */
typedef int trials_fn(const struct trials *t, struct store *s, size_t *n, struct err *err);

/* Calls fn with the models loaded from where the run's scan found them, by their path: for a run
 * that was merged.  *loaded: whether they are there; else the errors are model_load()'s and
 * ERR_MISMATCH (not the same weights any more), or ERR_NOMEM. */
int trials_reload(trials_fn *fn, const struct run *run, const struct results *results,
                  size_t n_threads, const char *command, struct store *s, size_t *n, bool *loaded,
                  struct err *err);

#endif
