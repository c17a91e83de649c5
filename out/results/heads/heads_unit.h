/*
 * heads_unit.h - what a worker makes of a unit's heads
 *
 *     heads_unit_new -> heads_unit_begin -> heads_unit_see, ... -> heads_unit_end -> heads_unit_add
 *
 * Blocks come in the order of the unit's tokens.  A document's sums stand apart until it ends, for
 * standard errors.
 *
 * Threads: a unit belongs to one worker.
 */
#ifndef GAPSCOPE_OUT_RESULTS_HEADS_HEADS_UNIT_H
#define GAPSCOPE_OUT_RESULTS_HEADS_HEADS_UNIT_H

#include "out/results/collector.h"
#include "out/results/heads/heads.h"

struct heads_unit;

int heads_unit_new(struct heads_unit **out, const struct heads_shape *s, struct err *err);
void heads_unit_free(struct heads_unit *u); // NULL is allowed

/* What the whole's lists still let in. */
void heads_unit_look(struct heads_unit *u, const struct heads *whole);

/* Forgets the unit before.  Errors: ERR_NOMEM, ERR_LIMIT (too many tokens). */
int heads_unit_begin(struct heads_unit *u, const struct unit_tokens *unit, struct err *err);

/* collector.h's see_heads(), see_head_labels() and end_unit(). */
int heads_unit_see(struct heads_unit *u, size_t model, size_t layer, const struct unit_block *block,
                   const float *const values[HEAD_MOMENTS], struct err *err);
void heads_unit_see_labels(struct heads_unit *u, size_t model, size_t layer,
                           const struct unit_block *block, const float *to_label);
int heads_unit_end(struct heads_unit *u, const struct unit_models *models, struct err *err);

/* What was found in it; lists may be taken. */
struct heads *heads_unit_found(struct heads_unit *u);

#endif
