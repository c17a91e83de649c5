/*
 * head_rows.h - log-probs of a model in which one head of the last layer is replaced, from the
 * logits of the whole
 *
 *     head_logits_new (once, shared)
 *     head_rows_new (a thread) -> head_rows_begin, head_rows_set, ... -> unembed_score_heads
 *
 * Where nothing but the final norm reads what the last layer's heads write, a head that is replaced
 * changes the final residual by (by - z) W_O, and the logits, which are
 *
 *     u_j + b_ln . U_j + b_U j,   u_j = (resid - mean) w . U_j / sigma
 *
 * become (sigma / sigma') u_j + y . P_j + the same constants, with U = W_U, w and b_ln the final
 * norm's, P = (W_O less its rows' means) w U, y = (by - z) / sigma': d_head products per token of
 * the vocabulary in place of d_model.  Candidates and, below exact precision, true tokens are
 * computed from the changed row itself (unembed.h).  An error of u_j becomes sigma / sigma' times as
 * large, so that rows where this is above HEAD_ROWS_RATIO are scored as those of any model.
 *
 * A row's results depend on the row alone: the whole's and the changed one's residual, z and x.
 *
 * Threads: head_logits are immutable and shared; head_rows belong to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_PASS_HEAD_ROWS_H
#define GAPSCOPE_MODEL_PASS_HEAD_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/pass/unembed.h"

// sigma / sigma' up to which logits are made of those of the whole.
#define HEAD_ROWS_RATIO 2.0

struct head_logits;
struct head_rows;

/* Rows of several changed models, which have the same unembedding. */
struct head_list {
    struct head_rows *const *items; // [n]
    size_t n;
};

/* P of a head of the last layer of an attention-only model.  The unembedding outlives it.  Errors:
 * ERR_NOMEM. */
int head_logits_new(struct head_logits **out, const struct unembed *u, size_t head,
                    struct err *err);
void head_logits_free(struct head_logits *h); // NULL is allowed

/* Room for n_max rows of a changed model; h outlives it.  Errors: ERR_NOMEM. */
int head_rows_new(struct head_rows **out, const struct head_logits *h, size_t n_max,
                  struct err *err);
void head_rows_free(struct head_rows *h); // NULL is allowed

/* No row is set. */
void head_rows_begin(struct head_rows *h);

/* What row i is made of: the final residual [d_model] and the last layer's z [d_head] of this head
 * in the whole and in the changed model, and x[d_model], the changed one behind the final norm. */
struct head_row {
    const float *resid, *resid_changed, *z, *z_changed, *x;
};
void head_rows_set(struct head_rows *h, size_t i, const struct head_row *row);

/* x of row i; NULL: it is not set. */
const float *head_rows_x(const struct head_rows *h, size_t i);

/* After unembed_score_heads(): the log-prob of row i, which is set. */
double head_rows_logprob(const struct head_rows *h, size_t i);

#endif
