/*
 * token_means.h - the mean activation of every neuron at each of the commonest tokens
 *
 *     token_means_shape_new -> token_means_shape_choose (once, before the scan)
 *     the run:  token_means_new -> token_means_merge, ... -> token_means_save
 *
 * Which tokens these are is fixed before the scan, the same for all parts of a run: the most
 * frequent ones of a file of counts, or of the corpus' first unit.  Activations are those at the
 * site of the neuron's model, rounded to a whole number of 2^-20, so that sums are exact.  One that
 * is not finite, or is TOKEN_MEANS_ACT_MAX or more in size, is in no sum, nor in the n of the mean.
 * Position 0 of a window and special tokens that are skipped count nowhere.
 *
 * Threads: a shape is set before the scan, then read only; a whole belongs to whoever holds the
 * run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_TOKEN_MEANS_TOKEN_MEANS_H
#define GAPSCOPE_OUT_RESULTS_TOKEN_MEANS_TOKEN_MEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/run.h"

#define TOKEN_MEANS_MOST 65536                 // tokens that may be asked for
#define TOKEN_MEANS_SHOWN 50                   // of a neuron
#define TOKEN_MEANS_N_LEAST 5                  // places of a token that is shown
#define TOKEN_MEANS_ACT_MAX ((float)(1 << 20)) // 2^22 of them fit in a sum of 63 bits
#define TOKEN_MEANS_UNIT_MAX ((size_t)1 << 22) // tokens of a unit
#define TOKEN_MEANS_NONE UINT32_MAX

/* The neurons of one layer of one model. */
struct token_means_layer {
    uint32_t model, layer;
    size_t n;     // d_mlp
    size_t first; // number of its neuron 0 among all of the run
};

struct token_means_shape {
    struct token_means_layer *layers; // [n_layers], of models with a site
    size_t n_layers;
    size_t n;        // neurons of all layers
    uint32_t asked;  // how many tokens are asked for
    size_t d_vocab;  // ids below it are in every model's vocabulary
    bool chosen;     // the tokens are known
    uint32_t *ids;   // [n_tokens] ascending; NULL until they are chosen
    size_t n_tokens; // at most 'asked'
    uint32_t *place; // [d_vocab] where an id is among them, or TOKEN_MEANS_NONE
};

/* The neurons of a run whose models and their sites are known; *out NULL: there are none.
 * Errors: ERR_NOMEM, ERR_LIMIT. */
int token_means_shape_new(struct token_means_shape **out, const struct run *run, uint32_t asked,
                          struct err *err);
void token_means_shape_free(struct token_means_shape *s); // NULL is allowed

/* Takes the tokens of the greatest counts[d_vocab], of equal ones the lower id; none of count 0.
 * Errors: ERR_NOMEM. */
int token_means_shape_choose(struct token_means_shape *s, const uint64_t *counts, struct err *err);

/* As bytes, and back, of the same run.  Errors: ERR_NOMEM, ERR_FORMAT. */
int token_means_shape_save(const struct token_means_shape *s, struct buf *out, struct err *err);
int token_means_shape_load(struct token_means_shape **out, const struct run *run, const void *bytes,
                           size_t len, struct err *err);

/* 0 where a and b ask the same, else ERR_MISMATCH.  fixed: the tokens are compared, too. */
int token_means_shape_same(const struct token_means_shape *a, const struct token_means_shape *b,
                           bool fixed, struct err *why);

/* What is known of a token. */
struct token_means_row {
    uint64_t n;         // its places
    __int128 *sum;      // [neurons] of activations, in 2^-20; NULL: n is 0
    uint64_t *left_out; // [neurons] places whose activation no sum has; NULL: none
};

struct token_means {
    const struct token_means_shape *shape;
    struct token_means_row *rows; // [n_tokens]
};

int token_means_new(struct token_means **out, const struct token_means_shape *s, struct err *err);
void token_means_free(struct token_means *m); // NULL is allowed

/* Room in row 'token' for sums; left_out: for what no sum has, too.  Errors: ERR_NOMEM. */
int token_means_need(struct token_means *m, size_t token, bool left_out, struct err *err);

/* Adds 'from', of the same shape, and takes its rows.  Errors: ERR_NOMEM. */
int token_means_merge(struct token_means *to, struct token_means *from, struct err *err);

/* As bytes, TOKEN_MEANS_PIECE tokens a piece, and back into a new one.  Equal wholes give equal
 * bytes.  Errors: ERR_NOMEM, ERR_FORMAT. */
#define TOKEN_MEANS_PIECE 256
size_t token_means_n_pieces(const struct token_means_shape *s);
int token_means_save(const struct token_means *m, size_t piece, struct buf *out, struct err *err);
int token_means_load(struct token_means *m, size_t piece, const void *bytes, size_t len,
                     struct err *err);

/* A token of a neuron. */
struct token_means_item {
    size_t token; // index in the shape's
    uint64_t n;
    double mean;
};

/* The tokens of the greatest means of a neuron, the greatest first: items[TOKEN_MEANS_SHOWN];
 * returns how many.  Only tokens with at least TOKEN_MEANS_N_LEAST places are listed. */
size_t token_means_greatest(const struct token_means *m, size_t neuron,
                            struct token_means_item *items);

#endif
