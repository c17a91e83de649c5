/*
 * results.h - all that a scan has found: what merges, is saved and becomes run.db's tables
 */
#ifndef GAPSCOPE_OUT_RESULTS_RESULTS_H
#define GAPSCOPE_OUT_RESULTS_RESULTS_H

#include "corpora/base/err.h"
#include "out/results/gaps/tally.h"
#include "out/results/neurons/neurons.h"
#include "out/results/run.h"
#include "out/results/trigrams/trigrams.h"

struct results {
    struct tally *tally;
    struct neurons *neurons;   // of run->neurons; NULL: none are kept
    struct trigrams *trigrams; // of run->trigrams; NULL: none are asked for
};

/* Makes what is not there yet: the tally of *shape = run_shape(run), the rest of the run.  All of
 * these outlive it.  Errors: ERR_NOMEM. */
int results_new(struct results *r, const struct tally_shape *shape, const struct run *run,
                struct err *err);
void results_free(struct results *r); // {0} is allowed; *r becomes {0}

/* Adds 'from', of the same shapes, and takes its lists.  Errors: ERR_NOMEM, both are then fit to be
 * freed only. */
int results_merge(struct results *to, struct results *from, struct err *err);

#endif
