#include "model/explain/composer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/product.h"

struct composer {
    const struct engine *engine;
    const struct model *model;
    const struct kern_f32 *f32;
    size_t rows_max, width; // width: of queries, keys and values together
    struct weights *read;   // [n_layers] W_Q, W_K, W_V with ln1 folded in: [d_model][width]
    struct weights *plain;  // [n_layers] without ln1, of shortformer models
    struct weights *out;    // [n_layers][n_heads] W_O: [d_head][d_model]
    float *bias;            // [n_layers][width] ln1.b W + b
    struct inputs in;
    float *rows;       // [rows_max][d_model] a source's writes
    float *c, *x;      // [rows_max][width]
    float *scale;      // [rows_max] 1 / s
    float *numbers[3]; // [rows_max][COMPOSER_INPUTS][n_heads] as in struct composed
    float *z;          // [n_layers][rows_max][n_heads * d_head]
    float *mlp_out;    // [n_layers][rows_max][d_model]; attention-only models: none
    // the call in hand
    void (*see)(void *context, const struct composed *composed);
    void *context;
};

static size_t n_of_layer(const struct config *c)
{
    return c->n_heads + (c->attn_only ? 1 : 2);
}

size_t composer_n_sources(const struct model *m, size_t layer)
{
    return 2 + layer * n_of_layer(&m->config) + 1;
}

// --- weights ------------------------------------------------------------------------------------

/* w[d_model][width] = W_Q, W_K, W_V of a layer; bias[width] theirs. */
static void join(float *w, float *bias, const struct config *c, const struct layer *l)
{
    const float *const W[] = {l->W_Q, l->W_K, l->W_V}, *const b[] = {l->b_Q, l->b_K, l->b_V};
    const size_t one = c->n_heads * c->d_head, width = 3 * one;
    for (size_t i = 0; i < 3; i++) {
        for (size_t h = 0; h < c->n_heads; h++) {
            for (size_t j = 0; j < c->d_model; j++) {
                memcpy(w + j * width + i * one + h * c->d_head,
                       W[i] + (h * c->d_model + j) * c->d_head, c->d_head * sizeof *w);
            }
        }
        memcpy(bias + i * one, b[i], one * sizeof *bias);
    }
}

/* Folds ln1 into w: a row of the stream need only be divided by the norm's scale. */
static void fold(float *w, float *bias, const struct config *c, const struct layer *l)
{
    const size_t width = 3 * c->n_heads * c->d_head;
    for (size_t k = 0; k < width && c->norm != NORM_NONE; k++) {
        double mean = 0, of_bias = 0;
        for (size_t j = 0; j < c->d_model; j++) {
            of_bias += l->ln1_b ? (double)l->ln1_b[j] * (double)w[j * width + k] : 0;
            w[j * width + k] *= l->ln1_w ? l->ln1_w[j] : 1;
            mean += (double)w[j * width + k] / (double)c->d_model;
        }
        for (size_t j = 0; j < c->d_model; j++) {
            w[j * width + k] = (float)((double)w[j * width + k] - (c->norm == NORM_RMS ? 0 : mean));
        }
        bias[k] = (float)((double)bias[k] + of_bias);
    }
}

static int pack_layer(struct composer *m, size_t l, float *w, struct err *err)
{
    const struct config *c = &m->model->config;
    const struct layer *of = &m->model->layers[l];
    const struct kern *kern = engine_kern(m->engine);
    float *bias = m->bias + l * m->width;
    int rc = 0;
    join(w, bias, c, of);
    if (c->shortformer) {
        rc = weights_new(&m->plain[l], kern, FORMAT_F32, false, NULL, w, NULL, c->d_model, m->width,
                         err);
    }
    fold(w, bias, c, of);
    rc = rc ? rc
            : weights_new(&m->read[l], kern, FORMAT_F32, false, NULL, w, NULL, c->d_model, m->width,
                          err);
    for (size_t h = 0; h < c->n_heads && !rc; h++) {
        rc = weights_new(&m->out[l * c->n_heads + h], kern, FORMAT_F32, false, NULL,
                         of->W_O + h * c->d_head * c->d_model, NULL, c->d_head, c->d_model, err);
    }
    return rc;
}

static int pack_layers(struct composer *m, struct err *err)
{
    const struct config *c = &m->model->config;
    float *w = mem_new(c->d_model * m->width, sizeof *w);
    int rc = w ? 0 : err_nomem(err, "composition");
    for (size_t l = 0; l < c->n_layers && !rc; l++) {
        rc = pack_layer(m, l, w, err);
    }
    free(w);
    const struct weights *weights[] = {&m->read[0], &m->out[0]};
    return rc ? rc : inputs_new(&m->in, weights, 2, m->rows_max, err);
}

int composer_new(struct composer **out, const struct engine *e, struct err *err)
{
    const struct config *c = &engine_model(e)->config;
    struct composer *m = mem_zero(1, sizeof *m);
    if (!m) {
        return err_nomem(err, "composition");
    }
    const size_t rows = engine_rows_max(e), numbers = rows * COMPOSER_INPUTS * c->n_heads;
    m->engine = e;
    m->model = engine_model(e);
    m->f32 = engine_kern(e)->f32;
    m->rows_max = rows;
    m->width = 3 * c->n_heads * c->d_head;
    m->read = mem_zero(c->n_layers, sizeof *m->read);
    m->plain = mem_zero(c->n_layers, sizeof *m->plain);
    m->out = mem_zero(c->n_layers * c->n_heads, sizeof *m->out);
    m->bias = mem_zero(c->n_layers * m->width, sizeof *m->bias);
    m->rows = product_alloc(rows * c->d_model, sizeof *m->rows);
    m->c = product_alloc(rows * m->width, sizeof *m->c);
    m->x = product_alloc(rows * m->width, sizeof *m->x);
    m->scale = product_alloc(rows, sizeof *m->scale);
    m->z = product_alloc(c->n_layers * rows * c->n_heads * c->d_head, sizeof *m->z);
    m->mlp_out =
        product_alloc(c->attn_only ? 1 : c->n_layers * rows * c->d_model, sizeof *m->mlp_out);
    bool whole = m->read && m->plain && m->out && m->bias && m->rows && m->c && m->x && m->scale &&
                 m->z && m->mlp_out;
    for (size_t i = 0; i < 3; i++) {
        m->numbers[i] = product_alloc(numbers, sizeof *m->numbers[i]);
        whole = whole && m->numbers[i];
    }
    const int rc = whole ? pack_layers(m, err) : err_nomem(err, "composition");
    if (rc) {
        composer_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void composer_free(struct composer *m)
{
    if (!m) {
        return;
    }
    const struct config *c = &m->model->config;
    for (size_t l = 0; l < c->n_layers; l++) {
        if (m->read) {
            weights_free(&m->read[l]);
        }
        if (m->plain) {
            weights_free(&m->plain[l]);
        }
        for (size_t h = 0; h < c->n_heads && m->out; h++) {
            weights_free(&m->out[l * c->n_heads + h]);
        }
    }
    inputs_free(&m->in);
    void *const own[] = {m->read,       m->plain,      m->out,   m->bias,    m->rows,
                         m->c,          m->x,          m->scale, m->mlp_out, m->numbers[0],
                         m->numbers[1], m->numbers[2], m->z};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(m);
}

// --- a block ------------------------------------------------------------------------------------

/* to[n][width] = rows[n][k] w, times each row's 1 / s. */
static void read_rows(struct composer *m, float *to, const float *rows, size_t n,
                      const struct weights *w, bool scaled)
{
    inputs_pack(&m->in, w, rows, w->k, n);
    product(to, m->width, n, &m->in, w, false);
    for (size_t i = 0; i < n && scaled; i++) {
        for (size_t k = 0; k < m->width; k++) {
            to[i * m->width + k] *= m->scale[i];
        }
    }
}

static void set_scales(struct composer *m, const float *resid, size_t n)
{
    const struct config *c = &m->model->config;
    for (size_t i = 0; i < n; i++) {
        const float *row = resid + i * c->d_model;
        double mean = 0, square = 0;
        for (size_t j = 0; j < c->d_model && c->norm != NORM_RMS; j++) {
            mean += (double)row[j] / (double)c->d_model;
        }
        for (size_t j = 0; j < c->d_model; j++) {
            square += ((double)row[j] - mean) * ((double)row[j] - mean);
        }
        m->scale[i] = c->norm == NORM_NONE
                          ? 1
                          : (float)(1 / sqrt(square / (double)c->d_model + (double)c->eps));
    }
}

/* The rows of embeddings, or of positions. */
static void take_embeddings(struct composer *m, const struct engine_window *windows, size_t n,
                            bool positions)
{
    const size_t d = m->model->config.d_model;
    float *to = m->rows;
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i <= windows[k].n; i++, to += d) {
            const uint32_t id = i > 0 ? windows[k].tokens[i - 1] : windows[k].first;
            memcpy(to, positions ? m->model->W_pos + i * d : m->model->W_E + id * d,
                   d * sizeof *to);
        }
    }
}

/* m->c of a source of layer l, of n rows. */
static void make_part(struct composer *m, size_t l, size_t source,
                      const struct engine_window *windows, size_t n_windows, size_t n)
{
    const struct config *c = &m->model->config;
    const size_t d = c->d_model, of_layer = n_of_layer(c), width = c->n_heads * c->d_head;
    if (source + 1 == composer_n_sources(m->model, l)) {
        for (size_t i = 0; i < n; i++) {
            memcpy(m->c + i * m->width, m->bias + l * m->width, m->width * sizeof *m->c);
        }
        return;
    }
    const float *rows = m->rows;
    const bool beside = source == 1 && c->shortformer; // it is not in the stream
    if (source < 2) {
        take_embeddings(m, windows, n_windows, source == 1);
    } else {
        const size_t from = (source - 2) / of_layer, part = (source - 2) % of_layer;
        if (part < c->n_heads) {
            const struct weights *w = &m->out[from * c->n_heads + part];
            inputs_pack(&m->in, w, m->z + from * m->rows_max * width + part * c->d_head, width, n);
            product(m->rows, d, n, &m->in, w, false);
        } else if (part == c->n_heads) {
            for (size_t i = 0; i < n; i++) {
                memcpy(m->rows + i * d, m->model->layers[from].b_O, d * sizeof *m->rows);
            }
        } else {
            rows = m->mlp_out + from * m->rows_max * d;
        }
    }
    read_rows(m, m->c, rows, n, beside ? &m->plain[l] : &m->read[l], !beside);
}

/* The whole inputs. */
static void make_whole(struct composer *m, size_t l, const float *resid,
                       const struct engine_window *windows, size_t n_windows, size_t n)
{
    const size_t two = 2 * m->model->config.n_heads * m->model->config.d_head;
    read_rows(m, m->x, resid, n, &m->read[l], true);
    if (m->model->config.shortformer) {
        take_embeddings(m, windows, n_windows, true);
        read_rows(m, m->c, m->rows, n, &m->plain[l], false);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < m->width; k++) {
            const float pos = m->model->config.shortformer && k < two ? m->c[i * m->width + k] : 0;
            m->x[i * m->width + k] += pos + m->bias[l * m->width + k];
        }
    }
}

/* Shows every source of layer l, of a block whose stream before it is resid[n][d_model]. */
static void compose_layer(struct composer *m, size_t l, const float *resid,
                          const struct engine_window *windows, size_t n_windows, size_t n)
{
    const struct config *c = &m->model->config;
    const size_t groups = COMPOSER_INPUTS * c->n_heads, d_head = c->d_head;
    set_scales(m, resid, n);
    make_whole(m, l, resid, windows, n_windows, n);
    for (size_t i = 0; i < n * groups; i++) {
        m->numbers[2][i] = m->f32->dot(m->x + i * d_head, m->x + i * d_head, d_head);
    }
    for (size_t source = 0; source < composer_n_sources(m->model, l); source++) {
        if (source == 1 && c->rotary_dims > 0) {
            continue; // positions turn queries and keys, and are no part of them
        }
        make_part(m, l, source, windows, n_windows, n);
        for (size_t i = 0; i < n * groups; i++) {
            const bool none = source == 1 && c->shortformer && i % groups >= 2 * c->n_heads;
            const float *part = m->c + i * d_head;
            m->numbers[0][i] = none ? NAN : m->f32->dot(part, m->x + i * d_head, d_head);
            m->numbers[1][i] = m->f32->dot(part, part, d_head);
        }
        const struct composed said = {.layer = l,
                                      .source = source,
                                      .windows = windows,
                                      .n_windows = n_windows,
                                      .n_rows = n,
                                      .dot = m->numbers[0],
                                      .square = m->numbers[1],
                                      .whole = m->numbers[2]};
        m->see(m->context, &said);
    }
}

/* engine_rows() */
static void see_rows(void *context, size_t layer, enum row_site site,
                     const struct engine_window *windows, size_t n_windows, const float *rows)
{
    struct composer *m = context;
    const struct config *c = &m->model->config;
    size_t n = 0;
    for (size_t k = 0; k < n_windows; k++) {
        n += windows[k].n + 1;
    }
    if (site == ROW_RESID_PRE) {
        compose_layer(m, layer, rows, windows, n_windows, n);
    } else if (site == ROW_Z) {
        const size_t width = c->n_heads * c->d_head;
        memcpy(m->z + layer * m->rows_max * width, rows, n * width * sizeof *rows);
    } else {
        memcpy(m->mlp_out + layer * m->rows_max * c->d_model, rows, n * c->d_model * sizeof *rows);
    }
}

int composer_run(struct composer *m, struct engine_ctx *r, const struct engine_window *windows,
                 size_t n, void (*see)(void *context, const struct composed *composed),
                 void *context, const atomic_int *stop, struct err *err)
{
    const uint32_t mlp = m->model->config.attn_only ? 0 : ROW_BIT(ROW_MLP_OUT);
    const struct engine_watch watch = {
        .sites = ROW_BIT(ROW_RESID_PRE) | ROW_BIT(ROW_Z) | mlp, .rows = see_rows, .context = m};
    const int rc = engine_watch_sites(r, watch.sites, err);
    if (rc) {
        return rc;
    }
    m->see = see;
    m->context = context;
    engine_watch_layers(r, windows, n, &watch, stop);
    return 0;
}
