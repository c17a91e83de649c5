/*
 * pipeline.h - a corpus through the workers into its results and run.db
 *
 *     reader --units--> bounded queue --> workers, each a unit at a time --> merge under one lock
 *                                                                              |
 *                                    the calling thread: checkpoints, progress, signals
 *
 * No worker ever waits for another: it waits for a unit, and for the lock while another merges or a
 * checkpoint is being written.  The queue holds two units a worker, and that bounds the memory.
 */
#ifndef GAPSCOPE_SCAN_WORK_PIPELINE_H
#define GAPSCOPE_SCAN_WORK_PIPELINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/units.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/store/store.h"
#include "scan/cli/stop_signals.h"
#include "scan/work/status.h"
#include "scan/work/worker.h"

struct pipeline_options {
    const struct work *work; // 'stop' is the pipeline's to set
    const struct shards *shards;
    struct units_options units;
    size_t n_threads;
    size_t part, n_parts; // units with number % n_parts == part
    uint64_t max_tokens;  // 0: all
    // 0: after every unit; else longer where checkpoints would take more than a fiftieth of the
    // time
    double checkpoint_seconds;
    const char *const *meta; // store_checkpoint()'s
    struct status *status;   // its line goes into every checkpoint
    struct stop_signals *signals;
};

/* What a run of the pipeline has done, for the summary. */
struct pipeline_result {
    uint64_t units, tokens; // by this run, not by those it went on from
    uint64_t docs;          // of the whole corpus, as far as it has been read
    uint64_t double_bos;    // of its documents, that begin with BOS themselves
    uint64_t skipped;       // special tokens that it counts nowhere
    double seconds;
    bool refused; // it ended since log-probs of work->refused are not finite
};

/*
 * Does every unit that is not in run->done, merging into *results, with checkpoints into 'store',
 * the last one when it ends, however it ends.  Returns 0 also when a signal has stopped it. Errors:
 * those of reading, of a worker, of a checkpoint; what was checkpointed is kept.
 */
int pipeline_run(const struct pipeline_options *options, struct run *run, struct results *results,
                 struct store *store, struct pipeline_result *result, struct err *err);

#endif
