#include "model/demo/train/toy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

typedef toy_real real;

#define LN_EPS ((real)1e-5)

double toy_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) * 0x1p-53;
}

static double random_normal(uint64_t *state) // Box and Muller
{
    const double r = sqrt(-2 * log(toy_random(state) + 1e-300));
    return r * cos(2 * 3.14159265358979323846 * toy_random(state));
}

// --- parameters ---------------------------------------------------------------------------------

/* Adds a parameter of a x b x c (0: fewer dimensions) and returns its place. */
static size_t add(struct toy *t, int layer, const char *name, size_t a, size_t b, size_t c)
{
    struct toy_param *p = &t->params[t->n_params++];
    if (layer < 0) {
        snprintf(p->name, sizeof p->name, "%s", name);
    } else {
        snprintf(p->name, sizeof p->name, "blocks.%d.%s", layer, name);
    }
    p->shape[0] = a;
    p->shape[1] = b;
    p->shape[2] = c;
    p->n_dims = c ? 3 : b ? 2 : 1;
    p->at = t->n;
    p->n = a * (b ? b : 1) * (c ? c : 1);
    t->n += p->n;
    return p->at;
}

static void add_layer(struct toy *t, int l)
{
    const size_t d = t->size.d_model, h = t->size.n_heads, dh = d / h, m = 4 * d;
    struct toy_layer *y = &t->layers[l];
    y->ln1_w = add(t, l, "ln1.w", d, 0, 0);
    y->ln1_b = add(t, l, "ln1.b", d, 0, 0);
    y->W_Q = add(t, l, "attn.W_Q", h, d, dh);
    y->W_K = add(t, l, "attn.W_K", h, d, dh);
    y->W_V = add(t, l, "attn.W_V", h, d, dh);
    y->b_Q = add(t, l, "attn.b_Q", h, dh, 0);
    y->b_K = add(t, l, "attn.b_K", h, dh, 0);
    y->b_V = add(t, l, "attn.b_V", h, dh, 0);
    y->W_O = add(t, l, "attn.W_O", h, dh, d);
    y->b_O = add(t, l, "attn.b_O", d, 0, 0);
    if (t->size.act == TOY_NONE) {
        return;
    }
    y->ln2_w = add(t, l, "ln2.w", d, 0, 0);
    y->ln2_b = add(t, l, "ln2.b", d, 0, 0);
    y->W_in = add(t, l, "mlp.W_in", d, m, 0);
    y->b_in = add(t, l, "mlp.b_in", m, 0, 0);
    if (t->size.act == TOY_SOLU) {
        y->ln_mlp_w = add(t, l, "mlp.ln.w", m, 0, 0);
        y->ln_mlp_b = add(t, l, "mlp.ln.b", m, 0, 0);
    }
    y->W_out = add(t, l, "mlp.W_out", m, d, 0);
    y->b_out = add(t, l, "mlp.b_out", d, 0, 0);
}

/* Makes matrices random (those that write into the residual stream are smaller the more there are),
 * norm weights 1, biases 0. */
static void begin(struct toy *t, uint64_t seed)
{
    const double std = 0.8 / sqrt((double)t->size.d_model);
    for (size_t i = 0; i < t->n_params; i++) {
        struct toy_param *p = &t->params[i];
        const char *word = strrchr(p->name, '.') + 1;
        p->decay = *word == 'W';
        const bool writes = strcmp(word, "W_O") == 0 || strcmp(word, "W_out") == 0;
        const double s = writes ? std / sqrt(2.0 * (double)t->size.n_layers) : std;
        for (size_t k = 0; k < p->n; k++) {
            t->w[p->at + k] = p->decay ? (real)(s * random_normal(&seed)) : *word == 'w';
        }
    }
}

struct toy *toy_new(const struct toy_sizes *size, uint64_t seed)
{
    struct toy *t = mem_zero(1, sizeof *t);
    if (!t || !(t->params = mem_zero(6 + 18 * size->n_layers, sizeof *t->params))) {
        free(t);
        return NULL;
    }
    t->size = *size;
    const size_t d = size->d_model;
    t->W_E = add(t, -1, "embed.W_E", size->d_vocab, d, 0);
    t->W_pos = add(t, -1, "pos_embed.W_pos", size->n_ctx, d, 0);
    for (size_t l = 0; l < size->n_layers; l++) {
        add_layer(t, (int)l);
    }
    t->ln_final_w = add(t, -1, "ln_final.w", d, 0, 0);
    t->ln_final_b = add(t, -1, "ln_final.b", d, 0, 0);
    t->W_U = add(t, -1, "unembed.W_U", d, size->d_vocab, 0);
    t->b_U = add(t, -1, "unembed.b_U", size->d_vocab, 0, 0);
    t->w = mem_new(t->n, sizeof *t->w);
    if (!t->w) {
        toy_free(t);
        return NULL;
    }
    begin(t, seed);
    return t;
}

void toy_free(struct toy *t)
{
    if (t) {
        free(t->params);
        free(t->w);
        free(t);
    }
}

// --- a thread's memory --------------------------------------------------------------------------

/* Carves the block, or with NULL computes its size. */
static size_t carve(const struct toy *t, struct toy_work *w, real *block)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, m = 4 * d;
    const size_t attn = t->size.n_heads * c * c;
    size_t n = 0;
#define TAKE(field, count) ((field) = block ? block + n : NULL, n += (count))
    for (size_t l = 0; l < t->size.n_layers; l++) {
        struct toy_acts *a = &w->acts[l];
        TAKE(a->in, c * d), TAKE(a->norm1, c * d), TAKE(a->q, c * d), TAKE(a->k, c * d);
        TAKE(a->v, c * d), TAKE(a->attn, attn), TAKE(a->z, c * d), TAKE(a->mid, c * d);
        TAKE(a->norm2, c * d), TAKE(a->pre, c * m), TAKE(a->soft, c * m);
        TAKE(a->gated, c * m), TAKE(a->post, c * m);
    }
    TAKE(w->out, c * d), TAKE(w->norm, c * d), TAKE(w->logits, c * t->size.d_vocab);
    TAKE(w->d_out, c * d), TAKE(w->d_norm, c * d), TAKE(w->d_q, c * d), TAKE(w->d_k, c * d);
    TAKE(w->d_v, c * d), TAKE(w->d_z, c * d), TAKE(w->d_attn, c * c);
    TAKE(w->d_post, c * m), TAKE(w->d_pre, c * m);
#undef TAKE
    return n;
}

struct toy_work *toy_work_new(const struct toy *t)
{
    struct toy_work *w = mem_zero(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->grad = mem_zero(t->n, sizeof *w->grad);
    w->block = mem_new(carve(t, w, NULL), sizeof *w->block);
    if (!w->grad || !w->block) {
        toy_work_free(w);
        return NULL;
    }
    carve(t, w, w->block);
    return w;
}

void toy_work_free(struct toy_work *w)
{
    if (w) {
        free(w->grad);
        free(w->block);
        free(w);
    }
}

// --- matrices -----------------------------------------------------------------------------------
//
// All add to their result.  The inner loops run over consecutive elements that do not depend on
// each other, so the compiler can vectorise them although it may not reorder sums.

/* y[n][o] += x[n][i] W[i][o]; rows of y are y_step apart. */
static void mul(real *y, size_t y_step, const real *x, size_t x_step, const real *W, size_t n,
                size_t n_in, size_t n_out)
{
    for (size_t r = 0; r < n; r += 4) {
        for (size_t i = 0; i < n_in; i++) {
            for (size_t k = r; k < n && k < r + 4; k++) {
                const real s = x[k * x_step + i];
                real *to = y + k * y_step;
                for (size_t o = 0; o < n_out; o++) {
                    to[o] += s * W[i * n_out + o];
                }
            }
        }
    }
}

/* dW[i][o] += x[n][i] dy[n][o] */
static void mul_weights(real *dW, const real *x, size_t x_step, const real *dy, size_t dy_step,
                        size_t n, size_t n_in, size_t n_out)
{
    for (size_t i = 0; i < n_in; i++) {
        for (size_t r = 0; r < n; r++) {
            const real s = x[r * x_step + i];
            const real *from = dy + r * dy_step;
            for (size_t o = 0; o < n_out; o++) {
                dW[i * n_out + o] += s * from[o];
            }
        }
    }
}

/* The sum of a[i] b[i], in 16 partial sums that form vectors. */
static real dot(const real *a, const real *b, size_t n)
{
    real sums[16] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t k = 0; k < 16; k++) {
            sums[k] += a[i + k] * b[i + k];
        }
    }
    for (; i < n; i++) {
        sum += a[i] * b[i];
    }
    for (size_t k = 0; k < 16; k++) {
        sum += sums[k];
    }
    return sum;
}

/* dx[n][i] += dy[n][o] W[i][o] */
static void mul_back(real *dx, size_t dx_step, const real *dy, size_t dy_step, const real *W,
                     size_t n, size_t n_in, size_t n_out)
{
    for (size_t i = 0; i < n_in; i++) {
        for (size_t r = 0; r < n; r++) {
            dx[r * dx_step + i] += dot(dy + r * dy_step, W + i * n_out, n_out);
        }
    }
}

/* y[n] = b */
static void fill(real *y, size_t y_step, const real *b, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++) {
        memcpy(y + r * y_step, b, d * sizeof *y);
    }
}

static void add_bias(real *y, const real *b, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < d; i++) {
            y[r * d + i] += b[i];
        }
    }
}

static void sum_rows(real *db, const real *dy, size_t dy_step, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < d; i++) {
            db[i] += dy[r * dy_step + i];
        }
    }
}

// --- norms and softmax --------------------------------------------------------------------------

static void mean_and_scale(const real *x, size_t d, real *mean, real *scale)
{
    real sum = 0, squares = 0;
    for (size_t i = 0; i < d; i++) {
        sum += x[i];
    }
    *mean = sum / (real)d;
    for (size_t i = 0; i < d; i++) {
        squares += (x[i] - *mean) * (x[i] - *mean);
    }
    *scale = 1 / (real)sqrt((double)(squares / (real)d + LN_EPS));
}

static void norm(real *y, const real *x, const real *w, const real *b, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++) {
        const real *from = x + r * d;
        real mean, scale;
        mean_and_scale(from, d, &mean, &scale);
        for (size_t i = 0; i < d; i++) {
            y[r * d + i] = (from[i] - mean) * scale * w[i] + b[i];
        }
    }
}

/* dx += scale (g - mean(g) - xn mean(g xn)), where xn is the normalised x and g = dy w. */
static void norm_back(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w,
                      size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++) {
        const real *from = x + r * d, *g = dy + r * d;
        real mean, scale, sum = 0, sum_x = 0;
        mean_and_scale(from, d, &mean, &scale);
        for (size_t i = 0; i < d; i++) {
            const real xn = (from[i] - mean) * scale;
            sum += g[i] * w[i];
            sum_x += g[i] * w[i] * xn;
            dw[i] += g[i] * xn;
            db[i] += g[i];
        }
        for (size_t i = 0; i < d; i++) {
            const real xn = (from[i] - mean) * scale;
            dx[r * d + i] += scale * (g[i] * w[i] - sum / (real)d - xn * sum_x / (real)d);
        }
    }
}

static void softmax(real *x, size_t n)
{
    real most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)exp((double)(x[i] - most));
        sum += x[i];
    }
    for (size_t i = 0; i < n; i++) {
        x[i] /= sum;
    }
}

// --- attention ----------------------------------------------------------------------------------

static void attention(const struct toy *t, const struct toy_layer *y, struct toy_acts *a)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, n_heads = t->size.n_heads;
    const size_t dh = d / n_heads;
    const real scale = 1 / (real)sqrt((double)dh);
    memset(a->z, 0, c * d * sizeof *a->z);
    for (size_t h = 0; h < n_heads; h++) {
        const size_t at = h * dh, w = h * d * dh;
        fill(a->q + at, d, t->w + y->b_Q + at, c, dh);
        fill(a->k + at, d, t->w + y->b_K + at, c, dh);
        fill(a->v + at, d, t->w + y->b_V + at, c, dh);
        mul(a->q + at, d, a->norm1, d, t->w + y->W_Q + w, c, d, dh);
        mul(a->k + at, d, a->norm1, d, t->w + y->W_K + w, c, d, dh);
        mul(a->v + at, d, a->norm1, d, t->w + y->W_V + w, c, d, dh);
        for (size_t to = 0; to < c; to++) {
            real *row = a->attn + (h * c + to) * c;
            for (size_t from = 0; from <= to; from++) {
                row[from] = scale * dot(a->q + to * d + at, a->k + from * d + at, dh);
            }
            softmax(row, to + 1);
            for (size_t from = 0; from <= to; from++) {
                for (size_t i = 0; i < dh; i++) {
                    a->z[to * d + at + i] += row[from] * a->v[from * d + at + i];
                }
            }
        }
    }
}

/* Computes gradients from w->d_z and adds them to w->d_norm. */
static void attention_back(const struct toy *t, const struct toy_layer *y, const struct toy_acts *a,
                           struct toy_work *w)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, n_heads = t->size.n_heads;
    const size_t dh = d / n_heads;
    const real scale = 1 / (real)sqrt((double)dh);
    memset(w->d_q, 0, c * d * sizeof *w->d_q);
    memset(w->d_k, 0, c * d * sizeof *w->d_k);
    memset(w->d_v, 0, c * d * sizeof *w->d_v);
    for (size_t h = 0; h < n_heads; h++) {
        const size_t at = h * dh;
        for (size_t to = 0; to < c; to++) {
            const real *row = a->attn + (h * c + to) * c, *dz = w->d_z + to * d + at;
            real *d_row = w->d_attn + to * c, sum = 0;
            for (size_t from = 0; from <= to; from++) {
                d_row[from] = dot(dz, a->v + from * d + at, dh);
                sum += d_row[from] * row[from];
            }
            for (size_t from = 0; from <= to; from++) {
                const real s = scale * row[from] * (d_row[from] - sum);
                for (size_t i = 0; i < dh; i++) {
                    w->d_v[from * d + at + i] += row[from] * dz[i];
                    w->d_q[to * d + at + i] += s * a->k[from * d + at + i];
                    w->d_k[from * d + at + i] += s * a->q[to * d + at + i];
                }
            }
        }
        const struct {
            size_t W, b;
            const real *dy;
        } parts[] = {{y->W_Q, y->b_Q, w->d_q}, {y->W_K, y->b_K, w->d_k}, {y->W_V, y->b_V, w->d_v}};
        for (size_t p = 0; p < 3; p++) {
            const size_t W = parts[p].W + h * d * dh;
            sum_rows(w->grad + parts[p].b + at, parts[p].dy + at, d, c, dh);
            mul_weights(w->grad + W, a->norm1, d, parts[p].dy + at, d, c, d, dh);
            mul_back(w->d_norm, d, parts[p].dy + at, d, t->w + W, c, d, dh);
        }
    }
}

// --- the MLP ------------------------------------------------------------------------------------

static void mlp(const struct toy *t, const struct toy_layer *y, struct toy_acts *a, real *out)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, m = 4 * d;
    norm(a->norm2, a->mid, t->w + y->ln2_w, t->w + y->ln2_b, c, d);
    fill(a->pre, m, t->w + y->b_in, c, m);
    mul(a->pre, m, a->norm2, d, t->w + y->W_in, c, d, m);
    if (t->size.act == TOY_GELU) {
        for (size_t i = 0; i < c * m; i++) {
            const double x = (double)a->pre[i];
            a->post[i] = (real)(0.5 * x * (1 + erf(x * 0.70710678118654752)));
        }
    } else {
        memcpy(a->soft, a->pre, c * m * sizeof *a->soft);
        for (size_t r = 0; r < c; r++) {
            softmax(a->soft + r * m, m);
        }
        for (size_t i = 0; i < c * m; i++) {
            a->gated[i] = a->pre[i] * a->soft[i];
        }
        norm(a->post, a->gated, t->w + y->ln_mlp_w, t->w + y->ln_mlp_b, c, m);
    }
    memcpy(out, a->mid, c * d * sizeof *out);
    mul(out, d, a->post, m, t->w + y->W_out, c, m, d);
    add_bias(out, t->w + y->b_out, c, d);
}

/* Computes gradients from w->d_out and adds to it. */
static void mlp_back(const struct toy *t, const struct toy_layer *y, const struct toy_acts *a,
                     struct toy_work *w)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, m = 4 * d;
    real *g = w->grad;
    sum_rows(g + y->b_out, w->d_out, d, c, d);
    mul_weights(g + y->W_out, a->post, m, w->d_out, d, c, m, d);
    memset(w->d_post, 0, c * m * sizeof *w->d_post);
    mul_back(w->d_post, m, w->d_out, d, t->w + y->W_out, c, m, d);
    if (t->size.act == TOY_GELU) {
        for (size_t i = 0; i < c * m; i++) {
            const double x = (double)a->pre[i];
            const double slope = 0.5 * (1 + erf(x * 0.70710678118654752)) +
                                 x * 0.39894228040143268 * exp(-0.5 * x * x);
            w->d_pre[i] = (real)((double)w->d_post[i] * slope);
        }
    } else {
        real *d_gated = w->d_pre;
        memset(d_gated, 0, c * m * sizeof *d_gated);
        norm_back(d_gated, g + y->ln_mlp_w, g + y->ln_mlp_b, w->d_post, a->gated,
                  t->w + y->ln_mlp_w, c, m);
        for (size_t r = 0; r < c; r++) {
            const real *pre = a->pre + r * m, *soft = a->soft + r * m;
            real *dy = d_gated + r * m, sum = 0;
            for (size_t i = 0; i < m; i++) {
                sum += dy[i] * pre[i] * soft[i];
            }
            for (size_t i = 0; i < m; i++) {
                dy[i] = soft[i] * (dy[i] + dy[i] * pre[i] - sum);
            }
        }
    }
    sum_rows(g + y->b_in, w->d_pre, m, c, m);
    mul_weights(g + y->W_in, a->norm2, d, w->d_pre, m, c, d, m);
    memset(w->d_norm, 0, c * d * sizeof *w->d_norm);
    mul_back(w->d_norm, d, w->d_pre, m, t->w + y->W_in, c, d, m);
    norm_back(w->d_out, g + y->ln2_w, g + y->ln2_b, w->d_norm, a->mid, t->w + y->ln2_w, c, d);
}

// --- a sequence ---------------------------------------------------------------------------------

static void forward(const struct toy *t, struct toy_work *w, const uint16_t *ids)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, n_layers = t->size.n_layers;
    for (size_t i = 0; i < c * d; i++) {
        w->acts[0].in[i] = t->w[t->W_E + ids[i / d] * d + i % d] + t->w[t->W_pos + i];
    }
    for (size_t l = 0; l < n_layers; l++) {
        const struct toy_layer *y = &t->layers[l];
        struct toy_acts *a = &w->acts[l];
        real *out = l + 1 < n_layers ? w->acts[l + 1].in : w->out;
        real *mid = t->size.act == TOY_NONE ? out : a->mid;
        norm(a->norm1, a->in, t->w + y->ln1_w, t->w + y->ln1_b, c, d);
        attention(t, y, a);
        memcpy(mid, a->in, c * d * sizeof *mid);
        mul(mid, d, a->z, d, t->w + y->W_O, c, d, d); // [n_heads][d_head] is [d_model]
        add_bias(mid, t->w + y->b_O, c, d);
        if (t->size.act != TOY_NONE) {
            mlp(t, y, a, out);
        }
    }
    norm(w->norm, w->out, t->w + t->ln_final_w, t->w + t->ln_final_b, c, d);
    fill(w->logits, t->size.d_vocab, t->w + t->b_U, c, t->size.d_vocab);
    mul(w->logits, t->size.d_vocab, w->norm, d, t->w + t->W_U, c, d, t->size.d_vocab);
}

/* Computes all gradients from that of the logits, which is in w->logits. */
static void backward(const struct toy *t, struct toy_work *w, const uint16_t *ids)
{
    const size_t c = t->size.n_ctx, d = t->size.d_model, v = t->size.d_vocab;
    real *g = w->grad;
    sum_rows(g + t->b_U, w->logits, v, c, v);
    mul_weights(g + t->W_U, w->norm, d, w->logits, v, c, d, v);
    memset(w->d_norm, 0, c * d * sizeof *w->d_norm);
    mul_back(w->d_norm, d, w->logits, v, t->w + t->W_U, c, d, v);
    memset(w->d_out, 0, c * d * sizeof *w->d_out);
    norm_back(w->d_out, g + t->ln_final_w, g + t->ln_final_b, w->d_norm, w->out,
              t->w + t->ln_final_w, c, d);
    for (size_t l = t->size.n_layers; l-- > 0;) {
        const struct toy_layer *y = &t->layers[l];
        const struct toy_acts *a = &w->acts[l];
        if (t->size.act != TOY_NONE) {
            mlp_back(t, y, a, w);
        }
        sum_rows(g + y->b_O, w->d_out, d, c, d);
        mul_weights(g + y->W_O, a->z, d, w->d_out, d, c, d, d);
        memset(w->d_z, 0, c * d * sizeof *w->d_z);
        mul_back(w->d_z, d, w->d_out, d, t->w + y->W_O, c, d, d);
        memset(w->d_norm, 0, c * d * sizeof *w->d_norm);
        attention_back(t, y, a, w);
        norm_back(w->d_out, g + y->ln1_w, g + y->ln1_b, w->d_norm, a->in, t->w + y->ln1_w, c, d);
    }
    for (size_t i = 0; i < c * d; i++) {
        g[t->W_E + ids[i / d] * d + i % d] += w->d_out[i];
        g[t->W_pos + i] += w->d_out[i];
    }
}

double toy_sequence(const struct toy *t, struct toy_work *w, const uint16_t *ids,
                    const uint16_t *next, bool train, toy_real scale)
{
    const size_t v = t->size.d_vocab;
    double loss = 0;
    forward(t, w, ids);
    for (size_t i = 0; i < t->size.n_ctx; i++) {
        real *row = w->logits + i * v;
        softmax(row, v);
        loss -= log((double)row[next[i]] + 1e-30);
        row[next[i]] -= 1;
        for (size_t k = 0; k < v; k++) {
            row[k] *= scale;
        }
    }
    if (train) {
        backward(t, w, ids);
    }
    return loss;
}
