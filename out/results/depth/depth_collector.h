/*
 * depth_collector.h - what each level of composition is worth, as a statistic
 *
 *     depth_shape_new -> results_join
 *
 * Of the tokens of a share of the documents the log-probs of each attention-only model with paths
 * through at most k heads kept (model/explain/depth.h), as exact sums of fixed.h.
 *
 * Threads: a shape is read only during a scan.
 */
#ifndef GAPSCOPE_OUT_RESULTS_DEPTH_DEPTH_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_DEPTH_DEPTH_COLLECTOR_H

#include "out/results/collector.h"

struct depth_shape;

#define DEPTH_SHARE_MAX (1u << 20)

/* Of take/of of the documents, of 0 all, for the attention-only models of the run; *out NULL: there
 * are none.  Errors: ERR_NOMEM. */
int depth_shape_new(struct depth_shape **out, const struct run *run, uint32_t take, uint32_t of,
                    struct err *err);
void depth_shape_free(struct depth_shape *s); // NULL is allowed

extern const struct collector_kind depth_collector;

#endif
