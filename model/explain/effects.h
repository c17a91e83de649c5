/*
 * effects.h - what a neuron does by itself: the tokens that it promotes and those that activate it
 *
 * The output of a neuron of any layer, for each token t of the vocabulary:
 *
 *     (w (W_out[n] - mean of W_out[n])) . W_U[:, t],  less the mean of that over all t
 *
 * w is ln_final.w; the mean of W_out[n] is absent where the final norm does not centre, and both
 * are absent where there is no norm.  One unit of activation adds this, times the final norm's
 * scale at that position (the same for all tokens), to a logit.  Effects through later layers are
 * left out.
 *
 * The input of a neuron of the first layer, for each token t:
 *
 *     norm(W_E[t]) . W_in[:, n],  less the mean of that over all t
 *
 * where norm is ln2 of the embedding alone, with its own scale, times ln2.w: what the current token
 * adds to the neuron before its activation function, as if the residual held nothing but the
 * token's embedding.  Of a gated MLP it is W_gate in place of W_in.  It leaves out the position and attention (which also change ln2's scale), and
 * ln2.b and b_in, which are the same for every token.  In later layers other neurons come between,
 * and this would mean little.
 *
 * These are the direct paths of Elhage et al., "A Mathematical Framework for Transformer Circuits"
 * (2021): TransformerLens' W_out[n] @ W_U with processed weights, and W_E @ W_in[:, n] except for
 * each token's scale.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_EFFECTS_H
#define GAPSCOPE_MODEL_EXPLAIN_EFFECTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

// How many tokens are listed at either end.
#define EFFECTS_TOKENS ((size_t)15)

struct effects_list {
    size_t n; // EFFECTS_TOKENS, or as many as the vocabulary has
    struct effects_token {
        uint32_t id;
        float value;
    } tokens[EFFECTS_TOKENS]; // the most extreme value first; of equal values the lower id first
};

/* The effects of a neuron. */
struct effects {
    struct effects_list greatest, least;
};

/* Writes the output of neurons [from, from + n) of a layer, or the input of layer 0's, to
 * out[n]; the model has neurons.  Once 'stop' (or NULL), which is read every few milliseconds,
 * is not 0, the contents of out are undefined.  Errors: ERR_NOMEM. */
int effects_output(const struct engine *e, size_t layer, size_t from, size_t n, struct effects *out,
                   const atomic_int *stop, struct err *err);
int effects_input(const struct engine *e, size_t from, size_t n, struct effects *out,
                  const atomic_int *stop, struct err *err);

#endif
