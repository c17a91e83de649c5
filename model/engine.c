#include "model/engine.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/logprob.h"
#include "scan/base/mem.h"

// Rows of windows that go through the layers, and over the unembedding, together; one window may be
// longer.
#define BLOCK_ROWS ((size_t)1024)

// Panels of the vocabulary whose exponentials are summed in f32 before they go into f64.
#define PANELS_SUMMED ((size_t)64)

// A bias of columns that are not there: their exponentials are below 1e-37.
#define NO_COLUMN (-1e30f)

/* A weight [k][m] as panels of kern->cols columns. */
struct packed {
    size_t k, m, n_panels;
    float *w;    // [n_panels][k][cols]
    float *bias; // [n_panels][cols]
};

struct packed_layer {
    struct packed qk; // [d_model][2 * n_heads * d_head], queries before keys
    struct packed v;  // [d_model][n_heads * d_head]
    struct packed o, in, out;
};

struct engine {
    const struct model *model;
    const struct kern *kern;
    struct packed_layer *layers; // [n_layers]
    struct packed unembed;
};

struct engine_run {
    const struct engine *engine;
    const struct kern *kern;
    size_t rows_max; // a multiple of kern->rows
    float *resid;    // [rows_max][d_model]
    float *x;        // [rows_max][d_model], normed
    float *x_pos;    // [rows_max][d_model], x + W_pos; shortformer only
    float *qk, *v;   // [rows_max][2 * width], [rows_max][width]; width = n_heads * d_head
    float *z;        // [rows_max][width]
    float *mlp;      // [rows_max][d_mlp]
    float *packed;   // [rows_max][the widest of the above], rows in tiles
    float *queries;  // [d_head][rows of a tile]
    float *keys;     // panels of [d_head][cols], for n_ctx keys
    float *values;   // panels of [n_ctx][cols], for d_head columns
    float *pattern;  // [rows of a tile][n_ctx]
    float *sums;     // [rows_max][KERN_LANES]
    float *shift;    // [rows_max]
    double *total;   // [rows_max]
    float *target;   // [rows_max] logits of the true tokens
    uint32_t *ids;   // [rows_max] the true tokens
    float *logits;   // [rows of a tile][d_vocab rounded up]
    float *out;      // [rows][cols], a tile
};

// --- packing ------------------------------------------------------------------------------------

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static float *aligned_floats(size_t n)
{
    size_t bytes;
    if (!mem_mul(n, sizeof(float), &bytes) || bytes > SIZE_MAX - 2 * KERN_ALIGN) {
        return NULL;
    }
    return aligned_alloc(KERN_ALIGN, round_up(bytes + 1, KERN_ALIGN));
}

static void packed_free(struct packed *p)
{
    free(p->w);
    free(p->bias);
}

static int packed_new(struct packed *p, size_t k, size_t m, size_t cols, struct err *err)
{
    *p = (struct packed){.k = k, .m = m, .n_panels = round_up(m, cols) / cols};
    const size_t padded = p->n_panels * cols;
    size_t n = 0;
    p->w = mem_mul(padded, k, &n) ? aligned_floats(n) : NULL;
    p->bias = aligned_floats(padded);
    if (!p->w || !p->bias) {
        return err_nomem(err, "packed weights");
    }
    memset(p->w, 0, n * sizeof *p->w);
    for (size_t j = 0; j < padded; j++) {
        p->bias[j] = j < m ? 0 : NO_COLUMN;
    }
    return 0;
}

/* Puts w[k][m] and bias[m] (or NULL) into columns from 'at' on. */
static void pack_columns(struct packed *p, size_t at, const float *w, const float *bias, size_t m,
                         size_t cols)
{
    for (size_t l = 0; l < p->k; l++) {
        for (size_t j = 0; j < m; j++) {
            const size_t panel = (at + j) / cols, col = (at + j) % cols;
            p->w[(panel * p->k + l) * cols + col] = w[l * m + j];
        }
    }
    for (size_t j = 0; j < m; j++) {
        p->bias[at + j] = bias ? bias[j] : 0;
    }
}

static int pack(struct packed *p, const float *w, const float *bias, size_t k, size_t m,
                size_t cols, struct err *err)
{
    const int rc = packed_new(p, k, m, cols, err);
    if (!rc) {
        pack_columns(p, 0, w, bias, m, cols);
    }
    return rc;
}

static int pack_layer(struct packed_layer *p, const struct layer *l, const struct config *c,
                      size_t cols, struct err *err)
{
    const size_t d = c->d_model, d_head = c->d_head, width = c->n_heads * d_head;
    int rc = packed_new(&p->qk, d, 2 * width, cols, err);
    rc = rc ? rc : packed_new(&p->v, d, width, cols, err);
    for (size_t h = 0; h < c->n_heads && !rc; h++) {
        const size_t w = h * d * d_head, b = h * d_head;
        pack_columns(&p->qk, b, l->W_Q + w, l->b_Q + b, d_head, cols);
        pack_columns(&p->qk, width + b, l->W_K + w, l->b_K + b, d_head, cols);
        pack_columns(&p->v, b, l->W_V + w, l->b_V + b, d_head, cols);
    }
    rc = rc ? rc : pack(&p->o, l->W_O, l->b_O, width, d, cols, err);
    if (!c->attn_only) {
        rc = rc ? rc : pack(&p->in, l->W_in, l->b_in, d, c->d_mlp, cols, err);
        rc = rc ? rc : pack(&p->out, l->W_out, l->b_out, c->d_mlp, d, cols, err);
    }
    return rc;
}

int engine_new(struct engine **out, const struct model *model, const struct kern *kern,
               struct err *err)
{
    const struct config *c = &model->config;
    struct engine *e = mem_zero(1, sizeof *e);
    if (!e) {
        return err_nomem(err, "an engine");
    }
    e->model = model;
    e->kern = kern;
    e->layers = mem_zero(c->n_layers, sizeof *e->layers);
    int rc = e->layers ? 0 : err_nomem(err, "an engine");
    for (size_t l = 0; l < c->n_layers && !rc; l++) {
        rc = pack_layer(&e->layers[l], &model->layers[l], c, kern->cols, err);
    }
    rc = rc ? rc
            : pack(&e->unembed, model->W_U, model->b_U, c->d_model, c->d_vocab, kern->cols, err);
    if (rc) {
        engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e) {
        return;
    }
    for (size_t l = 0; e->layers && l < e->model->config.n_layers; l++) {
        struct packed_layer *p = &e->layers[l];
        packed_free(&p->qk);
        packed_free(&p->v);
        packed_free(&p->o);
        packed_free(&p->in);
        packed_free(&p->out);
    }
    packed_free(&e->unembed);
    free(e->layers);
    free(e);
}

int engine_run_new(struct engine_run **out, const struct engine *e, struct err *err)
{
    const struct config *c = &e->model->config;
    const struct kern *k = e->kern;
    struct engine_run *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "an engine's working memory");
    }
    r->engine = e;
    r->kern = k;
    r->rows_max = round_up(c->n_ctx > BLOCK_ROWS ? c->n_ctx : BLOCK_ROWS, k->rows);
    const size_t width = c->n_heads * c->d_head, n_ctx = round_up(c->n_ctx, k->rows);
    const size_t d_mlp = c->attn_only ? 0 : c->d_mlp;
    size_t widest = c->d_model > width ? c->d_model : width;
    widest = d_mlp > widest ? d_mlp : widest;
    widest = k->rows > widest ? k->rows : widest; // a tile of patterns is packed too
    const struct {
        float **at;
        size_t n, each; // floats
    } parts[] = {
        {&r->resid, r->rows_max, c->d_model},
        {&r->x, r->rows_max, c->d_model},
        {&r->x_pos, c->shortformer ? r->rows_max : 0, c->d_model},
        {&r->qk, r->rows_max, 2 * width},
        {&r->v, r->rows_max, width},
        {&r->z, r->rows_max, width},
        {&r->mlp, r->rows_max, d_mlp},
        {&r->packed, r->rows_max, widest},
        {&r->queries, k->rows, c->d_head},
        {&r->keys, round_up(n_ctx, k->cols), c->d_head},
        {&r->values, n_ctx, round_up(c->d_head, k->cols)},
        {&r->pattern, k->rows, n_ctx},
        {&r->sums, r->rows_max, KERN_LANES},
        {&r->shift, r->rows_max, 1},
        {&r->target, r->rows_max, 1},
        {&r->logits, k->rows, round_up(c->d_vocab, k->cols)},
        {&r->out, k->rows, k->cols},
    };
    bool whole = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n;
        *parts[i].at = mem_mul(parts[i].n, parts[i].each, &n) ? aligned_floats(n) : NULL;
        whole = whole && *parts[i].at;
    }
    r->total = mem_new(r->rows_max, sizeof *r->total);
    r->ids = mem_new(r->rows_max, sizeof *r->ids);
    if (!whole || !r->total || !r->ids) {
        engine_run_free(r);
        return err_nomem(err, "an engine's working memory");
    }
    *out = r;
    return 0;
}

void engine_run_free(struct engine_run *r)
{
    if (!r) {
        return;
    }
    float *const parts[] = {r->resid, r->x,      r->x_pos,   r->qk,     r->v,      r->z,
                            r->mlp,   r->packed, r->queries, r->keys,   r->values, r->pattern,
                            r->sums,  r->shift,  r->target,  r->logits, r->out};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        free(parts[i]);
    }
    free(r->total);
    free(r->ids);
    free(r);
}

// --- products -----------------------------------------------------------------------------------

/* x[n][k], rows ld apart, times 'scale', as tiles [k][rows]; missing rows are zero. */
static void pack_rows(float *to, size_t rows, const float *x, size_t ld, size_t n, size_t k,
                      float scale)
{
    for (size_t i0 = 0; i0 < n; i0 += rows, to += rows * k) {
        for (size_t i = 0; i < rows; i++) {
            const float *from = x + (i0 + i) * ld;
            for (size_t l = 0; l < k; l++) {
                to[l * rows + i] = i0 + i < n ? from[l] * scale : 0;
            }
        }
    }
}

/* out[n][ld] = (add ? out : 0) + the packed rows times p, and its bias. */
static void product(struct engine_run *r, float *out, size_t ld, size_t n, const struct packed *p,
                    bool add)
{
    const size_t rows = r->kern->rows, cols = r->kern->cols;
    for (size_t panel = 0; panel < p->n_panels; panel++) {
        const size_t j0 = panel * cols, m = p->m - j0 < cols ? p->m - j0 : cols;
        for (size_t i0 = 0; i0 < n; i0 += rows) {
            r->kern->tile(r->out, r->packed + i0 * p->k, p->w + j0 * p->k, p->k);
            for (size_t i = 0; i < rows && i0 + i < n; i++) {
                float *to = out + (i0 + i) * ld + j0;
                for (size_t j = 0; j < m; j++) {
                    to[j] = (add ? to[j] : 0) + (r->out[i * cols + j] + p->bias[j0 + j]);
                }
            }
        }
    }
}

// --- layers -------------------------------------------------------------------------------------

/* As in forward.c: sums in f64.  w and b may be NULL, out may be x. */
static void norm(const struct config *c, float *out, const float *x, const float *w, const float *b,
                 size_t n, size_t d, bool centre)
{
    if (c->norm == NORM_NONE) {
        memmove(out, x, n * d * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = x + i * d;
        double sum = 0, square = 0;
        for (size_t j = 0; j < d; j++) {
            sum += (double)row[j];
        }
        const double mean = centre ? sum / (double)d : 0;
        for (size_t j = 0; j < d; j++) {
            square += ((double)row[j] - mean) * ((double)row[j] - mean);
        }
        const double scale = 1 / sqrt(square / (double)d + (double)c->eps);
        for (size_t j = 0; j < d; j++) {
            const double y = ((double)row[j] - mean) * scale;
            out[i * d + j] = (float)(y * (double)(w ? w[j] : 1.0f) + (double)(b ? b[j] : 0.0f));
        }
    }
}

/* Keys of one head of a window as panels [d_head][cols], values as panels [n][cols]. */
static void pack_head(struct engine_run *r, const float *keys, size_t keys_ld, const float *values,
                      size_t values_ld, size_t n, size_t d_head)
{
    const size_t cols = r->kern->cols;
    for (size_t j = 0; j < round_up(n, cols); j++) {
        for (size_t d = 0; d < d_head; d++) {
            r->keys[(j / cols * d_head + d) * cols + j % cols] = j < n ? keys[j * keys_ld + d] : 0;
        }
    }
    for (size_t d = 0; d < round_up(d_head, cols); d++) {
        for (size_t j = 0; j < n; j++) {
            r->values[(d / cols * n + j) * cols + d % cols] =
                d < d_head ? values[j * values_ld + d] : 0;
        }
    }
}

/* Queries [i0, i0 + rows) of one head, packed: z = softmax(q k) v over the keys up to each.
 * What lies behind a query has weight 0 in its tile, which changes no sum. */
static void attend(struct engine_run *r, size_t i0, size_t n, size_t d_head, float *z, size_t z_ld)
{
    const size_t rows = r->kern->rows, cols = r->kern->cols;
    const size_t n_rows = n - i0 < rows ? n - i0 : rows, n_keys = i0 + n_rows;
    for (size_t j0 = 0; j0 < n_keys; j0 += cols) {
        r->kern->tile(r->out, r->queries, r->keys + j0 * d_head, d_head);
        const size_t m = n_keys - j0 < cols ? n_keys - j0 : cols;
        for (size_t i = 0; i < n_rows; i++) {
            memcpy(r->pattern + i * n_keys + j0, r->out + i * cols, m * sizeof *r->out);
        }
    }
    for (size_t i = 0; i < n_rows; i++) {
        float *row = r->pattern + i * n_keys;
        r->kern->softmax(row, i0 + i + 1);
        memset(row + i0 + i + 1, 0, (n_keys - i0 - i - 1) * sizeof *row);
    }
    pack_rows(r->packed, r->kern->rows, r->pattern, n_keys, n_rows, n_keys, 1);
    for (size_t d0 = 0; d0 < d_head; d0 += cols) {
        r->kern->tile(r->out, r->packed, r->values + d0 * n, n_keys);
        const size_t m = d_head - d0 < cols ? d_head - d0 : cols;
        for (size_t i = 0; i < n_rows; i++) {
            memcpy(z + (i0 + i) * z_ld + d0, r->out + i * cols, m * sizeof *z);
        }
    }
}

/* Windows [windows, + n_windows) stand behind one another in the block's rows. */
static void attention(struct engine_run *r, const struct packed_layer *p, const struct layer *w,
                      const struct engine_window *windows, size_t n_windows, size_t n)
{
    const struct config *c = &r->engine->model->config;
    const size_t d = c->d_model, d_head = c->d_head, width = c->n_heads * d_head;
    const size_t rows = r->kern->rows;
    norm(c, r->x, r->resid, w->ln1_w, w->ln1_b, n, d, true);
    pack_rows(r->packed, r->kern->rows, r->x, d, n, d, 1);
    product(r, r->v, width, n, &p->v, false);
    if (c->shortformer) {
        for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n * d) {
            for (size_t i = 0; i < windows[k].n * d; i++) {
                r->x_pos[at + i] = r->x[at + i] + r->engine->model->W_pos[i];
            }
        }
        pack_rows(r->packed, r->kern->rows, r->x_pos, d, n, d, 1);
    }
    product(r, r->qk, 2 * width, n, &p->qk, false);
    const float scale = (float)(1 / sqrt((double)d_head));
    for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n) {
        for (size_t h = 0; h < c->n_heads; h++) {
            const float *q = r->qk + at * 2 * width + h * d_head;
            pack_head(r, q + width, 2 * width, r->v + at * width + h * d_head, width, windows[k].n,
                      d_head);
            for (size_t i0 = 0; i0 < windows[k].n; i0 += rows) {
                const size_t left = windows[k].n - i0;
                pack_rows(r->queries, rows, q + i0 * 2 * width, 2 * width,
                          left < rows ? left : rows, d_head, scale);
                attend(r, i0, windows[k].n, d_head, r->z + at * width + h * d_head, width);
            }
        }
    }
    pack_rows(r->packed, r->kern->rows, r->z, width, n, width, 1);
    product(r, r->resid, d, n, &p->o, true);
}

/* mid = pre softmax(pre), post = norm(mid), in place. */
static void solu(struct engine_run *r, const struct config *c, const struct layer *w, size_t n)
{
    const size_t d_mlp = c->d_mlp;
    for (size_t i = 0; i < n; i++) {
        float *row = r->mlp + i * d_mlp;
        memcpy(r->packed, row, d_mlp * sizeof *row);
        r->kern->softmax(row, d_mlp);
        for (size_t j = 0; j < d_mlp; j++) {
            row[j] *= r->packed[j];
        }
    }
    const struct config with_norm = {.norm = NORM_LN, .eps = c->eps};
    norm(&with_norm, r->mlp, r->mlp, w->ln_mlp_w, w->ln_mlp_b, n, d_mlp, true);
}

static void mlp(struct engine_run *r, const struct packed_layer *p, const struct layer *w, size_t n)
{
    const struct config *c = &r->engine->model->config;
    norm(c, r->x, r->resid, w->ln2_w, w->ln2_b, n, c->d_model, true);
    pack_rows(r->packed, r->kern->rows, r->x, c->d_model, n, c->d_model, 1);
    product(r, r->mlp, c->d_mlp, n, &p->in, false);
    switch (c->act_fn) {
    case ACT_GELU:
        r->kern->gelu(r->mlp, n * c->d_mlp);
        break;
    case ACT_GELU_NEW:
        r->kern->gelu_new(r->mlp, n * c->d_mlp);
        break;
    case ACT_SOLU_LN:
        solu(r, c, w, n);
        break;
    }
    pack_rows(r->packed, r->kern->rows, r->mlp, c->d_mlp, n, c->d_mlp, 1);
    product(r, r->resid, c->d_model, n, &p->out, true);
}

/* Runs windows of n rows in all through the layers and the final norm, into r->x. */
static void run_layers(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                       size_t n)
{
    const struct model *m = r->engine->model;
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    float *to = r->resid;
    for (size_t k = 0; k < n_windows; k++) {
        assert(windows[k].n >= 1 && windows[k].n <= c->n_ctx);
        for (size_t i = 0; i < windows[k].n; i++, to += d) {
            const uint32_t id = i == 0 ? windows[k].first : windows[k].tokens[i - 1];
            assert(id < c->d_vocab);
            for (size_t j = 0; j < d; j++) {
                to[j] = m->W_E[id * d + j] + (c->shortformer ? 0.0f : m->W_pos[i * d + j]);
            }
        }
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        attention(r, &r->engine->layers[l], &m->layers[l], windows, n_windows, n);
        if (!c->attn_only) {
            mlp(r, &r->engine->layers[l], &m->layers[l], n);
        }
    }
    norm(c, r->x, r->resid, m->ln_final_w, m->ln_final_b, n, d, !c->final_rms);
}

// --- the unembedding ----------------------------------------------------------------------------

static bool is_stopped(const atomic_int *stop)
{
    return stop && atomic_load_explicit(stop, memory_order_relaxed) != 0;
}

/* The logits of the tile of rows that is packed at x, into r->logits. */
static void whole_logits(struct engine_run *r, const float *x)
{
    const struct packed *u = &r->engine->unembed;
    const size_t rows = r->kern->rows, cols = r->kern->cols, ld = u->n_panels * cols;
    for (size_t j0 = 0; j0 < ld; j0 += cols) {
        r->kern->tile(r->out, x, u->w + j0 * u->k, u->k);
        for (size_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < cols; j++) {
                r->logits[i * ld + j0 + j] = r->out[i * cols + j] + u->bias[j0 + j];
            }
        }
    }
}

/* A row's exponents are taken relative to the greatest logit of its first panel: any number would
 * do that is within 80 nats or so of the greatest of all. */
static void set_shift(struct engine_run *r, size_t i0)
{
    const struct packed *u = &r->engine->unembed;
    const size_t cols = r->kern->cols, m = u->m < cols ? u->m : cols;
    for (size_t i = 0; i < r->kern->rows; i++) {
        const float *logits = r->out + i * cols;
        float max = logits[0] + u->bias[0];
        for (size_t j = 1; j < m; j++) {
            const float logit = logits[j] + u->bias[j];
            max = logit > max ? logit : max;
        }
        r->shift[i0 + i] = max;
    }
}

static void fold_sums(struct engine_run *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < KERN_LANES; l++) {
            r->total[i] += (double)r->sums[i * KERN_LANES + l];
        }
    }
    memset(r->sums, 0, round_up(n, r->kern->rows) * KERN_LANES * sizeof *r->sums);
}

/* One pass over the vocabulary for the n rows of r->x, whose true tokens are r->ids: sums into
 * r->total, logits of the true tokens into r->target. */
static void sum_exponentials(struct engine_run *r, size_t n, const atomic_int *stop)
{
    const struct packed *u = &r->engine->unembed;
    const size_t rows = r->kern->rows, cols = r->kern->cols;
    pack_rows(r->packed, r->kern->rows, r->x, u->k, n, u->k, 1);
    memset(r->total, 0, n * sizeof *r->total);
    memset(r->sums, 0, round_up(n, rows) * KERN_LANES * sizeof *r->sums);
    for (size_t panel = 0; panel < u->n_panels && !is_stopped(stop); panel++) {
        const float *bias = u->bias + panel * cols;
        const uint32_t from = (uint32_t)(panel * cols);
        for (size_t i0 = 0; i0 < n; i0 += rows) {
            r->kern->tile(r->out, r->packed + i0 * u->k, u->w + panel * cols * u->k, u->k);
            if (panel == 0) {
                set_shift(r, i0);
            }
            r->kern->add_exp(r->sums + i0 * KERN_LANES, r->out, bias, r->shift + i0);
            for (size_t i = i0; i < n && i < i0 + rows; i++) {
                const uint32_t col = r->ids[i] - from;
                if (col < cols) {
                    r->target[i] = r->out[(i - i0) * cols + col] + bias[col];
                }
            }
        }
        if ((panel + 1) % PANELS_SUMMED == 0 || panel + 1 == u->n_panels) {
            fold_sums(r, n);
        }
    }
}

/* ln P of row i's true token. */
static double logprob_of(struct engine_run *r, size_t i)
{
    if (r->total[i] < 1e30) {
        return (double)r->target[i] - (double)r->shift[i] - log(r->total[i]);
    }
    // The first panel says nothing of the others: all logits, then, and relative to the greatest.
    const size_t rows = r->kern->rows, ld = r->engine->unembed.n_panels * r->kern->cols;
    whole_logits(r, r->packed + i / rows * rows * r->engine->unembed.k);
    const float *logits = r->logits + i % rows * ld;
    return (double)r->target[i] - logprob_log_sum_exp(logits, r->engine->unembed.m);
}

static void score_block(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                        size_t n, const atomic_int *stop)
{
    run_layers(r, windows, n_windows, n);
    for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n) {
        memcpy(r->ids + at, windows[k].tokens, windows[k].n * sizeof *r->ids);
    }
    sum_exponentials(r, n, stop);
    for (size_t k = 0, at = 0; k < n_windows && !is_stopped(stop); at += windows[k++].n) {
        for (size_t i = 0; i < windows[k].n; i++) {
            windows[k].logprob[i] = logprob_of(r, at + i);
        }
    }
}

void engine_score(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop)
{
    for (size_t k = 0, next; k < n_windows && !is_stopped(stop); k = next) {
        size_t n = 0;
        for (next = k; next < n_windows && (n == 0 || n + windows[next].n <= BLOCK_ROWS); next++) {
            n += windows[next].n;
        }
        score_block(r, windows + k, next - k, n, stop);
    }
}

void engine_look(struct engine_run *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model, rows = r->kern->rows;
    const size_t ld = r->engine->unembed.n_panels * r->kern->cols;
    for (size_t k = 0; k < n && !is_stopped(stop);) {
        const struct engine_window *w = picks[k].window;
        if (k == 0 || picks[k - 1].window != w) {
            run_layers(r, w, 1, w->n);
        }
        size_t m = 0;
        for (; m < rows && k + m < n && picks[k + m].window == w; m++) {
            memcpy(r->resid + m * d, r->x + picks[k + m].at * d, d * sizeof *r->x);
        }
        pack_rows(r->packed, r->kern->rows, r->resid, d, m, d, 1);
        whole_logits(r, r->packed);
        for (size_t i = 0; i < m; i++) {
            view(context, k + i, r->logits + i * ld);
        }
        k += m;
    }
}
