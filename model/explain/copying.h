/*
 * copying.h - does a head copy?  The eigenvalues of its OV circuit
 *
 *     copying_new -> copying_of, copying_of, ... -> copying_free
 *
 * The full OV circuit of a head, W_E W_V W_O W_U [d_vocab][d_vocab], says how much each token that
 * is attended to raises each token.  Its eigenvalues tell copying (a positive real part: tokens
 * raise themselves and their like) from its contrary (Elhage et al., "A Mathematical Framework for
 * Transformer Circuits", 2021); the copying score is
 *
 *     sum of Re lambda / sum of |lambda|       from -1 to 1
 *
 * At most d_head eigenvalues are not 0, and they are those of W_O (W_U W_E) W_V [d_head][d_head].
 * W_U W_E [d_model][d_model] is made once for all heads, in 2 d_vocab d_model^2 operations: f32
 * products are summed over blocks of the vocabulary, these in f64.  No kernel is used, so every
 * machine gives the same bits.
 *
 * Folded and raw are those of folded.h.  In layers behind the first the circuit is that of the
 * direct path: from the embedding to the head and from the head to the logits.
 *
 * Threads: immutable once made, shared by all.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_COPYING_H
#define GAPSCOPE_MODEL_EXPLAIN_COPYING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

struct copying;

/* The model outlives it.  Once 'stop' (or NULL) is set, what it holds is undefined.
 * Errors: ERR_NOMEM. */
int copying_new(struct copying **out, const struct model *m, const atomic_int *stop,
                struct err *err);
void copying_free(struct copying *c); // NULL is allowed

/* The eigenvalues of a head's OV circuit. */
struct copying_sums {
    double re, abs; // sum of real parts, of absolute values; NAN: not known (not finite)
};

/* Errors: ERR_NOMEM. */
int copying_of(const struct copying *c, size_t layer, size_t head, bool folded,
               struct copying_sums *out, struct err *err);

/* re / abs; NAN where abs is 0: the circuit does nothing. */
double copying_score(const struct copying_sums *sums);

#endif
