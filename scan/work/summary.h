/*
 * summary.h - what a scan says at its end, on standard error
 */
#ifndef GAPSCOPE_SCAN_WORK_SUMMARY_H
#define GAPSCOPE_SCAN_WORK_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/load/lineup.h"
#include "scan/work/pipeline.h"

/* Tokens of all shards. */
uint64_t summary_tokens(const struct results *r);

/* Records of all shards that were not read. */
uint64_t summary_skipped(const struct results *r);

/* Log-probs of all models that are not finite. */
uint64_t summary_not_finite(const struct results *r);

/* Text for a progress line: ", mean gap +0.1021, 3 skipped", or what there is of it. */
#define SUMMARY_PROGRESS ((size_t)80)
void summary_progress(const struct results *r, char text[SUMMARY_PROGRESS]);

/* Losses, gaps, what labelled nothing or gave up, rejects, and where to look; output: run.db. */
void summary_print(const struct run *run, const struct results *results,
                   const struct lineup *lineup, const char *output,
                   const struct pipeline_result *r);

#endif
