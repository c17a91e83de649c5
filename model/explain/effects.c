#include "model/explain/effects.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/product.h"

// How many neurons or tokens are multiplied together.
#define ROWS ((size_t)448)

// --- lists --------------------------------------------------------------------------------------

/* Inserts a token behind those whose value is not less (with sign -1: not greater).  Returns the
 * bound that a value must exceed to be listed from now on. */
static float list_add(struct effects_list *l, uint32_t id, float value, float sign)
{
    size_t at = l->n < EFFECTS_TOKENS ? l->n++ : EFFECTS_TOKENS - 1;
    for (; at > 0 && sign * l->tokens[at - 1].value < sign * value; at--) {
        l->tokens[at] = l->tokens[at - 1];
    }
    l->tokens[at] = (struct effects_token){.id = id, .value = value};
    return l->n == EFFECTS_TOKENS ? l->tokens[EFFECTS_TOKENS - 1].value : -sign * INFINITY;
}

static void list_shift(struct effects_list *l, double mean)
{
    for (size_t i = 0; i < l->n; i++) {
        l->tokens[i].value = (float)((double)l->tokens[i].value - mean);
    }
}

/* Subtracts the mean over the vocabulary from the listed values. */
static void take_mean(struct effects *e, double mean)
{
    list_shift(&e->greatest, mean);
    list_shift(&e->least, mean);
}

// --- output -------------------------------------------------------------------------------------

/* Applies the final norm's centring and weight to a neuron's row of W_out. */
static void output_row(const struct model *m, const float *W_out, float *x)
{
    const size_t d = m->config.d_model;
    double mean = 0;
    if (m->config.norm != NORM_NONE && !m->config.final_rms) {
        for (size_t i = 0; i < d; i++) {
            mean += (double)W_out[i] / (double)d;
        }
    }
    for (size_t i = 0; i < d; i++) {
        const double w = m->ln_final_w ? (double)m->ln_final_w[i] : 1;
        x[i] = (float)(((double)W_out[i] - mean) * w);
    }
}

/* Working memory for ROWS neurons. */
struct output {
    struct inputs inputs;
    float *x;                       // [ROWS][d_model]
    float above[ROWS], below[ROWS]; // the bound that a value must exceed to be listed
};

/* Lists the tokens of a panel, from 'id' on, by their values[n] for neuron i of the block. */
static void list_tokens(struct output *o, size_t i, struct effects *e, uint32_t id,
                        const float *values, size_t n)
{
    unsigned beyond = 0;
    for (size_t j = 0; j < n; j++) {
        beyond += (unsigned)(values[j] > o->above[i]) | (unsigned)(values[j] < o->below[i]);
    }
    for (size_t j = 0; j < n && beyond > 0; j++) {
        if (values[j] > o->above[i]) {
            o->above[i] = list_add(&e->greatest, id + (uint32_t)j, values[j], 1);
        }
        if (values[j] < o->below[i]) {
            o->below[i] = list_add(&e->least, id + (uint32_t)j, values[j], -1);
        }
    }
}

/* Multiplies the block's neurons, n rows of o->x, with all columns of W_U. */
static void output_block(struct output *o, const struct weights *w, size_t n, struct effects *out,
                         const atomic_int *stop)
{
    union product_tile tile;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct effects){0};
        o->above[i] = -INFINITY;
        o->below[i] = INFINITY;
    }
    inputs_pack(&o->inputs, w, o->x, w->k, n);
    for (size_t panel = 0; panel < w->n_panels && !is_stopped(stop); panel++) {
        const size_t id = panel * w->cols, m = w->m - id < w->cols ? w->m - id : w->cols;
        for (size_t i0 = 0; i0 < n; i0 += w->rows) {
            product_tile(&tile, &o->inputs, w, i0 / w->rows, panel);
            for (size_t i = i0; i < n && i < i0 + w->rows; i++) {
                list_tokens(o, i, &out[i], (uint32_t)id, tile.f32 + (i - i0) * w->cols, m);
            }
        }
    }
}

int effects_output(const struct engine *e, size_t layer, size_t from, size_t n, struct effects *out,
                   const atomic_int *stop, struct err *err)
{
    const struct model *m = engine_model(e);
    const struct unembed *unembed = engine_unembed(e);
    const struct weights *w = unembed_weights(unembed);
    const size_t d = m->config.d_model;
    struct output o = {0};
    assert(layer < m->config.n_layers && from + n <= m->config.d_mlp);
    o.x = mem_new(ROWS * d, sizeof *o.x);
    int rc = o.x ? 0 : err_nomem(err, "neurons' effects");
    rc = rc ? rc : inputs_new(&o.inputs, &w, 1, ROWS, err);
    for (size_t k = 0; k < n && !rc && !is_stopped(stop); k += ROWS) {
        const size_t rows = n - k < ROWS ? n - k : ROWS;
        for (size_t i = 0; i < rows; i++) {
            output_row(m, m->layers[layer].W_out + (from + k + i) * d, o.x + i * d);
        }
        output_block(&o, w, rows, out + k, stop);
        for (size_t i = 0; i < rows; i++) {
            const float *mean = unembed_mean(unembed);
            take_mean(&out[k + i], (double)engine_kern(e)->f32->dot(o.x + i * d, mean, d));
        }
    }
    inputs_free(&o.inputs);
    free(o.x);
    return rc;
}

// --- input --------------------------------------------------------------------------------------

/* Working memory for neurons [from, from + n). */
struct input {
    const struct engine *engine;
    size_t from, n;
    struct weights in; // [d_model][n] their columns of W_in, or W_gate
    struct inputs inputs;
    float *x;             // [ROWS][d_model] embeddings, normed
    float *values;        // [ROWS][n]
    float *above, *below; // [n] the bound that a value must exceed to be listed
    double *mean;         // [d_model] mean of x over the vocabulary
};

static void input_end(struct input *in)
{
    weights_free(&in->in);
    inputs_free(&in->inputs);
    free(in->x);
    free(in->values);
    free(in->above);
    free(in->below);
    free(in->mean);
}

static int input_make(struct input *in, struct err *err)
{
    const struct model *m = engine_model(in->engine);
    const size_t d = m->config.d_model, n = in->n;
    const struct weights *weights = &in->in;
    float *w = mem_new(n * d, sizeof *w);
    in->x = mem_new(ROWS * d, sizeof *in->x);
    in->values = mem_new(ROWS * n, sizeof *in->values);
    in->above = mem_new(n, sizeof *in->above);
    in->below = mem_new(n, sizeof *in->below);
    in->mean = mem_zero(d, sizeof *in->mean);
    if (!w || !in->x || !in->values || !in->above || !in->below || !in->mean) {
        free(w);
        return err_nomem(err, "neurons' effects");
    }
    for (size_t i = 0; i < d; i++) {
        memcpy(w + i * n, layer_W_pre(m->layers) + i * m->config.d_mlp + in->from, n * sizeof *w);
    }
    for (size_t k = 0; k < n; k++) {
        in->above[k] = -INFINITY;
        in->below[k] = INFINITY;
    }
    int rc =
        weights_new(&in->in, engine_kern(in->engine), FORMAT_F32, false, NULL, w, NULL, d, n, err);
    rc = rc ? rc : inputs_new(&in->inputs, &weights, 1, ROWS, err);
    free(w);
    return rc;
}

/* in->x = the normed embeddings of tokens [first, first + n). */
static void embed(struct input *in, size_t first, size_t n)
{
    const struct model *m = engine_model(in->engine);
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    memcpy(in->x, m->W_E + first * d, n * d * sizeof *in->x);
    for (size_t i = 0; i < n; i++) {
        float *x = in->x + i * d;
        if (c->norm != NORM_NONE) {
            engine_kern(in->engine)
                ->f32->norm(x, x, m->layers[0].ln2_w, NULL, c->eps, d, config_centres(c));
        }
        for (size_t l = 0; l < d; l++) {
            in->mean[l] += (double)x[l] / (double)c->d_vocab;
        }
    }
}

/* Lists tokens [first, first + n) by what they add to each neuron. */
static void list_neurons(struct input *in, size_t first, size_t n, struct effects *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *values = in->values + i * in->n;
        const uint32_t id = (uint32_t)(first + i);
        for (size_t k = 0; k < in->n; k++) {
            if (values[k] > in->above[k]) {
                in->above[k] = list_add(&out[k].greatest, id, values[k], 1);
            }
            if (values[k] < in->below[k]) {
                in->below[k] = list_add(&out[k].least, id, values[k], -1);
            }
        }
    }
}

int effects_input(const struct engine *e, size_t from, size_t n, struct effects *out,
                  const atomic_int *stop, struct err *err)
{
    const struct model *m = engine_model(e);
    const struct config *c = &m->config;
    struct input in = {.engine = e, .from = from, .n = n};
    assert(from + n <= c->d_mlp);
    int rc = input_make(&in, err);
    for (size_t k = 0; k < n; k++) {
        out[k] = (struct effects){0};
    }
    for (size_t t = 0; t < c->d_vocab && !rc && !is_stopped(stop); t += ROWS) {
        const size_t rows = c->d_vocab - t < ROWS ? c->d_vocab - t : ROWS;
        embed(&in, t, rows);
        inputs_pack(&in.inputs, &in.in, in.x, c->d_model, rows);
        product(in.values, n, rows, &in.inputs, &in.in, false);
        list_neurons(&in, t, rows, out);
    }
    for (size_t k = 0; k < n && !rc; k++) {
        double mean = 0;
        for (size_t l = 0; l < c->d_model; l++) {
            mean += in.mean[l] * (double)layer_W_pre(m->layers)[l * c->d_mlp + from + k];
        }
        take_mean(&out[k], mean);
    }
    input_end(&in);
    return rc;
}
