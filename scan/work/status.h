/*
 * status.h - how far a scan is, for programs: a line of JSON (--status FILE), which run.db holds too,
 * for gapscope watch
 *
 *     {"time":"2026-11-30T23:04:05Z","state":"running","part":0,"parts":1,"units_done":12,
 *      "units":null,"tokens":786432,"tokens_per_second":30811,"share":0.37,"seconds_left":725,
 *      "gaps":[{"pair":"attn-only-1l:gelu-1l","n":786432,"mean":0.1021,"se":0.0011,
 *               "low":0.0999,"high":0.1043}],
 *      "best_units":10,
 *      "best":[{"hypothesis":"digit","neuron":"gelu-1l:L0N424","average_precision":0.91}]}
 *
 * low, high: the mean's interval of 95 %, from its standard error (clustered by document); null for
 * fewer than two documents.  best: the neurons of view hypothesis_best, as the tables of run.db had
 * them when best_units units were done.  tokens, units_done: of all runs of the command.
 *
 * Threads: a status belongs to one thread at a time.
 */
#ifndef GAPSCOPE_SCAN_WORK_STATUS_H
#define GAPSCOPE_SCAN_WORK_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/store/store.h"
#include "scan/cli/progress.h"
#include "scan/load/lineup.h"

#define STATUS_KEY "progress" // its row in table meta, of the last checkpoint
#define STATUS_SECONDS 10.0   // between lines of a file

struct status {
    const char *path; // of --status; NULL: none
    FILE *to;
    double last;       // when a line was written
    bool failed;       // writing did, and that was said
    bool best_is_old;  // a full checkpoint has been made since
    char *best;        // the last two members, as JSON; NULL: none yet
    const char **meta; // [n_meta + 3] the caller's, and the line
    char *line;        // the newest, without its end
};

/* Opens the file of --status, to append to; NULL: there is none.  Errors: ERR_IO. */
int status_open(struct status *s, const char *path, struct err *err);
void status_close(struct status *s); // {0} is allowed

/* What is to be said of a scan. */
struct status_of {
    const char *state; // running, stopped, finished
    size_t part, n_parts;
    const struct run *run;
    const struct results *results;
    const struct lineup *lineup;
    struct store *store;
    const struct progress *progress;
    const struct progress_now *now;
};

bool status_is_due(const struct status *s);

/* Makes the line anew.  Errors: ERR_NOMEM. */
int status_make(struct status *s, const struct status_of *of, struct err *err);

/* Appends the line to the file, if there is one; that it cannot be written is said once, and no
 * error. */
void status_write(struct status *s);

/* 'meta' (pairs, ended by NULL; NULL: none) with the line; valid until the next call.  Errors:
 * ERR_NOMEM. */
int status_meta(struct status *s, const char *const *meta, const char *const **out,
                struct err *err);

#endif
