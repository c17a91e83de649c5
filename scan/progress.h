/*
 * progress.h - how a long run is getting on, for people: one line on a terminal, a line every 30 s
 * in a log
 */
#ifndef GAPSCOPE_SCAN_PROGRESS_H
#define GAPSCOPE_SCAN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/shards.h"
#include "out/tally.h"

struct pipeline_result;

struct progress {
    bool terminal;  // standard error is one
    bool shown;     // there is a line to be ended
    double begin;   // when
    double last;    // when a line was last shown
    uint64_t bytes; // of the corpus, compressed
};

/* Seconds since some moment, which only go forward. */
double progress_clock(void);

void progress_begin(struct progress *p, const struct shards *shards);

/* Shows a line if one is due or asked for.  raw_read: compressed bytes read so far. */
void progress_show(struct progress *p, const struct pipeline_result *done,
                   const struct tally *tally, uint64_t raw_read, bool asked);
void progress_end(struct progress *p);

/* "1h 02m", "3m 05s", "12s" into out. */
void progress_time(char out[32], double seconds);

#endif
