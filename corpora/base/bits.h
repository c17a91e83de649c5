/*
 * bits.h - a set of n bits, 64 in a word
 */
#ifndef GAPSCOPE_CORPORA_BASE_BITS_H
#define GAPSCOPE_CORPORA_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of words that hold n bits. */
static inline size_t bits_words(size_t n)
{
    return (n + 63) / 64;
}

static inline bool bits_get(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static inline void bits_set(uint64_t *words, size_t i)
{
    words[i / 64] |= UINT64_C(1) << (i % 64);
}

#endif
