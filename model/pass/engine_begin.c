/*
 * engine_begin.c - changed models begin where they differ from their whole
 *
 * The whole's ctx keeps the residual stream before each layer and each layer's z of its last block.
 * A changed model's block of the same windows, or some of them, takes both of the first layer that
 * it changes, and goes on from there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/engine_internal.h"

// --- the whole ----------------------------------------------------------------------------------

int engine_keep_layers(struct engine_ctx *r, struct err *err)
{
    const struct config *c = &r->engine->model->config;
    struct engine_begins *b = &r->begins;
    size_t resid, z;
    if (b->wanted) {
        return 0;
    }
    const bool fits = mem_mul(c->n_layers * r->rows_max, c->d_model, &resid) &&
                      mem_mul(c->n_layers * r->rows_max, c->n_heads * c->d_head, &z);
    b->resid = fits ? product_alloc(resid, sizeof *b->resid) : NULL;
    b->z = fits ? product_alloc(z, sizeof *b->z) : NULL;
    b->windows = mem_new(r->rows_max, sizeof *b->windows);
    b->wanted = b->resid && b->z && b->windows;
    return b->wanted ? 0 : err_nomem(err, "an engine's working memory");
}

void engine_forget_layers(struct engine_ctx *r)
{
    r->begins.n_windows = 0;
}

void engine_keep_resid(struct engine_ctx *r, size_t l)
{
    const size_t d = r->engine->model->config.d_model;
    if (r->begins.wanted) {
        memcpy(r->begins.resid + l * r->rows_max * d, r->resid,
               r->block.n_rows * d * sizeof *r->resid);
    }
}

void engine_keep_z(struct engine_ctx *r, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const size_t width = c->n_heads * c->d_head;
    if (r->begins.wanted) {
        memcpy(r->begins.z + l * r->rows_max * width, r->z, r->block.n_rows * width * sizeof *r->z);
    }
}

void engine_keep_windows(struct engine_ctx *r, const struct engine_window *windows,
                         size_t n_windows)
{
    struct engine_begins *b = &r->begins;
    if (b->wanted && !r->changing.by) {
        memcpy(b->windows, windows, n_windows * sizeof *windows);
        b->n_windows = n_windows;
        b->more = engine_watches_last(r) ? 1 : 0;
    }
}

// --- the changed model --------------------------------------------------------------------------

int engine_begin_from(struct engine_ctx *r, const struct engine_ctx *whole, struct err *err)
{
    struct engine_beginning *b = &r->beginning;
    b->whole = NULL;
    if (!whole) {
        return 0;
    }
    b->row = b->row ? b->row : mem_new(r->rows_max, sizeof *b->row);
    b->token = b->token ? b->token : mem_new(r->rows_max, sizeof *b->token);
    if (!b->row || !b->token) {
        return err_nomem(err, "an engine's working memory");
    }
    b->whole = whole;
    return 0;
}

/* The first layer that changes; SIZE_MAX: an edge reads what layers before it write. */
static size_t first_layer(const struct changes *c)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].reader != READER_ALL) {
            return SIZE_MAX;
        }
        first = c->items[i].layer < first ? c->items[i].layer : first;
    }
    return first;
}

/* Finds the rows of the whole that the block's are; false: it does not have them all. */
static bool find_rows(struct engine_ctx *r)
{
    const struct engine_begins *b = &r->beginning.whole->begins;
    struct engine_beginning *to = &r->beginning;
    size_t k = 0, row = 0, token = 0;
    for (size_t s = 0; s < r->block.n; s++) {
        const struct engine_window *w = &r->block.windows[s];
        for (; k < b->n_windows && b->windows[k].tokens != w->tokens; k++) {
            row += b->windows[k].n + b->more;
            token += b->windows[k].n;
        }
        if (k == b->n_windows || b->windows[k].n != w->n || b->windows[k].first != w->first) {
            return false;
        }
        for (size_t i = 0; i < w->n; i++) {
            to->row[r->block.strands[s].at + i] = row + i;
            to->token[r->block.strands[s].at + i] = token + i;
        }
    }
    return true;
}

bool engine_find_beginning(struct engine_ctx *r)
{
    struct engine_beginning *b = &r->beginning;
    b->now = false;
    if (!b->whole || !engine_is_changed(r) || b->whole->begins.n_windows == 0) {
        return false;
    }
    b->layer = first_layer(r->changing.changes);
    b->now = b->layer != SIZE_MAX && find_rows(r);
    return b->now;
}

/* to[n_rows][width] = those rows of from[][width] of the whole. */
static void take(const struct engine_ctx *r, float *to, const float *from, size_t width)
{
    for (size_t i = 0; i < r->block.n_rows; i++) {
        memcpy(to + i * width, from + r->beginning.row[i] * width, width * sizeof *to);
    }
}

void engine_take_resid(struct engine_ctx *r)
{
    const size_t d = r->engine->model->config.d_model;
    take(r, r->resid, r->beginning.whole->begins.resid + r->beginning.layer * r->rows_max * d, d);
}

void engine_take_z(struct engine_ctx *r)
{
    const struct config *c = &r->engine->model->config;
    const size_t width = c->n_heads * c->d_head;
    take(r, r->z, r->beginning.whole->begins.z + r->beginning.layer * r->rows_max * width, width);
}

void engine_begin_free(struct engine_ctx *r)
{
    free(r->begins.resid);
    free(r->begins.z);
    free(r->begins.windows);
    free(r->beginning.row);
    free(r->beginning.token);
}

// --- heads whose logits are linear --------------------------------------------------------------

size_t engine_linear_head(const struct engine *e, const struct changes *c)
{
    const struct config *config = &e->model->config;
    const bool is_it = config->attn_only && c->n == 1 && c->items[0].what == CHANGE_HEAD &&
                       c->items[0].reader == READER_ALL &&
                       c->items[0].layer + 1 == config->n_layers;
    return is_it ? c->items[0].index : SIZE_MAX;
}

size_t engine_rows_max(const struct engine *e)
{
    const size_t n_ctx = e->model->config.n_ctx;
    return n_ctx > ENGINE_BLOCK_ROWS ? n_ctx : ENGINE_BLOCK_ROWS;
}

bool engine_has_exact_layers(const struct engine *e)
{
    return !e->fast_layers;
}

/* Sets the rows of the block, whose layers have been run. */
static void set_rows(struct engine_ctx *r, size_t head, struct head_rows *rows)
{
    const struct config *c = &r->engine->model->config;
    const struct engine_ctx *whole = r->beginning.whole;
    const size_t d = c->d_model, width = c->n_heads * c->d_head;
    const float *z = whole->begins.z + (c->n_layers - 1) * r->rows_max * width + head * c->d_head;
    for (size_t i = 0; i < r->block.n_rows; i++) {
        const size_t of = r->beginning.row[i];
        const struct head_row row = {.resid = whole->resid + of * d,
                                     .resid_changed = r->resid + i * d,
                                     .z = z + of * width,
                                     .z_changed = r->z + i * width + head * c->d_head,
                                     .x = r->x + i * d};
        head_rows_set(rows, r->beginning.token[i], &row);
    }
}

void engine_head_rows(struct engine_ctx *r, const struct engine_window *windows, size_t n_windows,
                      size_t head, struct head_rows *rows, const atomic_int *stop)
{
    head_rows_begin(rows);
    if (n_windows == 0 || is_stopped(stop)) {
        return;
    }
    engine_lay_windows(r, windows, n_windows); // some of a block's: they fit
    const bool found = engine_find_beginning(r);
    assert(found); // the whole has kept them
    (void)found;
    engine_ctx_layers(r, false, false);
    set_rows(r, head, rows);
    r->beginning.now = false;
}
