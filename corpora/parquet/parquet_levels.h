/*
 * parquet_levels.h - the hybrid of runs and bit-packed groups, in which Parquet writes levels and
 * the indices of a dictionary
 *
 *     n << 1        a run: one value, in as many whole bytes as its width needs, n times
 *     n << 1 | 1    n groups of 8 values, packed from the lowest bit on
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_LEVELS_H
#define GAPSCOPE_CORPORA_PARQUET_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct levels {
    const unsigned char *at, *end; // what has not been taken; it belongs to the caller
    unsigned width;                // in bits, 0 to 32; of width 0 all values are 0
    uint64_t run;                  // how often 'value' comes again
    uint32_t value;
    uint64_t packed; // how many packed values come next
    unsigned bit;    // where the next one begins in *at
};

/* bytes[len] must live as long as *l. */
void levels_begin(struct levels *l, const unsigned char *bytes, size_t len, unsigned width);

/* Takes the next value.  False: the bytes end before, or a run is of length 0. */
bool levels_next(struct levels *l, uint32_t *value);

/* The bits of the greatest level. */
unsigned levels_width(unsigned max);

#endif
