/*
 * unembed_sums.h - sums of exponentials of rows of logits, made panel by panel of the vocabulary
 *
 *     unembed_sums_begin -> for each panel: add tiles -> unembed_sums_end_panel -> total
 *
 * Below exact precision tokens whose exponential is above a share of their row's sum so far are
 * remembered as candidates.
 *
 * Threads: they belong to one thread.
 */
#ifndef GAPSCOPE_MODEL_PASS_UNEMBED_SUMS_H
#define GAPSCOPE_MODEL_PASS_UNEMBED_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/pass/product.h"

/* A token that may be above the threshold: what it added to its row's sum. */
struct candidate {
    uint32_t row, id;
    float e;
};

struct unembed_sums {
    double threshold; // probability above which a token is a candidate; 0: there are none
    float *sums;      // [n_max + a tile][KERN_LANES]
    float *shift;     // [n_max + a tile], to which exponents are relative
    float *above;     // [n_max + a tile], the threshold for the sum so far
    double *total;    // [n_max]
    float *target;    // [n_max] logits of the true tokens; not where there are candidates
    struct candidate *candidates;
    size_t n_candidates, candidates_max;
};

/* Room for n_max rows.  Errors: ERR_NOMEM; unembed_sums_free() also then. */
int unembed_sums_new(struct unembed_sums *s, size_t n_max, double threshold, struct err *err);
void unembed_sums_free(struct unembed_sums *s); // {0} is allowed

/* n rows, of which nothing is known. */
void unembed_sums_begin(struct unembed_sums *s, size_t n);

/* Adds tile 't' of f32 logits without their bias, w->rows rows of panel 'panel' of w, of which n
 * rows in all count. */
void unembed_sums_add(struct unembed_sums *s, const struct weights *w, const float *tile,
                      const uint32_t *ids, size_t n, size_t t, size_t panel);

/* Remembers the candidates among a tile's exponentials, whose rows begin at i0; rows: the bits of
 * add_exp2(). */
void unembed_sums_note(struct unembed_sums *s, const struct weights *w, const float *exps,
                       uint32_t rows, size_t i0, size_t panel);

/* All n rows of 'panels' panels have been added. */
void unembed_sums_end_panel(struct unembed_sums *s, size_t n, size_t panels,
                            const struct weights *w);

/* Forgets the candidates that are below the threshold by now. */
void unembed_sums_sort_out(struct unembed_sums *s);

#endif
