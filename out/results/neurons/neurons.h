/*
 * neurons.h - what a scan keeps of every neuron, and of every neuron and hypothesis
 *
 *     a worker:  unit_neurons_new -> unit_neurons_begin (a unit) -> unit_neurons_block for each layer and block of windows
 *                -> unit_neurons_end -> neurons_add(whole, part)                                  (part.h)
 *     the run:   neurons_new -> neurons_add, neurons_merge, ... -> neurons_save / scores.h
 *
 * Like the tally's, all of it merges exactly: counts, sums of whole numbers, and lists
 * (examples.h). A hypothesis divides tokens into labelled, not labelled, and those of documents on
 * which it gave up, which it leaves out.  Kept are sums and histograms for three kinds of sets of
 * tokens: all, and for each hypothesis the labelled and the left out; what is not labelled is the
 * difference.  All are kept for both halves of the documents, dev and test.
 *
 * An activation is summed as a whole number of 2^-20, beyond 1024 as that; its square is that
 * number's, in units of 2^-40.
 *
 * Threads: the whole belongs to whoever holds the run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/bits.h"
#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/examples.h"
#include "out/results/neurons/activation_bins.h"

/* Neurons of one layer of one model. */
struct neurons_layer {
    uint32_t model, layer;
    size_t n;     // d_mlp
    size_t first; // number of its neuron 0 among all of the run
};

/* A pair of neuron and hypothesis of which counterexamples are kept in full. */
struct neurons_watch {
    uint32_t layer; // index in the shape's layers
    uint32_t neuron, hypothesis;
};

/* Neurons of a layer that have histograms of a hypothesis' sets. */
struct neurons_subset {
    const uint32_t *items; // [n], ascending
    size_t n;
};

/* What all of a run share; the caller keeps it. */
struct neurons_shape {
    const struct neurons_layer *layers; // [n_layers]
    size_t n_layers;
    size_t n; // neurons of all layers
    size_t n_hypotheses;
    const struct neurons_watch *watches; // [n_watches]
    size_t n_watches;
    uint32_t examples;                    // top examples shown of a neuron
    const struct neurons_subset *subsets; // [n_layers][n_hypotheses]; NULL: every neuron
};

/* Lists of a neuron.  TOP and BOTTOM by activation, RANDOM and from GROUP on by a hash of the place
 * and the neuron, of all tokens and of those in each of bins.h's groups. */
enum { LIST_TOP, LIST_BOTTOM, LIST_RANDOM, LIST_GROUP, LISTS = LIST_GROUP + BINS_GROUPS };
#define LIST_TOP_LEAST 32 // kept of the strongest at least: counterexamples are looked for there
#define LIST_BOTTOM_MOST 10
#define LIST_RANDOM_MOST 10
#define LIST_GROUP_MOST 3
#define LIST_WATCH_MOST 20  // of each side of a watch
#define LIST_SAMPLE_MOST 32 // labelled tokens of a hypothesis, with the activations of all neurons
uint32_t neurons_list_most(const struct neurons_shape *shape, unsigned list);

/* Sets of tokens: all; labelled by h; left out by h. */
enum { SET_ALL };
static inline size_t set_labelled(size_t h)
{
    return 1 + 2 * h;
}
static inline size_t set_left_out(size_t h)
{
    return 2 + 2 * h;
}
static inline bool set_is_labelled(size_t set)
{
    return set % 2 == 1;
}
static inline size_t neurons_n_sets(const struct neurons_shape *shape)
{
    return 1 + 2 * shape->n_hypotheses;
}
static inline size_t neurons_n_words(const struct neurons_shape *shape)
{
    return bits_words(shape->n_hypotheses);
}
/* The neurons of a layer whose histograms a set has; NULL: all. */
static inline const struct neurons_subset *neurons_subset(const struct neurons_shape *shape,
                                                          size_t layer, size_t set)
{
    return set == SET_ALL || !shape->subsets
               ? NULL
               : &shape->subsets[layer * shape->n_hypotheses + (set - 1) / 2];
}

enum { SPLIT_DEV, SPLIT_TEST, SPLITS };

/* Over a set's tokens; squares only of sets that are not labelled ones, which nobody asks for. */
struct set_sums {
    __int128 sum, positive, squares; // of a, max(a, 0), a^2
};

/* Of one layer.  What a set has not is NULL: no token was in it. */
struct layer_sums {
    struct set_sums **sums[SPLITS]; // [n_sets] of [n]
    uint64_t **hist[SPLITS];        // [n_sets] of [n, or of the subset][BINS]
    struct example_list *lists;     // [LISTS][n]
};

struct set_tokens {
    uint64_t tokens, docs; // in the set; with a token in it
};

struct neurons {
    const struct neurons_shape *shape;
    struct layer_sums *layers;         // [n_layers]
    struct set_tokens *sets[SPLITS];   // [n_sets]
    struct example_list (*watched)[2]; // [n_watches] strong without label; labelled and weak
    struct example_list *samples;      // [n_hypotheses] labelled tokens, by a hash of the place
};

int neurons_new(struct neurons **out, const struct neurons_shape *shape, struct err *err);
void neurons_free(struct neurons *n); // NULL is allowed

/* Adds 'from', of the same shape, and takes its lists.  Errors: ERR_NOMEM, both are then fit to be
 * freed only. */
int neurons_merge(struct neurons *to, struct neurons *from, struct err *err);

/*
 * As bytes, in 1 + n_layers pieces (common things; a layer), and back into a new one of the same
 * shape.  Equal wholes give equal bytes.  Errors: ERR_NOMEM, ERR_FORMAT (not such bytes, or of
 * another shape; *n is then fit to be freed only).  No checksum: whoever keeps the bytes has one.
 */
int neurons_save(const struct neurons *n, size_t piece, struct buf *out, struct err *err);
int neurons_load(struct neurons *n, size_t piece, const void *bytes, size_t len, struct err *err);

/* What neurons of this shape take at most, in bytes. */
struct neurons_memory {
    uint64_t whole;
    uint64_t part;   // a worker's
    uint64_t saving; // while they are saved, more: run.db is written from memory
};

/* n_unsure: hypotheses that may give up on a document, so that they have a set of what is left out
 */
void neurons_memory(const struct neurons_shape *shape, size_t n_unsure, struct neurons_memory *out);

#endif
