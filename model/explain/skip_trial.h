/*
 * skip_trial.h - does A, and does a head, make a model say C at A ... B, and what holds C down
 *
 *     skip_trial_new (a thread, a model) -> skip_trial_cause, skip_trial_parts, ... -> _free
 *
 * Everything is computed at real places that end in B, in f32 throughout, as means over the places:
 *
 *   without A     each A in the context is replaced by a token about as frequent: place i takes the
 *                 stand-ins i, i + 1, ..., SKIP_TRIAL_FILLERS of them, cyclically, and the mean
 *   without head  the head's z is 0 at all positions (M@zero.L0H3)
 *   parts         the heads and neurons of the largest mean direct effect on C's logit at B, of
 *                 either sign (attribution.h), each set to 0 at all positions alone
 *
 * Threads: a trial belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_SKIP_TRIAL_H
#define GAPSCOPE_MODEL_EXPLAIN_SKIP_TRIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

#define SKIP_TRIAL_PLACES ((size_t)16)
#define SKIP_TRIAL_TOKENS ((size_t)63) // of a place, at most
#define SKIP_TRIAL_FILLERS ((size_t)4) // of a place, at most
#define SKIP_TRIAL_PARTS ((size_t)10)

/* The tokens of a window up to and with B; 'first' stands before them. */
struct skip_trial_place {
    uint32_t first;
    const uint32_t *ids; // [n], n <= SKIP_TRIAL_TOKENS, and 1 + n <= the model's n_ctx
    size_t n;
};

/* Every id is below the model's d_vocab. */
struct skip_trial_question {
    const struct skip_trial_place *places; // [n_places], 1 to SKIP_TRIAL_PLACES
    size_t n_places;
    uint32_t a, c;
    const uint32_t *fillers; // [n_fillers], at least 1
    size_t n_fillers;
    size_t head; // of layer 0
};

struct skip_trial_cause {
    double p, p_without_a, p_without_head;    // P(C)
    double fall_without_a, fall_without_head; // of ln P(C), nats
};

struct skip_trial_part {
    bool neuron; // else a head
    uint32_t layer, index;
    double direct;            // nats of logit
    double p_without;         // P(C)
    double change, change_se; // of ln P(C), nats; se: sd / sqrt(n) over places, NaN for one
};

struct skip_trial_parts {
    double p;                                       // P(C)
    struct skip_trial_part parts[SKIP_TRIAL_PARTS]; // [n], the largest effect first
    size_t n;
};

struct skip_trial;

/* The engine outlives it.  Errors: ERR_NOMEM, here and below. */
int skip_trial_new(struct skip_trial **out, const struct engine *e, struct err *err);
void skip_trial_free(struct skip_trial *t); // NULL is allowed

/* Once 'stop' (or NULL) is not 0, *out is undefined, here and below. */
int skip_trial_cause(struct skip_trial *t, const struct skip_trial_question *q,
                     struct skip_trial_cause *out, const atomic_int *stop, struct err *err);

/* q->a, fillers and head are not read. */
int skip_trial_parts(struct skip_trial *t, const struct skip_trial_question *q,
                     struct skip_trial_parts *out, const atomic_int *stop, struct err *err);

#endif
