#include "model/explain/copying.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/eigenvalues.h"
#include "model/explain/folded.h"

// How many tokens are summed in f32, and the tile of a product.  With a width of 8 it takes 3 times
// as long.
#define BLOCK ((size_t)128)
#define ROWS ((size_t)4)
#define COLS ((size_t)32)

struct copying {
    const struct model *model;
    double *raw;    // [d_model][d_model], the sum over tokens t of W_U[i][t] W_E[t][j]
    double *folded; // the same of W_U less its mean over t and of W_E[t] less its own mean
};

/* Working memory of sums over the vocabulary.  d is d_model, rounded up to whole tiles. */
struct sums {
    size_t d;
    double *u_mean, *e_sum; // [d_model] W_U's means over tokens; sums of W_E over tokens
    double *u_weighted;     // [d_model] the sums over t of W_U[i][t] times W_E[t]'s mean
    double *e_mean;         // [d_vocab] of each token's row
    float *u;               // [d][BLOCK] centred, 0 beyond d_model and beyond the vocabulary
    float *e;               // [BLOCK][d]
};

/* out[ROWS][ld] += u[ROWS][BLOCK] e[BLOCK][COLS], rows of e 'd' apart. */
static void tile(double *restrict out, size_t ld, const float *restrict u, const float *restrict e,
                 size_t d, size_t rows, size_t cols)
{
    float sum[ROWS][COLS] = {{0}};
    for (size_t t = 0; t < BLOCK; t++) {
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLS; j++) {
                sum[i][j] += u[i * BLOCK + t] * e[t * d + j];
            }
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            out[i * ld + j] += (double)sum[i][j];
        }
    }
}

/* Adds the products of tokens [first, first + n), n <= BLOCK. */
static void add_block(struct copying *c, struct sums *s, size_t first, size_t n)
{
    const struct model *m = c->model;
    const size_t d_model = m->config.d_model, d_vocab = m->config.d_vocab;
    for (size_t i = 0; i < d_model; i++) {
        const float *u = m->W_U + i * d_vocab + first;
        for (size_t t = 0; t < BLOCK; t++) {
            s->u[i * BLOCK + t] = t < n ? (float)((double)u[t] - s->u_mean[i]) : 0;
        }
    }
    for (size_t t = 0; t < n; t++) {
        const float *e = m->W_E + (first + t) * d_model;
        for (size_t j = 0; j < d_model; j++) {
            s->e[t * s->d + j] = (float)((double)e[j] - s->e_mean[first + t]);
        }
    }
    for (size_t i = 0; i < d_model; i += ROWS) {
        for (size_t j = 0; j < d_model; j += COLS) {
            tile(c->folded + i * d_model + j, d_model, s->u + i * BLOCK, s->e + j, s->d,
                 d_model - i < ROWS ? d_model - i : ROWS, d_model - j < COLS ? d_model - j : COLS);
        }
    }
}

/* The means and sums in f64 that tell the raw product from the centred one. */
static void sum_up(const struct model *m, struct sums *s)
{
    const size_t d_model = m->config.d_model, d_vocab = m->config.d_vocab;
    const bool centre = m->config.norm != NORM_NONE && config_centres(&m->config);
    for (size_t t = 0; t < d_vocab; t++) {
        double mean = 0;
        for (size_t j = 0; j < d_model; j++) {
            const double e = (double)m->W_E[t * d_model + j];
            s->e_sum[j] += e;
            mean += e;
        }
        s->e_mean[t] = centre ? mean / (double)d_model : 0;
    }
    for (size_t i = 0; i < d_model; i++) {
        for (size_t t = 0; t < d_vocab; t++) {
            const double u = (double)m->W_U[i * d_vocab + t];
            s->u_mean[i] += u;
            s->u_weighted[i] += u * s->e_mean[t];
        }
        s->u_mean[i] /= (double)d_vocab;
    }
}

/* With centred u' = u - ubar and e' = e - ebar, for each i, j:
 * sum of u e = sum of u' e' + ubar (sum of e) + sum of (u - ubar) ebar. */
static void add_means(struct copying *c, const struct sums *s)
{
    const size_t d = c->model->config.d_model, d_vocab = c->model->config.d_vocab;
    double mean = 0;
    for (size_t t = 0; t < d_vocab; t++) {
        mean += s->e_mean[t];
    }
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            c->raw[i * d + j] = c->folded[i * d + j] + s->u_mean[i] * s->e_sum[j] +
                                s->u_weighted[i] - s->u_mean[i] * mean;
        }
    }
}

int copying_new(struct copying **out, const struct model *m, const atomic_int *stop,
                struct err *err)
{
    const size_t d_model = m->config.d_model, d_vocab = m->config.d_vocab;
    const size_t d = (d_model + COLS - 1) / COLS * COLS;
    struct copying *c = mem_zero(1, sizeof *c);
    struct sums s = {.d = d};
    double *sums = mem_zero(3 * d_model + d_vocab, sizeof *sums);
    float *block = mem_zero(2 * d * BLOCK, sizeof *block);
    if (c) {
        c->model = m;
        c->raw = mem_zero(d_model * d_model, sizeof *c->raw);
        c->folded = mem_zero(d_model * d_model, sizeof *c->folded);
    }
    if (!c || !c->raw || !c->folded || !sums || !block) {
        copying_free(c);
        free(sums);
        free(block);
        return err_nomem(err, "the OV circuits");
    }
    s.u_mean = sums;
    s.e_sum = sums + d_model;
    s.u_weighted = sums + 2 * d_model;
    s.e_mean = sums + 3 * d_model;
    s.u = block;
    s.e = block + d * BLOCK;
    sum_up(m, &s);
    for (size_t t = 0; t < d_vocab && !is_stopped(stop); t += BLOCK) {
        add_block(c, &s, t, d_vocab - t < BLOCK ? d_vocab - t : BLOCK);
    }
    add_means(c, &s);
    free(sums);
    free(block);
    *out = c;
    return 0;
}

void copying_free(struct copying *c)
{
    if (c) {
        free(c->raw);
        free(c->folded);
        free(c);
    }
}

// --- a head -------------------------------------------------------------------------------------

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

/* v[d_model][d_head] = W_V behind the norm's weight.  The centring is in c->folded already. */
static void read_values(const struct model *m, size_t layer, size_t head, bool folded, double *v)
{
    const size_t d_model = m->config.d_model, d_head = m->config.d_head;
    const float *W_V = m->layers[layer].W_V + head * d_model * d_head;
    const float *w = folded ? m->layers[layer].ln1_w : NULL;
    for (size_t i = 0; i < d_model * d_head; i++) {
        v[i] = (double)W_V[i] * (w ? (double)w[i / d_head] : 1);
    }
}

int copying_of(const struct copying *c, size_t layer, size_t head, bool folded,
               struct copying_sums *out, struct err *err)
{
    const struct model *m = c->model;
    const size_t d_model = m->config.d_model, d_head = m->config.d_head;
    const float *W_O = m->layers[layer].W_O + head * d_head * d_model;
    const size_t size = d_head * d_model;
    double *work = mem_new(3 * size + d_head * d_head + 2 * d_head, sizeof *work);
    if (!work) {
        return err_nomem(err, "an OV circuit");
    }
    double *v = work, *o = v + size, *og = o + size, *ov = og + size;
    double *re = ov + d_head * d_head, *im = re + d_head;
    read_values(m, layer, head, folded, v);
    for (size_t i = 0; i < size; i++) {
        o[i] = (double)W_O[i];
    }
    for (size_t i = 0; i < d_head; i++) {
        folded_write(m, folded, o + i * d_model);
    }
    multiply(og, o, folded ? c->folded : c->raw, d_head, d_model, d_model);
    multiply(ov, og, v, d_head, d_model, d_head);
    *out = (struct copying_sums){0};
    if (eigenvalues(ov, d_head, re, im)) {
        for (size_t i = 0; i < d_head; i++) {
            out->re += re[i];
            out->abs += hypot(re[i], im[i]);
        }
    } else {
        *out = (struct copying_sums){.re = (double)NAN, .abs = (double)NAN};
    }
    free(work);
    return 0;
}

double copying_score(const struct copying_sums *sums)
{
    return sums->abs > 0 ? sums->re / sums->abs : (double)NAN;
}
