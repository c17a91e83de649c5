/*
 * composition.h - how much the heads of later layers read what earlier heads write, by weights
 *
 * A head i writes through W_OV = W_V W_O [d_model][d_model]; a head j of a later layer reads through
 * W_QK = W_Q W_K^T (its queries), its transpose (its keys), or its own W_OV (its values).  The score
 * of a pair is
 *
 *     |A B| / (|A| |B|)      Frobenius norms; A = W_OV of i, B = W_QK, W_QK^T, W_OV of j
 *
 * (Elhage et al., "A Mathematical Framework for Transformer Circuits", 2021; TransformerLens'
 * all_composition_scores).  Raw: weights as stored.  Folded: W_Q, W_K, W_V of either head times
 * ln1.w and less their mean over d_model, W_O less its mean over d_model, as TransformerLens'
 * default processing leaves them; without the centring where norms do not centre (RMS), and in a
 * model without norms the same as raw.  Rotary positions, which turn queries and keys, are left out.
 *
 * What chance gives: the same singular values in random orthogonal bases (Haar).  Then E[score^2] =
 * 1/d_model exactly, whatever the singular values; the mean and the standard deviation are those of
 * 'draws' seeded draws of bases, which all pairs share.  Trained weights are far from random bases
 * in most pairs, so that z tells little by itself: the rank among all pairs of the mode stands
 * beside it.
 *
 * Results are the same on every machine, but for the last digits of random_mean and random_sd.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_COMPOSITION_H
#define GAPSCOPE_MODEL_EXPLAIN_COMPOSITION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

enum composition_mode { COMPOSITION_Q, COMPOSITION_K, COMPOSITION_V, COMPOSITION_MODES };

/* A pair; heads are numbered layer * n_heads + head.  NAN where a head's weights are 0. */
struct composition_pair {
    uint32_t from, to;
    double score;
    double random_mean, random_sd; // of random bases
    size_t rank;                   // by score among the pairs of the mode, 1: the greatest
};

struct composition {
    size_t n_pairs; // of each mode: those whose second head is of a later layer
    size_t draws;
    double rms;                                        // of random bases: 1 / sqrt(d_model)
    struct composition_pair *pairs[COMPOSITION_MODES]; // [n_pairs] by from, then by to
};

/* On success the caller ends *out with composition_free().  Once 'stop' (or NULL) is set, what it
 * holds is undefined.  Errors: ERR_NOMEM. */
int composition_make(struct composition *out, const struct model *m, bool folded,
                     const atomic_int *stop, struct err *err);
void composition_free(struct composition *c); // {0} is allowed

/* How many standard deviations the score is above the mean of random bases; NAN: not known. */
double composition_z(const struct composition_pair *p);

const char *composition_mode_name(enum composition_mode mode); // "Q", "K", "V"

/* The score of two products of factors, left = a[D][d] b[d][D] and right = c[D][d] e[d][D], given
 * the Gram matrices [d][d] of what is outside: aa = a^T a, bb = b b^T, cc = c^T c, ee = e e^T.
 * work[3 d d]. */
struct composition_factors {
    const double *aa, *b, *bb, *c, *cc, *ee;
};
double composition_score(const struct composition_factors *f, size_t D, size_t d, double *work);

/* s2[d]: the squares of the singular values of a product a[D][d] b[d][D] with aa = a^T a and bb =
 * b b^T, in descending order.  False: not finite.  work[4 d d]. */
bool composition_squares(const double *aa, const double *bb, size_t d, double *s2, double *work);

#endif
