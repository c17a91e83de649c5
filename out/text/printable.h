/*
 * printable.h - text of a corpus and numbers on a terminal
 *
 * What a corpus holds may not drive the terminal: control characters are shown as their pictures
 * (a line end as U+240A), a tab as an arrow, those that turn the direction of writing or are no
 * UTF-8 as U+FFFD.
 */
#ifndef GAPSCOPE_OUT_TEXT_PRINTABLE_H
#define GAPSCOPE_OUT_TEXT_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is shown for a character (UINT32_MAX: for what is none), and the columns that takes: 0 to 2.
 */
uint32_t show_visible(uint32_t c);
size_t show_columns(uint32_t c);

size_t show_count(const char *text); // characters
size_t show_width(const char *text); // columns

/* Prints characters [from, end) of 'text', or as many as there are; returns how many those were. */
size_t show_text(FILE *to, const char *text, size_t from, size_t end);

/* The first 'width' characters of 'text', filled up with spaces; each counts as one column. */
void show_cell(FILE *to, const char *text, size_t width);

/*
 * A token that stands alone, as a new string to be shown as text: its spaces are seen as well, each
 * as a middle dot, more than four as a dot and their number, so that tokens that differ look
 * different.  NULL: no memory, which mem_was_lost() then says.
 */
char *token_label(const char *text);
void show_token(FILE *to, const char *text, size_t width);      // its first characters
void show_token_cell(FILE *to, const char *text, size_t width); // and filled up with spaces

/* A number with its sign, at least 'width' wide; "-" for what is not finite. */
void show_real(FILE *to, double value, int width, int digits);

#endif
