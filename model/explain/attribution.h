/*
 * attribution.h - which part of a model spoke for a token: direct logit attribution
 *
 *     engine_look's view -> attribute (up to ENGINE_SIGHTS picks) -> parts and neurons of each
 *
 * The last residual is a sum of parts: the embedding, each head's z W_O, each layer's b_O, each
 * MLP's output.  With the final norm's scale s taken as it was, a token's logit less its mean over
 * the vocabulary is linear in them:
 *
 *     u     = W_U[:, token] - mean of W_U's columns           what tells the token from the others
 *     v     = s (w u - mean(w u))                             w: ln_final.w; no mean where the norm
 *                                                             does not centre; no norm: v = u
 *     part  = x . v     for each part x of the residual
 *     bias  = ln_final.b . u + b_U[token] - mean(b_U)
 *     logit = sum of the parts, bias included
 *
 * A neuron's effect is post W_out[n] . v; those of a layer and b_out . v make its MLP's part.
 * Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021); the same as
 * TransformerLens' logit_attrs() and stack_neuron_results(), but for the mean over the vocabulary,
 * which moves all logits alike and no probability.
 *
 * What a pick gives depends on its window alone, bit for bit.
 *
 * Threads: an attributor belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_ATTRIBUTION_H
#define GAPSCOPE_MODEL_EXPLAIN_ATTRIBUTION_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

struct attribution_neuron {
    uint32_t layer, index;
    float effect;
};

// The neurons that are listed, of all layers, and the room that a part's name takes with its NUL.
#define ATTRIBUTION_NEURONS ((size_t)10)
#define ATTRIBUTION_NAME ((size_t)48)

/* Of a pick's token. */
struct attribution {
    float logit;  // less its mean over the vocabulary
    float *parts; // [attribution_parts()], the caller's
    size_t n_neurons;
    struct attribution_neuron neurons[ATTRIBUTION_NEURONS]; // of the largest effects, largest first
    const float *effects; // [n_layers][d_mlp] of all neurons, the attributor's until its next call
};

/*
 * How many parts the logit of this model has, and what they are called: "embed", "pos_embed" (not
 * with shortformer positions), then of each layer "L0H0", ..., "L0b_O", "L0MLP" (not where
 * attention-only), at last "bias".
 */
size_t attribution_parts(const struct model *m);
void attribution_part_name(const struct model *m, size_t part, char name[ATTRIBUTION_NAME]);

struct attributor;

/* The engine outlives it.  Errors: ERR_NOMEM. */
int attributor_new(struct attributor **out, const struct engine *e, struct err *err);
void attributor_free(struct attributor *a); // NULL is allowed

/* Attributes the tokens of picks[n], n <= ENGINE_SIGHTS, of which engine_look() showed sights[n],
 * in out[n], whose 'parts' are set. */
void attribute(struct attributor *a, const struct engine_pick *picks,
               const struct engine_sight *sights, size_t n, struct attribution *out);

/*
 * What one unit of each neuron's post adds by itself to the token's logit, before the final norm's
 * scale, less the mean of that over the vocabulary: direct[n_layers][d_mlp], effects.h's output.
 * Times post and attribution_scale() it is the neuron's effect in 'attribution', but for rounding.
 * p[d_vocab], which sums to 1: less the mean that p weighs, so that times post and scale it is what
 * the neuron adds to ln P(token), to first order, where p is what the model says; NULL: all alike.
 */
void attribution_direct(struct attributor *a, uint32_t token, const float *p, float *direct);

/* What the final norm multiplies a residual[d_model] by, s above; 1 without a norm. */
double attribution_scale(const struct model *m, const float *resid);

#endif
