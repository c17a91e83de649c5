/*
 * heads_collector.h - the collector of attention heads
 */
#ifndef GAPSCOPE_OUT_RESULTS_HEADS_HEADS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_HEADS_HEADS_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/heads/heads.h"

/* Whoever makes the run joins its shape; the shape's scores are set before the wholes are made. */
extern const struct collector_kind heads_collector;

/* The shape of a run's heads, or NULL. */
struct heads_shape *heads_shape_in(const struct results *r);

#endif
