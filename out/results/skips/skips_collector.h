/*
 * skips_collector.h - the skip-trigrams of a run as a collector
 *
 * Its shape is a struct skip_shape that the plan of a scan makes and joins to the run; its whole is
 * a struct skip_sums.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIPS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIPS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/skips/skip_sums.h"

extern const struct collector_kind skips_collector;

/* NULL: none are looked for. */
struct skip_shape *skips_shape_in(const struct results *r);
const struct skip_sums *skips_of(const struct results *r);

#endif
