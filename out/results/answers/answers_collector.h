/*
 * answers_collector.h - answers as a statistic of a scan
 */
#ifndef GAPSCOPE_OUT_RESULTS_ANSWERS_ANSWERS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_ANSWERS_ANSWERS_COLLECTOR_H

#include "out/results/collector.h"

extern const struct collector_kind answers_collector;

#endif
