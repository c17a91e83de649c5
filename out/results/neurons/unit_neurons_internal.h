/*
 * unit_neurons_internal.h - what the files of a part share: unit_neurons.c, sums and
 * histograms; unit_neurons_lists.c, places
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_UNIT_NEURONS_INTERNAL_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_UNIT_NEURONS_INTERNAL_H

#include "out/results/neurons/act_kernels.h"
#include "out/results/neurons/unit_neurons.h"

#define UNIT_ROWS 128                 // rows that are added together
#define UNIT_CHUNK 7168               // tokens whose bins are kept; positions in it are 16 bits
#define UNIT_STRIDE (UNIT_CHUNK + 16) // of groups of neurons: caches would map 2^n to one set

#define UNIT_NONE UINT32_MAX
enum { UNIT_DEV = SPLIT_DEV, UNIT_TEST = SPLIT_TEST, UNIT_NO_DOC }; // the last is not counted

/* A set of tokens of a unit, in one half of the documents.  Where it is more than half of them, the
 * others are counted, and the result is all less those. */
struct unit_neurons_tokens {
    uint32_t *at; // [n] their ordinals, ascending: the how-manieth of the unit's counted tokens
    size_t n, cap;
    bool others;     // 'at' are those of the half that are not in the set
    uint64_t tokens; // in the set
    uint64_t docs;
};

/* The bins of a histogram and the one of what is not finite; a multiple of 16 bytes. */
#define UNIT_BINS ((BINS + 16) / 16 * 16)
#define UNIT_COUNT_ONE 256 // tokens that a count of 8 bits does not hold

/* The histograms of a set: cells of 8 bits, and for every UNIT_COUNT_ONE tokens of a cell that it
 * does not hold an item of 'full': most cells of a unit stay below that. */
struct unit_neurons_hists {
    uint8_t *cells; // [n, or of the subset][UNIT_BINS]
    uint32_t *full; // [n_full] cells, in any order
    size_t n_full, full_cap;
    size_t tokens; // that are counted, of each neuron
};

/* What a layer's neurons do on a set; all 0 but where 'used'. */
struct unit_neurons_sums {
    bool used;
    int64_t *sum, *positive; // [n] of what is not beyond ACT_MAX
    uint64_t *low, *high;    // [n] of squares; NULL for labelled sets
    struct set_sums *beyond; // [n] of the rest; NULL: there is none
    struct unit_neurons_hists hists;
    size_t sums_at, hist_at; // how much of its tokens is in
};

/* Third and fourth powers over the tokens of a half. */
struct unit_neurons_powers {
    bool known;                // is there a shift?
    int32_t *shift;            // [n] the mean over the first rows
    double *cubes, *fourths;   // [n] about it, of what is not beyond
    struct power_sums *beyond; // [n] about 0, of the rest; NULL: there is none
};

/* An activation beyond ACT_MAX, in the rows that are added together. */
struct unit_neurons_large {
    uint32_t neuron;
    float activation;
};

/* The best place that the current document has for a list of a neuron. */
struct unit_neurons_best {
    uint32_t key;
    uint32_t token;      // of the unit; UNIT_NONE: none
    bool fresh;          // of the current block: not in 'held' yet
    struct example held; // {0}: none
};

/* The lists of a layer.  A slot is a list of a neuron, list * n + neuron, or a side of a watch. */
struct unit_neurons_lists {
    struct example_list *lists;     // [LISTS][n]
    struct unit_neurons_best *best; // [n_slots]
    uint32_t *touched;              // [n_touched] slots that have a best
    size_t n_slots, n_touched;
    size_t doc; // in hand; SIZE_MAX: none
    // what may enter, made stricter by the current document: act_limits
    int32_t *top, *bottom;
    uint32_t *salt, *hash, *most, *open;
};

struct unit_neurons_layer {
    struct unit_neurons_sums *sets[SPLITS]; // [n_sets]
    struct unit_neurons_powers powers[SPLITS];
    struct unit_neurons_lists lists;
    uint16_t *bins; // [n / ACT_TURNED, rounded up][UNIT_STRIDE][ACT_TURNED]
    size_t n_rows;  // tokens done
    size_t begin;   // ordinal of the first in 'bins'
};

/* Where the rows of the current block are. */
struct unit_neurons_rows {
    const float *acts;
    size_t begin, end;   // tokens
    const uint32_t *row; // [end - begin] of acts
};

struct unit_neurons {
    const struct neurons_shape *shape;
    const struct act_kernels *kern;
    struct unit_tokens unit;
    const struct unit_neurons_cutoffs *cutoffs;

    // of the unit's tokens
    uint8_t *kind;            // [n] UNIT_DEV, ...
    uint32_t *place, *doc_of; // [n] hash of the place; index of the document
    uint8_t *sampled;         // [n] some sample has it
    size_t kind_cap, place_cap, doc_of_cap, sampled_cap;
    uint32_t *others; // of a set
    size_t others_cap;
    struct unit_neurons_tokens *sets[SPLITS]; // [n_sets]

    struct unit_neurons_layer *layers; // [n_layers]
    struct example_list (*watched)[2]; // [n_watches]
    struct example_list *samples;      // [n_hypotheses]

    // of the current block
    uint32_t *row; // unit_neurons_rows'
    size_t row_cap;
    int32_t *fixed;                            // [UNIT_ROWS][n]
    uint16_t *bins;                            // [UNIT_ROWS][n]
    struct unit_neurons_large *large;          // [large_to[UNIT_ROWS]] of all rows
    size_t large_cap, large_to[1 + UNIT_ROWS]; // those of row k: [large_to[k], large_to[k + 1])
    uint8_t *flags;                            // [n]
    uint16_t *positions;                       // of a chunk's sets
    size_t positions_cap;
    struct unit_neurons_count *counts; // [SPLITS * n_sets]
};

struct unit_neurons_cutoffs {
    const struct neurons_shape *shape;
    uint32_t **keys;        // [n_layers] of [LISTS][n]
    uint32_t (*watched)[2]; // [n_watches]
    uint32_t *samples;      // [n_hypotheses]
};

/* unit_neurons_powers.c.  Room for powers of n neurons (ERR_NOMEM: fit to be freed), none, and
 * before a unit. */
int unit_powers_new(struct unit_neurons_powers *w, size_t n);
void unit_powers_free(struct unit_neurons_powers *w);
void unit_powers_clear(struct unit_neurons_powers *w, size_t n);

/* Finds what is large in row a[n], which is put into p->fixed as row 'row', from 0 upwards; any: is
 * there something? */
int unit_powers_find(struct unit_neurons *p, const float *a, size_t n, size_t row, bool any,
                     struct err *err);

/* Adds rows at[n_at] of p->fixed: powers, after the first call's sums of them are in; and to a set
 * what is large in them. */
void unit_powers_rows(struct unit_neurons *p, size_t layer, int split, const uint8_t *at,
                      size_t n_at);
int unit_powers_large(struct unit_neurons *p, size_t layer, int split, size_t set,
                      const uint8_t *at, size_t n_at, struct err *err);

/* Adds a half's powers to the whole. */
void unit_powers_add(struct neurons *to, const struct unit_neurons *p, size_t layer, int split);

/* Room for the lists, and none again. */
int unit_neurons_lists_new(struct unit_neurons *p, size_t layer, struct err *err);
void unit_neurons_lists_free(struct unit_neurons *p, size_t layer);

/* Before the unit's first block: no lists, and what the whole lets in. */
void unit_neurons_lists_begin(struct unit_neurons *p, size_t layer);

/* Before a row of token 't': ends the current document if it is another. */
int unit_neurons_lists_enter(struct unit_neurons *p, size_t layer,
                             const struct unit_neurons_rows *rows, size_t t, struct err *err);

/* Offers a row a[n] of token 't'; any: all p->flags joined. */
void unit_neurons_lists_row(struct unit_neurons *p, size_t layer, const float *a, size_t t,
                            unsigned any);

/* At the end of a block: ends the current document, or, where it goes on, keeps what it has. */
int unit_neurons_lists_hold(struct unit_neurons *p, size_t layer,
                            const struct unit_neurons_rows *rows, struct err *err);

/* Chooses the unit's samples, and fills in what a layer does on a token that some have. */
int unit_neurons_samples_choose(struct unit_neurons *p, struct err *err);
void unit_neurons_samples_fill(struct unit_neurons *p, size_t layer, size_t t, const float *a);

#endif
