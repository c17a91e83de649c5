#include "model/pass/forward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/rotary.h"

struct forward {
    const struct model *model;
    size_t n;         // number of ids of the last pass
    float *resid;     // [n_ctx][d_model]
    float *x;         // [n_ctx][d_model], normed
    float *x_pos;     // [n_ctx][d_model], x + W_pos; shortformer only
    float *x_mlp;     // [n_ctx][d_model], the MLP's x; parallel only
    float *q, *k, *v; // [n_ctx][d_head], one head at a time
    float *k_T;       // [d_head][n_ctx]
    float *z;         // [n_ctx][d_head]
    float *pattern;   // [n_ctx][n_ctx]
    float *pre;       // [n_ctx][d_mlp]
    float *mid;       // [n_ctx][d_mlp], SoLU only
    float *linear;    // [n_ctx][d_mlp], what post gates; gated only
    float *post;      // [n_ctx][d_mlp]
    float *block;     // into which all of the above point
};

int forward_new(struct forward **out, const struct model *model, struct err *err)
{
    const struct config *c = &model->config;
    struct forward *f = mem_zero(1, sizeof *f);
    if (!f) {
        return err_nomem(err, "a forward pass");
    }
    f->model = model;
    const bool solu = !c->attn_only && c->act_fn == ACT_SOLU_LN;
    const struct {
        float **at;
        size_t width; // of [n_ctx][width]
    } parts[] = {
        {&f->resid, c->d_model},
        {&f->x, c->d_model},
        {&f->x_pos, c->shortformer ? c->d_model : 0},
        {&f->x_mlp, c->parallel ? c->d_model : 0},
        {&f->q, c->d_head},
        {&f->k, c->d_head},
        {&f->v, c->d_head},
        {&f->k_T, c->d_head},
        {&f->z, c->d_head},
        {&f->pattern, c->n_ctx},
        {&f->pre, c->d_mlp},
        {&f->mid, solu ? c->d_mlp : 0},
        {&f->linear, c->gated ? c->d_mlp : 0},
        {&f->post, c->d_mlp},
    };
    size_t width = 0, total;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        width += parts[i].width; // each is below 2^25, so this does not overflow
    }
    f->block = mem_mul(c->n_ctx, width, &total) ? mem_new(total, sizeof *f->block) : NULL;
    if (!f->block) {
        forward_free(f);
        return err_nomem(err, "a forward pass");
    }
    float *at = f->block;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].at = at;
        at += c->n_ctx * parts[i].width;
    }
    *out = f;
    return 0;
}

void forward_free(struct forward *f)
{
    if (f) {
        free(f->block);
        free(f);
    }
}

const float *forward_resid_final(const struct forward *f)
{
    return f->resid;
}

// --- the pieces -------------------------------------------------------------------------------

enum { TILE_ROWS = 4, TILE_COLS = 32 };

/* sum = x[TILE_ROWS][k] w[k][TILE_COLS], of rows of k and m floats.  Sanitizers need not see each of
 * its loads: they took nearly all of the time of a small scan.  matmul() reads and writes the same
 * rows where they do. */
__attribute__((no_sanitize("address", "undefined", "thread"))) static void
multiply_tile(float (*restrict sum)[TILE_COLS], const float *restrict x, const float *restrict w,
              size_t k, size_t m)
{
    for (size_t l = 0; l < k; l++) {
        for (size_t i = 0; i < TILE_ROWS; i++) {
            const float xl = x[i * k + l];
            for (size_t j = 0; j < TILE_COLS; j++) {
                sum[i][j] += xl * w[l * m + j];
            }
        }
    }
}

/*
 * out[n][m] = x[n][k] w[k][m] + b[m]; with 'add' it is added to out.  b may be NULL.
 * Every element is one sum in the order of k, so it does not depend on n, nor on how the compiler
 * vectorises.  Tiles of 4 x 32 keep the sums in registers and a panel of w in cache.
 */
static void matmul(float *restrict out, const float *restrict x, const float *restrict w,
                   const float *restrict b, size_t n, size_t k, size_t m, bool add)
{
    for (size_t j0 = 0; j0 < m; j0 += TILE_COLS) {
        const size_t cols = m - j0 < TILE_COLS ? m - j0 : TILE_COLS;
        for (size_t i0 = 0; i0 < n; i0 += TILE_ROWS) {
            const size_t rows = n - i0 < TILE_ROWS ? n - i0 : TILE_ROWS;
            float sum[TILE_ROWS][TILE_COLS] = {{0}};
            if (rows == TILE_ROWS && cols == TILE_COLS) {
                multiply_tile(sum, x + i0 * k, w + j0, k, m);
            } else { // the same at the edges
                for (size_t l = 0; l < k; l++) {
                    for (size_t i = 0; i < rows; i++) {
                        for (size_t j = 0; j < cols; j++) {
                            sum[i][j] += x[(i0 + i) * k + l] * w[l * m + j0 + j];
                        }
                    }
                }
            }
            for (size_t i = 0; i < rows; i++) {
                float *o = out + (i0 + i) * m + j0;
                for (size_t j = 0; j < cols; j++) {
                    o[j] = (add ? o[j] : 0.0f) + sum[i][j] + (b ? b[j0 + j] : 0.0f);
                }
            }
        }
    }
}

/* out = (x - mean) / sqrt(var + eps) * w + b for each of n rows; w and b may be NULL.  Without
 * centring, mean is 0 and var is the mean square.  out may be x. */
static void layer_norm(float *out, const float *x, const float *w, const float *b, size_t n,
                       size_t d, float eps, bool centre)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = x + i * d;
        double mean = 0, var = 0;
        if (centre) {
            for (size_t j = 0; j < d; j++) {
                mean += row[j];
            }
            mean /= (double)d;
        }
        for (size_t j = 0; j < d; j++) {
            var += (row[j] - mean) * (row[j] - mean);
        }
        const double scale = 1 / sqrt(var / (double)d + (double)eps);
        for (size_t j = 0; j < d; j++) {
            const double y = (row[j] - mean) * scale;
            out[i * d + j] = (float)(y * (w ? w[j] : 1.0f) + (b ? b[j] : 0.0f));
        }
    }
}

/* A norm of this model: LN and RMS with their weights, LNPre without, or none at all. */
static void norm(const struct config *c, float *out, const float *x, const float *w, const float *b,
                 size_t n, size_t d, bool centre)
{
    if (c->norm != NORM_NONE) {
        layer_norm(out, x, w, b, n, d, c->eps, centre);
    } else if (out != x) {
        memcpy(out, x, n * d * sizeof *out);
    }
}

/* row[0..n) becomes its softmax. */
static void softmax(float *row, size_t n)
{
    float max = row[0];
    for (size_t j = 1; j < n; j++) {
        max = row[j] > max ? row[j] : max;
    }
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        row[j] = expf(row[j] - max);
        sum += row[j];
    }
    const double scale = 1 / sum;
    for (size_t j = 0; j < n; j++) {
        row[j] = (float)(row[j] * scale);
    }
}

/* x Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016). */
static float gelu(float x)
{
    return 0.5f * x * (1.0f + erff(x * (float)M_SQRT1_2));
}

/* Its approximation by tanh, as in GPT-2. */
static float gelu_new(float x)
{
    const float cube = 0.044715f * x * x * x;
    return 0.5f * x * (1.0f + tanhf((float)(M_2_SQRTPI * M_SQRT1_2) * (x + cube)));
}

/* max(x, 0) */
static float relu(float x)
{
    return x < 0 ? 0 : x; // a NaN stays one
}

/* x times the logistic function (Elfwing et al., 2017). */
static float silu(float x)
{
    return x / (1.0f + expf(-x));
}

/* act(x), of those that are a function of one number. */
static float activate(enum act_fn act_fn, float x)
{
    switch (act_fn) {
    case ACT_GELU:
        return gelu(x);
    case ACT_GELU_NEW:
        return gelu_new(x);
    case ACT_RELU:
        return relu(x);
    case ACT_SILU:
        return silu(x);
    case ACT_SOLU_LN:
        break;
    }
    return x;
}

// --- the layers ---------------------------------------------------------------------------------

/* A pass over rows [first, n). */
struct pass {
    size_t n, first;
    const struct forward_hooks *hooks; // or NULL
    const struct forward_edits *edits; // or NULL
};

/* Turns x[n][d_head], queries or keys from row 'first' on, by their positions. */
static void turn(const struct forward *f, float *x, size_t first, size_t n)
{
    for (size_t i = first; i < n && f->model->rotary; i++) {
        rotary_turn(f->model, x + i * f->model->config.d_head, i);
    }
}

/* q, k, v [n][d_head] -> pattern [n][n], and z [n][d_head] = pattern v.  Scores are q k scale.  A
 * query sees the last 'window' keys up to its own. */
static void attend(struct forward *f, const struct pass *p, size_t d_head, float scale,
                   size_t window)
{
    const size_t n = p->n, first = p->first;
    for (size_t j = 0; j < n; j++) {
        for (size_t d = 0; d < d_head; d++) {
            f->k_T[d * n + j] = f->k[j * d_head + d];
        }
    }
    for (size_t i = first; i < n; i++) {
        float *row = f->pattern + i * n;
        const size_t least = i + 1 > window ? i + 1 - window : 0;
        memset(row, 0, n * sizeof *row); // query i never sees keys after i
        for (size_t d = 0; d < d_head; d++) {
            const float q = f->q[i * d_head + d] * scale;
            for (size_t j = least; j <= i; j++) {
                row[j] += q * f->k_T[d * n + j];
            }
        }
        softmax(row + least, i + 1 - least);
    }
    matmul(f->z + first * d_head, f->pattern + first * n, f->v, NULL, n - first, n, d_head, false);
}

static void attention(struct forward *f, size_t l, const struct pass *p)
{
    const struct config *c = &f->model->config;
    const struct layer *w = &f->model->layers[l];
    const size_t n = p->n, first = p->first, d_model = c->d_model, d_head = c->d_head;

    norm(c, f->x, f->resid, w->ln1_w, w->ln1_b, n, d_model, config_centres(c));
    if (c->parallel) {
        norm(c, f->x_mlp, f->resid + first * d_model, w->ln2_w, w->ln2_b, n - first, d_model,
             config_centres(c));
    }
    const float *x_qk = f->x;
    if (c->shortformer) {
        for (size_t i = 0; i < n * d_model; i++) {
            f->x_pos[i] = f->x[i] + f->model->W_pos[i];
        }
        x_qk = f->x_pos;
    }
    for (size_t h = 0; h < c->n_heads; h++) {
        const size_t at = h * d_model * d_head, b = h * d_head;
        matmul(f->q + first * d_head, x_qk + first * d_model, w->W_Q + at, w->b_Q + b, n - first,
               d_model, d_head, false);
        matmul(f->k, x_qk, w->W_K + at, w->b_K + b, n, d_model, d_head, false);
        matmul(f->v, f->x, w->W_V + at, w->b_V + b, n, d_model, d_head, false);
        turn(f, f->q, first, n);
        turn(f, f->k, 0, n);
        attend(f, p, d_head, config_attn_scale(c, l), config_window(c, l));
        if (p->hooks && p->hooks->pattern) {
            p->hooks->pattern(p->hooks->context, l, h, f->pattern, n);
        }
        if (p->edits && p->edits->z) {
            p->edits->z(p->edits->context, l, h, f->z);
        }
        // b_O is added once, with the last head
        const float *b_O = h + 1 == c->n_heads ? w->b_O : NULL;
        matmul(f->resid + first * d_model, f->z + first * d_head, w->W_O + at, b_O, n - first,
               d_head, d_model, true);
    }
}

static void show_neurons(const struct pass *p, size_t l, enum site site, const float *acts,
                         size_t d_mlp)
{
    if (p->hooks && p->hooks->neurons) {
        p->hooks->neurons(p->hooks->context, l, site, acts, p->n, d_mlp);
    }
}

/* resid += post W_out + b_out; with edits the sum goes through x, where it can be changed. */
static void add_mlp(struct forward *f, size_t l, const struct pass *p)
{
    const struct layer *w = &f->model->layers[l];
    const size_t d_mlp = f->model->config.d_mlp, d_model = f->model->config.d_model;
    const size_t rows = p->n - p->first, at = p->first * d_model;
    const float *post = f->post + p->first * d_mlp;
    if (!p->edits) {
        matmul(f->resid + at, post, w->W_out, w->b_out, rows, d_mlp, d_model, true);
        return;
    }
    matmul(f->x + at, post, w->W_out, w->b_out, rows, d_mlp, d_model, false);
    if (p->edits->mlp_out) {
        p->edits->mlp_out(p->edits->context, l, f->x);
    }
    for (size_t i = at; i < at + rows * d_model; i++) {
        f->resid[i] += f->x[i];
    }
}

static void mlp(struct forward *f, size_t l, const struct pass *p)
{
    const struct config *c = &f->model->config;
    const struct layer *w = &f->model->layers[l];
    const size_t d_model = c->d_model, d_mlp = c->d_mlp;
    const size_t rows = p->n - p->first, from = p->first * d_mlp, end = p->n * d_mlp;

    const float *x = c->parallel ? f->x_mlp : f->x;
    if (!c->parallel) {
        norm(c, f->x, f->resid + p->first * d_model, w->ln2_w, w->ln2_b, rows, d_model,
             config_centres(c));
    }
    if (c->gated) {
        matmul(f->pre + from, x, w->W_gate, w->b_gate, rows, d_model, d_mlp, false);
        matmul(f->linear + from, x, w->W_in, w->b_in, rows, d_model, d_mlp, false);
    } else {
        matmul(f->pre + from, x, w->W_in, w->b_in, rows, d_model, d_mlp, false);
    }
    show_neurons(p, l, SITE_PRE, f->pre, d_mlp);

    if (c->act_fn == ACT_SOLU_LN) {
        memcpy(f->mid + from, f->pre + from, rows * d_mlp * sizeof *f->mid);
        for (size_t i = p->first; i < p->n; i++) {
            softmax(f->mid + i * d_mlp, d_mlp);
        }
        for (size_t i = from; i < end; i++) {
            f->mid[i] *= f->pre[i];
        }
        show_neurons(p, l, SITE_MID, f->mid, d_mlp);
        layer_norm(f->post + from, f->mid + from, w->ln_mlp_w, w->ln_mlp_b, rows, d_mlp, c->eps,
                   true);
    } else {
        for (size_t i = from; i < end; i++) {
            f->post[i] = activate(c->act_fn, f->pre[i]) * (c->gated ? f->linear[i] : 1.0f);
        }
    }
    show_neurons(p, l, SITE_POST, f->post, d_mlp);
    if (p->edits && p->edits->post) {
        p->edits->post(p->edits->context, l, f->post);
    }
    add_mlp(f, l, p);
}

// --- whole passes and parts of them -------------------------------------------------------------

static void edit_resid(const struct pass *p, void (*edit)(void *, size_t, float *), size_t l,
                       float *resid)
{
    if (edit) {
        edit(p->edits->context, l, resid);
    }
}

/* Runs layer l, or only its MLP. */
static void run_layer(struct forward *f, size_t l, bool mlp_alone, const struct pass *p)
{
    if (!mlp_alone) {
        edit_resid(p, p->edits ? p->edits->resid_pre : NULL, l, f->resid);
        attention(f, l, p);
    }
    if (!f->model->config.attn_only) {
        edit_resid(p, p->edits ? p->edits->resid_mid : NULL, l, f->resid);
        mlp(f, l, p);
    }
}

static void run_whole(struct forward *f, const uint32_t *ids, size_t n, const struct pass *p)
{
    const struct model *m = f->model;
    const struct config *c = &m->config;
    assert(n >= 1 && n <= c->n_ctx);
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        assert(ids[i] < c->d_vocab);
        const float *embed = m->W_E + (size_t)ids[i] * c->d_model;
        const float *pos = config_has_pos_embed(c) ? m->W_pos + i * c->d_model : NULL;
        for (size_t d = 0; d < c->d_model; d++) {
            f->resid[i * c->d_model + d] = embed[d] + (pos ? pos[d] : 0.0f);
        }
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        run_layer(f, l, false, p);
    }
}

void forward_run(struct forward *f, const uint32_t *ids, size_t n,
                 const struct forward_hooks *hooks)
{
    run_whole(f, ids, n, &(struct pass){.n = n, .hooks = hooks});
}

void forward_run_edited(struct forward *f, const uint32_t *ids, size_t n,
                        const struct forward_edits *edits)
{
    run_whole(f, ids, n, &(struct pass){.n = n, .edits = edits});
}

void forward_run_part(struct forward *f, size_t n, const struct forward_part *part,
                      const struct forward_edits *edits)
{
    const struct config *c = &f->model->config;
    assert(n >= 1 && n <= c->n_ctx && part->first < n && part->layer < c->n_layers);
    assert(!(part->mlp && (c->attn_only || c->parallel)));
    f->n = n;
    for (size_t l = part->layer; l < c->n_layers; l++) {
        const bool last = part->last_alone && l + 1 == c->n_layers;
        run_layer(f, l, part->mlp && l == part->layer,
                  &(struct pass){.n = n, .first = last ? n - 1 : part->first, .edits = edits});
    }
}

void forward_logits(struct forward *f, size_t from, size_t count, float *logits)
{
    const struct model *m = f->model;
    const struct config *c = &m->config;
    assert(from <= f->n && count <= f->n - from);
    const float *resid = f->resid + from * c->d_model;
    norm(c, f->x, resid, m->ln_final_w, m->ln_final_b, count, c->d_model, !c->final_rms);
    matmul(logits, f->x, m->W_U, m->b_U, count, c->d_model, c->d_vocab, false);
}

void forward_token_logits(struct forward *f, size_t at, const uint32_t *tokens, size_t count,
                          float *logits)
{
    const struct model *m = f->model;
    const struct config *c = &m->config;
    assert(at < f->n);
    norm(c, f->x, f->resid + at * c->d_model, m->ln_final_w, m->ln_final_b, 1, c->d_model,
         !c->final_rms);
    for (size_t t = 0; t < count; t++) {
        assert(tokens[t] < c->d_vocab);
        float sum = 0; // adds in the order of matmul()
        for (size_t d = 0; d < c->d_model; d++) {
            sum += f->x[d] * m->W_U[d * c->d_vocab + tokens[t]];
        }
        logits[t] = sum + m->b_U[tokens[t]];
    }
}
