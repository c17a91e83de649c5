/*
 * trial_internal.h - what the files of a trial share
 *
 *     trial.c          runs minimal pairs and ablations
 *     trial_verdict.c  judges them: which neurons are examined, their kinds, the verdict
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_TRIAL_INTERNAL_H
#define GAPSCOPE_MODEL_EXPLAIN_TRIAL_INTERNAL_H

#include <stdbool.h>

#include "model/explain/attribution.h"
#include "model/explain/trial.h"

// The branches of a context: AB once, each other cell once per pair of fillers. TRIAL_BRANCHES has
// room for those, and for the ablated ones, where a place elsewhere has one more, without ablation.
#define TRIAL_OF_CONTEXT (1 + 3 * TRIAL_FILLERS)
#define TRIAL_ABLATED (TRIAL_CONTEXTS * TRIAL_NEURONS + TRIAL_ELSEWHERE * (1 + TRIAL_NEURONS))
#define TRIAL_BRANCHES                                                                             \
    (TRIAL_CONTEXTS * TRIAL_OF_CONTEXT > TRIAL_ABLATED ? TRIAL_CONTEXTS * TRIAL_OF_CONTEXT         \
                                                       : TRIAL_ABLATED)

_Static_assert(TRIAL_CONTEXTS <= ENGINE_SIGHTS,
               "the logits of all contexts in xB are computed together");

/* A running mean over contexts. */
struct trial_mean {
    size_t n;
    double mean, square; // sum of squares about the mean
};

/* What is known about a neuron. */
struct trial_sums {
    double own[TRIAL_CELLS];         // activations in the current context
    double own_written[TRIAL_CELLS]; // post times the final norm's scale
    double acts[TRIAL_CELLS];        // sums over contexts
    double written[TRIAL_CELLS];
    struct trial_mean interaction, change; // of activations: the latter AB - xx
};

/* A context and the fillers that it takes. */
struct trial_place {
    const struct trial_context *context;
    struct engine_window stem; // up to A, without it
    size_t n_pairs;
    uint32_t pairs[TRIAL_FILLERS][2]; // the filler for A, and for B
};

/* What a branch of the minimal pairs is for. */
struct trial_branch {
    size_t place, pair;
    enum trial_cell cell;
    bool last; // the last branch of its place
};

struct trial {
    const struct model *model;
    enum site site;
    struct attributor *attributor;
    size_t n_neurons;           // of all layers
    struct trial_sums *neurons; // [n_neurons]
    float *direct;              // [n_neurons] effect of one unit on C's logit, less the mean over
                                // the vocabulary
    float *against;             // [n_neurons] the same less the mean under the prediction in xB
    double *sorted;             // [n_neurons]
    float *normed;              // [TRIAL_CONTEXTS][d_model] behind the final norm, in xB
    float *p;                   // [d_vocab] the prediction there, mean over contexts

    // the current trigram
    const struct trial_trigram *trigram;
    struct trial_place places[TRIAL_CONTEXTS]; // [n_places]
    size_t n_places;
    struct engine_branch branches[TRIAL_BRANCHES]; // [n_branches]
    uint32_t ends[TRIAL_BRANCHES][2];              // their tokens
    struct trial_branch of[TRIAL_BRANCHES];        // of minimal pairs
    double logprob[TRIAL_BRANCHES];
    size_t n_branches;
};

void trial_mean_add(struct trial_mean *m, double x);
double trial_mean_se(const struct trial_mean *m); // NaN for fewer than 2

/* AB - xB - Ax + xx */
double trial_interaction(const double cells[TRIAL_CELLS]);

/* Fills out->neurons, except for ablations, and out->n_half from the minimal pairs. */
void trial_describe(struct trial *t, struct engine_ctx *run, struct trial_result *out);

/* Sorts the neurons by their ablations and fills the verdict. */
void trial_decide(const struct trial *t, struct trial_result *out);

#endif
