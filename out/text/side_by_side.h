/*
 * side_by_side.h - what `gapscope top --side-by-side` shows: classes of tokens down, models across
 */
#ifndef GAPSCOPE_OUT_TEXT_SIDE_BY_SIDE_H
#define GAPSCOPE_OUT_TEXT_SIDE_BY_SIDE_H

#include "out/read/side_by_side.h"
#include "out/text/screen.h"

/* rows[n]: as side_by_side_read() gives them.  Errors: ERR_NOMEM. */
int put_side_by_side(const struct screen *s, const struct side_row *rows, size_t n,
                     struct err *err);

/* An object for each class and model, on a line. */
void json_side_by_side(FILE *to, const struct side_row *rows, size_t n);

#endif
