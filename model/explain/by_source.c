#include "model/explain/by_source.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "model/explain/attribution.h"
#include "model/explain/folded.h"
#include "model/pass/forward.h"
#include "model/pass/rotary.h"

/* Working memory, in f64. */
struct work {
    const struct model *model;
    const struct by_source *ask;
    double *x;     // [n][d_model] what the layer's heads read
    double *q, *k; // [d_head] of a position
    double *write; // [d_model] what a unit of the final norm's output adds, times its scale
    double *z;     // [d_head] what a unit of each dimension of z adds
};

/* x = norm(resid) of the layer. */
static void read_stream(struct work *w, const float *resid)
{
    const struct model *m = w->model;
    const struct layer *l = &m->layers[w->ask->layer];
    const size_t D = m->config.d_model;
    for (size_t i = 0; i < (w->ask->at + 1) * D; i += D) {
        double mean = 0, square = 0;
        for (size_t j = 0; j < D && config_centres(&m->config); j++) {
            mean += (double)resid[i + j] / (double)D;
        }
        for (size_t j = 0; j < D; j++) {
            square += ((double)resid[i + j] - mean) * ((double)resid[i + j] - mean) / (double)D;
        }
        const double scale = 1 / sqrt(square + (double)m->config.eps);
        for (size_t j = 0; j < D; j++) {
            w->x[i + j] =
                m->config.norm == NORM_NONE
                    ? (double)resid[i + j]
                    : ((double)resid[i + j] - mean) * scale * (l->ln1_w ? (double)l->ln1_w[j] : 1) +
                          (l->ln1_b ? (double)l->ln1_b[j] : 0);
        }
    }
}

/* forward_edits: keeps what stands before the layer. */
static void keep_stream(void *context, size_t layer, float *resid)
{
    struct work *w = context;
    if (layer == w->ask->layer) {
        read_stream(w, resid);
    }
}

/* out[d_head] = (x[i] + W_pos[i] if 'position') W[d_model][d_head] + b */
static void project(const struct work *w, size_t i, bool position, const float *W, const float *b,
                    double *out)
{
    const size_t D = w->model->config.d_model, d = w->model->config.d_head;
    for (size_t k = 0; k < d; k++) {
        out[k] = (double)b[k];
    }
    for (size_t l = 0; l < D; l++) {
        const double x = w->x[i * D + l] + (position ? (double)w->model->W_pos[i * D + l] : 0);
        for (size_t k = 0; k < d; k++) {
            out[k] += x * (double)W[l * d + k];
        }
    }
}

static double inner(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* w->z: how much z adds, by the direction of the logits at the last residual 'resid'. */
static void find_direction(struct work *w, const float *resid)
{
    const struct model *m = w->model;
    const struct config *c = &m->config;
    const struct by_source *ask = w->ask;
    const float *W_O = m->layers[ask->layer].W_O + ask->head * c->d_head * c->d_model;
    const double scale = attribution_scale(m, resid);
    for (size_t i = 0; i < c->d_model; i++) {
        const float *row = m->W_U + i * c->d_vocab;
        double less = 0;
        for (size_t t = 0; t < c->d_vocab && ask->other == BY_SOURCE_MEAN; t++) {
            less += (double)row[t] / (double)c->d_vocab;
        }
        less = ask->other == BY_SOURCE_MEAN ? less : (double)row[ask->other];
        w->write[i] = ((double)row[ask->token] - less) * scale;
    }
    double *output = w->x; // no longer needed
    for (size_t k = 0; k < c->d_head; k++) {
        for (size_t i = 0; i < c->d_model; i++) {
            output[i] = (double)W_O[k * c->d_model + i];
        }
        folded_write(m, true, output);
        w->z[k] = inner(output, w->write, c->d_model);
    }
}

/* The attention of position 'at' into attention[at + 1], and v of each position into
 * values[at + 1][d_head]. */
static void attend(const struct work *w, double *values, double *attention)
{
    const struct model *m = w->model;
    const struct by_source *ask = w->ask;
    const struct layer *l = &m->layers[ask->layer];
    const size_t d = m->config.d_head, from = ask->head * m->config.d_model * d;
    const size_t bias = ask->head * d, n = ask->at + 1;
    const bool position = m->config.shortformer;
    double most = -INFINITY, sum = 0;
    const size_t window = config_window(&m->config, ask->layer);
    project(w, ask->at, position, l->W_Q + from, l->b_Q + bias, w->q);
    rotary_turn_f64(m, w->q, ask->at, false);
    for (size_t j = 0; j < n; j++) {
        project(w, j, position, l->W_K + from, l->b_K + bias, w->k);
        project(w, j, false, l->W_V + from, l->b_V + bias, values + j * d);
        rotary_turn_f64(m, w->k, j, false);
        attention[j] = ask->at - j < window ? inner(w->q, w->k, d) *
                                                  (double)config_attn_scale(&m->config, ask->layer)
                                            : -INFINITY;
        most = fmax(most, attention[j]);
    }
    for (size_t j = 0; j < n; j++) {
        attention[j] = exp(attention[j] - most);
        sum += attention[j];
    }
    for (size_t j = 0; j < n; j++) {
        attention[j] /= sum;
    }
}

int by_source_find(const struct model *m, const struct by_source *s, double *parts,
                   double *attention, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head, n = s->at + 1;
    assert(s->at < s->n && s->layer < m->config.n_layers && s->head < m->config.n_heads);
    double *memory = mem_new(n * D + 3 * d + D + n * d + n, sizeof *memory);
    struct forward *f = NULL;
    int rc = memory ? forward_new(&f, m, err) : err_nomem(err, "attribution by source");
    if (rc) {
        free(memory);
        return rc;
    }
    struct work w = {.model = m, .ask = s, .x = memory, .q = memory + n * D};
    w.k = w.q + d;
    w.z = w.k + d;
    w.write = w.z + d;
    double *values = w.write + D, *weights = attention ? attention : values + n * d;
    const struct forward_edits edits = {.context = &w, .resid_pre = keep_stream};
    forward_run_edited(f, s->ids, n, &edits); // later positions change nothing
    attend(&w, values, weights);
    find_direction(&w, forward_resid_final(f) + s->at * D);
    for (size_t j = 0; j < n; j++) {
        parts[j] = weights[j] * inner(w.z, values + j * d, d);
    }
    forward_free(f);
    free(memory);
    return 0;
}
