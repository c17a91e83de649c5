/*
 * engine.h - runs a model fast: log-probs of many windows, and its inside at single tokens
 *
 *     engine_new (once, shared) -> engine_ctx_new (a thread) -> engine_score, engine_look,
 *                                                              engine_branches, ...
 *
 * It computes the same function of ids as forward.h.  PRECISION_EXACT is f32 throughout and within
 * 1e-4 nats (tests: 2e-5 against float64 golden values); with the other precisions a ctx still
 * gives exact values on request, the same bits as an exact engine.  Weights are packed once;
 * unembed.h says how logits stay out of memory.
 *
 * A token's results depend on its window alone, bit for bit, not on which windows are scored
 * together, nor on threads.
 *
 * Threads: an engine is immutable and shared; a ctx belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_PASS_ENGINE_H
#define GAPSCOPE_MODEL_PASS_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/head_moment.h"
#include "corpora/base/row_site.h"
#include "model/kernels/kern.h"
#include "model/load/model.h"
#include "model/pass/changes.h"
#include "model/pass/head_rows.h"
#include "model/pass/unembed.h"

/* A window: the model runs on first, tokens[0..n - 1) and predicts tokens[0..n).  1 <= n <= n_ctx,
 * and every id is below d_vocab.  logprob[i] becomes ln P(tokens[i] | first, tokens[0..i)) in
 * nats. */
struct engine_window {
    uint32_t first;
    const uint32_t *tokens; // [n]
    size_t n;
    double *logprob; // [n]
};

/* A model that is ready to run, and one thread's working memory for it. */
struct engine;
struct engine_ctx;

/* The model must outlive the engine, which holds a packed copy of its weights, or two copies below
 * exact precision.  Errors: ERR_NOMEM. */
int engine_new(struct engine **out, const struct model *model, const struct kern *kern,
               enum precision precision, struct err *err);
void engine_free(struct engine *e); // NULL is allowed

/* The arguments of engine_new(). */
const struct model *engine_model(const struct engine *e);
const struct kern *engine_kern(const struct engine *e);
const struct unembed *engine_unembed(const struct engine *e);

int engine_ctx_new(struct engine_ctx **out, const struct engine *e, struct err *err);
void engine_ctx_free(struct engine_ctx *r); // NULL is allowed

/* Scores all windows.  stop (or NULL) is checked every few milliseconds: once it is not 0, the call
 * returns early and the contents of logprob are useless. */
void engine_score(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop);

/*
 * Sees rows of one layer at one site in windows[n_windows]: rows[n_rows][width of the site].  Window
 * k has windows[k].n + 1 rows, one for each of first, tokens[0..n), including the last token, which
 * predicts nothing.  'rows' belongs to the ctx and is valid until this returns.
 */
typedef void engine_rows(void *context, size_t layer, enum row_site site,
                         const struct engine_window *windows, size_t n_windows, const float *rows);

/*
 * Sees where head 'head' of a layer looks from positions [i0, i0 + n) of a window: row i of
 * pattern[n][n_keys], n_keys = i0 + n, holds the attention that position i0 + i gives to each
 * position up to itself, and 0 behind it.
 */
typedef void engine_pattern(void *context, size_t layer, size_t head,
                            const struct engine_window *window, size_t i0, size_t n,
                            const float *pattern);

/* Sees what the unembedding reads of windows[n_windows]: x[sum of n][d_model], the final norm's
 * output at the row that predicts each token. */
typedef void engine_normed(void *context, const struct engine_window *windows, size_t n_windows,
                           const float *x);

/* Sees what the heads of a layer do in windows[n_windows]: values[m][rows][n_heads], rows as in
 * engine_rows.  Once the block's layers are done it is called for each of them, the first first. */
typedef void engine_moments(void *context, size_t layer, const struct engine_window *windows,
                            size_t n_windows, const float *const values[HEAD_MOMENTS]);

/* Writes the marks of a window's rows: to[window->n + 1][n_marks]. */
typedef void engine_marks(void *context, const struct engine_window *window, float *to);

/* Sees how much of its attention each head of a layer gives to each mark: the sum over the positions
 * of P times the mark there; to_marks[rows][n_heads][n_marks], rows as in engine_rows. */
typedef void engine_marked(void *context, size_t layer, const struct engine_window *windows,
                           size_t n_windows, const float *to_marks);

/* Between the layers and the unembedding of windows[n_windows]: rows of changed models, whose logits
 * are made on the way (engine_head_rows()); row i is that of the i-th of their tokens. */
typedef struct head_list engine_heads(void *context, const struct engine_window *windows,
                                      size_t n_windows);

/* What is seen while windows are scored.  'sites' are ROW_BIT()s that engine_watch_sites() was
 * called with; a function may be NULL where its rows are not asked for. */
struct engine_watch {
    uint32_t sites;
    engine_rows *rows;
    engine_pattern *pattern; // NULL: not asked for
    engine_normed *normed;   // NULL: not asked for
    engine_moments *moments; // NULL: not asked for; else after engine_watch_heads()
    engine_marks *marks;     // NULL: there are none; else with moments
    engine_marked *marked;
    engine_heads *heads; // NULL: there are none
    void *context;
};

/* Makes room for watches of these sites.  Errors: ERR_NOMEM; ERR_UNSUPPORTED (the model has no such
 * rows: neurons of an attention-only one, ROW_MID of one that is not SoLU, ROW_RESID_MID of one
 * whose MLP reads what attention reads). */
int engine_watch_sites(struct engine_ctx *r, uint32_t sites, struct err *err);

/* Makes room, once, for watches of heads' moments, and of n_marks marks.  Errors: ERR_NOMEM. */
int engine_watch_heads(struct engine_ctx *r, size_t n_marks, struct err *err);

/* The neurons' row site of a model's site, which is not SITE_DEFAULT. */
enum row_site engine_neuron_site(enum site site);

/*
 * Like engine_score(), but shows what a watch asks for, layer after layer of a block of windows, then
 * of the next block.  With rows, patterns or moments the windows have n < n_ctx.  With rows or
 * patterns layers are f32 in any precision: rows are those of an exact engine bit for bit, and
 * log-probs are those of engine_score(), except in PRECISION_FAST, where they are a little better.
 * Moments are those of the precision's own layers.
 */
void engine_score_watched(struct engine_ctx *r, const struct engine_window *windows,
                          size_t n_windows, const struct engine_watch *watch,
                          const atomic_int *stop);

/* Shows what a watch asks for, but normed, and computes no log-prob: of the layers alone, in f32.
 * Windows have n < n_ctx; their logprob is not used and may be NULL.  stop: as above. */
void engine_watch_layers(struct engine_ctx *r, const struct engine_window *windows,
                         size_t n_windows, const struct engine_watch *watch,
                         const atomic_int *stop);

/* engine_score() in f32 throughout. */
void engine_score_exact(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        const atomic_int *stop);

/* A pick: the prediction of token 'at' < n of a window after first, tokens[0..at).  The window's
 * logprob is not used and may be NULL. */
struct engine_pick {
    const struct engine_window *window;
    size_t at;
};

/* logprob[n] becomes the picks' log-probs in f32 throughout.  Picks of one window must be adjacent.
 * stop: as above. */
void engine_pick_exact(struct engine_ctx *r, const struct engine_pick *picks, size_t n,
                       double *logprob, const atomic_int *stop);

/* The values from which a pick's exact log-prob is made, in f32 throughout, at the row that
 * predicts it. */
struct engine_sight {
    const float *logits;  // [d_vocab]
    const float *resid;   // [d_model] the last residual, before the final norm
    const float *z;       // [n_layers][n_heads * d_head] of the heads, before W_O
    const float *post;    // [n_layers][d_mlp] of the neurons; NULL if there are none
    const float *mlp_out; // [n_layers][d_model] what MLPs write, where that is not made of post:
                          // of models with such an output replaced; else NULL
};

// The most picks, or branches, that are shown in one call.
#define ENGINE_SIGHTS UNEMBED_LOGITS_ROWS

/* Sees picks [k, k + n), n <= ENGINE_SIGHTS; sights[n] are valid until this returns. */
typedef void engine_view(void *context, size_t k, size_t n, const struct engine_sight *sights);

/* Shows all picks in order; those of one window must be adjacent.  stop: as above. */
void engine_look(struct engine_ctx *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop);

/*
 * Rows of picks.  All that a pick's log-prob, logits and attribution are made of is a row of
 * engine_row_size() floats, in f32 throughout: the final norm's output [d_model], and resid, z and
 * post as in a sight.  It belongs to the caller and lasts: engine_pick_exact() and engine_look()
 * give the same bits without rows, but run a pick's window each time.
 */
size_t engine_row_size(const struct engine *e);

/* rows[n][engine_row_size()] of picks, by running their windows.  Picks of one window must be
 * adjacent.  stop: as above. */
void engine_pick_rows(struct engine_ctx *r, const struct engine_pick *picks, size_t n, float *rows,
                      const atomic_int *stop);

/* From now on the rows of the last block of windows that engine_score() or engine_score_watched()
 * went through stay in memory, where its layers are f32.  Errors: ERR_NOMEM. */
int engine_keep_rows(struct engine_ctx *r, struct err *err);

/* Copies the row of a pick in one of the last call's windows, which need not be run again; false:
 * it is not there, because the layers were not f32, another block came after the window's, or the
 * ctx has been used for something else since.  Of a changed model that begins with what its
 * whole has kept, z and post of the layers before are not set. */
bool engine_kept_row(const struct engine_ctx *r, const struct engine_pick *pick, float *row);

/* logprob[n] becomes the log-probs of ids[n] in place of the picks that rows[n] are of. */
void engine_rows_exact(struct engine_ctx *r, const float *const *rows, const uint32_t *ids,
                       size_t n, double *logprob, const atomic_int *stop);

/* engine_look() at the picks that rows[n] are of. */
void engine_rows_look(struct engine_ctx *r, const float *const *rows, size_t n, engine_view *view,
                      void *context, const atomic_int *stop);

// --- changed models: changes.h

/* A window that gives its values, of an unchanged run: a row of changes->width floats for each of
 * its positions. */
struct engine_donor {
    const float *values; // [rows][changes->width]
    size_t rows;         // at least 2, or as many as the window that takes from it has
};

/* What replaces the values of a changed model. */
struct engine_replaced {
    const float *mean; // [changes->width]; NULL: nothing is replaced by a mean
    /* The donor of one of the windows of a call; NULL: nothing is resampled. */
    struct engine_donor (*donor)(void *context, const struct engine_window *window);
    void *context;
};

/* values[sum of n + 1][changes->width]: those of the unchanged model at all rows of the windows,
 * which have n < n_ctx, in f32; a window's last row is that of its last token.  stop: as above. */
void engine_record(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                   const struct changes *changes, float *values, const atomic_int *stop);

/* Makes room for these changes, unless it is there; engine_replace() makes them.  A ctx may go from
 * one changed model to another and back, and needs no memory for it once it had each.  Errors:
 * ERR_NOMEM; the changes are then those of before. */
int engine_change(struct engine_ctx *r, const struct changes *changes, struct err *err);

/* From now on the ctx scores windows and picks in the changed model, in any precision; NULL: in the
 * unchanged one.  Branches are of the unchanged one.  Both outlive the calls.  Of a resampled model
 * a window's donor takes part in what a token depends on. */
void engine_replace(struct engine_ctx *r, const struct engine_replaced *by);

/*
 * What changed models share with their whole in a block of windows:
 *
 *     engine_keep_layers(whole) -> engine_score(whole, ...) -> engine_begin_from(r, whole)
 *         -> engine_score(r, the same windows or some)
 *
 * A model without edges begins in the first layer that it changes, behind the attention: with the
 * bits that it would make itself, or in PRECISION_FAST, where the whole is watched inside, those of
 * f32.  A head of the last layer of an attention-only model is scored together with the whole, in
 * its call: engine_heads() calls engine_head_rows().
 */

/* From now on what layers begin with, and their z, stay of the last block of windows that was
 * scored.  Errors: ERR_NOMEM. */
int engine_keep_layers(struct engine_ctx *r, struct err *err);

/* Forgets it: the windows' tokens may become others. */
void engine_forget_layers(struct engine_ctx *r);

/* From now on engine_score() of r begins with what 'whole', another ctx of the engine, has kept of
 * the windows, where it has; NULL: nothing.  Errors: ERR_NOMEM, and it is then nothing. */
int engine_begin_from(struct engine_ctx *r, const struct engine_ctx *whole, struct err *err);

/* The head that alone is changed, for all that read it, where logits are linear in it but for the
 * final norm: one of the last layer of an attention-only model.  SIZE_MAX: it is not so. */
size_t engine_linear_head(const struct engine *e, const struct changes *changes);

/* Sets the rows of windows, some of those that the whole is about to unembed, of the changed model
 * that r was given, whose head 'head' is engine_linear_head(); stop: as above. */
void engine_head_rows(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                      size_t head, struct head_rows *rows, const atomic_int *stop);

/* The rows of the largest block. */
size_t engine_rows_max(const struct engine *e);

/* Are the layers f32 in engine_score()? */
bool engine_has_exact_layers(const struct engine *e);

/* A value that replaces a neuron's activation, before W_out. */
struct engine_edit {
    uint32_t layer, index;
    float post;
};

/*
 * A branch: tokens that continue the beginning of a window (the stem).  It predicts what follows
 * first, stem->tokens[0..stem->n), tokens[0..n), with 1 + stem->n + n <= n_ctx.  Edits apply to the
 * row of the last token; all later layers see them.
 */
struct engine_branch {
    const struct engine_window *stem; // n may be 0, logprob NULL
    const uint32_t *tokens;           // [n], n >= 1
    size_t n;
    uint32_t target;                 // the token whose log-prob is computed
    const struct engine_edit *edits; // [n_edits]
    size_t n_edits;
};

/* The row of a branch's last token, in f32 throughout. */
struct engine_leaf {
    const float *resid;  // [d_model] the last residual, before the final norm
    const float *normed; // [d_model] after the final norm
    const float *acts;   // [n_layers][d_mlp] of the neurons at the requested site, before edits
    const float *post;   // [n_layers][d_mlp] as W_out reads them, after edits; both are NULL if
                         // there are no neurons
};

/* Sees branches [k, k + n), n <= ENGINE_SIGHTS; leaves[n] are valid until this returns. */
typedef void engine_leaves(void *context, size_t k, size_t n, const struct engine_leaf *leaves);

struct engine_leaf_view {
    enum site site; // a site that the model has; unused for an attention-only model
    engine_leaves *see;
    void *context;
};

/*
 * logprob[n] (or NULL) becomes the log-probs of the branches' targets, in f32 throughout; view (or
 * NULL) sees the leaves.  The branches of one stem must be adjacent: the stem's rows are run once
 * for all of them that fit in a block of 1024 rows, or of ENGINE_SIGHTS branches with a view.  The
 * results are the same bits as in whole windows.  stop: as above.
 */
void engine_branches(struct engine_ctx *r, const struct engine_branch *branches, size_t n,
                     const struct engine_leaf_view *view, double *logprob, const atomic_int *stop);

/* The logits of x[n][d_model], rows after the final norm, n <= ENGINE_SIGHTS, in f32 throughout.
 * Row i of the result begins at i * *ld; it belongs to the ctx and is valid until its next call. */
const float *engine_logits(struct engine_ctx *r, const float *x, size_t n, size_t *ld);

/* logprob[n] = those of ids[n] behind x[n][d_model], rows after the final norm, with the engine's
 * precision; n is at most engine_rows_max().  stop: as above. */
void engine_normed_logprobs(struct engine_ctx *r, const float *x, const uint32_t *ids, size_t n,
                            double *logprob, const atomic_int *stop);

/* The logit of token 'id' after x[d_model], a row behind the final norm, in f32.  It is within the
 * rounding of f32 of the one that engine_logits() gives. */
float engine_logit(const struct engine *e, const float *x, uint32_t id);

#endif
