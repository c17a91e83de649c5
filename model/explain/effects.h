/*
 * effects.h - what a neuron does by itself: the tokens that it speaks for and those that drive it
 *
 * Output, of a neuron of any layer, for each token t of the vocabulary:
 *
 *     (w (W_out[n] - mean of W_out[n])) . W_U[:, t],  less the mean of that over all t
 *
 * w is ln_final.w; without the mean where the final norm does not centre, as it stands where there
 * is no norm.  What one unit of activation adds to a logit is this times the scale of the final
 * norm at that place, which is the same for all tokens.  What later layers make of it is left out.
 *
 * Input, of a neuron of the first layer, for each token t:
 *
 *     norm(W_E[t]) . W_in[:, n],  less the mean of that over all t
 *
 * where norm is ln2 of the embedding alone, with its own scale, times ln2.w: what the token at hand
 * adds to the neuron before its activation function, as if nothing but the token's embedding stood
 * in the residual.  Left out are the position, what attention brings (which also share in ln2's
 * scale), and all that is the same for every token: ln2.b, b_in.  In later layers other neurons
 * stand in between, and this would say little.
 *
 * The direct paths of Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021); in
 * TransformerLens with its weights processed W_out[n] @ W_U, and W_E @ W_in[:, n] but for each
 * token's scale.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_EFFECTS_H
#define GAPSCOPE_MODEL_EXPLAIN_EFFECTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

// Tokens at either end.
#define EFFECTS_TOKENS ((size_t)15)

struct effects_list {
    size_t n; // EFFECTS_TOKENS, or as many as the vocabulary has
    struct effects_token {
        uint32_t id;
        float value;
    } tokens[EFFECTS_TOKENS]; // from the end inwards, of equal values the lower id first
};

/* Of a neuron. */
struct effects {
    struct effects_list greatest, least;
};

/* The output of neurons [from, from + n) of a layer into out[n]; or the input, of layer 0.  Of a
 * model with neurons.  stop (or NULL) is looked at every few milliseconds: once it is not 0, what
 * out holds is worth nothing.  Errors: ERR_NOMEM. */
int effects_output(const struct engine *e, size_t layer, size_t from, size_t n, struct effects *out,
                   const atomic_int *stop, struct err *err);
int effects_input(const struct engine *e, size_t from, size_t n, struct effects *out,
                  const atomic_int *stop, struct err *err);

#endif
