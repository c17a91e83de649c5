/*
 * record_collector.h - scan --record as a collector: each unit's rows go to disk
 *
 * Its shape is an open struct record, which a scan joins to its run; nothing of it is in run.db.
 */
#ifndef GAPSCOPE_OUT_RESULTS_RECORD_RECORD_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_RECORD_RECORD_COLLECTOR_H

#include "out/results/collector.h"

extern const struct collector_kind record_collector;

#endif
