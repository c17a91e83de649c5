/*
 * trigrams_collector.h - the trigrams that a run looks for as a collector
 *
 * Its shape is a struct trigrams_shape that the plan of a scan makes and joins to the run; its
 * whole is a struct trigrams.
 */
#ifndef GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/trigrams/trigrams.h"

extern const struct collector_kind trigrams_collector;

/* NULL: none are looked for. */
const struct trigrams_shape *trigrams_shape_in(const struct results *r);
const struct trigrams *trigrams_of(const struct results *r);

#endif
