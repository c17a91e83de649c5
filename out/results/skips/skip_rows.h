/*
 * skip_rows.h - the bugs of a run, as rows of run.db
 *
 * They come after the scan: they are made of its results and of the models.  NaN: not known.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_ROWS_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_ROWS_H

#include "out/results/skips/skip_bugs.h"
#include "out/sql/sql.h"

/* A head or neuron of a model that fixes a bug. */
struct skip_component {
    bool neuron;
    uint32_t layer, index;
    double direct;            // nats of logit
    double p_without;         // P(C2)
    double change, change_se; // of ln P(C2), nats
};

#define SKIP_COMPONENTS 10 // of a model

/* What zeroing showed of a model that fixes a bug. */
struct skip_fixer {
    uint32_t model;
    double p_contexts;                                 // P(C2)
    struct skip_component components[SKIP_COMPONENTS]; // [n]
    size_t n;
};

struct skip_bug {
    struct skip_crossing crossing;
    size_t contexts;                                // sampled places
    double p_contexts, p_without_a, p_without_head; // P(C2) at these
    double fall_without_a, fall_without_head;       // of ln P(C2), nats
    bool is;                                        // a bug, by all conditions
    struct skip_fixer *fixers;                      // [n_fixers]
    size_t n_fixers;
};

/* Writes those of bugs[n] that are bugs in place of all there were, numbered in their order.
 * Errors: sql.h's. */
int skip_rows_write(const struct sql *s, const struct skip_sums *k, const struct skip_bug *bugs,
                    size_t n, struct err *err);

#endif
