/*
 * summary.h - what a scan says at its end, on standard error
 */
#ifndef GAPSCOPE_SCAN_WORK_SUMMARY_H
#define GAPSCOPE_SCAN_WORK_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/shards.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/load/lineup.h"
#include "scan/work/pipeline.h"

/* Tokens of all shards. */
uint64_t summary_tokens(const struct results *r);

/* Documents of all shards. */
uint64_t summary_docs(const struct results *r);

/* Records of all shards that were not read. */
uint64_t summary_skipped(const struct results *r);

/* Where no document of the corpus could be read although there are records: makes the error that
 * says so, and returns its code; else 0.  docs: of the corpus; field: --field's value, or NULL. */
int summary_check_docs(const struct results *r, uint64_t docs, const struct shards *shards,
                       const char *field, struct err *err);

/* Log-probs of all models that are not finite. */
uint64_t summary_not_finite(const struct results *r);

/* Text for a progress line: ", mean gap +0.1021, 3 skipped", or what there is of it. */
#define SUMMARY_PROGRESS ((size_t)80)
void summary_progress(const struct results *r, char text[SUMMARY_PROGRESS]);

/* A line "look: gapscope COMMAND OUTPUT OPERAND" that can be pasted; operand: NULL for none. */
void summary_look(const char *command, const char *output, const char *operand);

/* Losses, gaps, what labelled nothing or gave up, rejects, what was put in for invalid bytes, and
 * where to look; output: run.db. */
void summary_print(const struct run *run, const struct results *results,
                   const struct lineup *lineup, const char *output,
                   const struct pipeline_result *r);

#endif
