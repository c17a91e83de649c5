/*
 * screen.h - what a command shows: collected in memory, fitted to the terminal, written at the end
 *
 *     screen_open -> put_... to screen.to -> screen_close
 *
 * Functions put_* write for people: texts from a run.db go through printable.h.
 */
#ifndef GAPSCOPE_OUT_TEXT_SCREEN_H
#define GAPSCOPE_OUT_TEXT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "out/read/names.h"
#include "out/read/reader.h"

struct screen {
    FILE *to;     // a memory stream
    bool colour;  // the terminal understands escape sequences, and they are on
    bool plain;   // no terminal, or one whose locale is not of UTF-8: marks and bars are of ASCII
    size_t width; // characters per line
    char *text;   // what 'to' has collected: [len]
    size_t len;
};

/* Looks at the terminal.  color: the value of --color or NULL (auto); output: that of -o or NULL.
 * screen_close() ends *s whatever this returns.  Errors: ERR_USAGE (color), ERR_NOMEM. */
int screen_open(struct screen *s, const char *color, const char *output, struct err *err);

/* Where rc is 0, writes what was collected to 'output' (NULL: standard output).  Returns rc or its
 * own error. */
int screen_close(struct screen *s, int rc, const char *output, struct err *err);

/* Ends *s and writes nothing; {0} is allowed. */
void screen_discard(struct screen *s);

/* How far the run is: "finished 2026-..." or "not finished, 3 of 9 units so far". */
void put_state(FILE *to, const struct run_state *state);

/* A paragraph of words, made by printf(), in lines of the screen's width that begin with 'indent'
 * spaces.  Names from a run.db may be in it. */
void put_note(const struct screen *s, size_t indent, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The chosen pair in one line, "base:one: 36 tokens of 12 documents; finished ...", its mean gap in
 * another, what was put in for invalid bytes, and the other pairs. */
void put_pair(const struct screen *s, const struct pairs *p, const struct run_state *state);

/* One line with the other pairs, if there are any. */
void put_other_pairs(const struct screen *s, const struct pairs *p);

#endif
