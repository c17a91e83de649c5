/*
 * token_means_collector.h - token_means.h as a collector
 *
 * Its shape is a struct token_means_shape that the plan of a scan makes and joins to the run, its
 * whole a struct token_means.
 */
#ifndef GAPSCOPE_OUT_RESULTS_TOKEN_MEANS_TOKEN_MEANS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_TOKEN_MEANS_TOKEN_MEANS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/token_means/token_means.h"

extern const struct collector_kind token_means_collector;

/* That of a run's results; NULL: there are none. */
struct token_means_shape *token_means_shape_in(const struct results *r);

#endif
