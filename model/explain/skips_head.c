#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/skips_internal.h"

// How many tokens are multiplied together.
#define ROWS ((size_t)448)

// --- what heads read ----------------------------------------------------------------------------

/* pos[d_model] = mean of W_pos over positions [from, to). */
static void mean_position(float *pos, const struct model *m, size_t from, size_t to)
{
    const size_t d = m->config.d_model;
    for (size_t j = 0; j < d; j++) {
        double sum = 0;
        for (size_t i = from; i < to; i++) {
            sum += (double)m->W_pos[i * d + j];
        }
        pos[j] = (float)(sum / (double)(to - from));
    }
}

/* x[d_model] = the first norm of a token at a mean position. */
static void read_token(float *x, const struct engine *e, uint32_t id, const float *pos)
{
    const struct model *m = engine_model(e);
    const struct config *c = &m->config;
    const struct layer *l = &m->layers[0];
    const float *embed = m->W_E + (size_t)id * c->d_model;
    for (size_t j = 0; j < c->d_model; j++) {
        x[j] = c->shortformer ? embed[j] : embed[j] + pos[j];
    }
    if (c->norm != NORM_NONE) {
        engine_kern(e)->f32->norm(x, x, l->ln1_w, l->ln1_b, c->eps, c->d_model, true);
    }
}

int skips_reads_new(struct skips_reads *out, const struct engine *e, const struct skips_tokens *t,
                    const struct skips_rule *rule, const struct skips_text *text, struct err *err)
{
    const struct model *m = engine_model(e);
    const size_t d = m->config.d_model;
    *out = (struct skips_reads){.engine = e,
                                .tokens = t,
                                .scale = text->scale,
                                .x = mem_zero(t->n + 1, d * sizeof(float)),
                                .pos = mem_zero(2, d * sizeof(float)),
                                .bos = text->bos < m->config.d_vocab,
                                .d_model = d,
                                .d_head = m->config.d_head};
    if (!out->x || !out->pos) {
        return err_nomem(err, "skip-trigrams");
    }
    mean_position(out->pos, m, 1, rule->window);
    mean_position(out->pos + d, m, 0, 1);
    for (size_t i = 0; i < t->n; i++) {
        read_token(out->x + i * d, e, t->ids[i], out->pos);
    }
    if (out->bos) {
        read_token(out->x + t->n * d, e, text->bos, out->pos + d);
    }
    return 0;
}

void skips_reads_free(struct skips_reads *r)
{
    free(r->x);
    free(r->pos);
}

// --- a head -------------------------------------------------------------------------------------

int skips_head_new(struct skips_head *out, const struct skips_reads *r, struct err *err)
{
    const size_t n = r->tokens->n + 1, n_frequent = r->tokens->n_frequent;
    const size_t width = r->d_head * sizeof(float);
    *out = (struct skips_head){.q = mem_new(n_frequent, width),
                               .k = mem_new(n, width),
                               .v = mem_new(n_frequent, width),
                               .u = mem_new(n_frequent, width)};
    return out->q && out->k && out->v && out->u ? 0 : err_nomem(err, "skip-trigrams");
}

void skips_head_free(struct skips_head *h)
{
    free(h->q);
    free(h->k);
    free(h->v);
    free(h->u);
}

/* A product of tokens' rows. */
struct projection {
    const uint32_t *rows; // [n] of r->x; NULL: the first n
    size_t n;
    bool positions;     // W_pos is added to what is read, where the model does so
    const float *w, *b; // [d_model][d_head]; [d_head] or NULL
    float *to;          // [n][d_head]
};

static int project(const struct skips_reads *r, const struct projection *p, struct err *err)
{
    const struct kern *kern = engine_kern(r->engine);
    const bool shifted = p->positions && engine_model(r->engine)->config.shortformer;
    const size_t d = r->d_model;
    struct weights w = {0};
    struct inputs in = {0};
    const struct weights *all = &w;
    float *x = mem_new(ROWS, d * sizeof *x);
    int rc = x ? 0 : err_nomem(err, "skip-trigrams");
    rc = rc ? rc : weights_new(&w, kern, FORMAT_F32, false, NULL, p->w, p->b, d, r->d_head, err);
    rc = rc ? rc : inputs_new(&in, &all, 1, ROWS, err);
    for (size_t i0 = 0; i0 < p->n && !rc; i0 += ROWS) {
        const size_t n = p->n - i0 < ROWS ? p->n - i0 : ROWS;
        for (size_t i = 0; i < n; i++) {
            const size_t row = p->rows ? p->rows[i0 + i] : i0 + i;
            const float *pos = r->pos + (row == r->tokens->n ? d : 0);
            memcpy(x + i * d, r->x + row * d, d * sizeof *x);
            for (size_t j = 0; shifted && j < d; j++) {
                x[i * d + j] += pos[j];
            }
        }
        inputs_pack(&in, &w, x, d, n);
        product(p->to + i0 * r->d_head, r->d_head, n, &in, &w, false);
    }
    inputs_free(&in);
    weights_free(&w);
    free(x);
    return rc;
}

/* o[d_head][d_model] = W_O as the unembedding reads it: centred where the final norm centres, times
 * its weight and scale. */
static void fold_output(float *o, const struct skips_reads *r, const float *W_O)
{
    const struct model *m = engine_model(r->engine);
    const bool centre = m->config.norm != NORM_NONE && !m->config.final_rms;
    for (size_t l = 0; l < r->d_head; l++, W_O += r->d_model, o += r->d_model) {
        double mean = 0;
        for (size_t j = 0; j < r->d_model && centre; j++) {
            mean += (double)W_O[j] / (double)r->d_model;
        }
        for (size_t j = 0; j < r->d_model; j++) {
            const double w = m->ln_final_w ? (double)m->ln_final_w[j] : 1;
            o[j] = (float)(((double)W_O[j] - mean) * w * r->scale);
        }
    }
}

/* u[d_head][n_frequent], panel by panel of W_U. */
static int write_logits(float *u, const struct skips_reads *r, const float *W_O, struct err *err)
{
    const struct unembed *unembed = engine_unembed(r->engine);
    const struct weights *w = unembed_weights(unembed);
    const struct skips_tokens *t = r->tokens;
    const struct kern_f32 *kern = engine_kern(r->engine)->f32;
    union product_tile tile;
    struct inputs in = {0};
    float *o = mem_new(r->d_head, r->d_model * sizeof *o), *mean = mem_new(r->d_head, sizeof *mean);
    int rc = o && mean ? 0 : err_nomem(err, "skip-trigrams");
    rc = rc ? rc : inputs_new(&in, &w, 1, r->d_head, err);
    if (!rc) {
        fold_output(o, r, W_O);
        inputs_pack(&in, w, o, r->d_model, r->d_head);
        for (size_t l = 0; l < r->d_head; l++) {
            mean[l] = kern->dot(o + l * r->d_model, unembed_mean(unembed), r->d_model);
        }
    }
    for (size_t panel = 0, c = 0, next; panel < w->n_panels && !rc; panel++, c = next) {
        const size_t first = panel * w->cols;
        for (next = c; next < t->n_frequent && t->ids[t->frequent[next]] < first + w->cols;
             next++) {
        }
        for (size_t l0 = 0; l0 < r->d_head && next > c; l0 += w->rows) {
            product_tile(&tile, &in, w, l0 / w->rows, panel);
            for (size_t l = l0; l < r->d_head && l < l0 + w->rows; l++) {
                for (size_t i = c; i < next; i++) {
                    u[l * t->n_frequent + i] =
                        tile.f32[(l - l0) * w->cols + t->ids[t->frequent[i]] - first] - mean[l];
                }
            }
        }
    }
    inputs_free(&in);
    free(o);
    free(mean);
    return rc;
}

int skips_head_make(struct skips_head *h, const struct skips_reads *r, size_t head, struct err *err)
{
    const struct model *m = engine_model(r->engine);
    const struct layer *l = &m->layers[0];
    const struct skips_tokens *t = r->tokens;
    const size_t w = head * r->d_model * r->d_head, b = head * r->d_head;
    const float scale = config_attn_scale(&m->config, 0);
    const struct projection q = {.rows = t->frequent,
                                 .n = t->n_frequent,
                                 .positions = true,
                                 .w = l->W_Q + w,
                                 .b = l->b_Q + b,
                                 .to = h->q};
    const struct projection k = {
        .n = t->n + r->bos, .positions = true, .w = l->W_K + w, .b = l->b_K + b, .to = h->k};
    const struct projection v = {
        .rows = t->frequent, .n = t->n_frequent, .w = l->W_V + w, .to = h->v};
    int rc = project(r, &q, err);
    rc = rc ? rc : project(r, &k, err);
    rc = rc ? rc : project(r, &v, err);
    for (size_t i = 0; i < t->n_frequent * r->d_head && !rc; i++) {
        h->q[i] *= scale;
    }
    return rc ? rc : write_logits(h->u, r, l->W_O + w, err);
}
