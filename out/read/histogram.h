/*
 * histogram.h - histograms of activations, read from the columns of JSON that hold them
 *
 *     bins_read -> bins_count for each column -> bins_json -> bins_free
 *
 * The bins are those of table 'bin': their edges come from the bits of a float, so that the axis is
 * nearly logarithmic to both sides of 0.
 */
#ifndef GAPSCOPE_OUT_READ_HISTOGRAM_H
#define GAPSCOPE_OUT_READ_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "out/read/reader.h"

struct bins {
    struct bin {
        int64_t id;
        double lo, hi; // NaN where it is open
    } * items;         // [n], ascending
    size_t n, cap;
};

/* bins_free() ends *b, {0} before, in any case. */
int bins_read(struct bins *b, struct reader *r);
void bins_free(struct bins *b);

/* The bin that 0 is in, and the first one whose lower edge is not below 'value'; b->n: none. */
size_t bins_zero(const struct bins *b);
size_t bins_from(const struct bins *b, double value);

/* Adds a row's [[bin, n], ...] to counts[b->n] and returns the sum of what was added.  What is
 * damaged counts nothing. */
uint64_t bins_count(const struct bins *b, sqlite3_stmt *row, int column, uint64_t *counts);

/* "key": [{"bin":3,"lo":..,"hi":..,<name>:n, ...}, ...] of the bins that are empty in not all of
 * the n_counts counts. */
void bins_json(const struct bins *b, struct jsonout *j, const char *key,
               const uint64_t *const *counts, const char *const *names, size_t n_counts);

#endif
