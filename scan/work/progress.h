/*
 * progress.h - how a long run is getting on, for people: one line on a terminal, a line every 30 s
 * in a log
 */
#ifndef GAPSCOPE_SCAN_WORK_PROGRESS_H
#define GAPSCOPE_SCAN_WORK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/shards.h"
#include "out/results/gaps/tally.h"

struct progress {
    bool terminal;       // standard error is one
    bool shown;          // there is a line to be ended
    double begin;        // when
    double last;         // when a line was last shown
    uint64_t bytes;      // of all shards, as they are on disk
    size_t n_parts;      // of which one is this run's
    uint64_t max_tokens; // 0: all
};

/* How far a run is. */
struct progress_now {
    uint64_t units, tokens; // done by this run, not by those it went on from
    uint64_t raw_done;      // bytes of shards behind them
    uint64_t raw_passed;    // behind units that were done before, or are another part's
};

/* Seconds since some moment, which only go forward. */
double progress_clock(void);

void progress_begin(struct progress *p, const struct shards *shards, size_t n_parts,
                    uint64_t max_tokens);

/* Shows a line if one is due or asked for.  tally: all that is done, by earlier runs too. */
void progress_show(struct progress *p, const struct progress_now *now, const struct tally *tally,
                   bool asked);
void progress_end(struct progress *p);

/* "1h 02m", "3m 05s", "12s" into out. */
void progress_time(char out[32], double seconds);

#endif
