/*
 * neurons_kit.h - documents with activations and labels at random, and their way through parts into
 * a whole, in one unit or cut anyhow (for tests of neurons)
 */
#ifndef GAPSCOPE_TESTS_KIT_NEURONS_KIT_H
#define GAPSCOPE_TESTS_KIT_NEURONS_KIT_H

#include "out/results/neurons/neurons.h"
#include "out/results/neurons/unit_neurons.h"

struct kit_doc {
    uint32_t shard;
    uint64_t number;
    bool test;
    size_t n;
    uint32_t *ids, *ends; // [n]
    uint32_t *pos;        // [n] in the window; where the first is not 1, others stand before it
    uint64_t *labels;     // [n][n_words]
    uint64_t *gave_up;    // [n_words]
    float **acts;         // [n_layers] of [n][layers[i].n]
};

struct kit {
    const struct neurons_shape *shape;
    struct kit_doc *docs; // [n], by (shard, number)
    size_t n;
    bool texts; // else ends are not told
};

uint64_t kit_random(uint64_t *state, uint64_t below);

/* Documents of up to most_tokens, an empty one now and then; words and activations often agree. */
void kit_make(struct kit *k, const struct neurons_shape *shape, size_t n_docs, size_t most_tokens,
              uint64_t seed);

/* A document of n tokens 0, 1, ...: all else is 0.  Documents come in order. */
struct kit_doc *kit_add_doc(struct kit *k, uint32_t shard, uint64_t number, bool test, size_t n);
void kit_free(struct kit *k);

/* Everything in units of one shard, in order. */
struct neurons *kit_whole(const struct kit *k);

/* Units, blocks, cutoffs, wholes that are merged, and saved and loaded before it: all at random. */
struct neurons *kit_anyhow(const struct kit *k, uint64_t *random);

struct buf kit_save(const struct neurons *n, size_t piece);
struct neurons *kit_reload(const struct neurons *n); // through bytes, which are the same again

#endif
