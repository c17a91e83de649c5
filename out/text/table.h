/*
 * table.h - rows of cells, aligned and fitted to a terminal
 *
 *     table_text, table_real, ... (a cell each, from the left), table_row, table_text, ...
 *     table_row -> table_put -> table_free
 *
 * Every column is as wide as its widest cell.  Where all of them do not fit a line, spare columns
 * are left out, one after the other, until the others fit, and a line below names them.  What does
 * not fit even so is put in several parts below one another, each with the first 'n_keys' columns
 * in front.
 */
#ifndef GAPSCOPE_OUT_TEXT_TABLE_H
#define GAPSCOPE_OUT_TEXT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

#define TABLE_TEXT_MAX 32 // characters of a text, in narrow terminals fewer

struct table {
    const char *const *heads; // [n_columns], each begins with '<' where the column is text: left
    size_t n_columns, n_keys;
    size_t group;               // so many columns behind the keys stay together; 0: each for itself
    const unsigned char *spare; // [n_spare], columns behind the keys that may be left out, the
    size_t n_spare;             // least important first; only where 'group' is 0
    // table_free() ends these
    struct buf cells; // row after row, each cell ended by NUL
    size_t n_cells;
    int rc; // ERR_NOMEM: table_put() returns it
};

/* Ends the current row; cells that it lacks are empty. */
void table_row(struct table *t);

void table_text(struct table *t, const char *text);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_count(struct table *t, uint64_t n);

void table_whole(struct table *t, int64_t n); // "-" for NULL, and for what is below 0

/* 'digits' after the point; "-" for what is not finite; and with its sign. */
void table_real(struct table *t, double value, int digits);
void table_signed(struct table *t, double value, int digits);

/* And with what it may be off, where that is more than the digits show: "0.637 +- 0.004". */
void table_bounded(struct table *t, double value, double bound, int digits);

/* A share as per cent, of as many digits as it needs to be seen; "-" for what is not finite; and as
 * a text. */
void table_share_text(char *text, size_t size, double share);
void table_share(struct table *t, double share);

/* Prints it with 'indent' spaces before each line, in at most 'width' characters a line where one
 * column fits beside the keys. */
int table_put(const struct table *t, FILE *to, size_t indent, size_t width, struct err *err);
void table_free(struct table *t);

#endif
