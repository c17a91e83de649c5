/*
 * trial.h - which neuron of one model does it: (A, B) -> C, tried on minimal pairs
 *
 *     trial_new (a thread, a model) -> trial_run (a trigram), ... -> trial_free
 *
 * Each real context of A B is run with A replaced by fillers, B replaced, and both:
 *
 *              B       another
 *     A        AB      Ax            interaction = AB - xB - Ax + xx
 *     another  xB      xx            of a context: with the means over its fillers
 *
 * of ln P(C) after the last token, of every neuron's activation there, and of what every neuron
 * writes there for C directly: post times 'direct' times the final norm's scale as it was
 * (model/explain/attribution.h).  Means and standard errors (sd / sqrt(n), sample sd) are over contexts;
 * a standard error of fewer than 2 contexts is NaN.
 *
 * Context i takes fillers i, i + 1, ... of either list, cyclically: TRIAL_FILLERS pairs of them,
 * or as many as the longer list has.  Of the lists what comes twice or is A, B or C itself is left
 * out, and no pair is twice the same token.
 *
 * Some neurons are looked at closely, TRIAL_NEURONS at most.  Three lists give their next in turn,
 * as long as it is above 0, a neuron once:
 *
 *   interaction of what is written for C directly
 *   change      from xx to AB of what is written for C against what the model says instead, in xB:
 *               neurons that fire on B alone, or on A alone, have no interaction of their own, but
 *               together they may make one of ln P(C)
 *   corpus      interaction of activations in the corpus, where it is given, times 'direct'; at the
 *               site 'mid' times ln_mlp.w too, for what else the norm does is alike for all
 *
 * They are ablated, each alone: post set to 0 in the row of B alone, everything behind it made
 * anew.
 *
 * The kind of a neuron is what its own activations in the four cells say.  With t = AB - xx,
 * eA = Ax - xx, eB = xB - xx and I = AB - xB - Ax + xx, all times the sign of t:
 *   none       |t| is less than TRIAL_SURE standard errors of it, or 0
 *   AND-like   I >= TRIAL_AND t
 *   B-only     else, eB >= eA
 *   A-only     else
 *
 * The verdict: 'no interaction' where that of ln P(C) is less than TRIAL_INTERACTION or than
 * TRIAL_SURE standard errors; 'no neurons' where the model has one but is attention-only.  Else a
 * neuron is named, if there is one that has a kind and whose ablation takes TRIAL_SHARE of the
 * interaction or more: the AND-like one that takes most, for the interaction is what is to be
 * explained, and a larger B-only neuron may just be the bigram's; without any the other one that
 * takes most.  None: 'spread'.
 *
 * The same trigram gives the same bits, whatever was run before.
 *
 * Threads: a trials belongs to one thread at a time, with the engine's run that it is given.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_TRIAL_H
#define GAPSCOPE_MODEL_EXPLAIN_TRIAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

// What a trigram may bring, at most: contexts, places of B elsewhere, fillers of a list.
#define TRIAL_CONTEXTS ((size_t)16)
#define TRIAL_ELSEWHERE ((size_t)8)
#define TRIAL_LISTED ((size_t)8)

#define TRIAL_FILLERS ((size_t)4)  // pairs of fillers that a context takes, at most
#define TRIAL_NEURONS ((size_t)10) // looked at closely, at most

#define TRIAL_INTERACTION 0.5 // nats: C is 1.6 times as likely as A and B explain by themselves
#define TRIAL_SURE 2.0        // standard errors: about 1 in 20 by chance
#define TRIAL_AND 0.5         // of t: more of it comes with both than with either alone
#define TRIAL_SHARE 0.25      // of the interaction: with less the rest does most without it

enum trial_cell { TRIAL_AB, TRIAL_XB, TRIAL_AX, TRIAL_XX, TRIAL_CELLS };

enum trial_kind { TRIAL_NONE, TRIAL_AND_LIKE, TRIAL_B_ONLY, TRIAL_A_ONLY };

enum trial_verdict {
    TRIAL_NOT_TESTED,     // no context, no filler, or a model of fewer than 3 positions
    TRIAL_NO_INTERACTION, // of ln P(C)
    TRIAL_NO_NEURONS,     // an interaction, in a model without neurons
    TRIAL_SPREAD,         // no single neuron
    TRIAL_NAMED,          // one: its kind is the verdict
};

/* Tokens of a window up to the one in question; 'first' stands before ids. */
struct trial_context {
    uint32_t first;      // BOS, or the window's first id
    const uint32_t *ids; // [n]; where the model has fewer positions those at the front are left out
    size_t n;
};

/* What is asked.  Every id is below the model's d_vocab. */
struct trial_trigram {
    uint32_t a, b, c;
    const uint32_t *fillers_a, *fillers_b; // tokens about as frequent as A, as B
    size_t n_fillers_a, n_fillers_b;       // <= TRIAL_LISTED
    const struct trial_context *contexts;  // ids end in A B, n >= 2
    size_t n_contexts;                     // <= TRIAL_CONTEXTS
    const struct trial_context *elsewhere; // ids end in B, behind another token than A, n >= 1
    size_t n_elsewhere;                    // <= TRIAL_ELSEWHERE
    const double *corpus; // [TRIAL_CELLS][n_layers * d_mlp] mean activations at the site at B in
                          // the corpus, NaN: not known; NULL: none is
};

/* Means of minimal pairs. */
struct trial_table {
    double cells[TRIAL_CELLS];
    double interaction, se;
};

struct trial_neuron {
    uint32_t layer, index;
    enum trial_kind kind;
    double corpus[TRIAL_CELLS], corpus_interaction; // NaN: not known
    struct trial_table pairs;                       // activations at the site
    double direct;  // W_out . W_U[:, C], less the mean over the vocabulary: effects.h
    double written; // interaction of what it writes for C directly, nats of logit
    double share;   // of the positive ones of all neurons, this one's: 0 where it is negative; NaN
                    // where there are none
    double ablated, ablated_se; // mean change of ln P(C) in the contexts
    double elsewhere;           // the same at the places of B elsewhere; NaN: there are none
};

/* What a model makes of a trigram. */
struct trial_result {
    size_t contexts;          // that were run; 0: nothing below is set but the verdict, n_neurons 0
    size_t pairs;             // of fillers that they took, in all
    struct trial_table table; // ln P(C), nats
    enum trial_verdict verdict;
    size_t named;  // its neuron: of neurons[]; SIZE_MAX: none
    size_t n_half; // so many neurons, those of the largest, make half of all positive 'written';
                   // 0: there are none
    size_t n_neurons;
    struct trial_neuron neurons[TRIAL_NEURONS]; // by ablated, the most negative first
};

/* "none", "AND-like", "B-only", "A-only". */
const char *trial_kind_name(enum trial_kind kind);

/* The same of a named neuron, or "not tested", "no interaction", "no neurons", "spread". */
const char *trial_verdict_name(const struct trial_result *r);

struct trial;

/* Working memory; the engine outlives it.  site: where activations are read, one that the model has
 * (not looked at where it is attention-only).  Errors: ERR_NOMEM. */
int trial_new(struct trial **out, const struct engine *e, enum site site, struct err *err);
void trial_free(struct trial *t); // NULL is allowed

/* run: one of the same engine.  stop (or NULL): once it is not 0 the call returns early and what
 * *out holds is worth nothing. */
void trial_run(struct trial *t, struct engine_ctx *run, const struct trial_trigram *trigram,
               struct trial_result *out, const atomic_int *stop);

#endif
