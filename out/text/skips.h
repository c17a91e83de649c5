/*
 * skips.h - skip-trigrams and their bugs in a terminal, and as JSON
 */
#ifndef GAPSCOPE_OUT_TEXT_SKIPS_H
#define GAPSCOPE_OUT_TEXT_SKIPS_H

#include "corpora/base/jsonout.h"
#include "out/read/skip_list.h"
#include "out/text/screen.h"

/* The list: one a line.  Errors: ERR_NOMEM, here and below. */
int put_skips(const struct screen *s, const struct skip_row *rows, size_t n, struct err *err);

/* One with its models and places. */
int put_skip(const struct screen *s, const struct skip_row *row, struct skip_place_row *places,
             size_t n_places, struct err *err);

/* Each bug with its crossing drawn, who fixes it, and by what. */
int put_skip_bugs(const struct screen *s, const struct skip_bug_row *rows, size_t n,
                  const char *base, struct err *err);

/* Members of the open object: "skips", "bugs", "places". */
void json_skips(struct jsonout *j, const struct skip_row *rows, size_t n);
void json_skip_bugs(struct jsonout *j, const struct skip_bug_row *rows, size_t n);
void json_skip_places(struct jsonout *j, const struct skip_place_row *rows, size_t n);

#endif
