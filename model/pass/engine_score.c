/*
 * engine_score.c - answers requests: it puts windows and branches into blocks, and the output of the
 * layers goes through the unembedding.  engine_picks.c does it for picks.
 */
#include <assert.h>
#include <string.h>

#include "model/pass/engine_internal.h"

// --- a block ------------------------------------------------------------------------------------

/* The number of a window's rows; where its inside is watched or recorded, that of its last token
 * counts. */
static size_t rows_of(const struct engine_ctx *r, const struct engine_window *w)
{
    return w->n + (engine_watches_last(r) || r->changing.record ? 1 : 0);
}

/* Appends n rows to the block. */
static struct engine_strand *add_strand(struct engine_ctx *r, uint32_t first,
                                        const uint32_t *tokens, size_t base, size_t n)
{
    struct engine_strand *s = &r->block.strands[r->block.n++];
    assert(n >= 1 && base + n <= r->engine->model->config.n_ctx);
    *s = (struct engine_strand){.first = first,
                                .tokens = tokens,
                                .at = r->block.n_rows,
                                .n = n,
                                .base = base,
                                .room = base + n};
    r->block.n_rows += n;
    return s;
}

/* Begins a block; the rows of the last one are lost. */
static void begin_block(struct engine_ctx *r)
{
    r->block.n = r->block.n_rows = r->block.n_wanted = 0;
    r->kept.windows = NULL;
    r->begins.n_windows = 0;
    r->beginning.now = false;
}

void engine_lay_windows(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows)
{
    struct engine_block *b = &r->block;
    begin_block(r);
    b->windows = windows;
    b->n_windows = n_windows;
    for (size_t k = 0; k < n_windows; k++) {
        add_strand(r, windows[k].first, windows[k].tokens, 0, rows_of(r, &windows[k]));
    }
}

// --- windows ------------------------------------------------------------------------------------

/* The last token's row, which a watch sees, predicts nothing.  A watch sees f32 in any
 * precision. */
static void score_block(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        bool exact, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model;
    const bool keep = r->kept.wanted && engine_layers_are_exact(r);
    struct head_list heads = {0};
    engine_lay_windows(r, windows, n_windows);
    if (!exact) {
        engine_find_beginning(r);
    }
    engine_ctx_layers(r, exact || engine_watches_inside(r), keep);
    if (keep) {
        r->kept.windows = windows;
        r->kept.n_windows = n_windows;
        r->kept.more = engine_watches_last(r) ? 1 : 0;
    }
    engine_keep_windows(r, windows, n_windows);
    size_t n_tokens = 0;
    for (size_t k = 0, row = 0; k < n_windows; row += rows_of(r, &windows[k++])) {
        memcpy(r->ids + n_tokens, windows[k].tokens, windows[k].n * sizeof *r->ids);
        memmove(r->x + n_tokens * d, r->x + row * d, windows[k].n * d * sizeof *r->x);
        n_tokens += windows[k].n;
    }
    if (r->watch && r->watch->normed) {
        r->watch->normed(r->watch->context, windows, n_windows, r->x);
    }
    if (r->watch && r->watch->heads) {
        heads = r->watch->heads(r->watch->context, windows, n_windows);
    }
    if (heads.n > 0) {
        unembed_score_heads(r->unembed, r->x, r->ids, n_tokens, r->logprob, heads, r->gather, stop);
    } else {
        unembed_score(r->unembed, r->x, r->ids, n_tokens, exact, r->logprob, stop);
    }
    for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n) {
        memcpy(windows[k].logprob, r->logprob + at, windows[k].n * sizeof *r->logprob);
    }
}

/* The number of windows[n_windows] that go into a block. */
static size_t count_block(const struct engine_ctx *r, const struct engine_window *windows,
                          size_t n_windows)
{
    size_t k = 0;
    for (size_t n = 0; k < n_windows; k++) {
        const size_t more = rows_of(r, &windows[k]);
        if (n > 0 && n + more > ENGINE_BLOCK_ROWS) {
            break;
        }
        n += more;
    }
    return k;
}

static void score(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                  bool exact, const atomic_int *stop)
{
    for (size_t k = 0, n; k < n_windows && !is_stopped(stop); k += n) {
        n = count_block(r, windows + k, n_windows - k);
        score_block(r, windows + k, n, exact, stop);
    }
}

/* Runs the layers alone, in f32; values that are recorded go behind those of the block before. */
static void run_layers(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                       const atomic_int *stop)
{
    for (size_t k = 0, n; k < n_windows && !is_stopped(stop); k += n) {
        n = count_block(r, windows + k, n_windows - k);
        engine_lay_windows(r, windows + k, n);
        engine_ctx_layers(r, true, false);
        r->changing.record_row += r->block.n_rows;
    }
}

void engine_score(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop)
{
    score(r, windows, n_windows, false, stop);
}

void engine_score_watched(struct engine_ctx *r, const struct engine_window *windows,
                          size_t n_windows, const struct engine_watch *watch,
                          const atomic_int *stop)
{
    r->watch = watch;
    score(r, windows, n_windows, false, stop);
    r->watch = NULL;
}

void engine_watch_layers(struct engine_ctx *r, const struct engine_window *windows,
                         size_t n_windows, const struct engine_watch *watch, const atomic_int *stop)
{
    r->watch = watch;
    run_layers(r, windows, n_windows, stop);
    r->watch = NULL;
}

void engine_score_exact(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        const atomic_int *stop)
{
    score(r, windows, n_windows, true, stop);
}

// --- changed models -----------------------------------------------------------------------------

void engine_record(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                   const struct changes *changes, float *values, const atomic_int *stop)
{
    const struct engine_changing before = r->changing;
    r->changing = (struct engine_changing){.changes = changes, .record = values};
    run_layers(r, windows, n_windows, stop);
    r->changing = before;
}

// --- branches -----------------------------------------------------------------------------------

/* The number of branches[n] that have the first one's stem, and the rows that they need with it. */
static size_t count_branches(const struct engine_branch *branches, size_t n, size_t *rows)
{
    size_t k = 0;
    *rows = 1 + branches->stem->n;
    for (; k < n && branches[k].stem == branches->stem; k++) {
        *rows += branches[k].n;
    }
    return k;
}

/* Appends a stem, and those of its branches[n] for which there is room, to the block; returns the
 * number of branches. */
static size_t lay_stem(struct engine_ctx *r, const struct engine_branch *branches, size_t n)
{
    const struct engine_window *w = branches->stem;
    struct engine_strand *stem = add_strand(r, w->first, w->tokens, 0, 1 + w->n);
    size_t k = 0;
    for (; k < n && r->block.n_rows + branches[k].n <= r->rows_max; k++) {
        const struct engine_branch *b = &branches[k];
        struct engine_strand *s = add_strand(r, 0, b->tokens, stem->n, b->n);
        s->edits = b->edits;
        s->n_edits = b->n_edits;
        stem->room = s->room > stem->room ? s->room : stem->room;
    }
    return k;
}

/* Makes a block from the first of branches[n], at most 'most', and returns their number.  A stem
 * whose branches do not all fit waits for the next block, unless it is the first. */
static size_t lay_branches(struct engine_ctx *r, const struct engine_branch *branches, size_t n,
                           size_t most)
{
    size_t k = 0;
    begin_block(r);
    while (k < n && k < most) {
        size_t rows;
        const size_t of_stem = count_branches(branches + k, n - k, &rows);
        const bool fits = k + of_stem <= most && r->block.n_rows + rows <= r->rows_max;
        if (k > 0 && !fits) {
            break;
        }
        k += lay_stem(r, branches + k, fits ? of_stem : of_stem < most ? of_stem : most);
    }
    return k;
}

/* Runs the block.  Its branches' last rows go into r->gather from row 'at' on, and with a view
 * their inner values go into r->inside. */
static void run_branches(struct engine_ctx *r, size_t at, const struct engine_leaf_view *view)
{
    const size_t d = r->engine->model->config.d_model;
    const struct engine_block *b = &r->block;
    struct engine_inside *in = &r->inside;
    in->first = 0;
    in->site = view ? view->site : SITE_DEFAULT;
    for (size_t k = 0; k < b->n && view; k++) {
        if (b->strands[k].base > 0) {
            in->rows[in->n++] = engine_last_row(&b->strands[k]);
        }
    }
    engine_ctx_layers(r, true, false);
    for (size_t k = 0; k < b->n; k++) {
        const struct engine_strand *s = &b->strands[k];
        if (s->base > 0) {
            memcpy(r->gather + at++ * d, r->x + engine_last_row(s) * d, d * sizeof *r->x);
        }
    }
    in->n = 0;
    in->site = SITE_DEFAULT;
}

/* Shows the block's n branches, from branch k on, whose rows of r->gather begin at 'at'. */
static void show_leaves(struct engine_ctx *r, size_t k, size_t n, size_t at,
                        const struct engine_leaf_view *view)
{
    const struct config *c = &r->engine->model->config;
    struct engine_leaf leaves[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        const size_t neurons = i * c->n_layers * c->d_mlp;
        leaves[i] = (struct engine_leaf){
            .resid = r->inside.resid + i * c->d_model,
            .normed = r->gather + (at + i) * c->d_model,
            .acts = c->attn_only ? NULL : r->inside.acts + neurons,
            .post = c->attn_only ? NULL : r->inside.post + neurons,
        };
    }
    view->see(view->context, k, n, leaves);
}

void engine_branches(struct engine_ctx *r, const struct engine_branch *branches, size_t n,
                     const struct engine_leaf_view *view, double *logprob, const atomic_int *stop)
{
    const struct engine_replaced *by = r->changing.by;
    r->changing.by = NULL;
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        for (m = 0; k + m < n && m < r->rows_max && !is_stopped(stop);) {
            const size_t left = r->rows_max - m;
            const size_t most = view && left > ENGINE_SIGHTS ? ENGINE_SIGHTS : left;
            const size_t more = lay_branches(r, branches + k + m, n - k - m, most);
            run_branches(r, m, view);
            if (view) {
                show_leaves(r, k + m, more, m, view);
            }
            m += more;
        }
        for (size_t i = 0; i < m; i++) {
            r->ids[i] = branches[k + i].target;
        }
        if (logprob) {
            unembed_score(r->unembed, r->gather, r->ids, m, true, logprob + k, stop);
        }
    }
    r->changing.by = by;
}

void engine_normed_logprobs(struct engine_ctx *r, const float *x, const uint32_t *ids, size_t n,
                            double *logprob, const atomic_int *stop)
{
    unembed_score(r->unembed, x, ids, n, false, logprob, stop);
}

float engine_logit(const struct engine *e, const float *x, uint32_t id)
{
    return unembed_logit(e->unembed, x, id);
}

const float *engine_logits(struct engine_ctx *r, const float *x, size_t n, size_t *ld)
{
    return unembed_logits(r->unembed, x, n, ld);
}
