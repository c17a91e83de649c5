/*
 * minimal.h - what one model makes of a minimal pair
 *
 *     minimal_find -> minimal_put, minimal_json -> minimal_free
 *
 * The quantity is one number, the logit difference: logit(answer 0) - logit(answer 1) after a
 * prompt's last token.
 *
 * Attribution: which parts of the model spoke for it directly (model/explain/attribution.h, of both
 * answers; the vocabulary's mean is in both and goes out).  The parts of a prompt sum to its
 * difference.
 *
 * Patching into prompt k: it is run once more with one component's output as it is after the other
 * prompt (model/explain/patch.h).  The effect is what share of the way that goes:
 *
 *     (patched - own) / (other's - own)      0: nothing happens, 1: as after the other prompt
 *
 * which may be below 0 or above 1, and is NaN where both prompts have the same difference.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_MINIMAL_H
#define GAPSCOPE_MODEL_EXPLAIN_MINIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/load/model.h"
#include "out/text/screen.h"
#include "scan/load/prompts.h"

#define MINIMAL_TOP ((size_t)10)    // next tokens
#define MINIMAL_LISTED ((size_t)10) // neurons by their direct effect

// Neurons that are patched at most: in larger models those that write the largest changes.
#define MINIMAL_TRIED ((size_t)2048)

/* What is said after a prompt. */
struct minimal_said {
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
    bool positions;
    size_t neurons; // 0: none are patched
};

struct minimal {
    const struct model *model;
    const struct prompts *prompts;
    struct minimal_options options;
    size_t n;                    // tokens of a prompt
    size_t n_parts, n_neurons;   // n_neurons: [n_layers][d_mlp]
    size_t of_layer;             // components of a layer: its heads, then its MLP where it has one
    struct minimal_said said[2]; // [k]: after prompt k

    double *parts[2];   // [n_parts] of the difference, named by attribution_part_name()
    double *effects[2]; // [n_neurons] of the difference
    float *post[2];     // [n_neurons] at the last token
    size_t *listed[3];  // [n_listed] neurons of the largest effects after each prompt, and of the
    size_t n_listed;    // largest change between them

    // the difference after prompt k with something patched into it
    double *components[2];             // [n_layers][of_layer]
    double *resid_pre[2];              // [n_layers][n]; NULL without positions, as the next
    double *at[2];                     // [n_layers][of_layer][n]
    struct minimal_neuron *neurons[2]; // [n_patched], those that change it most first
    size_t n_patched, n_tried;
};

/* The model and the prompts outlive *out, which minimal_free() ends in any case.
 * Errors: ERR_NOMEM. */
int minimal_find(struct minimal *out, const struct model *m, const struct prompts *prompts,
                 const struct minimal_options *options, struct err *err);
void minimal_free(struct minimal *m); // {0} is allowed

/* The effect of patching into prompt k that gave this difference. */
double minimal_effect(const struct minimal *m, size_t k, double difference);

/* What component i of [n_layers][of_layer] is called: "L0H3" or "L0MLP". */
#define MINIMAL_NAME ((size_t)48)
void minimal_component_name(const struct minimal *m, size_t i, char name[MINIMAL_NAME]);

/* For people: minimal_text.c.  Errors: ERR_NOMEM. */
int minimal_put(const struct minimal *m, const struct screen *s, struct err *err);
void minimal_put_head(const struct screen *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For programs, an object: minimal_json.c. */
void minimal_json(const struct minimal *m, struct jsonout *j);
void minimal_json_prompts(const struct prompts *p, struct jsonout *j); // as members

#endif
