/*
 * fetch_progress.h - shows on a terminal how far a file has come; says nothing elsewhere
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_PROGRESS_H
#define GAPSCOPE_MODEL_FETCH_FETCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch_progress {
    bool on;             // standard error is a terminal
    const char *name;    // of the file; it belongs to the caller
    uint64_t size, from; // of the file; what was there before
    double began, drawn; // seconds
};

/* quiet, or HF_HUB_DISABLE_PROGRESS_BARS: it stays off. */
void fetch_progress_begin(struct fetch_progress *p, const char *name, uint64_t size, uint64_t from,
                          bool quiet);
void fetch_progress_show(struct fetch_progress *p, uint64_t done); // at most ten times a second
void fetch_progress_end(struct fetch_progress *p);                 // leaves an empty line

/* "213.4 MB", "12 bytes": decimal units.  Returns 'text'. */
#define FETCH_SIZE_TEXT ((size_t)32)
const char *fetch_size_text(char text[FETCH_SIZE_TEXT], uint64_t bytes);

/* Seconds of a clock that only goes forward. */
double fetch_clock(void);

#endif
