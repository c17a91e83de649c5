/*
 * neurons.h - what a scan keeps of every neuron, and of every neuron and hypothesis
 *
 *     a worker:  unit_neurons_new -> unit_neurons_begin (a unit) -> unit_neurons_block for each
 *                layer and block of windows -> unit_neurons_end -> neurons_add(whole, part)
 *                (unit_neurons.h)
 *     the run:   neurons_new -> neurons_add, neurons_merge, ... -> neurons_save / scores.h
 *
 * Like the tally's, all of it merges exactly: counts, sums of whole numbers, and lists
 * (examples.h). A hypothesis divides tokens into labelled, not labelled, and those of documents on
 * which it gave up, which it leaves out.  Kept are sums and histograms for three kinds of sets of
 * tokens: all, and for each hypothesis the labelled and the left out; what is not labelled is the
 * difference.  All are kept for both halves of the documents, dev and test.
 *
 * An activation is summed as a whole number of 2^-20, to which it is rounded (from 2^3 on it is
 * one), and so are its powers, of units of 2^-40 and so on: exactly, whatever finite number it is.
 * One that is not finite is counted, and is in no sum, no histogram and no mean.
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
#include "corpora/base/row_site.h"
#include "out/results/examples.h"
#include "out/results/neurons/activation_bins.h"
#include "out/results/wide.h"

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

/* The direct effects of a neuron: tokens that it makes most and least likely; tokens that drive it
 * most and least.  NEURONS_NO_TOKEN fills up; where a kind is not known of a model, all are that.
 * */
enum {
    NEURONS_OUTPUT_TOP,
    NEURONS_OUTPUT_BOTTOM,
    NEURONS_INPUT_TOP,
    NEURONS_INPUT_BOTTOM,
    NEURONS_EFFECT_KINDS
};
#define NEURONS_EFFECTS 15 // of each kind
#define NEURONS_NO_TOKEN UINT32_MAX
#define NEURONS_EXAMPLES_MAX 1000       // top examples of a neuron
#define NEURONS_MAX ((uint64_t)1 << 20) // of all models
struct neurons_effect {
    uint32_t token;
    float value;
};

/* What all of a run share.  neurons_shape_make() makes one whose arrays are its own. */
struct neurons_shape {
    const struct neurons_layer *layers; // [n_layers]
    size_t n_layers;
    size_t n; // neurons of all layers
    size_t n_hypotheses;
    const struct neurons_watch *watches; // [n_watches]
    size_t n_watches;
    uint32_t examples;                    // top examples shown of a neuron
    const struct neurons_subset *subsets; // [n_layers][n_hypotheses]; NULL: every neuron
    uint32_t histograms; // neurons a hypothesis that are to have histograms; 0: all
    const struct neurons_effect *effects; // [n][NEURONS_EFFECT_KINDS][NEURONS_EFFECTS]; NULL: not
                                          // known
};

/* What is asked for, beside the models' sites. */
struct neurons_ask {
    const struct neurons_watch *watches; // [n_watches]; layers count through all models
    size_t n_watches;
    uint32_t examples, histograms;
};

struct run;

/* The shape of a run's neurons, those of models with a site; *out NULL: there are none.
 * neurons_shape_free() ends it.  Errors: ERR_NOMEM, ERR_LIMIT (a watch of a neuron that there is
 * not, over NEURONS_MAX neurons). */
int neurons_shape_make(struct neurons_shape **out, const struct run *run,
                       const struct neurons_ask *ask, struct err *err);
void neurons_shape_free(struct neurons_shape *s); // NULL is allowed

/* Gives the shape its subsets ([n_layers][n_hypotheses], allocated as their items are), or effects
 * (allocated), which it owns from now on. */
void neurons_shape_set_subsets(struct neurons_shape *s, struct neurons_subset *subsets);
void neurons_shape_set_effects(struct neurons_shape *s, struct neurons_effect *effects);
void neurons_subsets_free(struct neurons_subset *subsets, size_t n); // NULL is allowed

/* Where a model's neurons are read, by its site: "pre", "mid" or "post". */
enum row_site neurons_row_site(const char *site);

/* The index of a model's first layer among the shape's; SIZE_MAX: it has none. */
size_t neurons_first_layer(const struct neurons_shape *s, size_t model);

/* As bytes: what was asked, subsets, effects; and back, of the same run.  Errors: ERR_NOMEM,
 * ERR_FORMAT. */
int neurons_shape_save(const struct neurons_shape *s, struct buf *out, struct err *err);
int neurons_shape_load(struct neurons_shape **out, const struct run *run, const void *bytes,
                       size_t len, struct err *err);

/* 0 where a and b ask the same of one run, else ERR_MISMATCH with the first difference in words.
 * fixed: their subsets are compared, too. */
int neurons_shape_same(const struct neurons_shape *a, const struct neurons_shape *b, bool fixed,
                       struct err *why);

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
    struct wide sum, positive, squares; // of a, max(a, 0), a^2
    uint64_t left_out;                  // tokens whose activation is not finite
    uint64_t beyond;                    // finite ones of ACT_MAX and more in size
};

/* Over all tokens of a half. */
struct power_sums {
    struct wide cubes, fourths; // of a^3, a^4
};

/* Of one layer.  What a set has not is NULL: no token was in it. */
struct layer_sums {
    struct set_sums **sums[SPLITS];    // [n_sets] of [n]
    struct power_sums *powers[SPLITS]; // [n]
    uint64_t **hist[SPLITS];           // [n_sets] of [n, or of the subset][BINS]
    struct example_list *lists;        // [LISTS][n]
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

/* The sum over all tokens of what neuron i of a layer does, in units of 2^-20.  false: some of it
 * is ACT_MAX or more in size or not finite, and *sum is not to be used. */
bool neurons_sum_all(const struct neurons *n, size_t layer, size_t i, __int128 *sum);

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
