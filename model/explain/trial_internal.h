/*
 * trial_internal.h - what the files of trials share
 *
 *     trials.c          minimal pairs and ablations are run
 *     trials_neurons.c  what they say: which neurons are looked at, their kinds, the verdict
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_TRIAL_INTERNAL_H
#define GAPSCOPE_MODEL_EXPLAIN_TRIAL_INTERNAL_H

#include <stdbool.h>

#include "model/explain/attribution.h"
#include "model/explain/trial.h"

// Branches of a context: AB once, the other cells once for each pair of fillers; and in all: those,
// or the ablated ones, of which a place elsewhere has one more, as it is.
#define TRIALS_OF_CONTEXT (1 + 3 * TRIALS_FILLERS)
#define TRIALS_ABLATED (TRIALS_CONTEXTS * TRIALS_NEURONS + TRIALS_ELSEWHERE * (1 + TRIALS_NEURONS))
#define TRIALS_BRANCHES                                                                            \
    (TRIALS_CONTEXTS * TRIALS_OF_CONTEXT > TRIALS_ABLATED ? TRIALS_CONTEXTS * TRIALS_OF_CONTEXT    \
                                                          : TRIALS_ABLATED)

_Static_assert(TRIALS_CONTEXTS <= ENGINE_SIGHTS, "what all say in xB is made logits together");

/* A mean over contexts, as they come. */
struct trials_mean {
    size_t n;
    double mean, square; // sum of squares about the mean
};

/* What is known of a neuron. */
struct trials_sums {
    double own[TRIALS_CELLS];         // activations, of the context in hand
    double own_written[TRIALS_CELLS]; // post times the final norm's scale
    double acts[TRIALS_CELLS];        // sums over contexts
    double written[TRIALS_CELLS];
    struct trials_mean interaction, change; // of activations: the latter AB - xx
};

/* A context, with the fillers that it takes. */
struct trials_place {
    const struct trials_context *context;
    struct engine_window stem; // up to A, without it
    size_t n_pairs;
    uint32_t pairs[TRIALS_FILLERS][2]; // for A, for B
};

/* What a branch of the minimal pairs is for. */
struct trials_branch {
    size_t place, pair;
    enum trials_cell cell;
    bool last; // of its place
};

struct trials {
    const struct model *model;
    enum site site;
    struct attributor *attributor;
    size_t n_neurons;            // of all layers
    struct trials_sums *neurons; // [n_neurons]
    float *direct;               // [n_neurons] on C's logit, less the mean over the vocabulary
    float *against;              // [n_neurons] less that of what is said in xB instead
    double *sorted;              // [n_neurons]
    float *normed;               // [TRIALS_CONTEXTS][d_model] behind the final norm, in xB
    float *p;                    // [d_vocab] what is said there, mean over contexts

    // the trigram in hand
    const struct trials_trigram *trigram;
    struct trials_place places[TRIALS_CONTEXTS]; // [n_places]
    size_t n_places;
    struct engine_branch branches[TRIALS_BRANCHES]; // [n_branches]
    uint32_t ends[TRIALS_BRANCHES][2];              // their tokens
    struct trials_branch of[TRIALS_BRANCHES];       // of minimal pairs
    double logprob[TRIALS_BRANCHES];
    size_t n_branches;
};

void trials_mean_add(struct trials_mean *m, double x);
double trials_mean_se(const struct trials_mean *m); // NaN of fewer than 2

/* AB - xB - Ax + xx */
double trials_interaction(const double cells[TRIALS_CELLS]);

/* Behind the minimal pairs: out->neurons, but for what ablation says, and out->n_half. */
void trials_describe(struct trials *t, struct engine_run *run, struct trials_result *out);

/* Behind the ablations: their order, and the verdict. */
void trials_decide(const struct trials *t, struct trials_result *out);

#endif
