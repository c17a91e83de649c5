#include "model/explain/attribution.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/product.h"

struct attributor {
    const struct engine *engine;
    const struct model *model;
    const struct kern_f32 *f32;
    float *directions; // [ENGINE_SIGHTS][d_model]
    float *effects;    // [ENGINE_SIGHTS][n_layers][d_mlp]
};

// --- components ----------------------------------------------------------------------------------

static size_t n_before_layers(const struct config *c)
{
    return config_has_pos_embed(c) ? 2 : 1;
}

static size_t n_of_layer(const struct config *c)
{
    return c->n_heads + (c->attn_only ? 1 : 2);
}

size_t attribution_n_components(const struct model *m)
{
    const struct config *c = &m->config;
    return n_before_layers(c) + c->n_layers * n_of_layer(c) + 1;
}

void attribution_component_name(const struct model *m, size_t i, char name[ATTRIBUTION_NAME])
{
    const struct config *c = &m->config;
    const size_t before = n_before_layers(c), of_layer = n_of_layer(c);
    if (i < before) {
        snprintf(name, ATTRIBUTION_NAME, "%s", i == 0 ? "embed" : "pos_embed");
        return;
    }
    const size_t layer = (i - before) / of_layer, k = (i - before) % of_layer;
    if (layer == c->n_layers) {
        snprintf(name, ATTRIBUTION_NAME, "bias");
    } else if (k < c->n_heads) {
        snprintf(name, ATTRIBUTION_NAME, "L%zuH%zu", layer, k);
    } else {
        snprintf(name, ATTRIBUTION_NAME, "L%zu%s", layer, k == c->n_heads ? "b_O" : "MLP");
    }
}

// --- making -------------------------------------------------------------------------------------

int attributor_new(struct attributor **out, const struct engine *e, struct err *err)
{
    struct attributor *a = mem_zero(1, sizeof *a);
    if (!a) {
        return err_nomem(err, "an attribution");
    }
    a->engine = e;
    a->model = engine_model(e);
    a->f32 = engine_kern(e)->f32;
    const struct config *c = &a->model->config;
    size_t n;
    a->directions = product_alloc(ENGINE_SIGHTS, c->d_model * sizeof *a->directions);
    a->effects = mem_mul(ENGINE_SIGHTS * c->n_layers, c->d_mlp, &n)
                     ? product_alloc(n, sizeof *a->effects)
                     : NULL;
    if (!a->directions || !a->effects) {
        attributor_free(a);
        return err_nomem(err, "an attribution");
    }
    *out = a;
    return 0;
}

void attributor_free(struct attributor *a)
{
    if (a) {
        free(a->directions);
        free(a->effects);
        free(a);
    }
}

// --- a token ------------------------------------------------------------------------------------

static double mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    return sum / (double)n;
}

double attribution_scale(const struct model *m, const float *resid)
{
    const struct config *c = &m->config;
    if (c->norm == NORM_NONE) {
        return 1;
    }
    const double mean = c->final_rms ? 0 : mean_of(resid, c->d_model);
    double square = 0;
    for (size_t i = 0; i < c->d_model; i++) {
        square += ((double)resid[i] - mean) * ((double)resid[i] - mean);
    }
    return 1 / sqrt(square / (double)c->d_model + (double)c->eps);
}

/* Turns a direction v[d_model] of the final norm's output into one of its input, where the norm
 * multiplies by 'scale'. */
static void before_norm(const struct model *m, double scale, float *v)
{
    const struct config *c = &m->config;
    if (c->norm == NORM_NONE) {
        return;
    }
    for (size_t i = 0; i < c->d_model && m->ln_final_w; i++) {
        v[i] *= m->ln_final_w[i];
    }
    const double mean = c->final_rms ? 0 : mean_of(v, c->d_model);
    for (size_t i = 0; i < c->d_model; i++) {
        v[i] = (float)(((double)v[i] - mean) * scale);
    }
}

/* Writes a token's direction in the last residual to v[d_model] and returns the constant term of
 * its logit, the same for any residual. */
static float find_direction(const struct attributor *a, uint32_t token, const float *resid,
                            float *v)
{
    const struct model *m = a->model;
    const float b_U = unembed_direction(engine_unembed(a->engine), token, v);
    const bool biased = m->config.norm != NORM_NONE && m->ln_final_b;
    const float b = biased ? a->f32->dot(m->ln_final_b, v, m->config.d_model) : 0;
    before_norm(m, attribution_scale(m, resid), v);
    return b + b_U;
}

/* Lists the neurons of the largest effects; of equal ones the first. */
static void list_neurons(const struct config *c, struct attribution *out)
{
    float least = -1; // the smallest listed effect, once the list is full
    out->n_neurons = 0;
    for (size_t i = 0; i < c->n_layers * c->d_mlp; i++) {
        const float size = fabsf(out->effects[i]);
        if (!(size > least)) {
            continue;
        }
        size_t at = out->n_neurons < ATTRIBUTION_NEURONS ? out->n_neurons++ : out->n_neurons - 1;
        for (; at > 0 && fabsf(out->neurons[at - 1].effect) < size; at--) {
            out->neurons[at] = out->neurons[at - 1];
        }
        out->neurons[at] = (struct attribution_neuron){.layer = (uint32_t)(i / c->d_mlp),
                                                       .index = (uint32_t)(i % c->d_mlp),
                                                       .effect = out->effects[i]};
        if (out->n_neurons == ATTRIBUTION_NEURONS) {
            least = fabsf(out->neurons[ATTRIBUTION_NEURONS - 1].effect);
        }
    }
}

// --- many tokens: a row of weights is read once for all -----------------------------------------

static void add_heads(const struct attributor *a, size_t l, const struct engine_sight *sights,
                      size_t n, struct attribution *out)
{
    const struct config *c = &a->model->config;
    const struct layer *w = &a->model->layers[l];
    const size_t d = c->d_model, width = c->n_heads * c->d_head;
    const size_t at = n_before_layers(c) + l * n_of_layer(c);
    for (size_t i = 0; i < n; i++) {
        out[i].components[at + c->n_heads] = a->f32->dot(w->b_O, a->directions + i * d, d);
    }
    for (size_t h = 0; h < c->n_heads; h++) {
        double sums[ENGINE_SIGHTS] = {0};
        for (size_t k = h * c->d_head; k < (h + 1) * c->d_head; k++) {
            for (size_t i = 0; i < n; i++) {
                sums[i] += (double)(sights[i].z[l * width + k] *
                                    a->f32->dot(w->W_O + k * d, a->directions + i * d, d));
            }
        }
        for (size_t i = 0; i < n; i++) {
            out[i].components[at + h] = (float)sums[i];
        }
    }
}

static void add_neurons(struct attributor *a, size_t l, const struct engine_sight *sights, size_t n,
                        struct attribution *out)
{
    const struct config *c = &a->model->config;
    const struct layer *w = &a->model->layers[l];
    const size_t d = c->d_model, at = l * c->d_mlp, of_all = c->n_layers * c->d_mlp;
    double sums[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        sums[i] = (double)a->f32->dot(w->b_out, a->directions + i * d, d);
    }
    for (size_t k = 0; k < c->d_mlp; k++) {
        for (size_t i = 0; i < n; i++) {
            const float effect =
                sights[i].post[at + k] * a->f32->dot(w->W_out + k * d, a->directions + i * d, d);
            a->effects[i * of_all + at + k] = effect;
            sums[i] += (double)effect;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const float *own = sights[i].mlp_out ? sights[i].mlp_out + l * d : NULL;
        out[i].components[n_before_layers(c) + l * n_of_layer(c) + c->n_heads + 1] =
            own ? a->f32->dot(own, a->directions + i * d, d) : (float)sums[i];
    }
}

void attribute(struct attributor *a, const struct engine_pick *picks,
               const struct engine_sight *sights, size_t n, struct attribution *out)
{
    const struct model *m = a->model;
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    assert(n <= ENGINE_SIGHTS);
    for (size_t i = 0; i < n; i++) {
        const struct engine_window *w = picks[i].window;
        const size_t at = picks[i].at;
        const uint32_t id = at == 0 ? w->first : w->tokens[at - 1];
        float *v = a->directions + i * d;
        const float bias = find_direction(a, w->tokens[at], sights[i].resid, v);
        out[i].components[0] = a->f32->dot(m->W_E + id * d, v, d);
        if (config_has_pos_embed(c)) {
            out[i].components[1] = a->f32->dot(m->W_pos + at * d, v, d);
        }
        out[i].components[attribution_n_components(m) - 1] = bias;
        out[i].logit = a->f32->dot(sights[i].resid, v, d) + bias;
        out[i].n_neurons = 0;
        out[i].effects = a->effects + i * c->n_layers * c->d_mlp;
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        add_heads(a, l, sights, n, out);
        if (!c->attn_only) {
            add_neurons(a, l, sights, n, out);
        }
    }
    for (size_t i = 0; i < n && !c->attn_only; i++) {
        list_neurons(c, &out[i]);
    }
}

// --- all neurons, a token -----------------------------------------------------------------------

void attribution_direct(struct attributor *a, uint32_t token, const float *p, float *direct)
{
    const struct model *m = a->model;
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    float *v = a->directions;
    if (p) {
        for (size_t i = 0; i < d; i++) {
            const float *row = m->W_U + i * c->d_vocab;
            v[i] = row[token] - a->f32->dot(row, p, c->d_vocab);
        }
    } else {
        unembed_direction(engine_unembed(a->engine), token, v);
    }
    before_norm(m, 1, v);
    for (size_t l = 0; l < c->n_layers; l++) {
        for (size_t k = 0; k < c->d_mlp; k++) {
            direct[l * c->d_mlp + k] = a->f32->dot(m->layers[l].W_out + k * d, v, d);
        }
    }
}
