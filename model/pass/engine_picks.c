/*
 * engine_picks.c - picks: single tokens of windows, from their windows or from rows that were kept
 *
 * Of a window that is run for picks, the last layer makes their rows alone; the layers before it
 * and its keys and values need all rows up to the last pick.
 */
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/engine_internal.h"

// --- a row --------------------------------------------------------------------------------------

/* Where the parts of a row begin. */
struct parts {
    size_t resid, z, post, size;
};

static struct parts parts_of(const struct config *c)
{
    struct parts p = {.resid = c->d_model, .z = 2 * c->d_model};
    p.post = p.z + c->n_layers * c->n_heads * c->d_head;
    p.size = p.post + (c->attn_only ? 0 : c->n_layers * c->d_mlp);
    return p;
}

size_t engine_row_size(const struct engine *e)
{
    return parts_of(&e->model->config).size;
}

// --- windows that are run for picks -------------------------------------------------------------

/* Fills only[] and only_at[] of a block of one window with the rows of picks[n] of it; all: all rows
 * are needed. */
static void list_only(struct engine_block *b, const struct engine_pick *picks, size_t n, bool all)
{
    for (size_t i = 0; i < b->n_rows && all; i++) {
        b->only_at[i] = i;
    }
    if (all) {
        return;
    }
    for (size_t i = 0; i < b->n_rows; i++) {
        b->only_at[i] = SIZE_MAX;
    }
    for (size_t k = 0; k < n; k++) {
        b->only_at[picks[k].at] = 0;
    }
    b->n_wanted = 0;
    for (size_t i = 0; i < b->n_rows; i++) {
        if (b->only_at[i] != SIZE_MAX) {
            b->only_at[i] = b->n_wanted;
            b->only[b->n_wanted++] = i;
        }
    }
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
        engine_lay_windows(r, &so_far, 1);
        r->block.windows = w; // it is known by its address
        list_only(&r->block, picks + m, end - m, engine_is_changed(r));
        engine_ctx_layers(r, true, false);
        r->inside.n = 0;
        for (; m < end; m++) {
            memcpy(r->gather + m * d, r->x + r->block.only_at[picks[m].at] * d, d * sizeof *r->x);
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

/* Shows picks [k, k + n), n <= ENGINE_SIGHTS: r->gather has their normed rows. */
static void show_sights(struct engine_ctx *r, struct engine_sight *sights, size_t k, size_t n,
                        engine_view *view, void *context, const atomic_int *stop)
{
    size_t ld;
    const float *logits = unembed_logits(r->unembed, r->gather, n, &ld);
    for (size_t i = 0; i < n; i++) {
        sights[i].logits = logits + i * ld;
    }
    if (!is_stopped(stop)) {
        view(context, k, n, sights);
    }
}

/* What r->inside holds of its value i; logits are not set. */
static struct engine_sight inside_of(const struct engine_ctx *r, size_t i)
{
    const struct config *c = &r->engine->model->config;
    return (struct engine_sight){
        .resid = r->inside.resid + i * c->d_model,
        .z = r->inside.z + i * c->n_layers * c->n_heads * c->d_head,
        .post = c->attn_only ? NULL : r->inside.post + i * c->n_layers * c->d_mlp,
    };
}

void engine_look(struct engine_ctx *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop)
{
    struct engine_sight sights[ENGINE_SIGHTS];
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = gather(r, picks + k, n - k, ENGINE_SIGHTS, true, stop);
        for (size_t i = 0; i < m; i++) {
            sights[i] = inside_of(r, i);
        }
        show_sights(r, sights, k, m, view, context, stop);
    }
}

// --- rows ---------------------------------------------------------------------------------------

void engine_pick_rows(struct engine_ctx *r, const struct engine_pick *picks, size_t n, float *rows,
                      const atomic_int *stop)
{
    const struct config *c = &r->engine->model->config;
    const struct parts p = parts_of(c);
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = gather(r, picks + k, n - k, ENGINE_SIGHTS, true, stop);
        for (size_t i = 0; i < m; i++, rows += p.size) {
            const struct engine_sight s = inside_of(r, i);
            memcpy(rows, r->gather + i * c->d_model, p.resid * sizeof *rows);
            memcpy(rows + p.resid, s.resid, (p.z - p.resid) * sizeof *rows);
            memcpy(rows + p.z, s.z, (p.post - p.z) * sizeof *rows);
            if (s.post) {
                memcpy(rows + p.post, s.post, (p.size - p.post) * sizeof *rows);
            }
        }
    }
}

int engine_keep_rows(struct engine_ctx *r, struct err *err)
{
    const struct config *c = &r->engine->model->config;
    size_t z, post;
    if (r->kept.wanted) {
        return 0;
    }
    const bool fits = mem_mul(c->n_layers * r->rows_max, c->n_heads * c->d_head, &z) &&
                      mem_mul(c->n_layers * r->rows_max, c->attn_only ? 0 : c->d_mlp, &post);
    r->kept.z = fits ? product_alloc(z, sizeof *r->kept.z) : NULL;
    r->kept.post = fits ? product_alloc(post, sizeof *r->kept.post) : NULL;
    r->kept.wanted = r->kept.z && r->kept.post;
    return r->kept.wanted ? 0 : err_nomem(err, "an engine's working memory");
}

bool engine_kept_row(const struct engine_ctx *r, const struct engine_pick *pick, float *row)
{
    const struct config *c = &r->engine->model->config;
    const struct parts p = parts_of(c);
    const size_t d = c->d_model, width = c->n_heads * c->d_head;
    const struct engine_window *w = r->kept.windows;
    if (!w || pick->window < w || pick->window >= w + r->kept.n_windows) {
        return false;
    }
    size_t at = pick->at; // of its token
    for (; w < pick->window; w++) {
        at += w->n;
    }
    const size_t i = at + (size_t)(w - r->kept.windows) * r->kept.more; // of its row
    memcpy(row, r->x + at * d, d * sizeof *row);
    memcpy(row + p.resid, r->resid + i * d, d * sizeof *row);
    for (size_t l = 0; l < c->n_layers; l++) {
        memcpy(row + p.z + l * width, r->kept.z + (l * r->rows_max + i) * width,
               width * sizeof *row);
        if (!c->attn_only) {
            memcpy(row + p.post + l * c->d_mlp, r->kept.post + (l * r->rows_max + i) * c->d_mlp,
                   c->d_mlp * sizeof *row);
        }
    }
    return true;
}

/* Copies the normed rows of rows[n] to r->gather. */
static void take_normed(struct engine_ctx *r, const float *const *rows, size_t n)
{
    const size_t d = r->engine->model->config.d_model;
    for (size_t i = 0; i < n; i++) {
        memcpy(r->gather + i * d, rows[i], d * sizeof *r->gather);
    }
}

void engine_rows_exact(struct engine_ctx *r, const float *const *rows, const uint32_t *ids,
                       size_t n, double *logprob, const atomic_int *stop)
{
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = n - k < r->rows_max ? n - k : r->rows_max;
        take_normed(r, rows + k, m);
        unembed_score(r->unembed, r->gather, ids + k, m, true, logprob + k, stop);
    }
}

void engine_rows_look(struct engine_ctx *r, const float *const *rows, size_t n, engine_view *view,
                      void *context, const atomic_int *stop)
{
    const struct config *c = &r->engine->model->config;
    const struct parts p = parts_of(c);
    struct engine_sight sights[ENGINE_SIGHTS];
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = n - k < ENGINE_SIGHTS ? n - k : ENGINE_SIGHTS;
        take_normed(r, rows + k, m);
        for (size_t i = 0; i < m; i++) {
            const float *row = rows[k + i];
            sights[i] = (struct engine_sight){
                .resid = row + p.resid, .z = row + p.z, .post = c->attn_only ? NULL : row + p.post};
        }
        show_sights(r, sights, k, m, view, context, stop);
    }
}
