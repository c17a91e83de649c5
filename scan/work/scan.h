/*
 * scan.h - a scan from its options to a finished run.db
 *
 *     scan_open -> scan_dry_run, or scan_run -> scan_close
 *
 *     scan_run:  the store is opened; a run that it holds is resumed
 *                -> engines, before_scan() of the collectors, effects   once, before the first unit
 *                -> the pipeline                                          until the corpus is done
 *                -> trials of trigrams, bugs of skip-trigrams            when every unit is in
 *
 * Threads: one scan at a time, in the main thread; it catches signals (stop_signals.h).
 */
#ifndef GAPSCOPE_SCAN_WORK_SCAN_H
#define GAPSCOPE_SCAN_WORK_SCAN_H

#include <stdbool.h>

#include "corpora/shards.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/store/store.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"
#include "scan/plan/plan.h"
#include "scan/work/engines.h"
#include "scan/work/part_file.h"
#include "scan/work/pipeline.h"
#include "scan/work/worker.h"

/* Everything of a scan that must be ended. */
struct scan {
    const struct scan_options *options;
    const struct kern *kern;
    enum precision asked;
    struct lineup lineup;
    struct shards shards;
    struct run run;
    struct results results;
    struct neuron_plan neurons;
    struct trigram_choice trigrams;
    struct skip_choice skips;
    struct ablate ablate;
    struct work work;
    struct pipeline_options pipeline;
    struct engines engines;
    struct part_file file;
    struct store *store;   // of file.path
    struct record *record; // of --record, owned by its collector
    double stop_after;     // task_stop_after()'s
    struct status status;
    bool resumed;
    bool replaces;     // --force, and the file holds a run
    const char **meta; // [n_meta] key, value, ..., NULL: pipeline_options' meta
    size_t n_meta, meta_cap;
    struct buf command; // as it was given
    char started[32], threads[24];
};

/* Checks the options, loads the models and describes the run.  *s is {0} before; scan_close() ends
 * it in any case, and o outlives it.  Errors: ERR_USAGE, lineup_load()'s, shards_open()'s,
 * plan_make()'s, ERR_LIMIT (the results would not fit into memory). */
int scan_open(struct scan *s, const struct scan_options *o, const struct arg_list *operands,
              struct err *err);

/* Prints what would be done, and how long it would take, measured on the first unit.  *status becomes
 * 128 + the signal that stopped it. */
int scan_dry_run(struct scan *s, int *status, struct err *err);

/* What a scan will take, as far as its first unit says. */
struct scan_estimate {
    double units;        // of the whole corpus, as large as the first; 0: it holds no document
    double unit_seconds; // of one thread
    double models;       // bytes of memory, with what there is once
    double thread;       // more for each thread
    struct collector_memory kept; // of it, what is kept
};

/* Measures it on the first unit.  *status: 0, or a signal's, and then *out is worth nothing.
 * Errors: as scan_dry_run(). */
int scan_estimate(struct scan *s, struct scan_estimate *out, int *status, struct err *err);

/* Does all that is left to do.  *status: the exit status; a signal's where it was stopped.  Errors:
 * store_open()'s, ERR_MISMATCH (run.db holds another run), those of reading, of a worker, of a
 * checkpoint; what was checkpointed is kept. */
int scan_run(struct scan *s, int *status, struct err *err);

void scan_close(struct scan *s); // {0} is allowed

#endif
