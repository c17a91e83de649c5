/*
 * not_finite.h - models of a run whose log-probs are not all finite (table model, n_not_finite)
 */
#ifndef GAPSCOPE_OUT_READ_NOT_FINITE_H
#define GAPSCOPE_OUT_READ_NOT_FINITE_H

#include "out/read/row.h"

struct not_finite_model {
    struct text name;
    int64_t n_not_finite, tokens;
};
extern const struct row_kind not_finite_kind;

/* Those that have any, in the run's order: *items is a new array of *n rows, ended by
 * rows_free(). */
int not_finite_read(struct not_finite_model **items, size_t *n, struct reader *r);

/* "not_finite": [{"name": "gelu-1l", ...}], as a member of the open object; nothing where all are finite. */
void not_finite_json(struct jsonout *j, const struct not_finite_model *items, size_t n);

#endif
