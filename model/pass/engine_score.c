/*
 * engine_score.c - answers requests: it puts windows, picks and branches into blocks, and the
 * output of the layers goes through the unembedding.
 */
#include <assert.h>
#include <string.h>

#include "model/pass/engine_internal.h"

// --- a block ------------------------------------------------------------------------------------

/* The number of a window's rows; where its inside is watched, that of its last token counts. */
static size_t rows_of(const struct engine_ctx *r, const struct engine_window *w)
{
    return w->n + (engine_watches_inside(r) ? 1 : 0);
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

/* Makes a block from windows. */
static void lay_windows(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows)
{
    struct engine_block *b = &r->block;
    b->n = b->n_rows = 0;
    b->windows = windows;
    b->n_windows = n_windows;
    for (size_t k = 0; k < n_windows; k++) {
        add_strand(r, windows[k].first, windows[k].tokens, 0, rows_of(r, &windows[k]));
    }
}

// --- windows and picks --------------------------------------------------------------------------

/* The last token's row, which a watch sees, predicts nothing.  A watch sees f32 in any
 * precision. */
static void score_block(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        bool exact, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model;
    lay_windows(r, windows, n_windows);
    engine_ctx_layers(r, exact || engine_watches_inside(r));
    size_t n_tokens = 0;
    for (size_t k = 0, row = 0; k < n_windows; row += rows_of(r, &windows[k++])) {
        memcpy(r->ids + n_tokens, windows[k].tokens, windows[k].n * sizeof *r->ids);
        memmove(r->x + n_tokens * d, r->x + row * d, windows[k].n * d * sizeof *r->x);
        n_tokens += windows[k].n;
    }
    if (r->watch && r->watch->normed) {
        r->watch->normed(r->watch->context, windows, n_windows, r->x);
    }
    unembed_score(r->unembed, r->x, r->ids, n_tokens, exact, r->logprob, stop);
    for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n) {
        memcpy(windows[k].logprob, r->logprob + at, windows[k].n * sizeof *r->logprob);
    }
}

static void score(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                  bool exact, const atomic_int *stop)
{
    for (size_t k = 0, next; k < n_windows && !is_stopped(stop); k = next) {
        size_t n = 0;
        for (next = k; next < n_windows; next++) {
            const size_t more = rows_of(r, &windows[next]);
            if (n > 0 && n + more > ENGINE_BLOCK_ROWS) {
                break;
            }
            n += more;
        }
        score_block(r, windows + k, next - k, exact, stop);
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

void engine_score_exact(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                        const atomic_int *stop)
{
    score(r, windows, n_windows, true, stop);
}

/* Puts the final norm's output of up to n picks, at most 'most', into r->gather, and the requested
 * inner values into r->inside; returns the number of picks.  Layers are exact; a window is run up
 * to its last pick. */
static size_t gather(struct engine_ctx *r, const struct engine_pick *picks, size_t n, size_t most,
                     bool inside, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model;
    size_t m = 0;
    while (m < n && m < most && !is_stopped(stop)) {
        const struct engine_window *w = picks[m].window;
        size_t end = m, last = 0;
        for (; end < n && end < most && picks[end].window == w; end++) {
            last = picks[end].at > last ? picks[end].at : last;
        }
        struct engine_window so_far = *w;
        so_far.n = last + 1;
        r->inside.n = inside ? end - m : 0;
        r->inside.first = m;
        for (size_t k = 0; k < r->inside.n; k++) {
            r->inside.rows[k] = picks[m + k].at;
        }
        lay_windows(r, &so_far, 1);
        engine_ctx_layers(r, true);
        r->inside.n = 0;
        for (; m < end; m++) {
            memcpy(r->gather + m * d, r->x + picks[m].at * d, d * sizeof *r->x);
        }
    }
    return m;
}

void engine_pick_exact(struct engine_ctx *r, const struct engine_pick *picks, size_t n,
                       double *logprob, const atomic_int *stop)
{
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = gather(r, picks + k, n - k, r->rows_max, false, stop);
        for (size_t i = 0; i < m; i++) {
            r->ids[i] = picks[k + i].window->tokens[picks[k + i].at];
        }
        unembed_score(r->unembed, r->gather, r->ids, m, true, logprob + k, stop);
    }
}

void engine_look(struct engine_ctx *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop)
{
    const struct config *c = &r->engine->model->config;
    struct engine_sight sights[ENGINE_SIGHTS];
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        size_t ld;
        m = gather(r, picks + k, n - k, ENGINE_SIGHTS, true, stop);
        const float *logits = unembed_logits(r->unembed, r->gather, m, &ld);
        for (size_t i = 0; i < m; i++) {
            sights[i] = (struct engine_sight){
                .logits = logits + i * ld,
                .resid = r->inside.resid + i * c->d_model,
                .z = r->inside.z + i * c->n_layers * c->n_heads * c->d_head,
                .post = c->attn_only ? NULL : r->inside.post + i * c->n_layers * c->d_mlp,
            };
        }
        if (!is_stopped(stop)) {
            view(context, k, m, sights);
        }
    }
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
    r->block.n = r->block.n_rows = 0;
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
    engine_ctx_layers(r, true);
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
}

float engine_logit(const struct engine *e, const float *x, uint32_t id)
{
    return unembed_logit(e->unembed, x, id);
}

const float *engine_logits(struct engine_ctx *r, const float *x, size_t n, size_t *ld)
{
    return unembed_logits(r->unembed, x, n, ld);
}
