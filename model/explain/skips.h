/*
 * skips.h - skip-trigrams (A ... B -> C) that heads of the first layer make, found in the weights
 *
 * A head that looks from B back to A writes what its OV circuit makes of A, whatever B is.  Elhage
 * et al., "A Mathematical Framework for Transformer Circuits" (2021), read such skip-trigrams off
 * the weights of attention-only models of one layer.  Here
 *
 *     strength  = attention times raise
 *     attention = e(A) / (e(A) + e(B) + e(BOS) + (window - 3) E[e]),  e(x) = exp of B's score of x
 *     raise     = logit of C that the head writes where it looks at A alone, less the vocabulary's
 *                 mean; b_V and b_O, which are the same for every A, are left out
 *
 * All tokens but BOS stand at the mean of positions 1 to window - 1, BOS at 0, every norm is
 * applied, and the final norm has the scale that the caller gives.  E is over tokens by their share
 * of a text.  A and B differ.  Heads of later layers read what others wrote, and are left out.
 *
 * Nothing is pruned away: all pairs (A, B) of all heads are looked at, in blocks, each with the
 * greatest raise of its A.  A skip-trigram among the 'most' strongest has a pair among the 'most'
 * pairs that are strongest with their best C, and only these are combined with every C.  Scores are
 * sums in f32, so among skip-trigrams that are equally strong within some 1e-5 kernels may decide.
 *
 * Time and memory: n tokens take 2 n^2 d_head multiplications a head, and n (d_model + 4 d_head)
 * floats.
 *
 * Threads: a call starts its own; the result does not depend on how many there are.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_SKIPS_H
#define GAPSCOPE_MODEL_EXPLAIN_SKIPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

#define SKIPS_WINDOW_LEAST 4

struct skips_rule {
    size_t most;     // skip-trigrams, at least 1
    size_t window;   // tokens in a window, from SKIPS_WINDOW_LEAST to the model's n_ctx
    double frequent; // A, B and C have at least this share of the text
    bool copies;     // also where C is A
};

/* The tokens of a text. */
struct skips_text {
    const uint64_t *counts;     // [d_vocab]
    const unsigned char *never; // [d_vocab] 1: in no skip-trigram; NULL: there are none
    uint32_t bos;               // from d_vocab on: there is none
    double scale;               // mean scale of the final norm: attribution_scale()
};

struct skips_item {
    uint32_t head, a, b, c;
    double attention, raise, strength; // raise: nats of logit
};

/* Before: the greater strength, then the lower head, A, B, C. */
bool skips_before(const struct skips_item *x, const struct skips_item *y);

/*
 * The rule.most strongest of the first layer's heads, the strongest first: items[*n], which the
 * caller frees; fewer where strengths end at 0.  Once 'stop' (or NULL) is not 0 they are undefined.
 * Errors: ERR_NOMEM.
 */
int skips_find(struct skips_item **items, size_t *n, const struct engine *e,
               const struct skips_rule *rule, const struct skips_text *text, size_t n_threads,
               const atomic_int *stop, struct err *err);

#endif
