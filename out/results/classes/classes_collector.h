/*
 * classes_collector.h - losses and gaps by class of token as a collector.  Every run has it.
 */
#ifndef GAPSCOPE_OUT_RESULTS_CLASSES_CLASSES_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_CLASSES_CLASSES_COLLECTOR_H

#include "out/results/collector.h"

extern const struct collector_kind classes_collector;

#endif
