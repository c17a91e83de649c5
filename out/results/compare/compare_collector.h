/*
 * compare_collector.h - compare.h as a collector: it asks for all logits on a share of documents
 *
 * Its shape is a struct compare_shape, its whole a struct compare.  A run has it where a share is
 * asked for and there are pairs.
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_COLLECTOR_H

#include "out/results/collector.h"
#include "out/results/compare/compare.h"

extern const struct collector_kind compare_collector;

#endif
