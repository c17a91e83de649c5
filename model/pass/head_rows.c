#include "model/pass/head_rows.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/unembed_internal.h"

struct head_logits {
    const struct unembed *u;
    size_t head;
    struct weights p; // [d_head][d_vocab], with the tiles of the whole's weights
    float *ln_b;      // [p.n_panels * p.cols] b_ln . U_j; below exact precision / ln 2
};

enum row_state { ROW_UNSET, ROW_LINEAR, ROW_BY_ITSELF };

struct head_rows {
    const struct head_logits *logits;
    size_t n_max;
    unsigned char *state; // [n_max] enum row_state
    float *x;             // [n_max][d_model]
    float *y;             // [n_max][d_head]
    float *ratio, *less;  // [n_max + a tile] sigma / sigma', and 1 less it
    float *scale2;        // [n_max + a tile] a row's scale / ln 2
    double *logprob;      // [n_max]
    uint32_t *ids;        // [n_max] of the rows that are scored by themselves
    double *others;       // [n_max] their log-probs
    size_t n;             // rows of the call in hand
    struct inputs in;     // y
    struct unembed_sums sums;
};

// --- the weights --------------------------------------------------------------------------------

/* rows[d_head + 1][d_model]: W_O of the head less the mean of each row, times w; and b_ln. */
static void fill_rows(float *rows, const struct model *m, size_t head)
{
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    const float *W_O = m->layers[c->n_layers - 1].W_O + head * c->d_head * d;
    const float *w = c->norm == NORM_NONE ? NULL : m->ln_final_w;
    const float *b = c->norm == NORM_NONE ? NULL : m->ln_final_b;
    for (size_t k = 0; k < c->d_head; k++) {
        double mean = 0;
        for (size_t j = 0; j < d && c->norm != NORM_NONE && !c->final_rms; j++) {
            mean += (double)W_O[k * d + j] / (double)d;
        }
        for (size_t j = 0; j < d; j++) {
            rows[k * d + j] = (float)((double)W_O[k * d + j] - mean) * (w ? w[j] : 1);
        }
    }
    for (size_t j = 0; j < d; j++) {
        rows[c->d_head * d + j] = b ? b[j] : 0;
    }
}

/* to[n][d_vocab] = rows[n][d_model] W_U, in f32. */
static int multiply(float *to, const float *rows, size_t n, const struct unembed *u,
                    struct err *err)
{
    struct weights w = u->exact;
    const struct weights *all[] = {&w};
    struct inputs in;
    w.bias = mem_zero(w.n_panels * w.cols, sizeof *w.bias);
    int rc = inputs_new(&in, all, 1, n, err);
    rc = rc || w.bias ? rc : err_nomem(err, "a head's logits");
    if (!rc) {
        inputs_pack(&in, &w, rows, w.k, n);
        product(to, w.m, n, &in, &w, false);
    }
    inputs_free(&in);
    free(w.bias);
    return rc;
}

/* The most exact format whose tiles are those of the whole's weights. */
static enum format format_of(const struct unembed *u)
{
    const struct dot *low = u->low.dot, *s16 = u->kern->s16;
    return !low                                                      ? FORMAT_F32
           : s16 && s16->rows == low->rows && s16->cols == low->cols ? FORMAT_S16
                                                                     : FORMAT_S8;
}

static int make_logits(struct head_logits *h, float *rows, float *all, struct err *err)
{
    const struct unembed *u = h->u;
    const struct config *c = &u->model->config;
    fill_rows(rows, u->model, h->head);
    int rc = multiply(all, rows, c->d_head + 1, u, err);
    rc = rc ? rc
            : weights_new(&h->p, u->kern, format_of(u), u->low.rotated, NULL, all, NULL, c->d_head,
                          c->d_vocab, err);
    h->ln_b = rc ? NULL : product_alloc(h->p.n_panels * h->p.cols, sizeof *h->ln_b);
    if (rc || !h->ln_b) {
        return rc ? rc : err_nomem(err, "a head's logits");
    }
    const double unit = u->low.dot ? LOG2_E : 1;
    for (size_t j = 0; j < h->p.n_panels * h->p.cols; j++) {
        h->ln_b[j] = j < c->d_vocab ? (float)(unit * (double)all[c->d_head * c->d_vocab + j]) : 0;
    }
    return 0;
}

int head_logits_new(struct head_logits **out, const struct unembed *u, size_t head, struct err *err)
{
    const struct config *c = &u->model->config;
    struct head_logits *h = mem_zero(1, sizeof *h);
    float *rows = mem_new((c->d_head + 1) * c->d_model, sizeof *rows);
    float *all = mem_new((c->d_head + 1) * c->d_vocab, sizeof *all);
    assert(c->attn_only && head < c->n_heads);
    int rc = h && rows && all ? 0 : err_nomem(err, "a head's logits");
    if (!rc) {
        h->u = u;
        h->head = head;
        rc = make_logits(h, rows, all, err);
    }
    free(rows);
    free(all);
    if (rc) {
        head_logits_free(h);
        return rc;
    }
    *out = h;
    return 0;
}

void head_logits_free(struct head_logits *h)
{
    if (h) {
        weights_free(&h->p);
        free(h->ln_b);
        free(h);
    }
}

// --- rows ---------------------------------------------------------------------------------------

int head_rows_new(struct head_rows **out, const struct head_logits *logits, size_t n_max,
                  struct err *err)
{
    const struct config *c = &logits->u->model->config;
    const struct weights *weights[] = {&logits->p};
    const size_t room = n_max + DOT_ROWS_MAX;
    struct head_rows *h = mem_zero(1, sizeof *h);
    if (!h) {
        return err_nomem(err, "a changed model");
    }
    h->logits = logits;
    h->n_max = n_max;
    h->state = mem_zero(n_max, sizeof *h->state);
    h->x = product_alloc(n_max * c->d_model, sizeof *h->x);
    h->y = product_alloc(n_max * c->d_head, sizeof *h->y);
    h->ratio = product_alloc(room, sizeof *h->ratio);
    h->less = product_alloc(room, sizeof *h->less);
    h->scale2 = product_alloc(room, sizeof *h->scale2);
    h->logprob = mem_new(n_max, sizeof *h->logprob);
    h->ids = mem_new(n_max, sizeof *h->ids);
    h->others = mem_new(n_max, sizeof *h->others);
    const bool whole = h->state && h->x && h->y && h->ratio && h->less && h->scale2 && h->logprob &&
                       h->ids && h->others;
    int rc = whole ? 0 : err_nomem(err, "a changed model");
    rc = rc ? rc : inputs_new(&h->in, weights, 1, n_max, err);
    rc = rc ? rc
            : unembed_sums_new(&h->sums, n_max, logits->u->low.dot ? logits->u->threshold : 0, err);
    if (rc) {
        head_rows_free(h);
        return rc;
    }
    *out = h;
    return 0;
}

void head_rows_free(struct head_rows *h)
{
    if (!h) {
        return;
    }
    free(h->state);
    free(h->x);
    free(h->y);
    free(h->ratio);
    free(h->less);
    free(h->scale2);
    free(h->logprob);
    free(h->ids);
    free(h->others);
    inputs_free(&h->in);
    unembed_sums_free(&h->sums);
    free(h);
}

void head_rows_begin(struct head_rows *h)
{
    memset(h->state, ROW_UNSET, h->n_max * sizeof *h->state);
}

/* 1 / sigma of the final norm. */
static double norm_scale(const struct config *c, const float *resid)
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
    return 1 / sqrt(square / (double)c->d_model + (double)c->eps);
}

void head_rows_set(struct head_rows *h, size_t i, const struct head_row *row)
{
    const struct config *c = &h->logits->u->model->config;
    const double scale = norm_scale(c, row->resid_changed);
    const double ratio = scale / norm_scale(c, row->resid);
    assert(i < h->n_max);
    memcpy(h->x + i * c->d_model, row->x, c->d_model * sizeof *h->x);
    h->state[i] = ratio <= HEAD_ROWS_RATIO ? ROW_LINEAR : ROW_BY_ITSELF;
    h->ratio[i] = (float)ratio;
    h->less[i] = (float)(1 - ratio);
    for (size_t k = 0; k < c->d_head; k++) {
        h->y[i * c->d_head + k] = (float)(((double)row->z_changed[k] - (double)row->z[k]) * scale);
    }
}

const float *head_rows_x(const struct head_rows *h, size_t i)
{
    return h->state[i] != ROW_UNSET ? h->x + i * h->logits->u->model->config.d_model : NULL;
}

double head_rows_logprob(const struct head_rows *h, size_t i)
{
    assert(h->state[i] != ROW_UNSET);
    return h->logprob[i];
}

// --- scores -------------------------------------------------------------------------------------

void head_rows_pack(struct head_rows *h, size_t n)
{
    const struct weights *p = &h->logits->p;
    h->n = n;
    for (size_t i = 0; i < n + DOT_ROWS_MAX; i++) { // others are as the whole, and not read
        if (i >= n || h->state[i] != ROW_LINEAR) {
            h->ratio[i] = 1;
            h->less[i] = 0;
        }
        if (i < n && h->state[i] != ROW_LINEAR) {
            memset(h->y + i * p->k, 0, p->k * sizeof *h->y);
        }
    }
    inputs_pack(&h->in, p, h->y, p->k, n);
    for (size_t i = 0; p->dot && i < round_up(n, p->rows); i++) {
        h->scale2[i] = (float)((double)h->in.scale[i] * LOG2_E);
    }
    unembed_sums_begin(&h->sums, n);
    for (size_t i = 0; i < n; i++) { // no candidates
        h->sums.above[i] = h->state[i] == ROW_LINEAR ? 0 : INFINITY;
    }
}

/* Has tile t a row that is made of the whole's? */
static bool is_needed(const struct head_rows *h, size_t t)
{
    const size_t rows = h->logits->p.rows;
    for (size_t i = t * rows; i < (t + 1) * rows && i < h->n; i++) {
        if (h->state[i] == ROW_LINEAR) {
            return true;
        }
    }
    return false;
}

void head_rows_add(struct head_rows *h, const float *tile, const uint32_t *ids, size_t t,
                   size_t panel)
{
    const struct weights *p = &h->logits->p;
    union product_tile own;
    if (!is_needed(h, t)) {
        return;
    }
    product_tile(&own, &h->in, p, t, panel);
    p->f32->mix(own.f32, tile, h->ratio + t * p->rows, h->logits->ln_b + panel * p->cols,
                h->less + t * p->rows);
    unembed_sums_add(&h->sums, &h->logits->u->exact, own.f32, ids, h->n, t, panel);
}

/* The greatest logits of the first panel, / ln 2. */
static void set_shift2(struct head_rows *h, const int32_t *own, const struct kern_mix *mix,
                       size_t i0)
{
    const struct weights *p = &h->logits->p;
    const size_t m = p->m < p->cols ? p->m : p->cols;
    for (size_t i = 0; i < p->rows; i++, own += p->cols) {
        float max = -INFINITY;
        for (size_t j = 0; j < m; j++) {
            const float whole = (float)mix->whole[i * p->cols + j] * mix->whole_col_scale[j];
            max = fmaxf(max, (float)own[j] * mix->col_scale[j] * mix->row_scale[i] +
                                 whole * mix->whole_row_scale[i] * mix->ratio[i] +
                                 mix->ln_b[j] * mix->less[i] + mix->bias[j]);
        }
        h->sums.shift[i0 + i] = max;
    }
}

void head_rows_add_low(struct head_rows *h, const int32_t *tile, const float *scale2, size_t t,
                       size_t panel)
{
    const struct unembed *u = h->logits->u;
    const struct weights *p = &h->logits->p;
    const size_t i0 = t * p->rows, at = panel * p->cols;
    union product_tile own;
    if (!is_needed(h, t)) {
        return;
    }
    const struct kern_mix mix = {.row_scale = h->scale2 + i0,
                                 .col_scale = p->scale + at,
                                 .whole = tile,
                                 .whole_row_scale = scale2,
                                 .whole_col_scale = u->low.scale + at,
                                 .ratio = h->ratio + i0,
                                 .less = h->less + i0,
                                 .ln_b = h->logits->ln_b + at,
                                 .bias = u->bias2 + at};
    product_tile(&own, &h->in, p, t, panel);
    if (panel == 0) {
        set_shift2(h, own.s32, &mix, i0);
    }
    struct unembed_sums *s = &h->sums;
    const uint32_t above = u->f32->add_exp2_mixed(s->sums + i0 * KERN_LANES, &own, p->rows, &mix,
                                                  s->shift + i0, s->above + i0);
    if (above) {
        unembed_sums_note(s, p, own.f32, above, i0, panel);
    }
}

void head_rows_end_panel(struct head_rows *h, size_t panels)
{
    unembed_sums_end_panel(&h->sums, h->n, panels, &h->logits->p);
}

/* Rows that are scored as those of any model. */
static void score_others(struct head_rows *h, struct unembed_ctx *r, const uint32_t *ids, size_t n,
                         float *room, const atomic_int *stop)
{
    const size_t d = h->logits->u->model->config.d_model;
    size_t some = 0;
    for (size_t i = 0; i < n; i++) {
        if (h->state[i] == ROW_BY_ITSELF) {
            memcpy(room + some * d, h->x + i * d, d * sizeof *room);
            h->ids[some++] = ids[i];
        }
    }
    if (some == 0) {
        return;
    }
    unembed_score(r, room, h->ids, some, false, h->others, stop);
    for (size_t i = n; i-- > 0;) {
        if (h->state[i] == ROW_BY_ITSELF) {
            h->logprob[i] = h->others[--some];
        }
    }
}

void head_rows_finish(struct head_rows *h, struct unembed_ctx *r, const uint32_t *ids, size_t n,
                      float *room, const atomic_int *stop)
{
    const struct unembed *u = h->logits->u;
    const size_t d = u->model->config.d_model;
    if (u->low.dot) {
        unembed_correct(u, &h->sums, h->x);
    }
    for (size_t i = 0; i < n && !is_stopped(stop); i++) {
        if (h->state[i] == ROW_LINEAR) {
            h->logprob[i] = (u->low.dot ? unembed_logprob_low : unembed_logprob_f32)(
                r, &h->sums, i, h->x + i * d, ids[i]);
        }
    }
    score_others(h, r, ids, n, room, stop);
}
