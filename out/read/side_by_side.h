/*
 * side_by_side.h - models side by side: the loss of each, and its gap to one of them, over all
 * tokens, at every kind of token, and where each hypothesis labels
 */
#ifndef GAPSCOPE_OUT_READ_SIDE_BY_SIDE_H
#define GAPSCOPE_OUT_READ_SIDE_BY_SIDE_H

#include <stdbool.h>

#include "out/read/names.h"
#include "out/read/row.h"

/* A class of tokens and a model. */
struct side_row {
    struct text what;  // all, kind, hypothesis
    struct text class; // its name
    struct text model;
    int64_t n, docs;    // tokens with a log-prob, documents that have one; docs: NULL of all
    double loss, se;    // nats per token
    double gap, gap_se; // to the base, above 0 where the model is better; NaN: of the base, and
                        // where the run has no pair of the two
    int64_t is_base;
};
extern const struct row_kind side_kind;

/*
 * All tokens first, then up to 'most' classes, ordered by the gap of the pair's (first) other, the
 * greatest first, or with 'least' the least; without a pair by the loss of the first model.  Each
 * class has a row for every model that it has a loss of, in the run's order.  Models that scan
 * --ablate has made are left out.
 * pair: its base is what gaps are to, either way round; NULL, or a brief one: there are no gaps.
 * rows_free() ends *rows in any case.
 */
int side_by_side_read(struct side_row **rows, size_t *n, struct reader *r, const struct pair *pair,
                      size_t most, bool least);

#endif
