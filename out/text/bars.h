/*
 * bars.h - histograms of activations, drawn for a terminal
 *
 *     bars_fit -> bars_put for each histogram -> bars_put_share -> bars_put_axis
 *
 *      412 ┤     ▂█▄           a column is one bin or several neighbours, the same for all
 *          │  ▁▃▆███▅▂         histograms that stand below one another; heights are logarithmic
 *          └──┬──────┬─▲       and of one scale, the mark is a bin's lower edge
 *             0      0.5
 */
#ifndef GAPSCOPE_OUT_TEXT_BARS_H
#define GAPSCOPE_OUT_TEXT_BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "out/read/histogram.h"
#include "out/text/screen.h"

#define BARS_MARK "\xe2\x96\xb2" // the marked bin on the axis; ^ where the screen is plain

struct bars {
    const struct bins *bins;
    const struct screen *screen;
    size_t from, end; // the bins that are shown
    size_t per;       // bins a column; the first column may have fewer
    size_t first;     // bins of the first column
    size_t n;         // columns
    size_t marked;    // the bin whose lower edge is marked; bins->n: none
    uint64_t most;    // of any column
};

/* All columns that the n_counts counts need, in the screen's width.  mark: the value to be marked,
 * NaN for none: a column then begins there, else at 0. */
void bars_fit(struct bars *b, const struct screen *s, const struct bins *bins,
              const uint64_t *const *counts, size_t n_counts, double mark);

/* One histogram, 'rows' lines high; accent: in another colour. */
void bars_put(const struct bars *b, const uint64_t *counts, size_t rows, bool accent);

/* One line: part / (part + rest) of each column, a full block for 1. */
void bars_put_share(const struct bars *b, const uint64_t *part, const uint64_t *rest);

/* The axis and its values. */
void bars_put_axis(const struct bars *b);

#endif
