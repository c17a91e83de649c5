#include "model/pass/engine.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/engine_internal.h"

// --- weights ------------------------------------------------------------------------------------

static void layer_free(struct engine_layer *p)
{
    weights_free(&p->qk);
    weights_free(&p->v);
    weights_free(&p->o);
    weights_free(&p->in);
    weights_free(&p->out);
    weights_free(&p->gate);
}

/* Copies W[n_heads][d_model][d_head] and b[n_heads][d_head] to the columns from 'at' on of
 * w[d_model][ld] and bias[ld]. */
static void join_heads(float *w, float *bias, size_t ld, size_t at, const float *W, const float *b,
                       const struct config *c)
{
    for (size_t h = 0; h < c->n_heads; h++, at += c->d_head) {
        for (size_t l = 0; l < c->d_model; l++) {
            memcpy(w + l * ld + at, W + (h * c->d_model + l) * c->d_head, c->d_head * sizeof *w);
        }
        memcpy(bias + at, b + h * c->d_head, c->d_head * sizeof *b);
    }
}

/* Packs w[k][m] and b[m], not rotated. */
static int pack(struct weights *out, const struct engine *e, enum format format, const float *w,
                const float *b, size_t k, size_t m, struct err *err)
{
    return weights_new(out, e->kern, format, false, NULL, w, b, k, m, err);
}

static int pack_layer(struct engine_layer *p, const struct engine *e, const struct layer *l,
                      enum format format, struct err *err)
{
    const struct config *c = &e->model->config;
    const size_t d = c->d_model, width = c->n_heads * c->d_head, d_mlp = c->d_mlp;
    float *w = mem_new(2 * width * (d + 1), sizeof *w);
    if (!w) {
        return err_nomem(err, "packed weights");
    }
    float *bias = w + 2 * width * d;
    join_heads(w, bias, 2 * width, 0, l->W_Q, l->b_Q, c);
    join_heads(w, bias, 2 * width, width, l->W_K, l->b_K, c);
    int rc = pack(&p->qk, e, format, w, bias, d, 2 * width, err);
    join_heads(w, bias, width, 0, l->W_V, l->b_V, c);
    rc = rc ? rc : pack(&p->v, e, format, w, bias, d, width, err);
    rc = rc ? rc : pack(&p->o, e, format, l->W_O, l->b_O, width, d, err);
    if (!c->attn_only) {
        rc = rc ? rc : pack(&p->in, e, format, l->W_in, l->b_in, d, d_mlp, err);
        rc = rc ? rc : pack(&p->out, e, format, l->W_out, l->b_out, d_mlp, d, err);
    }
    if (c->gated) {
        rc = rc ? rc : pack(&p->gate, e, format, l->W_gate, l->b_gate, d, d_mlp, err);
    }
    free(w);
    return rc;
}

static int pack_layers(struct engine_layer **out, const struct engine *e, enum format format,
                       struct err *err)
{
    const size_t n = e->model->config.n_layers;
    *out = mem_zero(n, sizeof **out);
    int rc = *out ? 0 : err_nomem(err, "packed weights");
    for (size_t l = 0; l < n && !rc; l++) {
        rc = pack_layer(&(*out)[l], e, &e->model->layers[l], format, err);
    }
    return rc;
}

int engine_new(struct engine **out, const struct model *model, const struct kern *kern,
               enum precision precision, struct err *err)
{
    struct engine *e = mem_zero(1, sizeof *e);
    if (!e) {
        return err_nomem(err, "an engine");
    }
    e->model = model;
    e->kern = kern;
    int rc = pack_layers(&e->layers, e, FORMAT_F32, err);
    if (rc) {
        goto out;
    }
    if (precision == PRECISION_FAST && kern->s16) {
        rc = pack_layers(&e->fast_layers, e, FORMAT_S16, err);
        if (rc) {
            goto out;
        }
    }
    rc = unembed_new(&e->unembed, model, kern, precision, err);
    if (rc) {
        goto out;
    }
    *out = e;
    e = NULL;
out:
    engine_free(e);
    return rc;
}

void engine_free(struct engine *e)
{
    if (!e) {
        return;
    }
    for (size_t l = 0; l < e->model->config.n_layers; l++) {
        if (e->layers) {
            layer_free(&e->layers[l]);
        }
        if (e->fast_layers) {
            layer_free(&e->fast_layers[l]);
        }
    }
    free(e->layers);
    free(e->fast_layers);
    unembed_free(e->unembed);
    free(e);
}

const struct model *engine_model(const struct engine *e)
{
    return e->model;
}

const struct kern *engine_kern(const struct engine *e)
{
    return e->kern;
}

const struct unembed *engine_unembed(const struct engine *e)
{
    return e->unembed;
}

// --- working memory -----------------------------------------------------------------------------

static int make_inputs(struct engine_ctx *r, struct err *err)
{
    const struct engine *e = r->engine;
    const struct engine_layer *layers[] = {e->layers, e->fast_layers};
    const struct weights *weights[10];
    size_t n = 0;
    for (size_t i = 0; i < 2 && layers[i]; i++) {
        weights[n++] = &layers[i]->qk;
        weights[n++] = &layers[i]->v;
        weights[n++] = &layers[i]->o;
        if (!e->model->config.attn_only) {
            weights[n++] = &layers[i]->in;
            weights[n++] = &layers[i]->out;
        }
    }
    return inputs_new(&r->in, weights, n, r->rows_max, err);
}

/* Allocates an array of a ctx, [n][each]. */
struct array {
    float **at;
    size_t n, each;
};

#define ARRAYS 20

static void list_arrays(struct engine_ctx *r, struct array out[ARRAYS])
{
    const struct config *c = &r->engine->model->config;
    const struct kern_f32 *k = r->f32;
    const size_t width = c->n_heads * c->d_head, n_ctx = round_up(c->n_ctx, k->rows);
    const size_t d_mlp = c->attn_only ? 0 : c->d_mlp;
    const struct array all[ARRAYS] = {
        {&r->resid, r->rows_max, c->d_model},
        {&r->x, r->rows_max, c->d_model},
        {&r->x_pos, c->shortformer ? r->rows_max : 0, c->d_model},
        {&r->qk, r->rows_max, 2 * width},
        {&r->v, r->rows_max, width},
        {&r->z, r->rows_max, width},
        {&r->mlp, ENGINE_MLP_ROWS, d_mlp},
        {&r->linear, c->gated ? ENGINE_MLP_ROWS : 0, d_mlp},
        {&r->pre, 1, d_mlp},
        {&r->queries, k->rows, c->d_head},
        {&r->some, k->rows, c->d_head},
        {&r->keys, round_up(n_ctx, k->cols), c->d_head},
        {&r->values, n_ctx, round_up(c->d_head, k->cols)},
        {&r->pattern, k->rows, n_ctx},
        {&r->packed, k->rows, n_ctx},
        {&r->gather, r->rows_max, c->d_model},
        {&r->inside.resid, ENGINE_SIGHTS, c->d_model},
        {&r->inside.z, ENGINE_SIGHTS, c->n_layers * width},
        {&r->inside.acts, ENGINE_SIGHTS, c->n_layers * d_mlp},
        {&r->inside.post, ENGINE_SIGHTS, c->n_layers * d_mlp},
    };
    memcpy(out, all, sizeof all);
}

int engine_ctx_new(struct engine_ctx **out, const struct engine *e, struct err *err)
{
    struct array arrays[ARRAYS];
    struct engine_ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "an engine's working memory");
    }
    r->engine = e;
    r->f32 = e->kern->f32;
    r->rows_max = engine_rows_max(e);
    r->ids = mem_new(r->rows_max, sizeof *r->ids);
    r->logprob = mem_new(r->rows_max, sizeof *r->logprob);
    r->block.strands = mem_new(r->rows_max, sizeof *r->block.strands);
    r->block.only = mem_new(r->rows_max, sizeof *r->block.only);
    r->block.only_at = mem_new(r->rows_max, sizeof *r->block.only_at);
    bool whole = r->ids && r->logprob && r->block.strands && r->block.only && r->block.only_at;
    list_arrays(r, arrays);
    for (size_t i = 0; i < ARRAYS; i++) {
        const struct array *a = &arrays[i];
        size_t n;
        *a->at = mem_mul(a->n, a->each, &n) ? product_alloc(n, sizeof(float)) : NULL;
        whole = whole && *a->at;
    }
    int rc = whole ? 0 : err_nomem(err, "an engine's working memory");
    rc = rc ? rc : make_inputs(r, err);
    rc = rc ? rc : unembed_ctx_new(&r->unembed, e->unembed, r->rows_max, err);
    if (rc) {
        engine_ctx_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void engine_ctx_free(struct engine_ctx *r)
{
    struct array arrays[ARRAYS];
    if (!r) {
        return;
    }
    list_arrays(r, arrays);
    for (size_t i = 0; i < ARRAYS; i++) {
        free(*arrays[i].at);
    }
    for (size_t i = 0; i < ROW_SITES; i++) {
        free(r->seen[i]);
    }
    free(r->ids);
    free(r->logprob);
    free(r->block.strands);
    free(r->block.only);
    free(r->block.only_at);
    engine_changes_free(r);
    engine_begin_free(r);
    head_moments_free(r->moments);
    free(r->kept.z);
    free(r->kept.post);
    inputs_free(&r->in);
    unembed_ctx_free(r->unembed);
    free(r);
}

// --- watches ------------------------------------------------------------------------------------

enum row_site engine_neuron_site(enum site site)
{
    return site == SITE_PRE ? ROW_PRE : site == SITE_MID ? ROW_MID : ROW_POST;
}

/* Does the model have such rows? */
static bool has_site(const struct config *c, enum row_site site)
{
    switch (site) {
    case ROW_MID:
        return !c->attn_only && c->act_fn == ACT_SOLU_LN;
    case ROW_RESID_MID:
        return !c->attn_only && !c->parallel;
    case ROW_LN2:
    case ROW_PRE:
    case ROW_POST:
    case ROW_MLP_OUT:
        return !c->attn_only;
    default:
        return true;
    }
}

/* The width of rows that are kept until the layer is done; 0: they are seen where they stand. */
static size_t kept_width(const struct config *c, enum row_site site)
{
    switch (site) {
    case ROW_PRE:
    case ROW_MID:
    case ROW_POST:
        return c->d_mlp;
    case ROW_LN1:
    case ROW_LN2:
    case ROW_MLP_OUT:
        return c->d_model;
    default:
        return 0;
    }
}

int engine_watch_sites(struct engine_ctx *r, uint32_t sites, struct err *err)
{
    const struct config *c = &r->engine->model->config;
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        if (!(sites & ROW_BIT(site)) || r->seen[site]) {
            continue;
        }
        if (!has_site(c, site)) {
            return err_set(err, ERR_UNSUPPORTED, "the model has no rows of this site");
        }
        const size_t width = kept_width(c, site);
        size_t n;
        if (width > 0) {
            r->seen[site] =
                mem_mul(r->rows_max, width, &n) ? product_alloc(n, sizeof(float)) : NULL;
            if (!r->seen[site]) {
                return err_nomem(err, "an engine's working memory");
            }
        }
    }
    return 0;
}

int engine_watch_heads(struct engine_ctx *r, size_t n_marks, struct err *err)
{
    return r->moments ? 0 : head_moments_new(&r->moments, r->engine, r->rows_max, n_marks, err);
}
