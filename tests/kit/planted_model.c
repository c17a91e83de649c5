#include "tests/kit/planted_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "tests/kit/golden.h"

#define N_CTX PLANTED_N_CTX
#define NOISE ((size_t)16)         // dimensions
#define HEADS ((size_t)2)          // the one that looks at the token before; one of noise
#define NOISE_NEURONS ((size_t)32) // behind those that are planted

// Dimensions of a trigram, from N_CTX + OF_TRIGRAM k on.
enum { A_HERE, B_HERE, A_BEFORE, SAY_C, SAY_D, OF_TRIGRAM };

// Logits: of D where B is; of C where both are; of C by B alone, by A alone.
#define D_BY_B 9.0f
#define C_BY_BOTH 12.0f
#define C_BY_B 6.0f
#define C_BY_A 4.0f

// Where a neuron fires its pre is 4, elsewhere -4 or less: gelu(4) is 4, gelu(-4) is 0.
#define FIRES 4.0f

struct weights {
    const struct planted *planted;
    bool attn_only;
    size_t d_model, d_mlp;
    uint64_t random;
    float *W_E, *W_pos, *W_Q, *W_K, *W_V, *W_O, *W_in, *b_in, *W_out, *W_U;
};

static size_t neurons_of(enum planted_way way)
{
    static const size_t n[] = {[PLANTED_BY_AND] = 1,    [PLANTED_BY_SPREAD] = PLANTED_MANY,
                               [PLANTED_BY_B_ONLY] = 1, [PLANTED_BY_A_ONLY] = 1,
                               [PLANTED_BY_BOTH] = 2,   [PLANTED_BY_BIGRAM] = 0,
                               [PLANTED_BY_SKIP] = 0,   [PLANTED_BY_EITHER] = 0};
    return n[way];
}

size_t planted_neuron(const struct planted *p, size_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < k; i++) {
        n += neurons_of(p->trigrams[i].way);
    }
    return n;
}

static size_t dimension(size_t k, size_t which)
{
    return N_CTX + OF_TRIGRAM * k + which;
}

/* About normal, from numbers of which a twin gets the same. */
static float noise(struct weights *w, double sd)
{
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        w->random = w->random * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(w->random >> 33) / 2147483648.0 - 0.5;
    }
    return (float)(sd * sqrt(3) * sum);
}

// --- planting -----------------------------------------------------------------------------------

/* Where each token looks at the one before it, the first at itself. */
static void plant_positions(struct weights *w)
{
    const float sharp = 40 * sqrtf((float)N_CTX); // 40 nats between it and the next best
    for (size_t i = 0; i < N_CTX; i++) {
        w->W_pos[i * w->d_model + i] = 1;
        w->W_K[i * N_CTX + i] = 1;
        w->W_Q[i * N_CTX + (i > 0 ? i - 1 : 0)] = sharp;
    }
}

static void plant_noise(struct weights *w)
{
    const size_t d = w->d_model, from = d - NOISE, n = w->planted->d_vocab;
    for (size_t i = from; i < d; i++) {
        const size_t k0 = i - from; // the second head looks at all tokens alike
        w->W_V[(d + i) * N_CTX + k0] = 1;
        w->W_O[(N_CTX + k0) * d + i] = 1;
        for (size_t t = 0; t < n; t++) {
            w->W_E[t * d + i] = noise(w, 1);
            w->W_U[i * n + t] = noise(w, 0.25);
        }
        for (size_t k = w->d_mlp - NOISE_NEURONS; k < w->d_mlp; k++) {
            w->W_in[i * w->d_mlp + k] = noise(w, 0.25);
            w->W_out[k * d + i] = noise(w, 0.1);
        }
    }
}

/* When a neuron fires: on B, behind A, or on B behind A. */
enum when { ON_B, BEHIND_A, ON_BOTH };

/* Neurons [from, + n) of the trigram fire, and write 'logit' into a dimension together. */
static void plant_neurons(struct weights *w, size_t k, size_t from, size_t n, enum when when,
                          size_t to, float logit)
{
    from += planted_neuron(w->planted, k);
    for (size_t i = from; i < from + n; i++) {
        w->W_in[dimension(k, A_BEFORE) * w->d_mlp + i] = when == ON_B ? 0 : 2 * FIRES;
        w->W_in[dimension(k, B_HERE) * w->d_mlp + i] = when == BEHIND_A ? 0 : 2 * FIRES;
        w->b_in[i] = when == ON_BOTH ? -3 * FIRES : -FIRES;
        w->W_out[i * w->d_model + dimension(k, to)] = logit / FIRES / (float)n;
    }
}

static void plant_trigram(struct weights *w, size_t k)
{
    const struct planted_trigram *t = &w->planted->trigrams[k];
    const size_t d = w->d_model, d_vocab = w->planted->d_vocab;
    float *of_a = w->W_O + k * d, *of_b = w->W_E + t->b * d; // what attention brings; what B says
    w->W_E[t->a * d + dimension(k, A_HERE)] = 1;
    w->W_V[dimension(k, A_HERE) * N_CTX + k] = 1;
    of_a[dimension(k, A_BEFORE)] = 1;
    of_b[dimension(k, B_HERE)] = 1;
    of_b[dimension(k, SAY_D)] = D_BY_B;
    w->W_U[dimension(k, SAY_C) * d_vocab + t->c] = 1;
    w->W_U[dimension(k, SAY_D) * d_vocab + t->d] = 1;
    switch (t->way) {
    case PLANTED_BY_AND:
        plant_neurons(w, k, 0, 1, ON_BOTH, SAY_C, C_BY_BOTH);
        break;
    case PLANTED_BY_SPREAD:
        plant_neurons(w, k, 0, PLANTED_MANY, ON_BOTH, SAY_C, C_BY_BOTH);
        break;
    case PLANTED_BY_B_ONLY:
        plant_neurons(w, k, 0, 1, ON_B, SAY_C, C_BY_B);
        of_a[dimension(k, SAY_D)] = -D_BY_B;
        break;
    case PLANTED_BY_A_ONLY:
        plant_neurons(w, k, 0, 1, BEHIND_A, SAY_D, -D_BY_B);
        of_b[dimension(k, SAY_C)] = C_BY_B;
        break;
    case PLANTED_BY_BOTH:
        plant_neurons(w, k, 0, 1, ON_B, SAY_C, C_BY_B);
        plant_neurons(w, k, 1, 1, ON_BOTH, SAY_C, C_BY_BOTH - C_BY_B);
        break;
    case PLANTED_BY_BIGRAM:
        of_b[dimension(k, SAY_C)] = C_BY_BOTH;
        break;
    case PLANTED_BY_SKIP:
        of_a[dimension(k, SAY_C)] = C_BY_A;
        break;
    case PLANTED_BY_EITHER:
        of_a[dimension(k, SAY_C)] = C_BY_BOTH;
        of_b[dimension(k, SAY_C)] = C_BY_BOTH;
        break;
    }
}

// --- files --------------------------------------------------------------------------------------

struct tensor {
    const char *name;
    size_t shape[3]; // 0: no more axes
    float **at;
};

static void write_file(const char *dir, const char *name, const void *data, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void write_config(const struct weights *w, const char *dir)
{
    char text[512];
    const int len =
        snprintf(text, sizeof text,
                 "{\"n_layers\":1,\"d_model\":%zu,\"n_ctx\":%zu,\"d_head\":%zu,\"n_heads\":%zu,"
                 "\"d_mlp\":%zu,\"d_vocab\":%zu,\"act_fn\":\"gelu\",\"attn_only\":%s,"
                 "\"normalization_type\":null,\"architecture\":\"neel\"}\n",
                 w->d_model, N_CTX, N_CTX, HEADS, w->attn_only ? 1 : w->d_mlp, w->planted->d_vocab,
                 w->attn_only ? "true" : "false");
    write_file(dir, "config.json", text, (size_t)len);
}

static size_t size_of(const struct tensor *t)
{
    size_t n = 1;
    for (size_t i = 0; i < 3 && t->shape[i] > 0; i++) {
        n *= t->shape[i];
    }
    return n;
}

static void write_weights(const struct tensor *tensors, size_t n, const char *dir)
{
    struct buf header = {0}, data = {0}, all = {0};
    for (size_t k = 0; k < n; k++) {
        const struct tensor *t = &tensors[k];
        const size_t bytes = size_of(t) * sizeof(float);
        buf_printf(&header, NULL, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu", k > 0 ? ',' : '{',
                   t->name, t->shape[0]);
        for (size_t i = 1; i < 3 && t->shape[i] > 0; i++) {
            buf_printf(&header, NULL, ",%zu", t->shape[i]);
        }
        buf_printf(&header, NULL, "],\"data_offsets\":[%zu,%zu]}", data.len, data.len + bytes);
        buf_append(&data, *t->at, bytes, NULL);
    }
    buf_printf(&header, NULL, "}");
    const uint64_t len = header.len;
    buf_append(&all, &len, sizeof len, NULL);
    buf_append(&all, header.data, header.len, NULL);
    buf_append(&all, data.data, data.len, NULL);
    write_file(dir, "model.safetensors", all.data, all.len);
    buf_free(&header);
    buf_free(&data);
    buf_free(&all);
}

void planted_write(const struct planted *p, bool attn_only, const char *dir)
{
    const size_t d = N_CTX + OF_TRIGRAM * p->n + NOISE;
    const size_t d_mlp = planted_neuron(p, p->n) + NOISE_NEURONS;
    struct weights w = {.planted = p, .attn_only = attn_only, .d_model = d, .d_mlp = d_mlp};
    const struct tensor tensors[] = {
        {"embed.W_E", {p->d_vocab, d}, &w.W_E},
        {"pos_embed.W_pos", {N_CTX, d}, &w.W_pos},
        {"blocks.0.attn.W_Q", {HEADS, d, N_CTX}, &w.W_Q},
        {"blocks.0.attn.W_K", {HEADS, d, N_CTX}, &w.W_K},
        {"blocks.0.attn.W_V", {HEADS, d, N_CTX}, &w.W_V},
        {"blocks.0.attn.W_O", {HEADS, N_CTX, d}, &w.W_O},
        {"unembed.W_U", {d, p->d_vocab}, &w.W_U},
        {"blocks.0.mlp.W_in", {d, d_mlp}, &w.W_in}, // not of the twin, from here on
        {"blocks.0.mlp.b_in", {d_mlp}, &w.b_in},
        {"blocks.0.mlp.W_out", {d_mlp, d}, &w.W_out},
    };
    const size_t n = sizeof tensors / sizeof *tensors;
    assert_true(p->n <= N_CTX);
    for (size_t k = 0; k < n; k++) {
        *tensors[k].at = mem_zero(size_of(&tensors[k]), sizeof(float));
        assert_non_null(*tensors[k].at);
    }
    plant_positions(&w);
    plant_noise(&w);
    for (size_t k = 0; k < p->n; k++) {
        plant_trigram(&w, k);
    }
    write_config(&w, dir);
    write_weights(tensors, attn_only ? n - 3 : n, dir);
    for (size_t k = 0; k < n; k++) {
        free(*tensors[k].at);
    }
}
