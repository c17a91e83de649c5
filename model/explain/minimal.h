/*
 * minimal.h - what makes one model's answers differ after the two prompts of a minimal pair
 *
 *     minimal_find -> fields, minimal_effect, minimal_component_name -> minimal_free
 *
 * All is measured by one number, the logit difference after a prompt's last token: logit(answer 0)
 * - logit(answer 1).
 *
 * Attribution: what each component of the model adds to the difference directly
 * (model/explain/attribution.h for both answers; the mean over the vocabulary cancels).  The
 * components of a prompt sum to its difference.
 *
 * Patching into prompt k: the prompt is run again with one component's output replaced by its
 * output after the other prompt (model/explain/patch.h).  The effect is how far that moves the
 * difference towards the other prompt's:
 *
 *     (patched - own) / (other's - own)      0: nothing changes, 1: it is as after the other prompt
 *
 * It may be below 0 or above 1, and is NaN where both prompts have the same difference.
 *
 * Of a changed model all of it is of the model with its changes: means are those over all positions
 * of both prompts, resampled values those at the same position of the other prompt, each of the
 * model without changes.  Edges cannot be changed here.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_MINIMAL_H
#define GAPSCOPE_MODEL_EXPLAIN_MINIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"
#include "model/pass/changes.h"
#include "model/pass/engine.h"

#define MINIMAL_TOP ((size_t)10)    // next tokens
#define MINIMAL_LISTED ((size_t)10) // neurons by their direct effect

// In models with more neurons, only those that write the largest changes are patched.
#define MINIMAL_TRIED ((size_t)2048)

/* A minimal pair, whose arrays are the caller's. */
struct minimal_prompts {
    const uint32_t *ids[2]; // [n] each, BOS first where the model had one
    size_t n;
    uint32_t answers[2];
};

/* What the model says after a prompt. */
struct minimal_output {
    double difference;
    float logits[2]; // of the answers
    double logprobs[2];
    uint64_t ranks[2]; // from 1
    size_t n_top;
    uint32_t top[MINIMAL_TOP];
    double top_logprob[MINIMAL_TOP];
};

struct minimal_neuron {
    size_t layer, index;
    double difference; // when it is patched
};

struct minimal_options {
    bool positions;                // also patches single positions
    size_t neurons;                // how many patched neurons are kept; 0: none are patched
    const struct engine *engine;   // an exact one of the model, for many pairs; NULL: it is made
    const struct changes *changes; // of heads, MLPs, neurons, without edges; NULL or of 0: none
};

struct minimal {
    const struct model *model;
    const char *name; // the model's, or the changed one's; the caller sets it to another
    struct minimal_prompts prompts;
    struct minimal_options options;
    size_t n;                        // tokens of a prompt
    size_t n_components;             // of an attribution
    size_t n_neurons;                // [n_layers][d_mlp]
    size_t per_layer;                // outputs to patch: a layer's heads, then its MLP if any
    struct minimal_output output[2]; // [k]: after prompt k

    double *components[2]; // [n_components] of the difference: attribution_component_name()
    double *effects[2];    // [n_neurons] of the difference
    float *post[2];        // [n_neurons] at the last token
    size_t *listed[3]; // [n_listed] neurons: the largest effects after prompt 0, after prompt 1,
    size_t n_listed;   // and the largest changes between them

    // the difference after prompt k with something patched into it
    double *patched[2];                // [n_layers][per_layer]
    double *resid_pre[2];              // [n_layers][n]; NULL without positions
    double *at[2];                     // [n_layers][per_layer][n]; NULL without positions
    struct minimal_neuron *neurons[2]; // [n_patched], those that change it most first
    size_t n_patched, n_tried;
};

/* The model and the arrays of 'prompts' outlive *out, which minimal_free() ends in any case.
 * Errors: ERR_NOMEM. */
int minimal_find(struct minimal *out, const struct model *m, const struct minimal_prompts *prompts,
                 const struct minimal_options *options, struct err *err);
void minimal_free(struct minimal *m); // {0} is allowed

/* The effect of patching into prompt k that gave this difference. */
double minimal_effect(const struct minimal *m, size_t k, double difference);

/* The outputs of a layer that are patched: its heads, then its MLP if there is one. */
size_t minimal_per_layer(const struct config *c);

/* The name of output i of [n_layers][per_layer]: "L0H3" or "L0MLP". */
#define MINIMAL_NAME ((size_t)48)
void minimal_component_name(const struct config *c, size_t i, char name[MINIMAL_NAME]);

#endif
