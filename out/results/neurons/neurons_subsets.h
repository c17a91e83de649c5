/*
 * neurons_subsets.h - which neurons have histograms of a hypothesis' labels, where not all do
 *
 * scan --histograms 'top N' keeps them of the N neurons that correlate best with the hypothesis on
 * the corpus' first unit, so that all parts of a run agree.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_SUBSETS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_SUBSETS_H

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "out/results/neurons/neurons.h"

/* Gives the shape its subsets, unless it has them or wants none.  Errors: ERR_NOMEM, those of a
 * worker. */
int neurons_subsets_choose(struct neurons_shape *shape, const struct collector_before *before,
                           struct err *err);

/* neurons_memory() of a run's shape, with as many histograms as there will be. */
void neurons_run_memory(const struct neurons_shape *shape, const struct run *run,
                        struct neurons_memory *out);

#endif
