/*
 * first_unit.h - the corpus' first unit, looked at before a scan begins
 */
#ifndef GAPSCOPE_SCAN_WORK_FIRST_UNIT_H
#define GAPSCOPE_SCAN_WORK_FIRST_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/reject.h"
#include "out/results/collector.h"
#include "scan/load/layout.h"
#include "scan/work/pipeline.h"
#include "scan/work/worker.h"

/* Its layout, which the caller ends with layout_free(); empty where there is no unit.
 * Errors: those of reading, layout_make()'s. */
int first_unit_layout(struct layout *out, const struct pipeline_options *p, struct err *err);

struct first_unit {
    bool none; // the corpus holds no document
    uint64_t docs, tokens, double_bos;
    uint64_t rejects[REJECT_N]; // records that were skipped, by reason
    double seconds;             // of one thread
    struct unit_times times;
};

/*
 * Runs it as a worker would, and adds it to the wholes that there are.  work->results says which
 * collectors are at work.  Where work->stop is set what they have is worth nothing.
 * Errors: those of reading, worker_run()'s.
 */
int first_unit_run(struct first_unit *out, const struct pipeline_options *p,
                   const struct work *work, struct err *err);

/*
 * How much the corpus holds, in units as large as the first: exact where it has at most
 * FIRST_UNIT_LOOK units, else from what so many hold and how far they are into the shards.  A shard
 * is read ahead of its units, so the first alone would not do.
 * Errors: those of reading.
 */
#define FIRST_UNIT_LOOK 64
int first_unit_corpus(double *n_units, const struct pipeline_options *p, struct err *err);

/* before_scan() of all collectors of work->results whose wholes are not made yet.
 * Errors: first_unit_run()'s, before_scan()'s. */
int first_unit_before_scan(const struct pipeline_options *p, const struct work *work,
                           struct run *run, struct err *err);

/*
 * Tries whether the scan can begin, for --force, which must not destroy a run for one that ends at
 * once: reads the corpus up to its first document, and scores that unit without any collector.
 * field: --field's value, or NULL.
 * Errors: ERR_FORMAT (records, and no document: nothing_read()), those of reading, worker_run()'s.
 */
int first_unit_try(const struct pipeline_options *p, const char *field, struct err *err);

#endif
