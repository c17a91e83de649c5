/*
 * progress.h - how far a long command is, for people: one line on a terminal, in a log a line every
 * 30 s, which begins with the time of day
 *
 *     37.2 %, 12m 05s left, 30811 tokens per second, 4211008 tokens, mean gap +0.1021
 *
 * It knows numbers alone.  Threads: a progress belongs to one.
 */
#ifndef GAPSCOPE_SCAN_CLI_PROGRESS_H
#define GAPSCOPE_SCAN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the whole is.  Its share is that of the items where their number is known, else of bytes. */
struct progress_whole {
    const char *command; // "scan": a line of a log begins with it
    const char *items;   // what is counted, a plural: "tokens"
    uint64_t n;          // items of the whole; 0: not known
    uint64_t bytes;      // of the input
    size_t n_parts;      // parts of the input, one of which is done here; 0 stands for 1
};

/* What is done. */
struct progress_now {
    uint64_t items;        // in all, by earlier runs of the command too
    uint64_t items_now;    // by this run
    uint64_t bytes_now;    // of the input, done by this run
    uint64_t bytes_before; // of the input, done before
    uint64_t bytes_others; // of the input, passed over since another part does them
    bool read;             // the input has been read to its end: all of bytes_others is known
    const char *more;      // text behind the numbers, ", mean gap +0.1021"; NULL: none
};

struct progress {
    struct progress_whole whole;
    bool terminal; // standard error is one
    bool shown;    // there is a line to be ended
    double begin;  // when the work began
    double last;   // when a line was last shown
};

/* Seconds since some moment, which only go forward. */
double progress_clock(void);

/* "1h 02m", "3m 05s", "12s" into out. */
void progress_time(char out[32], double seconds);

/* The strings of 'whole' outlive *p. */
void progress_begin(struct progress *p, const struct progress_whole *whole);

/* Is a line due?  So that 'now' is put together only where it is shown. */
bool progress_is_due(const struct progress *p);

/* What a line says. */
struct progress_numbers {
    double share; // of the whole, 0 to 1
    double left;  // seconds; NAN: not known yet
    double rate;  // items per second, of this run
};
void progress_numbers(const struct progress *p, const struct progress_now *now,
                      struct progress_numbers *out);

/* Shows a line, on a terminal in place of the last one; 'asked': a line of its own that stays. */
void progress_show(struct progress *p, const struct progress_now *now, bool asked);
void progress_end(struct progress *p);

#endif
