/*
 * trigrams.h - what a scan keeps of chosen trigrams (A, B) -> C
 *
 *     a worker:  trigrams_new -> trigrams_begin (a unit) -> trigrams_block for each layer and block
 *                of windows, trigrams_add_doc for each document -> trigrams_merge(whole, unit)
 *     the run:   trigrams_new -> trigrams_merge, ... -> trigrams_save / store_trigrams.c
 *
 * A place of a trigram is a token C right behind B right behind A, all three in one window of one
 * document and none of them what begins the window (BOS, or the first of a list of ids).  There
 * the log-probs that the models gave C are summed, and the gaps of the pairs, as scanned.
 *
 * What its neurons do is a 2 x 2 table, of activations at B:
 *
 *                       this token is B      another one is
 *     A stands before        AB                   Ax
 *     it does not            xB                   xx
 *
 * Kept are sums over the tokens of groups: "A before B", "B", "A before"; the cells are differences
 * of these and of the sum over all tokens, which neurons.h has.  Trigrams share groups.
 *
 * An activation is summed as a whole number of 2^-20, beyond 1024 as that (act_kernels.h), in 64
 * bits: 2^33 tokens of a group fit, each as large as can be.  Everything merges exactly, like the
 * tally.
 *
 * Threads: one of a unit belongs to a worker, the whole to whoever holds the run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_H
#define GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/examples.h"
#include "out/results/fixed.h"
#include "out/results/gaps/tally.h"
#include "out/results/run.h"
#include "out/results/unit.h"

#define TRIGRAMS_MAX 65536
#define TRIGRAMS_SUMS_MAX ((uint64_t)1 << 30) // neurons x groups of tokens summed: 8 GiB
#define TRIGRAM_SKIPS 4     // kinds of distance: 2, 3-4, 5-8, 9-16
#define TRIGRAM_FILLERS 8   // stand-ins for A, and for B
#define TRIGRAM_PLACES 16   // kept of a trigram, by a hash of the place
#define TRIGRAM_ELSEWHERE 8 // places of its B behind another token than A
#define TRIGRAM_BEFORE 31   // tokens shown before a place, if its window has so many
#define TRIGRAM_AFTER 8     // and after

/* What the counts say of it (model/counts/candidates.h). */
struct trigram {
    uint32_t a, b, c;
    uint64_t count, count_ab, count_bc, count_b, count_c;
    double p;                     // P(C | A, B)
    double p_bigram;              // P(C | B)
    double p_skip[TRIGRAM_SKIPS]; // P(C | A stands so far before it)
    double p_added;               // what adding the evidence of A and of B gives
    uint32_t n_fillers[2];        // for A, for B
    uint32_t fillers[2][TRIGRAM_FILLERS];
};

/* Tokens whose activations are summed. */
struct trigram_groups {
    uint32_t ab, b, a;
};

/* What all of a run share: trigrams_shape_make(), the caller keeps it. */
struct trigrams_shape {
    const struct trigram *items; // [n], no two of the same tokens; the shape's
    size_t n;
    size_t n_models, n_pairs;
    size_t *layers; // [n_layers] neurons of each; none: activations are not kept
    size_t n_layers;

    // of the run: trigrams_shape_of(); else NULL and 0
    size_t *first_layers;         // [n_models] the first of a model's among 'layers'
    const struct run_pair *pairs; // [n_pairs] the run's own
    double floor;                 // nats

    // groups: n_ab of A before B, then n_b of B, then n_a of A before
    size_t n_ab, n_b, n_groups;
    struct trigram_groups *groups; // [n]
    uint32_t *of_b, *of_a;         // [n_ids] a token's group; UINT32_MAX: none
    size_t n_ids;
    uint32_t *order;    // [n] items by (b, a, c)
    uint32_t *ab_first; // [n_ab + 1] where a group's items begin in 'order'
    uint32_t *b_first;  // [n_b + 1] where those of B begin, as groups of A before B
};

/*
 * Copies items[n], n <= TRIGRAMS_MAX, and layers (NULL where there are none).  On success
 * trigrams_shape_free() ends *out. Errors: ERR_NOMEM; ERR_FORMAT (two are the same, or have more
 * fillers than there can be).
 */
int trigrams_shape_make(struct trigrams_shape **out, const struct trigram *items, size_t n,
                        size_t n_models, size_t n_pairs, const size_t *layers, size_t n_layers,
                        struct err *err);
void trigrams_shape_free(struct trigrams_shape *s); // NULL is allowed

/* The shape of a run: of its models, pairs, and the layers that have neurons (neurons_shape_make()
 * keeps those of models with a site).  Errors: trigrams_shape_make()'s; ERR_LIMIT (too many for so
 * many neurons). */
int trigrams_shape_of(struct trigrams_shape **out, const struct run *run,
                      const struct trigram *items, size_t n, struct err *err);

/* Its trigrams as bytes, and back, of the same run.  Errors: ERR_NOMEM, ERR_FORMAT. */
int trigrams_shape_save(const struct trigrams_shape *s, struct buf *out, struct err *err);
int trigrams_shape_load(struct trigrams_shape **out, const struct run *run, const void *bytes,
                        size_t len, struct err *err);

/* 0 where both look for the same, else ERR_MISMATCH with the first difference in words. */
int trigrams_shape_same(const struct trigrams_shape *a, const struct trigrams_shape *b,
                        struct err *why);

struct trigram_sums {
    uint64_t n;    // places
    uint64_t docs; // with one
    // 'ids' begin with what begins the window, which may have more tokens after that
    struct example_list places;    // 'acts': the models' ln P(C)
    struct example_list elsewhere; // of B; 'acts': the models' ln P(B)
};

struct trigrams {
    const struct trigrams_shape *shape;
    struct trigram_sums *items; // [n]
    __int128 *logprob;          // [n][n_models] fixed, of C over the places where it is a number
    uint64_t *logprob_n;        // [n][n_models] those places
    struct moments *gap;        // [n][n_pairs] over the places that have one
    uint64_t *tokens;           // [n_groups]
    int64_t **sums;             // [n_layers] of [n_groups][layers[l]] activations

    struct trigrams_unit *unit; // its own: the current unit
};

/* Errors: ERR_NOMEM, here and below. */
int trigrams_new(struct trigrams **out, const struct trigrams_shape *shape, struct err *err);
void trigrams_free(struct trigrams *t); // NULL is allowed

/* Forgets all that is in 't', and counts the unit's groups. */
int trigrams_begin(struct trigrams *t, const struct unit_tokens *unit, struct err *err);

/*
 * Adds what a layer does on a block of windows: tokens [begin, begin + sum of n) of the unit,
 * window k having n[k] of them and 1 + n[k] rows of acts[rows][layers[layer]], the first that of
 * what stands before its tokens.  Blocks of a layer come in order.
 */
void trigrams_block(struct trigrams *t, size_t layer, size_t begin, const size_t *n,
                    size_t n_windows, const float *acts);

/* Adds document d of the unit, as the models saw it; pairs[n_pairs] and floor (nats): of which gaps
 * are made (gap.h). */
int trigrams_add_doc(struct trigrams *t, size_t d, const struct tally_doc *doc,
                     const struct run_pair *pairs, double floor, struct err *err);

/* Adds 'from', of the same shape, and takes its lists; of a unit only what is in it is looked at.
 * 'to' is no unit: trigrams_begin() has not been called with it.  On failure both are fit to be
 * freed only. */
int trigrams_merge(struct trigrams *to, struct trigrams *from, struct err *err);

/* The cells of a trigram's table. */
enum { TRIGRAM_AB, TRIGRAM_XB, TRIGRAM_AX, TRIGRAM_XX, TRIGRAM_CELLS };

/* Tokens of each; 'all' of the corpus. */
void trigrams_cells(const struct trigrams *t, size_t item, uint64_t all,
                    uint64_t tokens[TRIGRAM_CELLS]);

/* Mean activations of a neuron in each, NaN where there is no token; 'all' is the sum over all
 * n_all tokens of the corpus, fixed. */
void trigrams_means(const struct trigrams *t, size_t item, size_t layer, size_t neuron,
                    __int128 all, uint64_t n_all, double mean[TRIGRAM_CELLS]);

/* All of it as bytes, the same for equal ones, and back into a new one of the same shape.  Errors:
 * ERR_NOMEM, ERR_FORMAT (not such bytes; *t is then fit to be freed only).  No checksum: whoever
 * keeps the bytes has one. */
int trigrams_save(const struct trigrams *t, struct buf *out, struct err *err);
int trigrams_load(struct trigrams *t, const void *bytes, size_t len, struct err *err);

/* Bytes of one in memory, at most, but for examples. */
uint64_t trigrams_memory(const struct trigrams_shape *s);

#endif
