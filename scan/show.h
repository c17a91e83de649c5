/*
 * show.h - text of a corpus and numbers on a terminal
 *
 * What a corpus holds may not drive the terminal: control characters are shown as their pictures
 * (a line end as U+240A, a tab as a space), those that turn the direction of writing or are no
 * UTF-8 as U+FFFD.  A character counts as one column.
 */
#ifndef GAPSCOPE_SCAN_SHOW_H
#define GAPSCOPE_SCAN_SHOW_H

#include <stddef.h>
#include <stdio.h>

size_t show_count(const char *text); // characters

/* Prints characters [from, end) of 'text', or as many as there are; returns how many those were. */
size_t show_text(FILE *to, const char *text, size_t from, size_t end);

/* The first 'width' characters of 'text', filled up with spaces. */
void show_cell(FILE *to, const char *text, size_t width);

/* A number with its sign, at least 'width' wide; "-" for NaN. */
void show_real(FILE *to, double value, int width, int digits);

#endif
