/*
 * product.h - x w + b for x[n][k] in rows and w[k][m]: weights are packed once, rows per product
 *
 *     weights_new (once, shared);  inputs_pack -> product, or product_tile
 *
 * Weights are f32, or s16 or s8 with a scale per column; x then has a scale per row.  The scales
 * are such that the sums are exact, so a row's results do not depend on the rows beside it.  With
 * 'rotated', both are first multiplied by an orthogonal matrix (Walsh-Hadamard, in blocks if k is
 * not a power of two), which does not change the product and spreads outlier features over all
 * features: QuaRot, arXiv:2404.00456.  If the features' sizes are given, a feature that is large in
 * x and small in w, or the reverse, is first made equally large in both: SmoothQuant,
 * arXiv:2211.10438.
 *
 * Threads: weights are immutable; inputs belong to one thread.
 */
#ifndef GAPSCOPE_MODEL_PASS_PRODUCT_H
#define GAPSCOPE_MODEL_PASS_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/kernels/kern.h"

enum format { FORMAT_F32, FORMAT_S16, FORMAT_S8 };

struct weights {
    const struct kern_f32 *f32;
    const struct dot *dot; // NULL: f32
    bool rotated;
    size_t k, m;
    size_t k_padded;    // k rounded up as dot requires
    size_t rows, cols;  // of a tile
    size_t n_panels;    // panels of 'cols' columns; missing columns are 0
    size_t panel_bytes; // size of a panel, a multiple of 64
    size_t tile_bytes;  // size of a tile of 'rows' rows of x
    char *w;            // [n_panels][panel_bytes]
    float *bias;        // [n_panels * cols]; WEIGHTS_NO_COLUMN for missing columns
    float *scale;       // [n_panels * cols]; unused for f32
    float *balance;     // [k], by which x is multiplied and w is divided; NULL: 1
};

// A bias whose exponential is 0.
#define WEIGHTS_NO_COLUMN (-1e30f)

/* Packs w in the requested format, or, if the kernels lack it, the next more exact one: s16 for s8,
 * f32 for s16.  x_size[k]: the approximate sizes of x's features; NULL: not known.  bias may be
 * NULL.  The caller ends *out with weights_free(), also after an error.  Errors: ERR_NOMEM. */
int weights_new(struct weights *out, const struct kern *kern, enum format format, bool rotated,
                const float *x_size, const float *w, const float *bias, size_t k, size_t m,
                struct err *err);
void weights_free(struct weights *w); // {0} is allowed

/* Copies column j < w->m of f32 weights, as it was given, to column[k]. */
void weights_column(const struct weights *w, size_t j, float *column);

/* *out: columns [j, j + m) of f32 weights, which own what it points at; not to be freed.  false: they
 * do not begin with a panel, or do not end with one. */
bool weights_part(struct weights *out, const struct weights *w, size_t j, size_t m);

/* Rows of x, packed for weights. */
struct inputs {
    size_t rows_max;
    char *packed;   // tiles of weights->tile_bytes
    float *scale;   // [rows_max]; unused for f32
    float *row;     // a row, balanced and rotated
    int16_t *stage; // a tile's rows, rounded
};

/* Makes room for n rows of any of weights[n_weights].  Errors: ERR_NOMEM; inputs_free() also
 * then. */
int inputs_new(struct inputs *out, const struct weights *const *weights, size_t n_weights, size_t n,
               struct err *err);
void inputs_free(struct inputs *in); // {0} is allowed

/* Packs x[n][w->k], rows ld apart, n <= rows_max. */
void inputs_pack(struct inputs *in, const struct weights *w, const float *x, size_t ld, size_t n);

/* out[n][ld] = (add ? out : 0) + x w + bias, for the n rows that are packed for w. */
void product(float *out, size_t ld, size_t n, const struct inputs *in, const struct weights *w,
             bool add);

/* Large enough for a tile of any table. */
union product_tile {
    _Alignas(KERN_ALIGN) float f32[DOT_ROWS_MAX * DOT_COLS_MAX];
    int32_t s32[DOT_ROWS_MAX * DOT_COLS_MAX];
};

/* out[w->rows][w->cols] = tile 't' of the rows times panel 'p': f32, or s32 without the scales. */
void product_tile(union product_tile *out, const struct inputs *in, const struct weights *w,
                  size_t t, size_t p);

static inline size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Allocates n elements of this size, aligned for packed operands, or returns NULL; free() ends
 * it. */
void *product_alloc(size_t n, size_t size);

#endif
