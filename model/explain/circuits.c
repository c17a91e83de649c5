#include "model/explain/circuits.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/folded.h"
#include "model/pass/rotary.h"

// --- products -----------------------------------------------------------------------------------

/* out[n] = x[m] w[m][n] */
static void times(double *restrict out, const double *x, const float *restrict w, size_t m,
                  size_t n)
{
    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; i < m; i++) {
        const double xi = x[i];
        for (size_t j = 0; j < n; j++) {
            out[j] += xi * (double)w[i * n + j];
        }
    }
}

/* out[m] = w[m][n] x[n] */
static void times_transposed(double *out, const double *x, const float *w, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            sum += (double)w[i * n + j] * x[j];
        }
        out[i] = sum;
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

/* A head's weights: [d_model][d_head], but o. */
struct weights {
    const float *q, *k, *v, *o; // o: [d_head][d_model]
    const float *b_q, *b_k;     // [d_head]
};

static struct weights weights_of(const struct model *m, size_t layer, size_t head)
{
    const struct layer *l = &m->layers[layer];
    const size_t d = m->config.d_head, at = head * m->config.d_model * d;
    return (struct weights){.q = l->W_Q + at,
                            .k = l->W_K + at,
                            .v = l->W_V + at,
                            .o = l->W_O + at,
                            .b_q = l->b_Q + head * d,
                            .b_k = l->b_K + head * d};
}

static const float *row_of(const struct model *m, const float *rows, size_t i)
{
    return rows + i * m->config.d_model;
}

/* out[d_vocab] = x[d_model] W_U, folded less the mean. */
static void logits_of(const struct model *m, bool folded, const double *x, double *out)
{
    const size_t d_vocab = m->config.d_vocab;
    double mean = 0;
    times(out, x, m->W_U, m->config.d_model, d_vocab);
    for (size_t t = 0; t < d_vocab && folded; t++) {
        mean += out[t] / (double)d_vocab;
    }
    for (size_t t = 0; t < d_vocab && folded; t++) {
        out[t] -= mean;
    }
}

// --- OV, and the direct path --------------------------------------------------------------------

int circuits_ov(const struct model *m, const struct circuits_head *h, uint32_t s, double *out,
                struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const struct weights w = weights_of(m, h->layer, h->index);
    double *x = mem_new(D + d, sizeof *x);
    if (!x) {
        return err_nomem(err, "an OV circuit");
    }
    double *z = x + D;
    folded_read(m, h->folded, h->layer, row_of(m, m->W_E, s), x);
    times(z, x, w.v, D, d);
    times(x, z, w.o, d, D);
    folded_write(m, h->folded, x);
    logits_of(m, h->folded, x, out);
    free(x);
    return 0;
}

int circuits_direct(const struct model *m, bool folded, uint32_t s, double *out, struct err *err)
{
    const size_t D = m->config.d_model;
    double *x = mem_new(D, sizeof *x);
    if (!x) {
        return err_nomem(err, "the direct path");
    }
    for (size_t i = 0; i < D; i++) {
        x[i] = (double)row_of(m, m->W_E, s)[i];
    }
    folded_write(m, folded, x);
    logits_of(m, folded, x, out);
    free(x);
    return 0;
}

// --- QK -----------------------------------------------------------------------------------------

static double scale_of(const struct model *m, size_t layer)
{
    return (double)config_attn_scale(&m->config, layer);
}

int circuits_keys(const struct model *m, const struct circuits_head *h, uint32_t a, double *out,
                  struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const struct weights w = weights_of(m, h->layer, h->index);
    double *x = mem_new(2 * D + d, sizeof *x);
    if (!x) {
        return err_nomem(err, "a QK circuit");
    }
    double *q = x + D, *y = q + d;
    folded_read(m, h->folded, h->layer, row_of(m, m->W_E, a), x);
    times(q, x, w.q, D, d);
    times_transposed(y, q, w.k, D, d);
    for (size_t b = 0; b < m->config.d_vocab; b++) {
        folded_read(m, h->folded, h->layer, row_of(m, m->W_E, b), x);
        out[b] = inner(x, y, D) * scale_of(m, h->layer);
    }
    free(x);
    return 0;
}

int circuits_terms(const struct model *m, const struct circuits_head *h, uint32_t a, size_t i,
                   uint32_t b, size_t j, struct circuits_terms *out, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const struct weights w = weights_of(m, h->layer, h->index);
    if (!m->W_pos) {
        return err_set(err, ERR_UNSUPPORTED, "rotary positions are no term of a score");
    }
    double *x = mem_new(D + 4 * d, sizeof *x);
    if (!x) {
        return err_nomem(err, "a QK circuit");
    }
    const float *const rows[] = {row_of(m, m->W_E, a), row_of(m, m->W_pos, i), row_of(m, m->W_E, b),
                                 row_of(m, m->W_pos, j)};
    double *to[4];
    for (size_t k = 0; k < 4; k++) {
        to[k] = x + D + k * d;
        folded_read(m, h->folded, h->layer, rows[k], x);
        times(to[k], x, k < 2 ? w.q : w.k, D, d);
    }
    const double scale = scale_of(m, h->layer);
    *out = (struct circuits_terms){.tt = inner(to[0], to[2], d) * scale,
                                   .tp = inner(to[0], to[3], d) * scale,
                                   .pt = inner(to[1], to[2], d) * scale,
                                   .pp = inner(to[1], to[3], d) * scale};
    free(x);
    return 0;
}

/* x[d_model], a residual stream, becomes what a layer's queries and keys are made of, with W_pos of
 * position i where that is added behind the norm (shortformer).  scale: the norm's; below 0: x's
 * own. */
static void normed(const struct model *m, size_t layer, double *x, size_t i, double scale)
{
    const struct config *c = &m->config;
    const struct layer *l = &m->layers[layer];
    const size_t D = c->d_model;
    double mean = 0, square = 0;
    for (size_t k = 0; k < D && c->norm != NORM_NONE && config_centres(c); k++) {
        mean += x[k] / (double)D;
    }
    for (size_t k = 0; k < D; k++) {
        square += (x[k] - mean) * (x[k] - mean) / (double)D;
    }
    const double s = scale >= 0 ? scale : sqrt(square + (double)c->eps);
    for (size_t k = 0; k < D && c->norm != NORM_NONE; k++) {
        x[k] = (x[k] - mean) / s * (l->ln1_w ? (double)l->ln1_w[k] : 1) +
               (l->ln1_b ? (double)l->ln1_b[k] : 0);
    }
    for (size_t k = 0; k < D && c->shortformer; k++) {
        x[k] += (double)row_of(m, m->W_pos, i)[k];
    }
}

/* Position i in the residual stream, dimension k: 0 where W_pos is added behind the norm, or there is
 * none. */
static double position_of(const struct model *m, size_t i, size_t k)
{
    return m->W_pos && !m->config.shortformer ? (double)row_of(m, m->W_pos, i)[k] : 0;
}

/* x[d_model] = W_E[t] and W_pos[i] as they stand in the stream. */
static void embed(const struct model *m, uint32_t t, size_t i, double *x)
{
    for (size_t k = 0; k < m->config.d_model; k++) {
        x[k] = (double)row_of(m, m->W_E, t)[k] + position_of(m, i, k);
    }
}

int circuits_keys_at(const struct model *m, const struct circuits_head *h, uint32_t a, size_t i,
                     size_t j, double *out, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const struct weights w = weights_of(m, h->layer, h->index);
    double *x = mem_new(2 * D + d, sizeof *x);
    assert(i < m->config.n_ctx && j <= i);
    if (!x) {
        return err_nomem(err, "a QK circuit");
    }
    double *q = x + D, *y = q + d, bias = 0;
    embed(m, a, i, x);
    normed(m, h->layer, x, i, -1);
    times(q, x, w.q, D, d);
    for (size_t k = 0; k < d; k++) {
        q[k] += (double)w.b_q[k];
    }
    rotary_turn_f64(m, q, i, false);
    rotary_turn_f64(m, q, j, true); // in place of turning all keys
    for (size_t k = 0; k < d; k++) {
        bias += q[k] * (double)w.b_k[k];
    }
    times_transposed(y, q, w.k, D, d);
    for (uint32_t b = 0; b < m->config.d_vocab; b++) {
        embed(m, b, j, x);
        normed(m, h->layer, x, j, -1);
        out[b] = (inner(x, y, D) + bias) * scale_of(m, h->layer);
    }
    free(x);
    return 0;
}

// --- positions ----------------------------------------------------------------------------------

/* What is known of the vocabulary's embeddings, centred: mean[d_model], and their mean variance. */
static double mean_embedding(const struct model *m, double *mean)
{
    const size_t D = m->config.d_model, d_vocab = m->config.d_vocab;
    const bool centre = config_centres(&m->config);
    double square = 0;
    memset(mean, 0, D * sizeof *mean);
    for (size_t t = 0; t < d_vocab; t++) {
        const float *row = row_of(m, m->W_E, t);
        double middle = 0;
        for (size_t k = 0; k < D; k++) {
            mean[k] += (double)row[k] / (double)d_vocab;
            middle += centre ? (double)row[k] / (double)D : 0;
        }
        for (size_t k = 0; k < D; k++) {
            square += ((double)row[k] - middle) * ((double)row[k] - middle) / (double)D;
        }
    }
    return square / (double)d_vocab;
}

/* The mean over tokens t of the variance of W_E[t] + W_pos[i] is that of the mean embedding and
 * W_pos[i], and of what tokens differ by. */
static double scale_at(const struct model *m, const double *x, const double *mean, double variance)
{
    const size_t D = m->config.d_model;
    double x_mean = 0, e_mean = 0, square = 0, own = 0;
    for (size_t k = 0; k < D && config_centres(&m->config); k++) {
        x_mean += x[k] / (double)D;
        e_mean += mean[k] / (double)D;
    }
    for (size_t k = 0; k < D; k++) {
        square += (x[k] - x_mean) * (x[k] - x_mean) / (double)D;
        own += (mean[k] - e_mean) * (mean[k] - e_mean) / (double)D;
    }
    return sqrt(square + variance - own + (double)m->config.eps);
}

/* q[n][d_head] and k[n][d_head] of positions 0..n-1 of the mean token; x[2 d_model] is working
 * memory. */
static void positions_read(const struct model *m, size_t layer, size_t head, size_t n, double *q,
                           double *k, double *x)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const struct weights w = weights_of(m, layer, head);
    double *mean = x + D;
    const double variance = mean_embedding(m, mean);
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < D; l++) {
            x[l] = mean[l] + position_of(m, i, l);
        }
        normed(m, layer, x, i, scale_at(m, x, mean, variance));
        times(q + i * d, x, w.q, D, d);
        times(k + i * d, x, w.k, D, d);
        for (size_t l = 0; l < d; l++) {
            q[i * d + l] += (double)w.b_q[l];
            k[i * d + l] += (double)w.b_k[l];
        }
        rotary_turn_f64(m, q + i * d, i, false);
        rotary_turn_f64(m, k + i * d, i, false);
    }
}

/* row[0..n) becomes its softmax. */
static void softmax(double *row, size_t n)
{
    double most = row[n - 1], sum = 0;
    for (size_t j = 0; j < n; j++) {
        most = fmax(most, row[j]);
    }
    for (size_t j = 0; j < n; j++) {
        sum += row[j] = exp(row[j] - most);
    }
    for (size_t j = 0; j < n; j++) {
        row[j] /= sum;
    }
}

int circuits_positions(const struct model *m, size_t layer, size_t head, size_t n,
                       struct circuits_positions *out, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    double *q = mem_zero(2 * n * d + 2 * D + 2 * n, sizeof *q);
    assert(n <= m->config.n_ctx);
    *out = (struct circuits_positions){.previous = n > 1 ? 0 : (double)NAN};
    if (!q) {
        return err_nomem(err, "attention by position");
    }
    double *k = q + n * d, *x = k + n * d, *row = x + 2 * D, *sums = row + n;
    positions_read(m, layer, head, n, q, k, x);
    const size_t window = config_window(&m->config, layer);
    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            row[j] =
                i - j < window ? inner(q + i * d, k + j * d, d) * scale_of(m, layer) : -INFINITY;
        }
        softmax(row, i + 1);
        out->previous += row[i - 1] / (double)(n - 1);
        out->self += row[i] / (double)(n - 1);
        out->first += row[0] / (double)(n - 1);
        for (size_t j = 0; j <= i; j++) {
            sums[i - j] += row[j];
        }
    }
    // distances that at least half of the queries have
    for (size_t distance = 0; distance <= n / 2 && n > 1; distance++) {
        const size_t queries = distance == 0 ? n - 1 : n - distance;
        const double mean = sums[distance] / (double)queries;
        if (mean > out->at_distance) {
            out->distance = distance;
            out->at_distance = mean;
        }
    }
    free(q);
    return 0;
}

// --- which tokens matter ------------------------------------------------------------------------

/* sizes[d_vocab] = |e[t] a b| of a[d_model][d_head] and b, [d_head][d_model] or, with 'transposed',
 * [d_model][d_head]; the first is folded as what is written. */
static int sizes_of(const struct model *m, const struct circuits_head *h, const float *a,
                    const float *b, bool transposed, double *sizes, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    double *x = mem_new(D + d + d * d + d * D, sizeof *x);
    if (!x) {
        return err_nomem(err, "a head's circuits");
    }
    double *z = x + D, *gram = z + d, *rows = gram + d * d; // rows[d][D]: b as it is written
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < D; j++) {
            rows[i * D + j] = (double)(transposed ? b[j * d + i] : b[i * D + j]);
        }
        if (!transposed) {
            folded_write(m, h->folded, rows + i * D);
        }
    }
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            gram[i * d + j] = inner(rows + i * D, rows + j * D, D);
        }
    }
    for (size_t t = 0; t < m->config.d_vocab; t++) {
        double square = 0;
        folded_read(m, h->folded, h->layer, row_of(m, m->W_E, t), x);
        times(z, x, a, D, d);
        for (size_t i = 0; i < d; i++) {
            square += z[i] * inner(gram + i * d, z, d);
        }
        sizes[t] = sqrt(fmax(square, 0));
    }
    free(x);
    return 0;
}

int circuits_source_sizes(const struct model *m, const struct circuits_head *h, double *sizes,
                          struct err *err)
{
    const struct weights w = weights_of(m, h->layer, h->index);
    return sizes_of(m, h, w.v, w.o, false, sizes, err);
}

int circuits_query_sizes(const struct model *m, const struct circuits_head *h, double *sizes,
                         struct err *err)
{
    const struct weights w = weights_of(m, h->layer, h->index);
    return sizes_of(m, h, w.q, w.k, true, sizes, err);
}

int circuits_direct_sizes(const struct model *m, bool folded, double *sizes, struct err *err)
{
    const size_t D = m->config.d_model;
    double *x = mem_new(D, sizeof *x);
    if (!x) {
        return err_nomem(err, "the direct path");
    }
    for (size_t t = 0; t < m->config.d_vocab; t++) {
        for (size_t i = 0; i < D; i++) {
            x[i] = (double)row_of(m, m->W_E, t)[i];
        }
        folded_write(m, folded, x);
        sizes[t] = sqrt(inner(x, x, D));
    }
    free(x);
    return 0;
}

size_t circuits_extremes(const double *values, size_t d_vocab, bool least, const bool *leave_out,
                         uint32_t *ids, size_t n)
{
    const double sign = least ? -1 : 1;
    size_t found = 0;
    for (uint32_t t = 0; t < d_vocab; t++) {
        if ((leave_out && leave_out[t]) || isnan(values[t])) {
            continue;
        }
        size_t at = found < n ? found++ : n;
        for (; at > 0 && sign * values[t] > sign * values[ids[at - 1]]; at--) {
            if (at < n) {
                ids[at] = ids[at - 1];
            }
        }
        if (at < n) {
            ids[at] = t;
        }
    }
    return found;
}
