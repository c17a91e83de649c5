/*
 * synthetic.h - models of the hub's sizes with random weights, for benchmarks and tests
 *
 * Logits have a standard deviation of about 2.5, so that the entropy is that of text (some 5 to 6
 * nats at a vocabulary of 48262).  With 'outliers' the final norm makes four dimensions of the
 * residual about 20 times as large as the others, as trained models do, and W_U has three heavy
 * rows.
 */
#ifndef GAPSCOPE_TESTS_BENCH_SYNTHETIC_H
#define GAPSCOPE_TESTS_BENCH_SYNTHETIC_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/load/model.h"

static uint32_t synthetic_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* About normal: the sum of four uniforms. */
static float *synthetic_weights(size_t n, double mean, double sd)
{
    float *w = malloc((n + 1) * sizeof *w);
    if (!w) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) {
            sum += (double)synthetic_random() / 4294967296.0 - 0.5;
        }
        w[i] = (float)(mean + sd * sqrt(3) * sum);
    }
    return w;
}

/* n_heads of d_model / n_heads; the caller ends it with synthetic_free(). */
static struct model *synthetic_model(size_t n_layers, size_t d_model, size_t n_heads, size_t d_mlp,
                                     size_t d_vocab, size_t n_ctx, bool attn_only,
                                     enum act_fn act_fn, bool outliers)
{
    const size_t d = d_model, square = d * d;
    const double in = 1 / sqrt((double)d);
    struct layer *layers = calloc(n_layers, sizeof *layers);
    struct model *m = calloc(1, sizeof *m);
    if (!layers || !m) {
        abort();
    }
    for (size_t l = 0; l < n_layers; l++) {
        layers[l] = (struct layer){
            .ln1_w = synthetic_weights(d, 1, 0.1),
            .ln1_b = synthetic_weights(d, 0, 0.1),
            .W_Q = synthetic_weights(square, 0, in),
            .W_K = synthetic_weights(square, 0, in),
            .W_V = synthetic_weights(square, 0, in),
            .b_Q = synthetic_weights(d, 0, 0.1),
            .b_K = synthetic_weights(d, 0, 0.1),
            .b_V = synthetic_weights(d, 0, 0.1),
            .W_O = synthetic_weights(square, 0, in),
            .b_O = synthetic_weights(d, 0, 0.1),
        };
        if (!attn_only) {
            layers[l].ln2_w = synthetic_weights(d, 1, 0.1);
            layers[l].ln2_b = synthetic_weights(d, 0, 0.1);
            layers[l].W_in = synthetic_weights(d * d_mlp, 0, in);
            layers[l].b_in = synthetic_weights(d_mlp, 0, 0.1);
            layers[l].ln_mlp_w = synthetic_weights(d_mlp, 1, 0.1);
            layers[l].ln_mlp_b = synthetic_weights(d_mlp, 0, 0.1);
            layers[l].W_out = synthetic_weights(d * d_mlp, 0, 1 / sqrt((double)d_mlp));
            layers[l].b_out = synthetic_weights(d, 0, 0.1);
        }
    }
    *m = (struct model){
        .config = {.n_layers = n_layers,
                   .d_model = d,
                   .n_heads = n_heads,
                   .d_head = d / n_heads,
                   .d_mlp = attn_only ? 0 : d_mlp,
                   .n_ctx = n_ctx,
                   .d_vocab = d_vocab,
                   .attn_only = attn_only,
                   .act_fn = act_fn,
                   .norm = NORM_LN,
                   .eps = 1e-5f},
        .W_E = synthetic_weights(d_vocab * d, 0, 1),
        .W_pos = synthetic_weights(n_ctx * d, 0, 0.3),
        .layers = layers,
        .ln_final_w = synthetic_weights(d, 1, 0.1),
        .ln_final_b = synthetic_weights(d, 0, 0.1),
        .W_U = synthetic_weights(d * d_vocab, 0, 2.5 * in),
        .b_U = synthetic_weights(d_vocab, 0, 0.5),
    };
    float *norm = (float *)(uintptr_t)m->ln_final_w;
    float *W_U = (float *)(uintptr_t)m->W_U;
    for (size_t k = 0; outliers && k < 4; k++) {
        const size_t at = (k * 37 + 5) % d;
        norm[at] *= 20;
        for (size_t j = 0; j < d_vocab; j++) { // the logits stay as large as they were
            W_U[at * d_vocab + j] *= 0.1f;
        }
    }
    for (size_t k = 0; outliers && k < 3; k++) {
        const size_t at = (k * 53 + 11) % d;
        for (size_t j = 0; j < d_vocab; j++) {
            W_U[at * d_vocab + j] *= 5;
        }
    }
    return m;
}

static void synthetic_free(struct model *m)
{
    for (size_t l = 0; l < m->config.n_layers; l++) {
        const struct layer *y = &m->layers[l];
        const float *parts[] = {y->ln1_w, y->ln1_b, y->W_Q,   y->W_K,   y->W_V,      y->b_Q,
                                y->b_K,   y->b_V,   y->W_O,   y->b_O,   y->ln2_w,    y->ln2_b,
                                y->W_in,  y->b_in,  y->W_out, y->b_out, y->ln_mlp_w, y->ln_mlp_b};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            free((void *)(uintptr_t)parts[i]);
        }
    }
    const float *parts[] = {m->W_E, m->W_pos, m->ln_final_w, m->ln_final_b, m->W_U, m->b_U};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        free((void *)(uintptr_t)parts[i]);
    }
    free((void *)(uintptr_t)m->layers);
    free(m);
}

#endif
