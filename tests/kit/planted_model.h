/*
 * planted_model.h - a model whose weights are written by hand, so that what does a trigram is known
 *
 *     planted_write (a folder: config.json, model.safetensors) -> model_load, gapscope scan --ids,
 * ...
 *
 * One layer, no norm, one head that looks at the token before and writes who it was.  Everything
 * has dimensions of the residual stream of its own:
 *
 *     position, one each | of each trigram: A is here, B is here, A was before, say C, say D |
 * noise
 *
 * B always speaks for its usual next token D.  Random embeddings, unembeddings and neurons in the
 * dimensions of noise, of which the second head brings what stands before, make all other tokens a
 * distribution of their own, so that ln P(C) is about -ln d_vocab where nothing speaks for it. What
 * says C after A B:
 *
 *     PLANTED_BY_AND      one neuron that fires on B behind A only, and writes C
 *     PLANTED_BY_SPREAD   PLANTED_MANY neurons, each a share of the same
 *     PLANTED_BY_B_ONLY   one that fires on any B and writes C, less than D; A behind it, by
 * attention alone, takes D away PLANTED_BY_A_ONLY   B itself speaks for C, less than for D; one
 * neuron that fires behind any A takes D away PLANTED_BY_BOTH     first a neuron as in B_ONLY, then
 * one as in AND that writes less than it: without A the first alone cannot beat D PLANTED_BY_BIGRAM
 * B itself, whatever is before it: no interaction PLANTED_BY_SKIP     A, by attention alone,
 * whatever is behind it: no interaction
 *
 *     PLANTED_BY_EITHER   A by attention and B itself, each enough alone: a negative interaction
 *
 * The attention-only twin is the same without neurons.
 */
#ifndef GAPSCOPE_TESTS_KIT_PLANTED_MODEL_H
#define GAPSCOPE_TESTS_KIT_PLANTED_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLANTED_N_CTX ((size_t)32)
#define PLANTED_MANY ((size_t)24)

enum planted_way {
    PLANTED_BY_AND,
    PLANTED_BY_SPREAD,
    PLANTED_BY_B_ONLY,
    PLANTED_BY_A_ONLY,
    PLANTED_BY_BOTH,
    PLANTED_BY_BIGRAM,
    PLANTED_BY_SKIP,
    PLANTED_BY_EITHER,
};

struct planted_trigram {
    enum planted_way way;
    uint32_t a, b, c, d; // different tokens, also from those of the other trigrams
};

struct planted {
    const struct planted_trigram *trigrams; // [n], n <= PLANTED_N_CTX
    size_t n;
    size_t d_vocab; // a few hundred
};

/* Writes the model, or its attention-only twin, into a folder that is there.  A failure is one of
 * the test that calls it. */
void planted_write(const struct planted *p, bool attn_only, const char *dir);

/* The first of the neurons that were planted for trigram k. */
size_t planted_neuron(const struct planted *p, size_t k);

#endif
