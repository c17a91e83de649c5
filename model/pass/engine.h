/*
 * engine.h - a model at speed: log-probs of many windows, and what is inside at single tokens
 *
 *     engine_new (once, shared) -> engine_ctx_new (a thread) -> engine_score, engine_look,
 *                                                              engine_branches, ...
 *
 * The same function of ids as forward.h.  In PRECISION_EXACT it is f32 throughout, within 1e-4 nats
 * (tests: 2e-5 against float64 golden values); in the others a run still gives exact values on
 * request, the same bits as an exact engine.  Weights are packed once; unembed.h says how logits
 * are never in memory.
 *
 * What a token gives depends on its window alone, bit for bit: not on which windows are scored
 * together, nor on threads.
 *
 * Threads: an engine is immutable and shared; a run belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_PASS_ENGINE_H
#define GAPSCOPE_MODEL_PASS_ENGINE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/row_site.h"
#include "model/kernels/kern.h"
#include "model/load/model.h"
#include "model/pass/unembed.h"

/* A window: runs first, tokens[0..n - 1), predicts tokens[0..n), 1 <= n <= n_ctx, every id below
 * d_vocab.  logprob[i] becomes ln P(tokens[i] | first, tokens[0..i)) in nats. */
struct engine_window {
    uint32_t first;
    const uint32_t *tokens; // [n]
    size_t n;
    double *logprob; // [n]
};

/* A model, ready to be run; and one thread's working memory for it. */
struct engine;
struct engine_ctx;

/* The model outlives it; its weights are held once more, packed, below exact precision twice.
 * Errors: ERR_NOMEM. */
int engine_new(struct engine **out, const struct model *model, const struct kern *kern,
               enum precision precision, struct err *err);
void engine_free(struct engine *e); // NULL is allowed

/* What it was made of. */
const struct model *engine_model(const struct engine *e);
const struct kern *engine_kern(const struct engine *e);
const struct unembed *engine_unembed(const struct engine *e);

int engine_ctx_new(struct engine_ctx **out, const struct engine *e, struct err *err);
void engine_ctx_free(struct engine_ctx *r); // NULL is allowed

/* Scores all windows.  stop (or NULL) is looked at every few milliseconds; once it is not 0 the
 * call returns early and what logprob holds is worth nothing. */
void engine_score(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop);

/*
 * Sees rows of one layer at one site in windows[n_windows]: rows[n_rows][width of the site], where
 * window k has windows[k].n + 1 rows, one for each of first, tokens[0..n): the last token's too,
 * which predicts nothing.  'rows' is the run's, until this returns.
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

/* What is seen while windows are scored.  'sites' are ROW_BIT()s that engine_watch_sites() was
 * called with; a function may be NULL where its rows are not asked for. */
struct engine_watch {
    uint32_t sites;
    engine_rows *rows;
    engine_pattern *pattern; // NULL: not asked for
    engine_normed *normed;   // NULL: not asked for
    void *context;
};

/* Makes room for watches of these sites.  Errors: ERR_NOMEM; ERR_UNSUPPORTED (the model has no such
 * rows: neurons of an attention-only one, ROW_MID of one that is not SoLU). */
int engine_watch_sites(struct engine_ctx *r, uint32_t sites, struct err *err);

/* The neurons' row site of a model's site, which is not SITE_DEFAULT. */
enum row_site engine_neuron_site(enum site site);

/*
 * engine_score() that shows what a watch asks for, layer after layer of a block of windows, then of
 * the next block.  With rows or patterns the windows have n < n_ctx, and layers are f32 in any
 * precision: rows are those of an exact engine bit for bit, and so are log-probs those of
 * engine_score(), but in PRECISION_FAST, where they are a little better.
 */
void engine_score_watched(struct engine_ctx *r, const struct engine_window *windows,
                          size_t n_windows, const struct engine_watch *watch,
                          const atomic_int *stop);

/* The same in f32 throughout. */
void engine_score_exact(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        const atomic_int *stop);

/* Token 'at' < n of a window: what was said of it after first, tokens[0..at). The window's logprob
 * is not wanted and may be NULL. */
struct engine_pick {
    const struct engine_window *window;
    size_t at;
};

/* logprob[n]: the picks' log-probs in f32 throughout.  Picks of one window stand together.  stop:
 * as above. */
void engine_pick_exact(struct engine_ctx *r, const struct engine_pick *picks, size_t n,
                       double *logprob, const atomic_int *stop);

/* What a pick's exact log-prob is made from, in f32 throughout: at the row that says it. */
struct engine_sight {
    const float *logits; // [d_vocab]
    const float *resid;  // [d_model] the last residual, before the final norm
    const float *z;      // [n_layers][n_heads * d_head] what the heads read
    const float *post;   // [n_layers][d_mlp] of the neurons; NULL where there are none
};

// Picks that are seen together, at most.
#define ENGINE_SIGHTS UNEMBED_LOGITS_ROWS

/* Sees picks [k, k + n), n <= ENGINE_SIGHTS; sights[n] are the run's, until this returns. */
typedef void engine_view(void *context, size_t k, size_t n, const struct engine_sight *sights);

/* Shows all picks, in order; those of one window stand together.  stop: as above. */
void engine_look(struct engine_ctx *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop);

/* A neuron's activation that is put in place of its own, before W_out. */
struct engine_edit {
    uint32_t layer, index;
    float post;
};

/*
 * Tokens behind the beginning of a window: what is said after first, stem->tokens[0..stem->n),
 * tokens[0..n), 1 + stem->n + n <= n_ctx.  Edits are made in the row of the last token: all layers
 * behind them see them.
 */
struct engine_branch {
    const struct engine_window *stem; // n may be 0, logprob NULL
    const uint32_t *tokens;           // [n], n >= 1
    size_t n;
    uint32_t target;                 // the token whose log-prob is wanted
    const struct engine_edit *edits; // [n_edits]
    size_t n_edits;
};

/* What is in the row of a branch's last token, f32 throughout. */
struct engine_leaf {
    const float *resid;  // [d_model] the last residual, before the final norm
    const float *normed; // [d_model] behind it
    const float *acts;   // [n_layers][d_mlp] of the neurons at the site asked for, as they came out
    const float *post;   // [n_layers][d_mlp] as W_out read them, edits made; NULL where there are
                         // no neurons, as acts
};

/* Sees branches [k, k + n), n <= ENGINE_SIGHTS; leaves[n] are the run's, until this returns. */
typedef void engine_leaves(void *context, size_t k, size_t n, const struct engine_leaf *leaves);

struct engine_leaf_view {
    enum site site; // one that the model has; not looked at where it is attention-only
    engine_leaves *see;
    void *context;
};

/*
 * logprob[n], NULL: not wanted: what is said of the branches' targets, in f32 throughout; view:
 * what to see of them, NULL: nothing.  The branches of one stem stand together: its rows are run
 * once for all of them that fit in a block, of 1024 rows, or of ENGINE_SIGHTS branches with a view.
 * The same bits as in whole windows.  stop: as above.
 */
void engine_branches(struct engine_ctx *r, const struct engine_branch *branches, size_t n,
                     const struct engine_leaf_view *view, double *logprob, const atomic_int *stop);

/* The logits of x[n][d_model], rows behind the final norm, n <= ENGINE_SIGHTS, in f32 throughout.
 * Row i of the result begins at i * *ld; it is the run's, until its next call. */
const float *engine_logits(struct engine_ctx *r, const float *x, size_t n, size_t *ld);

/* The logit of token 'id' after x[d_model], a row behind the final norm, in f32.  It is within the
 * rounding of f32 of the one that engine_logits() gives. */
float engine_logit(const struct engine *e, const float *x, uint32_t id);

#endif
