/*
 * seeded.h - random numbers that are the same on every machine
 *
 * splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_SEEDED_H
#define GAPSCOPE_MODEL_EXPLAIN_SEEDED_H

#include <stddef.h>
#include <stdint.h>

struct seeded {
    uint64_t state; // the seed, at first
};

static inline uint64_t seeded_next(struct seeded *s)
{
    uint64_t x = s->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A number in [0, below), below > 0; its bias is at most below / 2^64. */
static inline size_t seeded_below(struct seeded *s, size_t below)
{
    return (size_t)(((unsigned __int128)seeded_next(s) * below) >> 64);
}

#endif
