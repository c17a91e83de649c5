/*
 * memory.h - the memory that a run's collectors will take
 */
#ifndef GAPSCOPE_SCAN_PLAN_MEMORY_H
#define GAPSCOPE_SCAN_PLAN_MEMORY_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/collector.h"
#include "out/results/run.h"

/* What all collectors that state it will take. */
void memory_sum(struct collector_memory *out, const struct run *run, const struct results *results);

/* Refuses a run that does not fit this machine.  Errors: ERR_LIMIT, with the ways out. */
int memory_check(const struct run *run, const struct results *results, size_t n_threads,
                 struct err *err);

/* Appends what is kept and the memory that it takes at most, "1024 neurons, 5 hypotheses: ...", and
 * a NUL that is not counted; "" where nothing is kept.  Errors: ERR_NOMEM. */
int memory_text(struct buf *out, const struct run *run, const struct results *results,
                size_t n_threads, struct err *err);

#endif
