#include "model/pass/head_moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/product.h"

#define NONE UINT32_MAX

struct head_moments {
    const struct engine *engine;
    const struct model *model;
    const struct kern_f32 *f32;
    size_t rows_max, n_rows;
    struct weights *back;    // [n_layers] W_O^T: [d_model][n_heads * d_head]
    struct weights *lengths; // [n_layers][n_heads] L: [d_head][d_head]
    struct inputs in;
    uint32_t *slot; // [d_vocab] an id's place in 'ids', or NONE
    uint32_t *last; // [d_vocab] where an id stood last in its window, or NONE
    uint32_t *ids;  // [n_ids] the block's different true tokens
    size_t n_ids;
    uint32_t *target;  // [rows_max] place in 'ids' of the true next token, or NONE
    uint32_t *earlier; // [rows_max] the latest earlier position of the same id, or NONE
    float *directions; // [rows_max][d_model] of ids[n_ids], in the last residual, without scale
    float *read;       // [rows_max][n_heads * d_head] W_O times these, of the layer in hand
    float *product;    // [rows_max][d_head]
    float *positions;  // [n_ctx] 0, 1, 2, ...
    float *scores;     // [n_ctx]
    size_t n_marks, mark_panels;
    float *marks;     // [n_ctx][n_marks] of the window in hand
    float *mark_cols; // [mark_panels][n_ctx][columns of a tile] the same, packed
    float *marked;    // [rows_max][n_heads][n_marks] of the layer in hand
    float *values;    // [n_layers][HEAD_MOMENTS][rows_max][n_heads]
};

// --- new and free -------------------------------------------------------------------------------

/* to[d_head][d_head] = L, lower triangular, L L^T = W W^T of W[d_head][d_model].  Where W has not
 * full rank the columns of L that are left are 0. */
static void cholesky(float *to, double *l, const float *W, size_t d_head, size_t d_model)
{
    double most = 0;
    for (size_t i = 0; i < d_head; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < d_model; k++) {
                sum += (double)W[i * d_model + k] * (double)W[j * d_model + k];
            }
            l[i * d_head + j] = sum;
        }
        most = fmax(most, l[i * d_head + i]);
    }
    for (size_t j = 0; j < d_head; j++) {
        double pivot = l[j * d_head + j];
        for (size_t k = 0; k < j; k++) {
            pivot -= l[j * d_head + k] * l[j * d_head + k];
        }
        const bool is_zero = !(pivot > 1e-13 * most);
        for (size_t i = j; i < d_head; i++) {
            double sum = i == j ? pivot : l[i * d_head + j];
            for (size_t k = 0; k < j && i > j; k++) {
                sum -= l[i * d_head + k] * l[j * d_head + k];
            }
            l[i * d_head + j] = is_zero ? 0 : i == j ? sqrt(sum) : sum / l[j * d_head + j];
        }
    }
    for (size_t i = 0; i < d_head; i++) {
        for (size_t j = 0; j < d_head; j++) {
            to[i * d_head + j] = j <= i ? (float)l[i * d_head + j] : 0;
        }
    }
}

/* Packs W_O^T and each head's L of layer l; room[d_head][d_head], flat[width][d_model]. */
static int pack_layer(struct head_moments *m, size_t l, double *room, float *flat, struct err *err)
{
    const struct config *c = &m->model->config;
    const struct kern *kern = engine_kern(m->engine);
    const size_t d = c->d_model, d_head = c->d_head, width = c->n_heads * d_head;
    const float *W_O = m->model->layers[l].W_O;
    for (size_t k = 0; k < width; k++) {
        for (size_t j = 0; j < d; j++) {
            flat[j * width + k] = W_O[k * d + j];
        }
    }
    int rc = weights_new(&m->back[l], kern, FORMAT_F32, false, NULL, flat, NULL, d, width, err);
    for (size_t h = 0; h < c->n_heads && !rc; h++) {
        cholesky(flat, room, W_O + h * d_head * d, d_head, d);
        rc = weights_new(&m->lengths[l * c->n_heads + h], kern, FORMAT_F32, false, NULL, flat, NULL,
                         d_head, d_head, err);
    }
    return rc;
}

static int pack_layers(struct head_moments *m, struct err *err)
{
    const struct config *c = &m->model->config;
    const size_t d_head = c->d_head, width = c->n_heads * d_head;
    const size_t n_flat =
        width * c->d_model > d_head * d_head ? width * c->d_model : d_head * d_head;
    double *room = mem_new(d_head * d_head, sizeof *room);
    float *flat = mem_new(n_flat, sizeof *flat);
    m->back = mem_zero(c->n_layers, sizeof *m->back);
    m->lengths = mem_zero(c->n_layers * c->n_heads, sizeof *m->lengths);
    int rc = room && flat && m->back && m->lengths ? 0 : err_nomem(err, "heads");
    for (size_t l = 0; l < c->n_layers && !rc; l++) {
        rc = pack_layer(m, l, room, flat, err);
    }
    free(room);
    free(flat);
    if (rc) {
        return rc;
    }
    const struct weights *weights[] = {&m->back[0], &m->lengths[0]};
    return inputs_new(&m->in, weights, 2, m->rows_max, err);
}

int head_moments_new(struct head_moments **out, const struct engine *e, size_t n_rows,
                     size_t n_marks, struct err *err)
{
    const struct config *c = &engine_model(e)->config;
    const size_t width = c->n_heads * c->d_head;
    struct head_moments *m = mem_zero(1, sizeof *m);
    if (!m) {
        return err_nomem(err, "heads");
    }
    m->engine = e;
    m->model = engine_model(e);
    m->f32 = engine_kern(e)->f32;
    m->rows_max = n_rows;
    m->n_marks = n_marks;
    m->mark_panels = round_up(n_marks, m->f32->cols) / m->f32->cols;
    m->marks = product_alloc(c->n_ctx * n_marks, sizeof *m->marks);
    m->mark_cols = product_alloc(m->mark_panels * c->n_ctx * m->f32->cols, sizeof *m->mark_cols);
    m->marked = product_alloc(n_rows * c->n_heads * n_marks, sizeof *m->marked);
    m->slot = mem_new(c->d_vocab, sizeof *m->slot);
    m->last = mem_new(c->d_vocab, sizeof *m->last);
    m->ids = mem_new(n_rows, sizeof *m->ids);
    m->target = mem_new(n_rows, sizeof *m->target);
    m->earlier = mem_new(n_rows, sizeof *m->earlier);
    m->directions = product_alloc(n_rows * c->d_model, sizeof *m->directions);
    m->read = product_alloc(n_rows * width, sizeof *m->read);
    m->product = product_alloc(n_rows * c->d_head, sizeof *m->product);
    m->positions = product_alloc(c->n_ctx, sizeof *m->positions);
    m->scores = product_alloc(c->n_ctx, sizeof *m->scores);
    m->values = product_alloc(c->n_layers * HEAD_MOMENTS * n_rows * c->n_heads, sizeof *m->values);
    const bool whole = m->slot && m->last && m->ids && m->target && m->earlier && m->directions &&
                       m->read && m->marks && m->mark_cols && m->marked && m->product &&
                       m->positions && m->scores && m->values;
    const int rc = whole ? pack_layers(m, err) : err_nomem(err, "heads");
    if (rc) {
        head_moments_free(m);
        return rc;
    }
    memset(m->slot, 0xff, c->d_vocab * sizeof *m->slot);
    memset(m->last, 0xff, c->d_vocab * sizeof *m->last);
    for (size_t i = 0; i < c->n_ctx; i++) {
        m->positions[i] = (float)i;
    }
    *out = m;
    return 0;
}

void head_moments_free(struct head_moments *m)
{
    if (!m) {
        return;
    }
    const struct config *c = &m->model->config;
    for (size_t l = 0; m->back && l < c->n_layers; l++) {
        weights_free(&m->back[l]);
    }
    for (size_t i = 0; m->lengths && i < c->n_layers * c->n_heads; i++) {
        weights_free(&m->lengths[i]);
    }
    inputs_free(&m->in);
    void *const own[] = {m->back,       m->lengths,   m->slot,      m->last,
                         m->ids,        m->target,    m->earlier,   m->read,
                         m->product,    m->positions, m->scores,    m->values,
                         m->directions, m->marks,     m->mark_cols, m->marked};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(m);
}

// --- a block ------------------------------------------------------------------------------------

/* The direction of a true token in the last residual, but for the final norm's scale. */
static void find_direction(const struct head_moments *m, uint32_t id, float *v)
{
    const struct config *c = &m->model->config;
    double mean = 0;
    unembed_direction(engine_unembed(m->engine), id, v);
    if (c->norm == NORM_NONE) {
        return;
    }
    for (size_t i = 0; i < c->d_model; i++) {
        v[i] = m->model->ln_final_w ? v[i] * m->model->ln_final_w[i] : v[i];
        mean += (double)v[i] / (double)c->d_model;
    }
    for (size_t i = 0; i < c->d_model && !c->final_rms; i++) {
        v[i] = (float)((double)v[i] - mean);
    }
}

static void set_target(struct head_moments *m, size_t row, uint32_t id)
{
    if (m->slot[id] == NONE) {
        m->slot[id] = (uint32_t)m->n_ids;
        m->ids[m->n_ids] = id;
        find_direction(m, id, m->directions + m->n_ids * m->model->config.d_model);
        m->n_ids++;
    }
    m->target[row] = m->slot[id];
}

void head_moments_begin(struct head_moments *m, const struct engine_window *windows,
                        size_t n_windows)
{
    m->n_rows = m->n_ids = 0;
    for (size_t k = 0; k < n_windows; k++) {
        const struct engine_window *w = &windows[k];
        for (size_t i = 0; i <= w->n; i++, m->n_rows++) {
            const uint32_t id = i > 0 ? w->tokens[i - 1] : w->first;
            m->earlier[m->n_rows] = m->last[id];
            m->last[id] = (uint32_t)i;
            m->target[m->n_rows] = NONE;
            if (i < w->n) {
                set_target(m, m->n_rows, w->tokens[i]);
            }
        }
        m->last[w->first] = NONE;
        for (size_t i = 0; i < w->n; i++) {
            m->last[w->tokens[i]] = NONE;
        }
    }
    for (size_t i = 0; i < m->n_ids; i++) {
        m->slot[m->ids[i]] = NONE;
    }
}

static float *values_at(const struct head_moments *m, size_t l, enum head_moment moment, size_t row)
{
    return m->values + ((l * HEAD_MOMENTS + moment) * m->rows_max + row) * m->model->config.n_heads;
}

const float *head_moments_of(const struct head_moments *m, size_t l, enum head_moment moment)
{
    return values_at(m, l, moment, 0);
}

float *head_moments_scores(struct head_moments *m)
{
    return m->scores;
}

float *head_moments_marks(struct head_moments *m)
{
    return m->marks;
}

void head_moments_pack_marks(struct head_moments *m, size_t n)
{
    const size_t cols = m->f32->cols, n_ctx = m->model->config.n_ctx;
    for (size_t p = 0; p < m->mark_panels; p++) {
        for (size_t j = 0; j < n; j++) {
            float *to = m->mark_cols + (p * n_ctx + j) * cols;
            for (size_t k = 0; k < cols; k++) {
                const size_t mark = p * cols + k;
                to[k] = mark < m->n_marks ? m->marks[j * m->n_marks + mark] : 0;
            }
        }
    }
}

void head_moments_mark(struct head_moments *m, size_t h, size_t at, size_t n, const float *packed,
                       size_t from, size_t n_keys)
{
    const size_t cols = m->f32->cols, n_heads = m->model->config.n_heads;
    _Alignas(64) float tile[KERN_ROWS_MAX * KERN_COLS_MAX];
    for (size_t p = 0; p < m->mark_panels; p++) {
        const size_t left = m->n_marks - p * cols, k = left < cols ? left : cols;
        m->f32->tile(tile, packed, m->mark_cols + (p * m->model->config.n_ctx + from) * cols,
                     n_keys - from);
        for (size_t i = 0; i < n; i++) {
            memcpy(m->marked + ((at + i) * n_heads + h) * m->n_marks + p * cols, tile + i * cols,
                   k * sizeof *tile);
        }
    }
}

const float *head_moments_marked(const struct head_moments *m)
{
    return m->marked;
}

/* NaN where the pattern has one. */
static float entropy(const struct head_moments *m, const float *pattern, size_t n)
{
    float square;
    const float most = m->f32->size(pattern, n, &square);
    size_t k = 0;
    while (k + 1 < n && pattern[k] != most) {
        k++;
    }
    const double h =
        (double)m->scores[k] - log((double)pattern[k]) - (double)m->f32->dot(pattern, m->scores, n);
    return h < 0 ? 0 : (float)h;
}

void head_moments_row(struct head_moments *m, size_t l, size_t h, size_t at, size_t i,
                      const float *pattern)
{
    double duplicate = 0, induction = 0;
    for (uint32_t j = m->earlier[at + i]; j != NONE; j = m->earlier[at + j]) {
        duplicate += (double)pattern[j];
        induction += (double)pattern[j + 1];
    }
    const float values[] = {
        [HEAD_TO_BOS] = pattern[0],
        [HEAD_TO_SELF] = pattern[i],
        [HEAD_TO_PREVIOUS] = i > 0 ? pattern[i - 1] : 0,
        [HEAD_TO_DUPLICATE] = (float)duplicate,
        [HEAD_TO_INDUCTION] = (float)induction,
        [HEAD_ENTROPY] = entropy(m, pattern, i + 1),
        [HEAD_DISTANCE] = (float)i - m->f32->dot(pattern, m->positions, i + 1),
    };
    for (enum head_moment k = 0; k <= HEAD_DISTANCE; k++) {
        values_at(m, l, k, at + i)[h] = values[k];
    }
}

void head_moments_layer(struct head_moments *m, size_t l, const float *z)
{
    const struct config *c = &m->model->config;
    const size_t d_head = c->d_head, width = c->n_heads * d_head;
    inputs_pack(&m->in, &m->back[l], m->directions, c->d_model, m->n_ids);
    product(m->read, width, m->n_ids, &m->in, &m->back[l], false);
    for (size_t h = 0; h < c->n_heads; h++) {
        const struct weights *w = &m->lengths[l * c->n_heads + h];
        inputs_pack(&m->in, w, z + h * d_head, width, m->n_rows);
        product(m->product, d_head, m->n_rows, &m->in, w, false);
        for (size_t i = 0; i < m->n_rows; i++) {
            const float *out = m->product + i * d_head, *own = z + i * width + h * d_head;
            const uint32_t target = m->target[i];
            values_at(m, l, HEAD_OUT_NORM, i)[h] = sqrtf(m->f32->dot(out, out, d_head));
            values_at(m, l, HEAD_DLA, i)[h] =
                target == NONE ? 0
                               : m->f32->dot(own, m->read + target * width + h * d_head, d_head);
        }
    }
}

/* The factor by which the final norm scales a residual. */
static float scale_of(const struct config *c, const float *resid)
{
    double mean = 0, square = 0;
    if (c->norm == NORM_NONE) {
        return 1;
    }
    for (size_t j = 0; j < c->d_model && !c->final_rms; j++) {
        mean += (double)resid[j];
    }
    mean /= (double)c->d_model;
    for (size_t j = 0; j < c->d_model; j++) {
        square += ((double)resid[j] - mean) * ((double)resid[j] - mean);
    }
    return (float)(1 / sqrt(square / (double)c->d_model + (double)c->eps));
}

void head_moments_end(struct head_moments *m, const float *resid)
{
    const struct config *c = &m->model->config;
    for (size_t i = 0; i < m->n_rows; i++) {
        const float scale = scale_of(c, resid + i * c->d_model);
        for (size_t l = 0; l < c->n_layers; l++) {
            float *dla = values_at(m, l, HEAD_DLA, i);
            for (size_t h = 0; h < c->n_heads; h++) {
                dla[h] *= scale;
            }
        }
    }
}
