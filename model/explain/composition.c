#include "model/explain/composition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/eigenvalues.h"
#include "model/explain/seeded.h"

#define SEED 1u

// As many draws as take about this many operations; the sd is within 1 / sqrt(2 draws) of itself.
#define DRAWS_MAX ((size_t)1000)
#define DRAWS_MIN ((size_t)100)
#define DRAWS_WORK 4e9

const char *composition_mode_name(enum composition_mode mode)
{
    static const char *const names[] = {"Q", "K", "V"};
    return names[mode];
}

double composition_z(const struct composition_pair *p)
{
    return p->random_sd > 0 ? (p->score - p->random_mean) / p->random_sd : (double)NAN;
}

// --- small matrices -----------------------------------------------------------------------------

/* out[n][m] = a[n][k] b[k][m] */
static void multiply(double *restrict out, const double *restrict a, const double *restrict b,
                     size_t n, size_t k, size_t m)
{
    memset(out, 0, n * m * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < k; l++) {
            for (size_t j = 0; j < m; j++) {
                out[i * m + j] += a[i * k + l] * b[l * m + j];
            }
        }
    }
}

/* The sum of a[n] b[n]. */
static double inner(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* gram[d][d] = a^T a of a[n][d] */
static void gram_columns(double *gram, const double *a, size_t n, size_t d)
{
    memset(gram, 0, d * d * sizeof *gram);
    for (size_t l = 0; l < n; l++) {
        for (size_t i = 0; i < d; i++) {
            for (size_t j = 0; j <= i; j++) {
                gram[i * d + j] += a[l * d + i] * a[l * d + j];
            }
        }
    }
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < i; j++) {
            gram[j * d + i] = gram[i * d + j];
        }
    }
}

/* gram[d][d] = a a^T of a[d][n] */
static void gram_rows(double *gram, const double *a, size_t d, size_t n)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            gram[i * d + j] = inner(a + i * n, a + j * n, n);
        }
    }
}

/* a[d][d], symmetric and not negative, becomes the lower L with L L^T = a.  Where nothing is left of
 * a diagonal element but rounding, its column is 0: the matrix has not full rank. */
static void cholesky(double *a, size_t d)
{
    double most = 0;
    for (size_t i = 0; i < d; i++) {
        most = fmax(most, a[i * d + i]);
    }
    for (size_t j = 0; j < d; j++) {
        const double left = a[j * d + j] - inner(a + j * d, a + j * d, j);
        const double root = left > 1e-15 * most ? sqrt(left) : 0;
        for (size_t i = j + 1; i < d; i++) {
            const double x = a[i * d + j] - inner(a + i * d, a + j * d, j);
            a[i * d + j] = root > 0 ? x / root : 0;
        }
        a[j * d + j] = root;
        for (size_t i = j + 1; i < d; i++) {
            a[j * d + i] = 0;
        }
    }
}

static int descending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

bool composition_squares(const double *aa, const double *bb, size_t d, double *s2, double *work)
{
    double *L = work, *L_T = L + d * d, *x = L_T + d * d, *y = x + d * d;
    memcpy(L, aa, d * d * sizeof *L);
    cholesky(L, d);
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            L_T[i * d + j] = L[j * d + i];
        }
    }
    multiply(x, L_T, bb, d, d, d);
    multiply(y, x, L, d, d, d);
    if (!eigenvalues(y, d, s2, x)) { // of L^T bb L, which is symmetric: none is complex
        return false;
    }
    for (size_t i = 0; i < d; i++) {
        s2[i] = s2[i] > 0 ? s2[i] : 0;
    }
    qsort(s2, d, sizeof *s2, descending);
    return true;
}

double composition_score(const struct composition_factors *f, size_t D, size_t d, double *work)
{
    double *middle = work, *x = middle + d * d, *y = x + d * d;
    multiply(middle, f->b, f->c, d, D, d);
    multiply(x, f->aa, middle, d, d, d);
    multiply(y, middle, f->ee, d, d, d);
    const double product = inner(x, y, d * d); // |a b c e|^2
    const double sizes = inner(f->aa, f->bb, d * d) * inner(f->cc, f->ee, d * d);
    return sizes > 0 ? sqrt(fmax(product, 0) / sizes) : (double)NAN;
}

// --- the heads ----------------------------------------------------------------------------------

/* A head's factors, [d_model][d_head] but o, which is [d_head][d_model], and their Gram matrices and
 * squares of singular values, over their sum. */
struct head {
    double *q, *k, *v, *o;
    double *qq, *kk, *vv, *oo; // [d_head][d_head]
    double *ov, *qk;           // [d_head]
};

static size_t head_size(size_t D, size_t d)
{
    return 4 * D * d + 4 * d * d + 2 * d;
}

static void head_place(struct head *h, double *at, size_t D, size_t d)
{
    double **const large[] = {&h->q, &h->k, &h->v, &h->o},
                   **const small[] = {&h->qq, &h->kk, &h->vv, &h->oo};
    for (size_t i = 0; i < 4; i++) {
        *large[i] = at;
        at += D * d;
    }
    for (size_t i = 0; i < 4; i++) {
        *small[i] = at;
        at += d * d;
    }
    h->ov = at;
    h->qk = at + d;
}

/* out[D][d] = W[D][d], each row times w (NULL: 1), and with 'centre' less the mean of the rows. */
static void read_in(double *out, const float *W, const float *w, size_t D, size_t d, bool centre)
{
    for (size_t i = 0; i < D * d; i++) {
        out[i] = (double)W[i] * (w ? (double)w[i / d] : 1);
    }
    for (size_t j = 0; j < d && centre; j++) {
        double mean = 0;
        for (size_t i = 0; i < D; i++) {
            mean += out[i * d + j] / (double)D;
        }
        for (size_t i = 0; i < D; i++) {
            out[i * d + j] -= mean;
        }
    }
}

/* out[d][D] = W[d][D], with 'centre' less each row's mean. */
static void read_out(double *out, const float *W, size_t D, size_t d, bool centre)
{
    for (size_t i = 0; i < d; i++) {
        double mean = 0;
        for (size_t j = 0; j < D && centre; j++) {
            mean += (double)W[i * D + j] / (double)D;
        }
        for (size_t j = 0; j < D; j++) {
            out[i * D + j] = (double)W[i * D + j] - mean;
        }
    }
}

/* The squares of singular values over their sum; all NAN where they are not known. */
static void shares(const double *aa, const double *bb, size_t d, double *s2, double *work)
{
    double sum = 0;
    const bool known = composition_squares(aa, bb, d, s2, work);
    for (size_t i = 0; i < d && known; i++) {
        sum += s2[i];
    }
    for (size_t i = 0; i < d; i++) {
        s2[i] = sum > 0 ? s2[i] / sum : (double)NAN;
    }
}

static void head_make(struct head *h, const struct model *m, size_t number, bool folded,
                      double *work)
{
    const struct config *c = &m->config;
    const size_t D = c->d_model, d = c->d_head, at = number % c->n_heads * D * d;
    const struct layer *w = &m->layers[number / c->n_heads];
    const float *ln1_w = folded ? w->ln1_w : NULL;
    const bool centre = folded && c->norm != NORM_NONE && config_centres(c);
    read_in(h->q, w->W_Q + at, ln1_w, D, d, centre);
    read_in(h->k, w->W_K + at, ln1_w, D, d, centre);
    read_in(h->v, w->W_V + at, ln1_w, D, d, centre);
    read_out(h->o, w->W_O + at, D, d, centre);
    gram_columns(h->qq, h->q, D, d);
    gram_columns(h->kk, h->k, D, d);
    gram_columns(h->vv, h->v, D, d);
    gram_rows(h->oo, h->o, d, D);
    shares(h->vv, h->oo, d, h->ov, work);
    shares(h->qq, h->kk, d, h->qk, work);
}

// --- random bases -------------------------------------------------------------------------------

/* Two normal numbers (Box and Muller 1958). */
static void normals(struct seeded *random, double out[2])
{
    const double u = ((double)(seeded_next(random) >> 11) + 1) * 0x1p-53; // (0, 1]
    const double angle = (double)(seeded_next(random) >> 11) * 0x1p-53 * 2 * M_PI;
    const double r = sqrt(-2 * log(u));
    out[0] = r * cos(angle);
    out[1] = r * sin(angle);
}

/*
 * square[d][d]: the squares of the first d rows and columns of a Haar orthogonal [D][D] matrix.
 * Those are the first d rows of Q of a gaussian Z [D][d] = Q R: with Z^T Z = L L^T, R = L^T.
 * z[D d], l[d d] are working memory.
 */
static void draw_squares(double *square, struct seeded *random, size_t D, size_t d, double *z,
                         double *l)
{
    for (size_t i = 0; i < D * d; i += 2) {
        double two[2];
        normals(random, two);
        z[i] = two[0];
        if (i + 1 < D * d) {
            z[i + 1] = two[1];
        }
    }
    gram_columns(l, z, D, d);
    cholesky(l, d);
    for (size_t i = 0; i < d; i++) { // row i of Q solves L q = row i of Z
        double *q = square + i * d;
        for (size_t j = 0; j < d; j++) {
            const double left = z[i * d + j] - inner(l + j * d, q, j);
            q[j] = l[j * d + j] > 0 ? left / l[j * d + j] : 0;
        }
    }
    for (size_t i = 0; i < d * d; i++) {
        square[i] *= square[i];
    }
}

/* Adds a draw to the sums of the scores and of their squares of all pairs, [n_pairs] each. */
static void add_draw(const struct composition *c, const struct head *heads, size_t n_all, size_t d,
                     const double *square, double *rows, double *sums)
{
    for (size_t i = 0; i < n_all; i++) { // rows[i] = what the left head's shares give each column
        multiply(rows + i * d, heads[i].ov, square, 1, d, d);
    }
    for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
        for (size_t p = 0; p < c->n_pairs; p++) {
            const struct composition_pair *pair = &c->pairs[mode][p];
            const struct head *to = &heads[pair->to];
            double *sum = sums + 2 * (mode * c->n_pairs + p);
            // B^T has the singular values of B
            const double score2 =
                inner(rows + pair->from * d, mode == COMPOSITION_V ? to->ov : to->qk, d);
            sum[0] += sqrt(score2);
            sum[1] += score2;
        }
    }
}

static int draw_all(struct composition *c, const struct model *m, const struct head *heads,
                    const atomic_int *stop, struct err *err)
{
    const size_t D = m->config.d_model, d = m->config.d_head;
    const size_t n_all = m->config.n_layers * m->config.n_heads;
    const double work = 2 * (double)D * (double)d * (double)d;
    const double fit = DRAWS_WORK / work;
    struct seeded random = {SEED};
    c->draws = fit >= (double)DRAWS_MAX  ? DRAWS_MAX
               : fit > (double)DRAWS_MIN ? (size_t)fit
                                         : DRAWS_MIN;
    double *z = mem_new(D * d + 2 * d * d + n_all * d, sizeof *z);
    double *sums = mem_zero(2 * COMPOSITION_MODES * c->n_pairs, sizeof *sums);
    if (!z || !sums) {
        free(z);
        free(sums);
        return err_nomem(err, "random bases");
    }
    double *l = z + D * d, *square = l + d * d, *rows = square + d * d;
    for (size_t k = 0; k < c->draws && !is_stopped(stop); k++) {
        draw_squares(square, &random, D, d, z, l);
        add_draw(c, heads, n_all, d, square, rows, sums);
    }
    const double n = (double)c->draws;
    for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
        for (size_t p = 0; p < c->n_pairs; p++) {
            const double *sum = sums + 2 * (mode * c->n_pairs + p), mean = sum[0] / n;
            c->pairs[mode][p].random_mean = mean;
            c->pairs[mode][p].random_sd = sqrt(fmax(sum[1] / n - mean * mean, 0) * n / (n - 1));
        }
    }
    free(z);
    free(sums);
    return 0;
}

// --- all pairs ----------------------------------------------------------------------------------

static void score_pairs(struct composition *c, const struct model *m, const struct head *heads,
                        double *work)
{
    const struct config *config = &m->config;
    const size_t n_all = config->n_layers * config->n_heads;
    size_t p = 0;
    for (uint32_t i = 0; i < n_all; i++) {
        const struct head *a = &heads[i];
        for (uint32_t j = 0; j < n_all; j++) {
            const struct head *b = &heads[j];
            if (j / config->n_heads <= i / config->n_heads) {
                continue;
            }
            const struct composition_factors modes[] = {
                {a->vv, a->o, a->oo, b->q, b->qq, b->kk},
                {a->vv, a->o, a->oo, b->k, b->kk, b->qq},
                {a->vv, a->o, a->oo, b->v, b->vv, b->oo},
            };
            for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
                c->pairs[mode][p] = (struct composition_pair){
                    .from = i,
                    .to = j,
                    .score =
                        composition_score(&modes[mode], config->d_model, config->d_head, work)};
            }
            p++;
        }
    }
}

/* By score, the greatest first, of equal ones the earlier; what is no number comes last. */
static int by_score(const void *a, const void *b)
{
    const struct composition_pair *const *x = a, *const *y = b;
    const double s = isnan((*x)->score) ? -1 : (*x)->score;
    const double t = isnan((*y)->score) ? -1 : (*y)->score;
    return s != t ? (s < t ? 1 : -1) : *x < *y ? -1 : *x > *y;
}

static int rank_pairs(struct composition *c, struct err *err)
{
    struct composition_pair **order = mem_new(c->n_pairs, sizeof *order);
    if (!order) {
        return err_nomem(err, "ranks");
    }
    for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
        for (size_t p = 0; p < c->n_pairs; p++) {
            order[p] = &c->pairs[mode][p];
        }
        qsort(order, c->n_pairs, sizeof *order, by_score);
        for (size_t p = 0; p < c->n_pairs; p++) {
            order[p]->rank = p + 1;
        }
    }
    free(order);
    return 0;
}

int composition_make(struct composition *out, const struct model *m, bool folded,
                     const atomic_int *stop, struct err *err)
{
    const struct config *c = &m->config;
    const size_t D = c->d_model, d = c->d_head, n_all = c->n_layers * c->n_heads;
    const size_t size = head_size(D, d);
    *out = (struct composition){.n_pairs =
                                    c->n_layers * (c->n_layers - 1) / 2 * c->n_heads * c->n_heads,
                                .rms = 1 / sqrt((double)D)};
    double *weights = mem_new(n_all, size * sizeof *weights),
           *work = mem_new(4 * d * d, sizeof *work);
    struct head *heads = mem_new(n_all, sizeof *heads);
    int rc = weights && work && heads ? 0 : err_nomem(err, "composition scores");
    for (size_t mode = 0; mode < COMPOSITION_MODES && !rc; mode++) {
        out->pairs[mode] = mem_zero(out->n_pairs, sizeof *out->pairs[mode]);
        rc = out->pairs[mode] ? 0 : err_nomem(err, "composition scores");
    }
    if (rc) {
        goto out;
    }
    for (size_t i = 0; i < n_all && !is_stopped(stop); i++) {
        head_place(&heads[i], weights + i * size, D, d);
        head_make(&heads[i], m, i, folded, work);
    }
    if (!is_stopped(stop)) {
        score_pairs(out, m, heads, work);
        rc = draw_all(out, m, heads, stop, err);
        rc = rc ? rc : rank_pairs(out, err);
    }
out:
    free(weights);
    free(work);
    free(heads);
    if (rc) {
        composition_free(out);
    }
    return rc;
}

void composition_free(struct composition *c)
{
    for (size_t mode = 0; mode < COMPOSITION_MODES; mode++) {
        free(c->pairs[mode]);
    }
    *c = (struct composition){0};
}
