/*
 * gaps_collector.h - losses and gaps as a collector: what was read, tally.h, and the hits
 *
 * Its whole is a struct tally.  Every run has it.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_GAPS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_GAPS_GAPS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/gaps/tally.h"

extern const struct collector_kind gaps_collector;

/* The tally of all units that are done; NULL: there is none yet. */
const struct tally *gaps_of(const struct results *r);

/* The shape of a run's tallies, pointing into it (its pairs); epsilon is 0. */
struct tally_shape gaps_shape(const struct run *run);

#endif
