/*
 * parquet_delta.h - Parquet's DELTA_BINARY_PACKED: whole numbers as differences
 *
 *     head    block size, miniblocks per block, number of values, first value
 *     block   least difference, the width of each miniblock, the miniblocks: differences less the
 *             least one, packed from the lowest bit on
 *
 * Nothing is stored: values are taken one at a time, and delta_pass_over() finds where they end.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_DELTA_H
#define GAPSCOPE_CORPORA_PARQUET_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delta {
    const unsigned char *at, *end; // what has not been taken; it belongs to the caller
    uint64_t n_left;               // values that have not been taken
    uint64_t value;                // the next one, as a number of 64 bits that wraps round
    uint64_t least;                // of the block
    const unsigned char *widths;   // [n_mini] of the block
    uint64_t n_mini, mini_size;    // miniblocks of a block, values of one
    uint64_t mini;                 // the number of the next miniblock
    uint64_t in_mini;              // values of the current one that have not been taken
    unsigned width, bit;           // of the current one; where the next value begins in *at
    const char *why;               // what is wrong; NULL: nothing
};

/* Reads the head.  False: d->why says what is wrong. */
bool delta_begin(struct delta *d, const unsigned char *bytes, size_t len);

/* Takes the next value; there must be one (d->n_left > 0).  False: d->why says what is wrong. */
bool delta_next(struct delta *d, int64_t *value);

/* Takes all values; then d->at is where what follows begins.  *sum becomes the sum of the values,
 * which must be 0 or more and below 2^31.  False: d->why says what is wrong. */
bool delta_pass_over(struct delta *d, uint64_t *sum);

#endif
