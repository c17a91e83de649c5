/*
 * random.h - numbers that are the same in every run
 */
#ifndef GAPSCOPE_TESTS_KIT_RANDOM_H
#define GAPSCOPE_TESTS_KIT_RANDOM_H

#include <stdint.h>

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003); a file's own sequence. */
static inline uint32_t next_random(uint32_t below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

#endif
