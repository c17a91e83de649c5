/*
 * attribution.h - how much each component of a model adds to a token's logit: direct logit
 * attribution
 *
 *     engine_look's view -> attribute (up to ENGINE_SIGHTS picks) -> components and neurons of each
 *
 * The last residual is a sum of components' outputs: the embedding, each head's z W_O, each layer's
 * b_O, each MLP's output.  With the final norm's scale s held fixed, a token's logit less its mean
 * over the vocabulary is linear in them:
 *
 *     u          = W_U[:, token] - mean of W_U's columns      what tells the token from the others
 *     v          = s (w u - mean(w u))                        w: ln_final.w; no mean where the norm
 *                                                             does not centre; no norm: v = u
 *     component  = x . v     for each term x of the residual
 *     bias       = ln_final.b . u + b_U[token] - mean(b_U)
 *     logit      = sum of the components, bias included
 *
 * A neuron's effect is post W_out[n] . v; the effects of a layer's neurons and b_out . v sum to its
 * MLP's component.
 * Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021); the same as
 * TransformerLens' logit_attrs() and stack_neuron_results(), except for the mean over the
 * vocabulary, which shifts all logits alike and changes no probability.
 *
 * The result of a pick depends on its window alone, bit for bit.
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

// How many neurons of all layers are listed; the room of a component's name with its NUL.
#define ATTRIBUTION_NEURONS ((size_t)10)
#define ATTRIBUTION_NAME ((size_t)48)

/* The attribution of a pick's token. */
struct attribution {
    float logit;       // less its mean over the vocabulary
    float *components; // [attribution_n_components()], the caller's
    size_t n_neurons;
    struct attribution_neuron neurons[ATTRIBUTION_NEURONS]; // of the largest effects, largest first
    const float *effects; // [n_layers][d_mlp] of all neurons, the attributor's until its next call
};

/*
 * How many components the logit of this model has, and their names: "embed", "pos_embed" (absent
 * with shortformer and rotary positions), then for each layer "L0H0", ..., "L0b_O", "L0MLP" (absent where the
 * model is attention-only), and last "bias".
 */
size_t attribution_n_components(const struct model *m);
void attribution_component_name(const struct model *m, size_t i, char name[ATTRIBUTION_NAME]);

struct attributor;

/* The engine outlives it.  Errors: ERR_NOMEM. */
int attributor_new(struct attributor **out, const struct engine *e, struct err *err);
void attributor_free(struct attributor *a); // NULL is allowed

/* Attributes the tokens of picks[n], n <= ENGINE_SIGHTS, whose sights[n] engine_look() showed, and
 * writes out[n], whose 'components' the caller has set. */
void attribute(struct attributor *a, const struct engine_pick *picks,
               const struct engine_sight *sights, size_t n, struct attribution *out);

/*
 * What one unit of each neuron's post adds by itself to the token's logit before the final norm's
 * scale, less its mean over the vocabulary: direct[n_layers][d_mlp], as output effects of
 * effects.h.  Times post and attribution_scale() it is the neuron's effect above, except for
 * rounding.  With p[d_vocab], which sums to 1, the mean is weighted by p; where p is the model's
 * prediction, direct times post and scale is to first order what the neuron adds to ln P(token).
 * NULL: the plain mean.
 */
void attribution_direct(struct attributor *a, uint32_t token, const float *p, float *direct);

/* The factor s by which the final norm scales a residual[d_model]; 1 without a norm. */
double attribution_scale(const struct model *m, const float *resid);

#endif
