/*
 * classes.h - losses and gaps by class of token: the kinds of tokens, and what each hypothesis labels
 *
 *     classes_new -> classes_add, ... -> classes_merge(whole, part) -> classes_free
 *
 * A measure is a number at a token; there are n_models + 2 n_pairs of them, in this order:
 *
 *     of a model   ln P of the true token, unclamped; models that are not brief
 *     of a pair    its gap (gap.h)
 *     of a pair    its difference: ln P of the deciding other less that of the base, unclamped
 *
 * The classes are the TOKEN_KINDS kinds, then the hypotheses; what a hypothesis that predicts the
 * next token labels is the token after (tally_place()).  A document on which it gave up is in
 * nothing of its class.  The gap by hypothesis is not kept: table hypothesis_gap has it.
 *
 * All sums are whole numbers (fixed.h), so classes_merge() is associative and commutative.
 *
 * Threads: a shape is shared; a struct classes belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_RESULTS_CLASSES_CLASSES_H
#define GAPSCOPE_OUT_RESULTS_CLASSES_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "corpora/base/token_kind.h"
#include "out/results/fixed.h"
#include "out/results/run.h"
#include "out/results/unit.h"

/* Made of a run, which outlives it. */
struct classes_shape {
    size_t n_models, n_pairs, n_hypotheses;
    const struct run_pair *pairs; // [n_pairs]
    double floor;                 // nats
    bool *next;                   // [n_hypotheses] it predicts the next token
    unsigned char *kinds;         // [n_kinds] of tokens, by id; the rest have no text
    size_t n_kinds;               // 0: of a run of ids: nothing is kept of kinds
};

/* Errors: ERR_NOMEM. */
int classes_shape_new(struct classes_shape **out, const struct run *run, struct err *err);
void classes_shape_free(struct classes_shape *s); // NULL is allowed

static inline size_t classes_n_measures(const struct classes_shape *s)
{
    return s->n_models + 2 * s->n_pairs;
}

static inline size_t classes_n(const struct classes_shape *s)
{
    return TOKEN_KINDS + s->n_hypotheses;
}

struct classes {
    const struct classes_shape *shape;
    struct moments *sums; // [classes_n_measures()][classes_n()]
    int64_t *values;      // [n] of a measure at the tokens of the document in hand
    size_t values_cap;
};

int classes_new(struct classes **out, const struct classes_shape *shape, struct err *err);
void classes_free(struct classes *c);  // NULL is allowed
void classes_clear(struct classes *c); // as new

/* Those of a measure: [classes_n()]. */
static inline struct moments *classes_of(const struct classes *c, size_t measure)
{
    return c->sums + measure * classes_n(c->shape);
}

/* Adds document d of a unit; logprob: [models of the run][tokens of the unit] nats.
 * Errors: ERR_NOMEM. */
int classes_add(struct classes *c, const struct unit_tokens *unit, size_t d,
                const double *const *logprob, struct err *err);

/* Adds 'from', of the same shape. */
void classes_merge(struct classes *to, const struct classes *from);

/* As bytes, the same for equal ones; and back into a new one of the same shape, which any bytes may
 * be given.  Errors: ERR_NOMEM, ERR_FORMAT (not such bytes; *c is then fit for classes_free()). */
int classes_save(const struct classes *c, struct buf *out, struct err *err);
int classes_load(struct classes *c, const void *bytes, size_t len, struct err *err);

#endif
