/*
 * trial.h - which neuron of a model implements the trigram (A, B) -> C, tried on minimal pairs
 *
 *     trial_new (a thread, a model) -> trial_run (a trigram), ... -> trial_free
 *
 * Each real context of A B is run with A replaced by fillers, B replaced, and both:
 *
 *              B       another
 *     A        AB      Ax            interaction = AB - xB - Ax + xx
 *     another  xB      xx            of a context: with the means over its fillers
 *
 * The cells and the interaction are computed for ln P(C) after the last token, for every neuron's
 * activation there, and for what every neuron writes there for C directly: post times 'direct'
 * times the final norm's scale, held fixed (model/explain/attribution.h).  Means and standard
 * errors (sd / sqrt(n), sample sd) are over contexts; a standard error of fewer than 2 contexts is
 * NaN.
 *
 * Context i takes fillers i, i + 1, ... of either list, cyclically: TRIAL_FILLERS pairs, or as many
 * as the longer list has.  The lists leave out duplicates and A, B and C themselves, and no pair
 * has the same token twice.
 *
 * At most TRIAL_NEURONS neurons are examined.  Three rankings take turns in naming their next
 * neuron that is not named yet, as long as its score is above 0:
 *
 *   interaction of what it writes for C directly
 *   change      from xx to AB of what it writes for C against the prediction in xB: neurons that
 *               fire on B alone, or on A alone, have no interaction of their own, but together they
 *               may cause one of ln P(C)
 *   corpus      interaction of its mean activations in the corpus, where they are given, times
 *               'direct'; at the site 'mid' also times ln_mlp.w (the norm's other factor is the
 *               same for all neurons)
 *
 * Each of them is ablated alone: post is set to 0 in the row of B, and everything behind it is
 * computed again.
 *
 * The kind of a neuron follows from its own activations in the four cells.  With t = AB - xx,
 * eA = Ax - xx, eB = xB - xx and I = AB - xB - Ax + xx, all times the sign of t:
 *   none       |t| is less than TRIAL_SURE standard errors of it, or 0
 *   AND-like   I >= TRIAL_AND t
 *   B-only     else, eB >= eA
 *   A-only     else
 *
 * The verdict is 'too few places' with fewer than TRIAL_PLACES contexts, whose standard errors say
 * nothing; 'negative interaction' where the interaction of ln P(C) is at most -TRIAL_INTERACTION
 * and at least TRIAL_SURE standard errors below 0 (A or B alone does it, or one undoes the other);
 * 'no interaction' where it is less than TRIAL_INTERACTION or than TRIAL_SURE standard errors; 'no
 * neurons' where there is one but the model is attention-only. Else a neuron is named if it has a kind and its ablation removes at least
 * TRIAL_SHARE of the interaction: among these the AND-like one that removes most (the interaction
 * is what is to be explained, and a larger B-only neuron may be just the bigram's), or where none
 * is AND-like, the one that removes most.  Where no neuron is named, the verdict is 'spread'.
 *
 * The same trigram gives the same bits, whatever was run before.
 *
 * Threads: a trial belongs to one thread at a time, with the engine's run that it is given.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_TRIAL_H
#define GAPSCOPE_MODEL_EXPLAIN_TRIAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

// Limits of a trigram: contexts, places of B elsewhere, fillers of a list.
#define TRIAL_CONTEXTS ((size_t)16)
#define TRIAL_ELSEWHERE ((size_t)8)
#define TRIAL_LISTED ((size_t)8)

#define TRIAL_FILLERS ((size_t)4)  // pairs of fillers per context, at most
#define TRIAL_NEURONS ((size_t)10) // neurons that are examined, at most

#define TRIAL_PLACES ((size_t)3) // contexts of a verdict, at least
#define TRIAL_INTERACTION 0.5    // nats: C is 1.6 times as likely as A and B explain separately
#define TRIAL_SURE 2.0           // standard errors: about 1 in 20 by chance
#define TRIAL_AND 0.5    // share of t: more of it needs both tokens than either alone brings
#define TRIAL_SHARE 0.25 // share of the interaction: below it, most remains without the neuron

enum trial_cell { TRIAL_AB, TRIAL_XB, TRIAL_AX, TRIAL_XX, TRIAL_CELLS };

enum trial_kind {
    TRIAL_NONE,
    TRIAL_AND_LIKE,
    TRIAL_B_ONLY,
    TRIAL_A_ONLY,
    TRIAL_UNKNOWN, // one context does not say how contexts differ
};

enum trial_verdict {
    TRIAL_NOT_TESTED,     // no context, no filler, or a model of fewer than 3 positions
    TRIAL_TOO_FEW,        // contexts for a verdict: fewer than TRIAL_PLACES
    TRIAL_NEGATIVE,       // the interaction of ln P(C) is below 0: A and B together do less
    TRIAL_NO_INTERACTION, // of ln P(C)
    TRIAL_NO_NEURONS,     // there is an interaction, but the model has no neurons
    TRIAL_SPREAD,         // no single neuron explains it
    TRIAL_NAMED,          // one neuron is named: its kind is the verdict
};

/* The tokens of a window up to the one in question; 'first' stands before ids. */
struct trial_context {
    uint32_t first;      // BOS, or the window's first id
    const uint32_t *ids; // [n]; a model with fewer positions sees only the last ones
    size_t n;
};

/* A trigram to try.  Every id is below the model's d_vocab. */
struct trial_trigram {
    uint32_t a, b, c;
    const uint32_t *fillers_a, *fillers_b; // tokens about as frequent as A, as B
    size_t n_fillers_a, n_fillers_b;       // each at most TRIAL_LISTED
    const struct trial_context *contexts;  // ids end in A B, n >= 2
    size_t n_contexts;                     // <= TRIAL_CONTEXTS
    const struct trial_context *elsewhere; // ids end in B, behind another token than A, n >= 1
    size_t n_elsewhere;                    // <= TRIAL_ELSEWHERE
    const double *corpus; // [TRIAL_CELLS][n_layers * d_mlp] mean activations in the corpus, at the
                          // site at B; NaN: not known; NULL: none are known
};

/* Means over minimal pairs. */
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
    double share;   // its share of the sum of all positive 'written'; 0 where it is negative, NaN
                    // where none is positive
    double ablated, ablated_se; // mean change of ln P(C) in the contexts
    double elsewhere;           // the same at the places of B elsewhere; NaN: there are none
};

/* The result of a trigram on a model. */
struct trial_result {
    size_t contexts;          // contexts that were run; 0: only the verdict and n_neurons = 0 are
                              // set
    size_t pairs;             // pairs of fillers that they took, in all
    struct trial_table table; // ln P(C), nats
    enum trial_verdict verdict;
    size_t named;  // the verdict's neuron, an index into neurons[]; SIZE_MAX: none
    size_t n_half; // the fewest neurons that make half of the sum of all positive 'written'; 0:
                   // none is positive
    size_t n_neurons;
    struct trial_neuron neurons[TRIAL_NEURONS]; // sorted by 'ablated', the most negative first
};

/* "none", "AND-like", "B-only", "A-only", "unknown". */
const char *trial_kind_name(enum trial_kind kind);

/* The kind of the named neuron, or "not tested", "too few places", "negative interaction", "no
 * interaction", "no neurons", "spread". */
const char *trial_verdict_name(const struct trial_result *r);

struct trial;

/* Working memory; the engine outlives it.  Activations are read at 'site', which the model has (an
 * attention-only model ignores it).  Errors: ERR_NOMEM. */
int trial_new(struct trial **out, const struct engine *e, enum site site, struct err *err);
void trial_free(struct trial *t); // NULL is allowed

/* 'run' belongs to the same engine.  Once 'stop' (or NULL) is not 0, the call returns early and the
 * contents of *out are undefined. */
void trial_run(struct trial *t, struct engine_ctx *run, const struct trial_trigram *trigram,
               struct trial_result *out, const atomic_int *stop);

#endif
