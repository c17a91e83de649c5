/*
 * composer.h - what the queries, keys and values of every head are made of
 *
 *     composer_new -> composer_run -> see, see, ...
 *
 * The input x of a head (its query, key or value, with its bias) is a sum of parts c, one of each
 * component's write u to the residual stream before the layer:
 *
 *     c = ((u - mean(u)) / s  ln1.w) W        s: ln1's scale of the whole stream, W: W_Q, W_K or W_V
 *
 * Without a norm c = u W.  LNPre has no ln1.w.  Shortformer positions are added behind the norm of
 * queries and keys: c = W_pos W.  Rotary positions are no source: they turn a part and the whole
 * alike.  The last source is what is always there, ln1.b W + b.
 *
 * Everything is f32; a row depends on its window alone, bit for bit.
 *
 * Threads: a composer belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_COMPOSER_H
#define GAPSCOPE_MODEL_EXPLAIN_COMPOSER_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

enum composer_input { COMPOSER_Q, COMPOSER_K, COMPOSER_V, COMPOSER_INPUTS };

/* Sources of a layer: embed, pos_embed, of each layer before it its heads, b_O and (where it has
 * one) its MLP with b_out, and last the bias. */
size_t composer_n_sources(const struct model *m, size_t layer);

/* One source at all rows of windows, those of first and of all tokens: numbers of
 * [rows][COMPOSER_INPUTS][n_heads]. */
struct composed {
    size_t layer, source;
    const struct engine_window *windows; // [n_windows]
    size_t n_windows, n_rows;
    const float *dot;    // c . x; NaN: there is no such source, positions of shortformer values
    const float *square; // c . c
    const float *whole;  // x . x
};

struct composer;

/* The engine outlives it.  Errors: ERR_NOMEM. */
int composer_new(struct composer **out, const struct engine *e, struct err *err);
void composer_free(struct composer *c); // NULL is allowed

/* Runs the layers of windows[n], n < n_ctx, on r, a ctx of the engine, and shows every source of
 * every layer, block after block, in order.  stop: as engine_score()'s.  Errors: ERR_NOMEM. */
int composer_run(struct composer *c, struct engine_ctx *r, const struct engine_window *windows,
                 size_t n, void (*see)(void *context, const struct composed *composed),
                 void *context, const atomic_int *stop, struct err *err);

#endif
