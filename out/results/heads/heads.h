/*
 * heads.h - where every attention head looks, and what it writes, over a whole scan
 *
 *     heads_shape_new -> heads_shape_set_scores (once, before the scan)
 *     the run:  heads_new -> heads_merge, ... -> heads_save
 *
 * Every number of a token (head_moment.h) is rounded once to a whole number of its unit: attention
 * and entropy to 2^-20, distances to 1/16, norms and logits to 2^-10.  Where one is not finite, or
 * beyond HEADS_MOST, the token is in no sum of the head and counts in n_beyond.
 *
 * Threads: a shape is set before the scan, then read only; a whole belongs to whoever holds the
 * run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_HEADS_HEADS_H
#define GAPSCOPE_OUT_RESULTS_HEADS_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/head_moment.h"
#include "corpora/base/mem.h"
#include "out/results/examples.h"
#include "out/results/fixed.h"
#include "out/results/run.h"

#define HEADS_KIND 32                      // room for the text of a kind
#define HEADS_EXAMPLES_MAX 1000            // of a list
#define HEADS_SOURCES 5                    // of an example: [back, id, attention] each
#define HEADS_UNIT_MAX ((size_t)1 << 22)   // tokens of a unit
#define HEADS_DLA_UNIT ((double)(1 << 10)) // units of a logit
#define HEADS_SUMS ((size_t)HEAD_DLA)      // moments that are plain means

/* Units of 1, and the size from which a value is beyond. */
double heads_unit(enum head_moment m);
float heads_most(enum head_moment m);

/* What the weights alone say of a head. */
struct heads_scores {
    double copying, copying_raw;
    double previous_token, duplicate_token, induction, bos, self;
    char kind[HEADS_KIND]; // "previous+induction", "bos", "", ...
};

/* The heads of one layer of one model. */
struct heads_layer {
    uint32_t model, layer;
    size_t n;
    size_t first; // number of its head 0 among all of the run
};

struct heads_shape {
    struct heads_layer *layers; // [n_layers] by model and layer
    size_t n_layers;
    size_t n;       // heads of all layers
    size_t d_vocab; // ids of the corpus are below it
    size_t n_hypotheses;
    bool *predicts_next; // [n_hypotheses] their predictions are of the token behind a labelled one
    uint32_t examples;   // kept of each kind
    struct heads_scores *scores; // [n]; NULL: not known yet
};

/* The heads of the run's models that have weights of their own, and its hypotheses; *out NULL: there
 * are no heads.  examples: kept of each kind, up to HEADS_EXAMPLES_MAX.  Errors: ERR_NOMEM. */
int heads_shape_new(struct heads_shape **out, const struct run *run, uint32_t examples,
                    struct err *err);
void heads_shape_free(struct heads_shape *s); // NULL is allowed

/* Takes scores[n]. */
void heads_shape_set_scores(struct heads_shape *s, struct heads_scores *scores);

/* The scores as bytes, and back.  Errors: ERR_NOMEM, ERR_FORMAT. */
int heads_shape_save(const struct heads_shape *s, struct buf *out, struct err *err);
int heads_shape_load(struct heads_shape **out, const struct run *run, const void *bytes, size_t len,
                     struct err *err);

/* Number of the layer; SIZE_MAX: there is none. */
size_t heads_find_layer(const struct heads_shape *s, size_t model, size_t layer);

/* What is known of a head. */
struct heads_sums {
    uint64_t n, n_repeat, n_beyond; // tokens
    __int128 sums[HEADS_SUMS];      // in units, over n
    struct moments dla;             // in units
};

/* What is known of a hypothesis and a head: predictions that its labels are about, all predictions
 * in documents on which it did not give up, and the tokens there. */
struct heads_label {
    uint64_t n, n_all, n_to;
    __int128 dla, dla_all; // in units
    __int128 to;           // attention to labelled tokens, in units of 2^-20
};

/* The kinds of examples, which are least first by these keys. */
enum heads_list { HEADS_HELPS, HEADS_HURTS, HEADS_RANDOM, HEADS_LISTS };

struct heads {
    const struct heads_shape *shape;
    struct heads_sums *sums;    // [n]
    struct heads_label *labels; // [n][n_hypotheses]
    struct example_list *lists; // [HEADS_LISTS][n]; acts: HEADS_SOURCES of an example
};

int heads_new(struct heads **out, const struct heads_shape *s, struct err *err);
void heads_free(struct heads *h); // NULL is allowed

void heads_clear(struct heads *h); // as it was when new

/* Adds 'from', of the same shape, and takes its lists.  Errors: ERR_NOMEM. */
int heads_merge(struct heads *to, struct heads *from, struct err *err);

/* As bytes, and back into a new one.  Equal wholes give equal bytes.  Errors: ERR_NOMEM,
 * ERR_FORMAT. */
int heads_save(const struct heads *h, struct buf *out, struct err *err);
int heads_load(struct heads *h, const void *bytes, size_t len, struct err *err);

#endif
