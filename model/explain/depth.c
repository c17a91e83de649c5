#include "model/explain/depth.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/product.h"

struct depth {
    const struct engine *engine;
    const struct model *model;
    const struct kern_f32 *f32;
    size_t rows_max, width; // width: n_heads * d_head
    struct weights *v, *o;  // [n_layers] W_V of all heads with b_V; W_O, with b_O
    struct inputs in;
    float *streams; // [n_layers + 1][rows_max][d_model]
    float *x;       // [rows_max][d_model] normed
    float *rows;    // [rows_max][width]
    float *values;  // [n_layers][width][rows_max] V of the layer in hand, of each stream
    float *z;       // [n_layers][rows_max][width]
    const struct engine_window *window; // in hand
    size_t n;                           // its rows
    size_t layer;                       // in hand; SIZE_MAX: none yet
};

// --- new and free -------------------------------------------------------------------------------

static int pack_layer(struct depth *d, size_t l, float *w, struct err *err)
{
    const struct config *c = &d->model->config;
    const struct layer *of = &d->model->layers[l];
    const struct kern *kern = engine_kern(d->engine);
    for (size_t h = 0; h < c->n_heads; h++) {
        for (size_t j = 0; j < c->d_model; j++) {
            memcpy(w + j * d->width + h * c->d_head, of->W_V + (h * c->d_model + j) * c->d_head,
                   c->d_head * sizeof *w);
        }
    }
    const int rc =
        weights_new(&d->v[l], kern, FORMAT_F32, false, NULL, w, of->b_V, c->d_model, d->width, err);
    return rc ? rc
              : weights_new(&d->o[l], kern, FORMAT_F32, false, NULL, of->W_O, of->b_O, d->width,
                            c->d_model, err);
}

int depth_new(struct depth **out, const struct engine *e, struct err *err)
{
    const struct config *c = &engine_model(e)->config;
    struct depth *d = mem_zero(1, sizeof *d);
    if (!d) {
        return err_nomem(err, "depths");
    }
    assert(c->attn_only);
    d->engine = e;
    d->model = engine_model(e);
    d->f32 = engine_kern(e)->f32;
    d->rows_max = engine_rows_max(e);
    d->width = c->n_heads * c->d_head;
    d->v = mem_zero(c->n_layers, sizeof *d->v);
    d->o = mem_zero(c->n_layers, sizeof *d->o);
    d->streams = product_alloc((c->n_layers + 1) * d->rows_max * c->d_model, sizeof *d->streams);
    d->x = product_alloc(d->rows_max * c->d_model, sizeof *d->x);
    d->rows = product_alloc(d->rows_max * d->width, sizeof *d->rows);
    d->values = product_alloc(c->n_layers * d->rows_max * d->width, sizeof *d->values);
    d->z = product_alloc(c->n_layers * d->rows_max * d->width, sizeof *d->z);
    float *w = mem_new(c->d_model * d->width, sizeof *w);
    int rc = d->v && d->o && d->streams && d->x && d->rows && d->values && d->z && w
                 ? 0
                 : err_nomem(err, "depths");
    for (size_t l = 0; l < c->n_layers && !rc; l++) {
        rc = pack_layer(d, l, w, err);
    }
    free(w);
    if (!rc) {
        const struct weights *weights[] = {&d->v[0], &d->o[0]};
        rc = inputs_new(&d->in, weights, 2, d->rows_max, err);
    }
    if (rc) {
        depth_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void depth_free(struct depth *d)
{
    if (!d) {
        return;
    }
    for (size_t l = 0; l < d->model->config.n_layers; l++) {
        if (d->v) {
            weights_free(&d->v[l]);
        }
        if (d->o) {
            weights_free(&d->o[l]);
        }
    }
    inputs_free(&d->in);
    void *const own[] = {d->v, d->o, d->streams, d->x, d->rows, d->values, d->z};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(d);
}

// --- a window -----------------------------------------------------------------------------------

static float *stream(const struct depth *d, size_t k)
{
    return d->streams + k * d->rows_max * d->model->config.d_model;
}

/* x = norm(stream k). */
static void norm(struct depth *d, size_t k, const float *w, const float *b, bool centre)
{
    const struct config *c = &d->model->config;
    for (size_t i = 0; i < d->n; i++) {
        const float *from = stream(d, k) + i * c->d_model;
        if (c->norm == NORM_NONE) {
            memcpy(d->x + i * c->d_model, from, c->d_model * sizeof *from);
        } else {
            d->f32->norm(d->x + i * c->d_model, from, w, b, c->eps, c->d_model, centre);
        }
    }
}

/* Stream 0 before the first layer. */
static void embed(struct depth *d)
{
    const struct model *m = d->model;
    const size_t width = m->config.d_model;
    const bool adds = !m->config.shortformer && m->config.rotary_dims == 0;
    for (size_t i = 0; i < d->n; i++) {
        const uint32_t id = i > 0 ? d->window->tokens[i - 1] : d->window->first;
        for (size_t j = 0; j < width; j++) {
            stream(d, 0)[i * width + j] =
                m->W_E[id * width + j] + (adds ? m->W_pos[i * width + j] : 0.0f);
        }
    }
}

/* What layer l's heads read from streams 0 to l, transposed. */
static void begin_layer(struct depth *d, size_t l)
{
    const struct layer *w = &d->model->layers[l];
    for (size_t k = 0; k <= l; k++) {
        norm(d, k, w->ln1_w, w->ln1_b, d->model->config.norm != NORM_RMS);
        inputs_pack(&d->in, &d->v[l], d->x, d->model->config.d_model, d->n);
        product(d->rows, d->width, d->n, &d->in, &d->v[l], false);
        float *to = d->values + k * d->width * d->rows_max;
        for (size_t i = 0; i < d->n; i++) {
            for (size_t j = 0; j < d->width; j++) {
                to[j * d->rows_max + i] = d->rows[i * d->width + j];
            }
        }
    }
    d->layer = l;
}

/* Streams l + 1 down to 0 get what the layer writes; before it stream l + 1 is stream l. */
static void end_layer(struct depth *d, size_t l)
{
    const struct config *c = &d->model->config;
    memcpy(stream(d, l + 1), stream(d, l), d->n * c->d_model * sizeof *d->streams);
    for (size_t k = l + 1; k > 0; k--) {
        inputs_pack(&d->in, &d->o[l], d->z + (k - 1) * d->rows_max * d->width, d->width, d->n);
        product(stream(d, k), c->d_model, d->n, &d->in, &d->o[l], true);
    }
    for (size_t i = 0; i < d->n; i++) {
        for (size_t j = 0; j < c->d_model; j++) {
            stream(d, 0)[i * c->d_model + j] += d->model->layers[l].b_O[j];
        }
    }
}

/* engine_pattern() */
static void see_pattern(void *context, size_t layer, size_t head,
                        const struct engine_window *window, size_t i0, size_t n,
                        const float *pattern)
{
    (void)window; // there is one
    struct depth *d = context;
    const size_t d_head = d->model->config.d_head, n_keys = i0 + n;
    if (d->layer != layer) {
        if (layer > 0) {
            end_layer(d, layer - 1);
        }
        begin_layer(d, layer);
    }
    for (size_t k = 0; k <= layer; k++) {
        const float *values = d->values + (k * d->width + head * d_head) * d->rows_max;
        float *z = d->z + (k * d->rows_max + i0) * d->width + head * d_head;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < d_head; j++) {
                z[i * d->width + j] =
                    d->f32->dot(pattern + i * n_keys, values + j * d->rows_max, i0 + i + 1);
            }
        }
    }
}

void depth_run(struct depth *d, struct engine_ctx *r, const struct engine_window *w,
               double *logprob, const atomic_int *stop)
{
    const struct model *m = d->model;
    const size_t n_layers = m->config.n_layers;
    const struct engine_watch watch = {.pattern = see_pattern, .context = d};
    d->window = w;
    d->n = w->n + 1;
    d->layer = SIZE_MAX;
    embed(d);
    engine_watch_layers(r, w, 1, &watch, stop);
    if (is_stopped(stop) || d->layer != n_layers - 1) {
        return;
    }
    end_layer(d, n_layers - 1);
    for (size_t k = 0; k <= n_layers; k++) {
        norm(d, k, m->ln_final_w, m->ln_final_b, !m->config.final_rms);
        engine_normed_logprobs(r, d->x, w->tokens, w->n, logprob + k * w->n, stop);
    }
}
