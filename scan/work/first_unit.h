/*
 * first_unit.h - the corpus' first unit, looked at before a scan begins
 */
#ifndef GAPSCOPE_SCAN_WORK_FIRST_UNIT_H
#define GAPSCOPE_SCAN_WORK_FIRST_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "out/results/gaps/tally.h"
#include "out/results/neurons/neurons.h"
#include "scan/load/layout.h"
#include "scan/work/pipeline.h"
#include "scan/work/worker.h"

/* Its layout, which the caller ends with layout_free(); empty where there is no unit.
 * Errors: those of reading, layout_make()'s. */
int first_unit_layout(struct layout *out, const struct pipeline_options *p, struct err *err);

struct first_unit {
    bool none;    // the corpus holds no document
    uint64_t raw; // bytes of shards behind it
    uint64_t docs, tokens;
    double seconds; // of one thread
};

/*
 * Runs it as a worker would, into a new tally of work->shape that is dropped, and into *neurons, of
 * work->neurons (NULL: none wanted).  Where work->stop is set what *neurons has is worth nothing.
 * Errors: those of reading, worker_run()'s.
 */
int first_unit_run(struct first_unit *out, const struct pipeline_options *p,
                   const struct work *work, struct neurons *neurons, struct err *err);

#endif
