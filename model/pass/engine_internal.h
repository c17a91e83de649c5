/*
 * engine_internal.h - the parts that the files of an engine share
 *
 *     engine.c         the weights, packed once; the working memory of a ctx
 *     engine_layers.c  runs a block of rows through the layers: the formulas of forward.h
 *     engine_rotary.c  turns its queries and keys by their positions
 *     engine_begin.c   changed models begin where they differ from their whole
 *     engine_moments.c shows what heads do
 *     engine_score.c   answers requests: puts windows and branches into blocks
 *     engine_picks.c   the same for picks; the rows of the last block, kept for them
 *
 * A block is made of strands: consecutive rows of one window.  It is as long as the working memory
 * allows, whatever the request, since a row's results do not depend on the rows beside it.
 */
#ifndef GAPSCOPE_MODEL_PASS_ENGINE_INTERNAL_H
#define GAPSCOPE_MODEL_PASS_ENGINE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pass/changes.h"
#include "model/pass/engine.h"
#include "model/pass/head_moments.h"
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
    struct weights gate; // gated only
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
    size_t n_wanted; // 0: the output of all rows is needed; else that of only[n_wanted]
    size_t n_only;   // of the layer in hand: n_wanted in the last one, else 0
    size_t *only;    // [rows_max] ascending
    size_t *only_at; // [rows_max] index of a row in 'only', or SIZE_MAX
};

/* The rows of the last block of windows that was scored, which stay until the ctx runs another.
 * Its last residual is engine_ctx.resid, and its normed rows are engine_ctx.x. */
struct engine_kept {
    bool wanted;
    float *z;                            // [n_layers][rows_max][width]
    float *post;                         // [n_layers][rows_max][d_mlp]
    const struct engine_window *windows; // [n_windows]; NULL: nothing is kept now
    size_t n_windows;
    size_t more; // a window has windows[k].n + more rows
};

/* What layers of the last block of windows began with, and their z. */
struct engine_begins {
    bool wanted;
    float *resid;                  // [n_layers][rows_max][d_model]
    float *z;                      // [n_layers][rows_max][width]
    struct engine_window *windows; // [n_windows], room for rows_max
    size_t n_windows;              // 0: nothing is kept now
    size_t more;                   // a window has windows[k].n + more rows
};

/* Where the block begins. */
struct engine_beginning {
    const struct engine_ctx *whole; // whose rows it may begin with; NULL: none
    bool now;                       // the current block does
    size_t layer;                   // behind whose attention
    size_t *row;                    // [rows_max] of the whole
    size_t *token;                  // [rows_max] that it predicts: its number among the whole's
};

/* The changes of a ctx. */
struct engine_changing {
    const struct changes *changes;    // NULL: none were given
    const struct engine_replaced *by; // NULL: they are not made
    float *record;                    // where values go while they are recorded; NULL: they are not
    size_t record_row;                // of the block's first row
};

/* width = n_heads * d_head */
struct engine_ctx {
    const struct engine *engine;
    const struct kern_f32 *f32;
    struct unembed_ctx *unembed;
    size_t rows_max;
    struct inputs in;
    float *resid;           // [rows_max][d_model]
    float *x;               // [rows_max][d_model], normed
    float *x_pos;           // [rows_max][d_model], x + W_pos; shortformer only
    float *qk, *v;          // [rows_max][2 * width], [rows_max][width]
    float *z;               // [rows_max][width]
    float *mlp;             // [ENGINE_MLP_ROWS][d_mlp]
    float *linear;          // [ENGINE_MLP_ROWS][d_mlp], what neurons gate; gated only
    float *seen[ROW_SITES]; // [rows_max][width] for watches of the sites that need room; else NULL
    float *pre;             // [d_mlp]
    float *queries;         // [d_head][rows of a tile]
    float *some;            // [rows of a tile][d_head] the same before they are packed
    float *keys;            // panels of [d_head][cols], for n_ctx keys
    float *values;          // panels of [n_ctx][cols], for d_head columns
    float *pattern;         // [rows of a tile][n_ctx]
    float *packed;          // [n_ctx][rows of a tile]
    float *gather;          // [rows_max][d_model] normed rows of several blocks
    uint32_t *ids;          // [rows_max] the true tokens
    double *logprob;        // [rows_max]
    struct engine_block block;
    struct engine_inside inside;
    struct engine_kept kept;
    struct engine_begins begins;
    struct engine_beginning beginning;
    const struct engine_watch *watch; // of the current call; NULL: none
    struct head_moments *moments;     // of watches of heads; NULL: no room was made
    struct engine_changing changing;
    float **points; // [n_points][rows_max][d_model] what readers of edges see otherwise
    size_t n_points;
    float *stream; // [rows_max][d_model] what such a reader sees
};

/* Is something watched inside the layers? */
static inline bool engine_watches_inside(const struct engine_ctx *r)
{
    return r->watch && (r->watch->sites || r->watch->pattern);
}

/* Is the row of a window's last token needed? */
static inline bool engine_watches_last(const struct engine_ctx *r)
{
    return engine_watches_inside(r) || (r->watch && r->watch->moments);
}

/* Makes a block from windows. */
void engine_lay_windows(struct engine_ctx *r, const struct engine_window *windows,
                        size_t n_windows);

/* Runs the current block: resid becomes the input of the final norm, x its output; inside, the
 * watch and 'kept' get the values that they ask for.  exact: f32 whatever the precision.  keep:
 * also z and post of all rows stay, whose layers are f32. */
void engine_ctx_layers(struct engine_ctx *r, bool exact, bool keep);

/* The token of a strand's row i. */
static inline uint32_t engine_strand_id(const struct engine_strand *s, size_t i)
{
    return s->base > 0 ? s->tokens[i] : i > 0 ? s->tokens[i - 1] : s->first;
}

/* engine_rotary.c: turns keys of all rows, and queries of all or of 'only', by their positions, where
 * the model does so. */
void engine_turn(struct engine_ctx *r);

// --- engine_moments.c: each does nothing where no moments of heads are watched -------------------

/* NULL: none are. */
static inline struct head_moments *engine_watched_moments(const struct engine_ctx *r)
{
    return r->watch && r->watch->moments ? r->moments : NULL;
}

/* Before the layers; before the heads of a window; z of layer l is made; the last residual is. */
void engine_moments_begin(struct engine_ctx *r);
void engine_moments_window(struct engine_ctx *r, size_t window);
void engine_moments_layer(struct engine_ctx *r, size_t l);
void engine_moments_end(struct engine_ctx *r);

// --- engine_begin.c ------------------------------------------------------------------------------

/* Does the block that is laid begin with rows of the whole?  If so, the layers do. */
bool engine_find_beginning(struct engine_ctx *r);

/* resid and z of the layer in which the block begins, from the whole. */
void engine_take_resid(struct engine_ctx *r);
void engine_take_z(struct engine_ctx *r);

/* Keeps the block's residual, or z, of layer l, if that is wanted. */
void engine_keep_resid(struct engine_ctx *r, size_t l);
void engine_keep_z(struct engine_ctx *r, size_t l);

/* The layers of the windows have been run: what was kept is theirs. */
void engine_keep_windows(struct engine_ctx *r, const struct engine_window *windows,
                         size_t n_windows);

void engine_begin_free(struct engine_ctx *r);

// --- engine_changes.c: each does nothing where nothing changes there ------------------------------

/* Is any change of this kind in the layer? */
bool engine_changes(const struct engine_ctx *r, enum change_what what, size_t l);

/* Before the layers: what is written to the stream before them. */
void engine_change_begin(struct engine_ctx *r);

/* Queries, keys and values of edges' readers, behind those of all; x is as it was. */
void engine_change_attention(struct engine_ctx *r, size_t l);

/* z of all heads of a layer. */
void engine_change_heads(struct engine_ctx *r, size_t l);

/* neurons[n][d_mlp], post of rows from i0 on. */
void engine_change_neurons(struct engine_ctx *r, float *neurons, size_t l, size_t i0, size_t n);

/* out[n][d_model], the MLP's output with b_out, at rows from i0 on. */
void engine_change_mlp_out(struct engine_ctx *r, float *out, size_t l, size_t i0, size_t n);

/* The stream that an MLP, or the final norm, reads: r->resid, or the ctx's own. */
const float *engine_changed_stream(struct engine_ctx *r, enum change_reader reader, size_t l);

void engine_changes_free(struct engine_ctx *r);

/* Is the changed model at work? */
static inline bool engine_is_changed(const struct engine_ctx *r)
{
    return r->changing.by && !r->changing.record;
}

/* Are the layers of engine_score() f32? */
static inline bool engine_layers_are_exact(const struct engine_ctx *r)
{
    return engine_has_exact_layers(r->engine) || engine_watches_inside(r);
}

#endif
