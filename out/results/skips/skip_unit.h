/*
 * skip_unit.h - a unit's share of what is kept of skip-trigrams
 *
 *     skip_unit_new -> skip_unit_begin -> for each block: skip_unit_ask, skip_unit_block
 *                   -> skip_unit_end -> skip_unit_add (into a whole)
 *
 * Threads: it belongs to a worker.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_UNIT_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_UNIT_H

#include "out/results/collector.h"
#include "out/results/skips/skip_sums.h"

struct skip_unit;

/* Errors: ERR_NOMEM, here and below. */
int skip_unit_new(struct skip_unit **out, const struct skip_shape *s, struct err *err);
void skip_unit_free(struct skip_unit *u); // NULL is allowed

/* Forgets the unit before, and lists the places of this one. */
int skip_unit_begin(struct skip_unit *u, const struct unit_tokens *unit, struct err *err);

/* collector_kind.asked(): at each place the token that follows, and the C of the pair's cells. */
int skip_unit_ask(struct skip_unit *u, const struct unit_block *block, struct unit_asked **items,
                  size_t *n, size_t *cap, struct err *err);

/* Adds what the models say at the places of a block. */
int skip_unit_block(struct skip_unit *u, const struct unit_block *block,
                    const struct unit_seen *seen, struct err *err);

/* Ends the last document, and samples places. */
int skip_unit_end(struct skip_unit *u, const struct unit_models *models, struct err *err);

/* Adds the unit, and takes its lists. */
int skip_unit_add(struct skip_sums *to, struct skip_unit *u, struct err *err);

#endif
