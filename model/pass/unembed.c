#include "model/pass/unembed.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/logprob.h"
#include "model/pass/product.h"

#define LOG2_E 1.44269504088896340736
#define LN_2 0.69314718055994530942

// The number of panels of the vocabulary whose exponentials are summed in f32 before the sum goes
// into f64; the first ones go sooner, so that there is soon a sum to compare with.
#define PANELS_SUMMED ((size_t)32)

struct unembed {
    const struct model *model;
    const struct kern_f32 *f32;
    struct weights exact;
    struct weights low; // integer weights; low.dot is NULL if there are none
    double threshold;   // probability above which f32 replaces low
    float *bias2;       // [low.n_panels * low.cols], bias / ln 2
    float *columns;     // [d_vocab][d_model], W_U by column
    float *mean;        // [d_model] of W_U's columns
    double mean_bias;   // mean of b_U
};

/* A token that may be above the threshold: what it added to its row's sum. */
struct candidate {
    uint32_t row, id;
    float e;
};

struct unembed_ctx {
    const struct unembed *u;
    size_t n_max;
    struct inputs in;
    float *sums;   // [n_max + a tile][KERN_LANES]
    float *shift;  // [n_max + a tile], to which exponents are relative
    float *scale2; // [n_max + a tile], a row's scale / ln 2
    float *above;  // [n_max + a tile], the threshold for the sum so far
    double *total; // [n_max]
    float *target; // [n_max] logits of the true tokens
    float *logits; // [UNEMBED_LOGITS_ROWS + a tile][d_vocab rounded up]
    struct candidate *candidates;
    size_t n_candidates, candidates_max;
};

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
    r->sums = product_alloc(room * KERN_LANES, sizeof *r->sums);
    r->shift = product_alloc(room, sizeof *r->shift);
    r->scale2 = product_alloc(room, sizeof *r->scale2);
    r->above = product_alloc(room, sizeof *r->above);
    r->target = product_alloc(room, sizeof *r->target);
    r->total = mem_new(room, sizeof *r->total);
    r->logits = product_alloc((UNEMBED_LOGITS_ROWS + KERN_ROWS_MAX) * u->exact.n_panels,
                              u->exact.cols * sizeof *r->logits);
    bool whole = r->sums && r->shift && r->scale2 && r->above && r->target && r->total && r->logits;
    if (u->low.dot) {
        // A row has at most 1 / threshold tokens above the threshold.  Between two sweeps there is
        // room for that many more, and for those of one panel.
        r->candidates_max = 2 * n_max * (size_t)(1 / u->threshold + 2 * DOT_COLS_MAX);
        r->candidates = mem_new(r->candidates_max, sizeof *r->candidates);
        whole = whole && r->candidates;
    }
    if (rc || !whole) {
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
    free(r->sums);
    free(r->shift);
    free(r->scale2);
    free(r->above);
    free(r->target);
    free(r->total);
    free(r->logits);
    free(r->candidates);
    free(r);
}

// --- what both passes share ---------------------------------------------------------------------

static void clear_sums(struct unembed_ctx *r, size_t n)
{
    memset(r->total, 0, n * sizeof *r->total);
    memset(r->sums, 0, (n + DOT_ROWS_MAX) * KERN_LANES * sizeof *r->sums);
}

static void fold_sums(struct unembed_ctx *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < KERN_LANES; l++) {
            r->total[i] += (double)r->sums[i * KERN_LANES + l];
        }
    }
    memset(r->sums, 0, n * KERN_LANES * sizeof *r->sums);
}

static bool is_time_to_fold(size_t panels, size_t of)
{
    return panels % PANELS_SUMMED == 0 || panels == of ||
           (panels < PANELS_SUMMED && (panels & (panels - 1)) == 0);
}

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

/* A row's exponents are relative to the greatest logit of its first panel; any number within about
 * 80 nats of the greatest of all would do. */
static void set_shift(const struct weights *w, float *shift, const float *tile)
{
    const size_t m = w->m < w->cols ? w->m : w->cols;
    for (size_t i = 0; i < w->rows; i++) {
        float max = tile[i * w->cols] + w->bias[0];
        for (size_t j = 1; j < m; j++) {
            const float logit = tile[i * w->cols + j] + w->bias[j];
            max = logit > max ? logit : max;
        }
        shift[i] = max;
    }
}

static void sum_f32(struct unembed_ctx *r, const uint32_t *ids, size_t n, const atomic_int *stop)
{
    const struct weights *w = &r->u->exact;
    const size_t n_tiles = (n + w->rows - 1) / w->rows;
    union product_tile tile;
    clear_sums(r, n);
    for (size_t panel = 0; panel < w->n_panels && !is_stopped(stop); panel++) {
        const float *bias = w->bias + panel * w->cols;
        const uint32_t from = (uint32_t)(panel * w->cols);
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t i0 = t * w->rows;
            prefetch_next(w, panel, t, n_tiles);
            product_tile(&tile, &r->in, w, t, panel);
            if (panel == 0) {
                set_shift(w, r->shift + i0, tile.f32);
            }
            r->u->f32->add_exp(r->sums + i0 * KERN_LANES, tile.f32, bias, r->shift + i0);
            for (size_t i = i0; i < n && i < i0 + w->rows; i++) {
                const uint32_t col = ids[i] - from;
                if (col < w->cols) {
                    r->target[i] = tile.f32[(i - i0) * w->cols + col] + bias[col];
                }
            }
        }
        if (is_time_to_fold(panel + 1, w->n_panels)) {
            fold_sums(r, n);
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

/* For a row whose first panel is not representative: all logits, relative to the greatest. */
static double logprob_from_logits(struct unembed_ctx *r, const float *x, uint32_t id)
{
    size_t ld;
    const float *logits = unembed_logits(r, x, 1, &ld);
    return (double)logits[id] - logprob_log_sum_exp(logits, r->u->exact.m);
}

static void score_f32(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                      double *logprob, const atomic_int *stop)
{
    const struct weights *w = &r->u->exact;
    inputs_pack(&r->in, w, x, w->k, n);
    sum_f32(r, ids, n, stop);
    for (size_t i = 0; i < n && !is_stopped(stop); i++) {
        logprob[i] = r->total[i] < 1e30
                         ? (double)r->target[i] - (double)r->shift[i] - log(r->total[i])
                         : logprob_from_logits(r, x + i * w->k, ids[i]);
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
        r->shift[i0 + i] = max;
    }
}

/* Sets the thresholds.  Sums only grow, so a token that is not above its threshold now never will
 * be. */
static void set_above(struct unembed_ctx *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = r->total[i];
        for (size_t l = 0; l < KERN_LANES; l++) {
            sum += (double)r->sums[i * KERN_LANES + l];
        }
        r->above[i] = (float)(r->u->threshold * sum);
    }
}

static void sort_out_candidates(struct unembed_ctx *r)
{
    size_t n = 0;
    for (size_t k = 0; k < r->n_candidates; k++) {
        if (r->candidates[k].e > r->above[r->candidates[k].row]) {
            r->candidates[n++] = r->candidates[k];
        }
    }
    r->n_candidates = n;
}

/* Remembers the tile's exponentials that are above the threshold; rows: the bits of add_exp2(). */
static void note_candidates(struct unembed_ctx *r, const float *exps, uint32_t rows, size_t i0,
                            size_t panel)
{
    const struct weights *w = &r->u->low;
    const size_t at = panel * w->cols;
    for (; rows != 0; rows &= rows - 1) {
        const size_t i = (size_t)__builtin_ctz(rows);
        const float *row = exps + i * w->cols;
        uint32_t columns = r->u->f32->above(row, r->above[i0 + i]);
        for (; columns != 0; columns &= columns - 1) {
            const size_t j = (size_t)__builtin_ctz(columns);
            r->candidates[r->n_candidates++] = (struct candidate){
                .row = (uint32_t)(i0 + i), .id = (uint32_t)(at + j), .e = row[j]};
        }
    }
}

static void sum_low(struct unembed_ctx *r, size_t n, const atomic_int *stop)
{
    const struct weights *w = &r->u->low;
    const size_t n_tiles = (n + w->rows - 1) / w->rows;
    union product_tile tile;
    clear_sums(r, n);
    r->n_candidates = 0;
    for (size_t i = 0; i < n_tiles * w->rows; i++) {
        r->above[i] = i < n ? 0 : INFINITY;
        r->scale2[i] = (float)((double)r->in.scale[i] * LOG2_E);
    }
    for (size_t panel = 0; panel < w->n_panels && !is_stopped(stop); panel++) {
        const size_t at = panel * w->cols;
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t i0 = t * w->rows;
            prefetch_next(w, panel, t, n_tiles);
            product_tile(&tile, &r->in, w, t, panel);
            if (panel == 0) {
                set_shift2(r, tile.s32, i0);
            }
            const uint32_t above =
                r->u->f32->add_exp2(r->sums + i0 * KERN_LANES, &tile, w->rows, r->scale2 + i0,
                                    w->scale + at, r->u->bias2 + at, r->shift + i0, r->above + i0);
            if (above) {
                note_candidates(r, tile.f32, above, i0, panel);
            }
        }
        if (is_time_to_fold(panel + 1, w->n_panels)) {
            fold_sums(r, n);
            set_above(r, n);
        }
        if (r->candidates_max - r->n_candidates < n * w->cols) {
            set_above(r, n);
            sort_out_candidates(r);
        }
    }
}

/* Replaces the candidates' contributions by those of f32. */
static void correct(struct unembed_ctx *r, const float *x)
{
    const struct unembed *u = r->u;
    const size_t d = u->low.k;
    sort_out_candidates(r);
    for (size_t k = 0; k < r->n_candidates; k++) {
        const struct candidate *c = &r->candidates[k];
        const float logit =
            u->f32->dot(x + c->row * d, u->columns + c->id * d, d) + u->low.bias[c->id];
        r->total[c->row] += exp2((double)logit * LOG2_E - (double)r->shift[c->row]) - (double)c->e;
    }
}

static void score_low(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n,
                      double *logprob, const atomic_int *stop)
{
    const struct unembed *u = r->u;
    const struct weights *w = &u->low;
    inputs_pack(&r->in, w, x, w->k, n);
    dot_begin(w->dot);
    sum_low(r, n, stop);
    dot_end(w->dot);
    if (is_stopped(stop)) {
        return;
    }
    correct(r, x);
    for (size_t i = 0; i < n; i++) {
        const float *row = x + i * w->k;
        if (r->total[i] > 0 && r->total[i] < 1e30) {
            const float target =
                u->f32->dot(row, u->columns + ids[i] * w->k, w->k) + w->bias[ids[i]];
            logprob[i] = (double)target - (double)r->shift[i] * LN_2 - log(r->total[i]);
        } else {
            logprob[i] = logprob_from_logits(r, row, ids[i]);
        }
    }
}

void unembed_score(struct unembed_ctx *r, const float *x, const uint32_t *ids, size_t n, bool exact,
                   double *logprob, const atomic_int *stop)
{
    assert(n <= r->n_max);
    if (exact || !r->u->low.dot) {
        score_f32(r, x, ids, n, logprob, stop);
    } else {
        score_low(r, x, ids, n, logprob, stop);
    }
}
