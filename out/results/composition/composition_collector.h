/*
 * composition_collector.h - what heads' queries, keys and values are made of, as a statistic
 *
 *     composition_shape_new -> results_join
 *
 * Over the tokens of a share of the documents: per source and input of each head the means and sums
 * that composition.sql lists.  Sums are made in double inside a unit, in the order of its tokens, and
 * rounded once to a whole number of 2^-20.
 *
 * Threads: a shape is read only during a scan.
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPOSITION_COMPOSITION_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_COMPOSITION_COMPOSITION_COLLECTOR_H

#include "out/results/collector.h"

struct composition_shape;

#define COMPOSITION_SHARE_MAX (1u << 20)

/* Of take/of of the documents, for the models of the run that have heads of their own; *out NULL:
 * there are none.  Errors: ERR_NOMEM. */
int composition_shape_new(struct composition_shape **out, const struct run *run, uint32_t take,
                          uint32_t of, struct err *err);
void composition_shape_free(struct composition_shape *s); // NULL is allowed

extern const struct collector_kind composition_collector;

#endif
