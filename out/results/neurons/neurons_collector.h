/*
 * neurons_collector.h - the neurons of a run as a collector: neurons.h's whole, unit_neurons.h's
 * parts
 *
 * Its shape is a struct neurons_shape that the plan of a scan makes and joins to the run; a run
 * without neurons has no such collector.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/neurons/neurons.h"

extern const struct collector_kind neurons_collector;

/* NULL: none are kept. */
struct neurons_shape *neurons_shape_in(const struct results *r);
const struct neurons *neurons_of(const struct results *r);

#endif
