/*
 * engine_internal.h - the parts that the files of an engine share
 *
 *     engine.c         the weights, packed once; the working memory of a ctx
 *     engine_layers.c  runs a block of rows through the layers: the formulas of forward.h
 *     engine_score.c   answers requests: puts windows, picks and branches into blocks
 *
 * A block is made of strands: consecutive rows of one window.  It is as long as the working memory
 * allows, whatever the request, since a row's results do not depend on the rows beside it.
 */
#ifndef GAPSCOPE_MODEL_PASS_ENGINE_INTERNAL_H
#define GAPSCOPE_MODEL_PASS_ENGINE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pass/engine.h"
#include "model/pass/product.h"

// The number of rows that go through the layers, and through the unembedding, together; one window
// may be longer.
#define ENGINE_BLOCK_ROWS ((size_t)1024)

// The number of rows whose neurons are in the cache together.
#define ENGINE_MLP_ROWS ((size_t)224)

struct engine_layer {
    struct weights qk; // [d_model][2 * n_heads * d_head], queries before keys
    struct weights v;  // [d_model][n_heads * d_head]
    struct weights o, in, out;
};

struct engine {
    const struct model *model;
    const struct kern *kern;
    struct engine_layer *layers;      // [n_layers] f32
    struct engine_layer *fast_layers; // [n_layers] s16; NULL: this precision has f32 layers
    struct unembed *unembed;
};

/* Values from inside the layers that are kept for some rows of the current block. */
struct engine_inside {
    size_t rows[ENGINE_SIGHTS]; // [n]
    size_t n;
    size_t first;   // index of the kept values of rows[0]; those of rows[1] follow, ...
    enum site site; // of acts; SITE_DEFAULT: they are not kept
    float *resid;   // [ENGINE_SIGHTS][d_model] before the final norm
    float *z;       // [ENGINE_SIGHTS][n_layers][width]
    float *acts;    // [ENGINE_SIGHTS][n_layers][d_mlp]
    float *post;    // [ENGINE_SIGHTS][n_layers][d_mlp]
};

/* Rows [at, at + n) of the current block, which are consecutive in one window.  A strand begins at
 * the window's beginning, or it is a branch; its stem is then the last strand before it that begins
 * at the beginning. */
struct engine_strand {
    uint32_t first;
    const uint32_t *tokens; // those after 'first'; of a branch all tokens
    size_t at, n;
    size_t base; // position of its first row, which is the number of its stem's rows; 0: no branch
    size_t room; // room for keys: a stem's own and those of its longest branch
    const struct engine_edit *edits; // [n_edits] in the last row
    size_t n_edits;
};

static inline size_t engine_last_row(const struct engine_strand *s)
{
    return s->at + s->n - 1;
}

/* The rows that go through the layers together. */
struct engine_block {
    struct engine_strand *strands; // [n], room for rows_max; branches stand behind their stem
    size_t n, n_rows;
    const struct engine_window *windows; // [n_windows] for the watch
    size_t n_windows;
};

/* width = n_heads * d_head */
struct engine_ctx {
    const struct engine *engine;
    const struct kern_f32 *f32;
    struct unembed_ctx *unembed;
    size_t rows_max;
    struct inputs in;
    float *resid;    // [rows_max][d_model]
    float *x;        // [rows_max][d_model], normed
    float *x_pos;    // [rows_max][d_model], x + W_pos; shortformer only
    float *qk, *v;   // [rows_max][2 * width], [rows_max][width]
    float *z;        // [rows_max][width]
    float *mlp;      // [ENGINE_MLP_ROWS][d_mlp]
    float *seen[ROW_SITES]; // [rows_max][width] for watches of the sites that need room; else NULL
    float *pre;      // [d_mlp]
    float *queries;  // [d_head][rows of a tile]
    float *keys;     // panels of [d_head][cols], for n_ctx keys
    float *values;   // panels of [n_ctx][cols], for d_head columns
    float *pattern;  // [rows of a tile][n_ctx]
    float *packed;   // [n_ctx][rows of a tile]
    float *gather;   // [rows_max][d_model] normed rows of several blocks
    uint32_t *ids;   // [rows_max] the true tokens
    double *logprob; // [rows_max]
    struct engine_block block;
    struct engine_inside inside;
    const struct engine_watch *watch; // of the current call; NULL: none
};

/* Is something watched inside the layers? */
static inline bool engine_watches_inside(const struct engine_ctx *r)
{
    return r->watch && (r->watch->sites || r->watch->pattern);
}

/* Runs the current block: resid becomes the input of the final norm, x its output; inside and the
 * watch get the values that they ask for.  exact: f32 whatever the precision. */
void engine_ctx_layers(struct engine_ctx *r, bool exact);

#endif
