/*
 * head_moments.h - what every head of a block does, made on the way through the layers
 *
 *     head_moments_new (a ctx) -> head_moments_begin -> for each layer: head_moments_row for each head and row
 *                         -> head_moments_layer -> head_moments_end
 *
 * head_moment.h says what the numbers are.  Rows are those of the block, values f32, and each
 * depends on its window alone, bit for bit.
 *
 * The entropy needs no logarithm per key: with the scores s before the softmax, ln P_j = s_j - s_k +
 * ln P_k for any k, so that it is s_k - ln P_k - sum P_j s_j; k is where P is greatest.  |z W_O| is
 * |z L|, L L^T = W_O W_O^T (Cholesky).  Direct logit attribution of a token is z . (W_O v), v its
 * direction in the last residual; W_O v of a block's different tokens is one product per layer.
 *
 * Threads: moments belong to the thread of their ctx.
 */
#ifndef GAPSCOPE_MODEL_PASS_HEAD_MOMENTS_H
#define GAPSCOPE_MODEL_PASS_HEAD_MOMENTS_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/head_moment.h"
#include "model/pass/engine.h"

struct head_moments;

/* Room for blocks of n_rows rows, and for n_marks marks (engine_marks()).  The engine outlives it.
 * Errors: ERR_NOMEM. */
int head_moments_new(struct head_moments **out, const struct engine *e, size_t n_rows,
                     size_t n_marks, struct err *err);
void head_moments_free(struct head_moments *m); // NULL is allowed

/* A block of windows, whose rows are those of first and all tokens. */
void head_moments_begin(struct head_moments *m, const struct engine_window *windows,
                        size_t n_windows);

/* Room for the scores of a row. */
float *head_moments_scores(struct head_moments *m);

/* Head h of layer l at position i of a window whose first row of the block is row 'at':
 * pattern[i + 1], and in head_moments_scores() what it was before the softmax. */
void head_moments_row(struct head_moments *m, size_t l, size_t h, size_t at, size_t i,
                      const float *pattern);

/* Room for the marks of a window: [n][n_marks]; then, before its heads, that they are there. */
float *head_moments_marks(struct head_moments *m);
void head_moments_pack_marks(struct head_moments *m, size_t n);

/* What head h gives to the marks from n positions whose first row of the block is row 'at':
 * packed[n_keys - from][rows of a tile] is their pattern at keys [from, n_keys), others have none. */
void head_moments_mark(struct head_moments *m, size_t h, size_t at, size_t n, const float *packed,
                       size_t from, size_t n_keys);

/* Of the layer in hand: [rows][n_heads][n_marks]. */
const float *head_moments_marked(const struct head_moments *m);

/* z[rows][n_heads * d_head] of layer l. */
void head_moments_layer(struct head_moments *m, size_t l, const float *z);

/* The last residual[rows][d_model] is known, and with it the final norm's scale. */
void head_moments_end(struct head_moments *m, const float *resid);

/* Of layer l: [rows][n_heads]. */
const float *head_moments_of(const struct head_moments *m, size_t l, enum head_moment moment);

#endif
