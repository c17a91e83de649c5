#include "model/pass/unembed.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/logprob.h"
#include "model/pass/unembed_internal.h"

// --- making -------------------------------------------------------------------------------------

static int make_low(struct unembed *u, const struct kern *kern, enum precision precision,
                    struct err *err)
{
    const struct model *m = u->model;
    const size_t d = m->config.d_model, n = m->config.d_vocab;
    const bool fast = precision == PRECISION_FAST;
    u->threshold = fast ? 0.003 : 0.01;
    float *x_size = mem_new(d, sizeof *x_size);
    if (!x_size) {
        return err_nomem(err, "an unembedding");
    }
    for (size_t l = 0; l < d; l++) { // a feature of size 1 after the final norm: w times 1, plus b
        x_size[l] =
            hypotf(m->ln_final_w ? m->ln_final_w[l] : 1, m->ln_final_b ? m->ln_final_b[l] : 0);
    }
    const int rc = weights_new(&u->low, kern, fast ? FORMAT_S8 : FORMAT_S16, fast, x_size, m->W_U,
                               m->b_U, d, n, err);
    free(x_size);
    if (rc || !u->low.dot) {
        return rc;
    }
    const size_t padded = u->low.n_panels * u->low.cols;
    u->bias2 = product_alloc(padded, sizeof *u->bias2);
    u->columns = product_alloc(n * d, sizeof *u->columns);
    if (!u->bias2 || !u->columns) {
        return err_nomem(err, "an unembedding");
    }
    for (size_t j = 0; j < padded; j++) {
        u->bias2[j] = (float)((double)u->low.bias[j] * LOG2_E);
    }
    for (size_t j0 = 0; j0 < n; j0 += 64) {
        for (size_t l = 0; l < d; l++) {
            for (size_t j = j0; j < n && j < j0 + 64; j++) {
                u->columns[j * d + l] = m->W_U[l * n + j];
            }
        }
    }
    return 0;
}

static double mean_of(const float *x, size_t n)
{
    double sums[8] = {0}, sum = 0;
    for (size_t i = 0; i < n / 8 * 8; i += 8) {
        for (size_t l = 0; l < 8; l++) {
            sums[l] += (double)x[i + l];
        }
    }
    for (size_t i = n / 8 * 8; i < n; i++) {
        sum += (double)x[i];
    }
    for (size_t l = 0; l < 8; l++) {
        sum += sums[l];
    }
    return sum / (double)n;
}

static int make_means(struct unembed *u, struct err *err)
{
    const struct model *m = u->model;
    const size_t d = m->config.d_model, n = m->config.d_vocab;
    u->mean = mem_new(d, sizeof *u->mean);
    if (!u->mean) {
        return err_nomem(err, "an unembedding");
    }
    for (size_t l = 0; l < d; l++) {
        u->mean[l] = (float)mean_of(m->W_U + l * n, n);
    }
    u->mean_bias = mean_of(m->b_U, n);
    return 0;
}

int unembed_new(struct unembed **out, const struct model *model, const struct kern *kern,
                enum precision precision, struct err *err)
{
    struct unembed *u = mem_zero(1, sizeof *u);
    if (!u) {
        return err_nomem(err, "an unembedding");
    }
    u->model = model;
    u->kern = kern;
    u->f32 = kern->f32;
    int rc = weights_new(&u->exact, kern, FORMAT_F32, false, NULL, model->W_U, model->b_U,
                         model->config.d_model, model->config.d_vocab, err);
    if (rc) {
        goto out;
    }
    if (precision != PRECISION_EXACT) {
        rc = make_low(u, kern, precision, err);
        if (rc) {
            goto out;
        }
    }
    rc = make_means(u, err);
    if (rc) {
        goto out;
    }
    *out = u;
    u = NULL;
out:
    unembed_free(u);
    return rc;
}

void unembed_free(struct unembed *u)
{
    if (!u) {
        return;
    }
    weights_free(&u->exact);
    weights_free(&u->low);
    free(u->bias2);
    free(u->columns);
    free(u->mean);
    free(u);
}

float unembed_direction(const struct unembed *u, uint32_t id, float *direction)
{
    weights_column(&u->exact, id, direction);
    for (size_t l = 0; l < u->exact.k; l++) {
        direction[l] -= u->mean[l];
    }
    return (float)((double)u->model->b_U[id] - u->mean_bias);
}

float unembed_logit(const struct unembed *u, const float *x, uint32_t id)
{
    const struct weights *w = &u->exact;
    const float *column = (const float *)(const void *)(w->w + id / w->cols * w->panel_bytes);
    float sums[4] = {0};
    column += id % w->cols;
    for (size_t l = 0; l < w->k; l++) {
        sums[l % 4] += x[l] * column[l * w->cols];
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]) + w->bias[id];
}

const float *unembed_mean(const struct unembed *u)
{
    return u->mean;
}

const struct weights *unembed_weights(const struct unembed *u)
{
    return &u->exact;
}

int unembed_ctx_new(struct unembed_ctx **out, const struct unembed *u, size_t n_max,
                    struct err *err)
{
    struct unembed_ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "an unembedding's working memory");
    }
    const struct weights *weights[] = {&u->exact, &u->low};
    const size_t room = n_max + DOT_ROWS_MAX;
    r->u = u;
    r->n_max = n_max;
    int rc = inputs_new(&r->in, weights, u->low.dot ? 2 : 1, n_max, err);
    rc = rc ? rc : unembed_sums_new(&r->sums, n_max, u->low.dot ? u->threshold : 0, err);
    r->scale2 = product_alloc(room, sizeof *r->scale2);
    r->logits = product_alloc((UNEMBED_LOGITS_ROWS + KERN_ROWS_MAX) * u->exact.n_panels,
                              u->exact.cols * sizeof *r->logits);
    if (rc || !r->scale2 || !r->logits) {
        unembed_ctx_free(r);
        return rc ? rc : err_nomem(err, "an unembedding's working memory");
    }
    *out = r;
    return 0;
}

void unembed_ctx_free(struct unembed_ctx *r)
{
    if (!r) {
        return;
    }
    inputs_free(&r->in);
    unembed_sums_free(&r->sums);
    free(r->scale2);
    free(r->logits);
    free(r);
}

// --- what both passes share ---------------------------------------------------------------------

/* Brings a slice of the next panel near while tile t of n_tiles is made. */
static void prefetch_next(const struct weights *w, size_t panel, size_t t, size_t n_tiles)
{
    if (panel + 1 < w->n_panels) {
        const size_t lines = w->panel_bytes / 64;
        const char *next = w->w + (panel + 1) * w->panel_bytes;
        for (size_t i = lines * t / n_tiles; i < lines * (t + 1) / n_tiles; i++) {
            __builtin_prefetch(next + 64 * i, 0, 2);
        }
    }
}

// --- f32 ----------------------------------------------------------------------------------------

static void sum_f32(struct unembed_ctx *r, const uint32_t *ids, size_t n, struct head_list heads,
                    const atomic_int *stop)
{
    const struct weights *w = &r->u->exact;
    const size_t n_tiles = (n + w->rows - 1) / w->rows;
    union product_tile tile;
    unembed_sums_begin(&r->sums, n);
    for (size_t panel = 0; panel < w->n_panels && !is_stopped(stop); panel++) {
        for (size_t t = 0; t < n_tiles; t++) {
            prefetch_next(w, panel, t, n_tiles);
            product_tile(&tile, &r->in, w, t, panel);
            for (size_t h = 0; h < heads.n; h++) {
                head_rows_add(heads.items[h], tile.f32, ids, t, panel);
            }
            unembed_sums_add(&r->sums, w, tile.f32, ids, n, t, panel);
        }
        unembed_sums_end_panel(&r->sums, n, panel + 1, w);
        for (size_t h = 0; h < heads.n; h++) {
            head_rows_end_panel(heads.items[h], panel + 1);
        }
    }
}

const float *unembed_logits(struct unembed_ctx *r, const float *x, size_t n, size_t *ld)
{
    const struct weights *w = &r->u->exact;
    union product_tile tile;
    assert(n <= UNEMBED_LOGITS_ROWS && n <= r->n_max);
    *ld = w->n_panels * w->cols;
    inputs_pack(&r->in, w, x, w->k, n);
    for (size_t panel = 0; panel < w->n_panels; panel++) {
        const size_t j0 = panel * w->cols;
        for (size_t t = 0; t * w->rows < n; t++) {
            product_tile(&tile, &r->in, w, t, panel);
            r->u->f32->put(r->logits + t * w->rows * *ld + j0, *ld, tile.f32, w->cols, w->bias + j0,
                           w->rows, w->cols, false);
        }
    }
    return r->logits;
}

double unembed_from_logits(struct unembed_ctx *r, const float *x, uint32_t id)
{
    size_t ld;
    const float *logits = unembed_logits(r, x, 1, &ld);
    return (double)logits[id] - logprob_log_sum_exp(logits, r->u->exact.m);
}

double unembed_logprob_f32(struct unembed_ctx *r, const struct unembed_sums *sums, size_t i,
                           const float *x, uint32_t id)
{
    return sums->total[i] < 1e30
               ? (double)sums->target[i] - (double)sums->shift[i] - log(sums->total[i])
               : unembed_from_logits(r, x, id);
}

static void score_f32(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                      double *logprob, struct head_list heads, const atomic_int *stop)
{
    const struct weights *w = &r->u->exact;
    inputs_pack(&r->in, w, x, w->k, n);
    sum_f32(r, ids, n, heads, stop);
    for (size_t i = 0; i < n && !is_stopped(stop); i++) {
        logprob[i] = unembed_logprob_f32(r, &r->sums, i, x + i * w->k, ids[i]);
    }
}

// --- integers -----------------------------------------------------------------------------------

static void set_shift2(struct unembed_ctx *r, const int32_t *tile, size_t i0)
{
    const struct weights *w = &r->u->low;
    const size_t m = w->m < w->cols ? w->m : w->cols;
    for (size_t i = 0; i < w->rows; i++, tile += w->cols) {
        float max = -INFINITY;
        for (size_t j = 0; j < m; j++) {
            max = fmaxf(max, (float)tile[j] * w->scale[j] * r->scale2[i0 + i] + r->u->bias2[j]);
        }
        r->sums.shift[i0 + i] = max;
    }
}

static void sum_low(struct unembed_ctx *r, size_t n, struct head_list heads, const atomic_int *stop)
{
    const struct weights *w = &r->u->low;
    const size_t n_tiles = (n + w->rows - 1) / w->rows;
    union product_tile tile;
    unembed_sums_begin(&r->sums, n);
    for (size_t i = 0; i < n_tiles * w->rows; i++) {
        r->scale2[i] = (float)((double)r->in.scale[i] * LOG2_E);
    }
    for (size_t panel = 0; panel < w->n_panels && !is_stopped(stop); panel++) {
        const size_t at = panel * w->cols;
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t i0 = t * w->rows;
            prefetch_next(w, panel, t, n_tiles);
            product_tile(&tile, &r->in, w, t, panel);
            for (size_t h = 0; h < heads.n; h++) {
                head_rows_add_low(heads.items[h], tile.s32, r->scale2 + i0, t, panel);
            }
            if (panel == 0) {
                set_shift2(r, tile.s32, i0);
            }
            struct unembed_sums *s = &r->sums;
            const uint32_t above =
                r->u->f32->add_exp2(s->sums + i0 * KERN_LANES, &tile, w->rows, r->scale2 + i0,
                                    w->scale + at, r->u->bias2 + at, s->shift + i0, s->above + i0);
            if (above) {
                unembed_sums_note(s, w, tile.f32, above, i0, panel);
            }
        }
        unembed_sums_end_panel(&r->sums, n, panel + 1, w);
        for (size_t h = 0; h < heads.n; h++) {
            head_rows_end_panel(heads.items[h], panel + 1);
        }
    }
}

void unembed_correct(const struct unembed *u, struct unembed_sums *s, const float *x)
{
    const size_t d = u->low.k;
    unembed_sums_sort_out(s);
    for (size_t k = 0; k < s->n_candidates; k++) {
        const struct candidate *c = &s->candidates[k];
        const float logit =
            u->f32->dot(x + c->row * d, u->columns + c->id * d, d) + u->low.bias[c->id];
        s->total[c->row] += exp2((double)logit * LOG2_E - (double)s->shift[c->row]) - (double)c->e;
    }
}

double unembed_logprob_low(struct unembed_ctx *r, const struct unembed_sums *sums, size_t i,
                           const float *x, uint32_t id)
{
    const struct unembed *u = r->u;
    const struct weights *w = &u->low;
    if (!(sums->total[i] > 0 && sums->total[i] < 1e30)) {
        return unembed_from_logits(r, x, id);
    }
    const float target = u->f32->dot(x, u->columns + id * w->k, w->k) + w->bias[id];
    return (double)target - (double)sums->shift[i] * LN_2 - log(sums->total[i]);
}

static void score_low(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                      double *logprob, struct head_list heads, const atomic_int *stop)
{
    const struct unembed *u = r->u;
    const struct weights *w = &u->low;
    inputs_pack(&r->in, w, x, w->k, n);
    dot_begin(w->dot);
    sum_low(r, n, heads, stop);
    dot_end(w->dot);
    if (is_stopped(stop)) {
        return;
    }
    unembed_correct(u, &r->sums, x);
    for (size_t i = 0; i < n; i++) {
        logprob[i] = unembed_logprob_low(r, &r->sums, i, x + i * w->k, ids[i]);
    }
}

void unembed_score(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n, bool exact,
                   double *logprob, const atomic_int *stop)
{
    const struct head_list none = {0};
    assert(n <= r->n_max);
    if (exact || !r->u->low.dot) {
        score_f32(r, x, ids, n, logprob, none, stop);
    } else {
        score_low(r, x, ids, n, logprob, none, stop);
    }
}

void unembed_score_heads(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                         double *logprob, struct head_list heads, float *room,
                         const atomic_int *stop)
{
    assert(n <= r->n_max);
    for (size_t h = 0; h < heads.n; h++) {
        head_rows_pack(heads.items[h], n);
    }
    if (r->u->low.dot) {
        score_low(r, x, ids, n, logprob, heads, stop);
    } else {
        score_f32(r, x, ids, n, logprob, heads, stop);
    }
    for (size_t h = 0; h < heads.n && !is_stopped(stop); h++) {
        head_rows_finish(heads.items[h], r, ids, n, room, stop);
    }
}
