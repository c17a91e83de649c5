/*
 * means.h - the means by which changed models replace values: M@mean.L1H3
 *
 * They are those of the unchanged model over a text, made before the scan (the text of --reference,
 * else the corpus' first unit), the same for all parts of a run, and part of its results.
 *
 * Threads: a shape is set once, before the scan, then read only.
 */
#ifndef GAPSCOPE_OUT_RESULTS_MEANS_MEANS_H
#define GAPSCOPE_OUT_RESULTS_MEANS_MEANS_H

#include <stddef.h>
#include <stdint.h>

#include "out/results/collector.h"

extern const struct collector_kind means_collector;

/* What one change of a model puts in place of a value. */
struct means_item {
    uint32_t model;  // of the run
    char *component; // "L1H3", "L0MLP", "L0N424", ...
    float *values;   // [n]
    size_t n;
};

struct means_shape {
    struct means_item *items; // [n], in the order of models, then of their changes
    size_t n, cap;
    uint64_t docs; // of the text; 0: the means are not known yet
};

/* Errors: ERR_NOMEM. */
int means_shape_new(struct means_shape **out, struct err *err);
void means_shape_free(struct means_shape *s); // NULL is allowed

/* Appends a value of n numbers, all 0.  Errors: ERR_NOMEM. */
int means_shape_add(struct means_shape *s, uint32_t model, const char *component, size_t n,
                    struct err *err);

/* That of a run's results; NULL: no model has means. */
struct means_shape *means_shape_in(const struct results *r);

#endif
