/*
 * ngrams_sign.h - makes all sums of an .ngrams file in memory right, whatever it says
 */
#ifndef GAPSCOPE_TESTS_KIT_NGRAMS_SIGN_H
#define GAPSCOPE_TESTS_KIT_NGRAMS_SIGN_H

#include <string.h>
#include <xxhash.h>

#include "model/counts/ngrams.h"

/* bytes[len], len >= NGRAMS_HEADER */
static inline void ngrams_sign(unsigned char *bytes, size_t len)
{
    const size_t places = 8 + 8 * (11 + 2 * NGRAMS_TABLES + 4 * NGRAMS_COFC);
    for (size_t s = 0; s < NGRAMS_SECTIONS; s++) {
        uint64_t place[3]; // at, len, sum
        memcpy(place, bytes + places + 24 * s, sizeof place);
        if (place[0] <= len && place[1] <= len - place[0]) {
            place[2] = XXH3_64bits(bytes + place[0], place[1]);
            memcpy(bytes + places + 24 * s, place, sizeof place);
        }
    }
    const uint64_t sum = XXH3_64bits(bytes, NGRAMS_HEADER - 8);
    memcpy(bytes + NGRAMS_HEADER - 8, &sum, sizeof sum);
}

#endif
