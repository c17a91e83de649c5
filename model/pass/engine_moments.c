/*
 * engine_moments.c - watches of what heads do: head_moments.h, at the right moments of a block
 */
#include "model/pass/engine_internal.h"

void engine_moments_begin(struct engine_ctx *r)
{
    if (engine_watched_moments(r)) {
        head_moments_begin(r->moments, r->block.windows, r->block.n_windows);
    }
}

void engine_moments_window(struct engine_ctx *r, size_t window)
{
    if (engine_watched_moments(r) && r->watch->marks) {
        const struct engine_window *w = &r->block.windows[window];
        r->watch->marks(r->watch->context, w, head_moments_marks(r->moments));
        head_moments_pack_marks(r->moments, w->n + 1);
    }
}

void engine_moments_layer(struct engine_ctx *r, size_t l)
{
    if (!engine_watched_moments(r)) {
        return;
    }
    head_moments_layer(r->moments, l, r->z);
    if (r->watch->marks) {
        r->watch->marked(r->watch->context, l, r->block.windows, r->block.n_windows,
                         head_moments_marked(r->moments));
    }
}

void engine_moments_end(struct engine_ctx *r)
{
    const float *values[HEAD_MOMENTS];
    if (!engine_watched_moments(r)) {
        return;
    }
    head_moments_end(r->moments, r->resid);
    for (size_t l = 0; l < r->engine->model->config.n_layers; l++) {
        for (enum head_moment k = 0; k < HEAD_MOMENTS; k++) {
            values[k] = head_moments_of(r->moments, l, k);
        }
        r->watch->moments(r->watch->context, l, r->block.windows, r->block.n_windows, values);
    }
}
