/*
 * unembed.h - computes log-probs from the last residual without holding all logits
 *
 * It works on one panel of columns of the vocabulary at a time; a panel's logits are turned into
 * exponentials and summed while they are in the first-level cache.
 *
 * Below exact precision the sums come from products of integers.  Tokens whose probability is above
 * a threshold are remembered on the way, and their contributions are recomputed in f32; so is the
 * true token's logit.  The rounding that remains is averaged over all other tokens.
 *
 * A row's results depend on the row alone.
 *
 * Threads: an unembedding is immutable and shared; a ctx belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_PASS_UNEMBED_H
#define GAPSCOPE_MODEL_PASS_UNEMBED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/stop.h"
#include "model/kernels/kern.h"
#include "model/load/model.h"
#include "model/pass/precision.h"

struct unembed;
struct unembed_ctx;

/* The model must outlive the unembedding.  If the kernels lack a precision's format, it uses that
 * of a more exact one.  Errors: ERR_NOMEM. */
int unembed_new(struct unembed **out, const struct model *model, const struct kern *kern,
                enum precision precision, struct err *err);
void unembed_free(struct unembed *u); // NULL is allowed

/* A token's direction in the final norm's output: W_U's column of id < d_vocab minus the mean of
 * all columns.  Returns b_U of the token minus the mean of b_U: added to x . direction it gives the
 * logit minus the mean logit of the vocabulary. */
float unembed_direction(const struct unembed *u, uint32_t id, float *direction); // [d_model]

/* x[d_model] . W_U's column of id + b_U of id, in f32. */
float unembed_logit(const struct unembed *u, const float *x, uint32_t id);

/* The mean of W_U's columns: [d_model]. */
const float *unembed_mean(const struct unembed *u);

/* W_U and b_U in f32, packed. */
struct weights;
const struct weights *unembed_weights(const struct unembed *u);

/* Makes working memory for up to n_max rows at a time.  Errors: ERR_NOMEM. */
int unembed_ctx_new(struct unembed_ctx **out, const struct unembed *u, size_t n_max,
                    struct err *err);
void unembed_ctx_free(struct unembed_ctx *r); // NULL is allowed

/* logprob[i] = ln P(ids[i]) in nats after row x[i] of x[n][d_model], the final norm's output, for
 * i < n.  exact: in f32 whatever the precision.  stop (or NULL) is checked every few milliseconds:
 * once it is not 0, the contents of logprob are useless. */
void unembed_score(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n, bool exact,
                   double *logprob, const atomic_int *stop);

/* The same in the precision of the unembedding, and of changed models whose rows are set, the first n
 * of theirs (head_rows.h), on the way.  room[n][d_model] is written to.  The rows of the whole get
 * the bits that unembed_score() gives. */
struct head_list;
void unembed_score_heads(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                         double *logprob, struct head_list heads, float *room,
                         const atomic_int *stop);

// The most rows that unembed_logits() takes.
#define UNEMBED_LOGITS_ROWS ((size_t)32)

/* The logits of x[n][d_model] in f32, n <= UNEMBED_LOGITS_ROWS, from which an exact log-prob is
 * made.  Row i of the result begins at i * *ld; it belongs to the ctx and is valid until its next
 * call. */
const float *unembed_logits(struct unembed_ctx *r, const float *x, size_t n, size_t *ld);

#endif
