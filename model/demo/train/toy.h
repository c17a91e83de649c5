/*
 * toy.h - a small transformer that can be trained: one sequence forward and backward
 *
 *     toy_new -> (per thread) toy_work_new -> toy_sequence, ... -> toy_work_free -> toy_free
 *
 * The maths are those of model/pass/forward.c: pre-LN, standard positions, an unembedding of its
 * own.  The gradient test compiles it with TOY_REAL=double.
 *
 * Threads: a toy is read only while toy_sequence() runs; a work belongs to one thread.
 */
#ifndef GAPSCOPE_MODEL_DEMO_TRAIN_TOY_H
#define GAPSCOPE_MODEL_DEMO_TRAIN_TOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef TOY_REAL
#define TOY_REAL float
#endif
typedef TOY_REAL toy_real;

#define TOY_LAYERS_MAX 16

enum toy_act { TOY_NONE, TOY_GELU, TOY_SOLU };

struct toy_sizes {
    size_t n_layers, d_model, n_heads, d_vocab, n_ctx; // d_model % n_heads == 0; d_mlp is 4 d_model
    enum toy_act act;
};

/* A parameter: its place in the block, and its name and shape in a weight file. */
struct toy_param {
    char name[40];
    size_t at, n;
    size_t shape[3], n_dims;
    bool decay; // a matrix, which begins at random and decays
};

struct toy_layer { // offsets into the block
    size_t ln1_w, ln1_b, W_Q, W_K, W_V, b_Q, b_K, b_V, W_O, b_O;
    size_t ln2_w, ln2_b, W_in, b_in, ln_mlp_w, ln_mlp_b, W_out, b_out;
};

struct toy {
    struct toy_sizes size;
    struct toy_param *params; // [n_params], tiling the block
    size_t n_params;
    struct toy_layer layers[TOY_LAYERS_MAX];
    size_t W_E, W_pos, ln_final_w, ln_final_b, W_U, b_U;
    toy_real *w; // [n], the block
    size_t n;
};

/* Makes a model with random weights that depend on 'seed' alone.  NULL: no memory. */
struct toy *toy_new(const struct toy_sizes *size, uint64_t seed);
void toy_free(struct toy *t); // NULL is allowed

/* The activations of one sequence, and the sum of gradients. */
struct toy_work {
    toy_real *grad;  // [toy.n]
    toy_real *block; // into which all of the below point
    struct toy_acts {
        toy_real *in, *norm1, *q, *k, *v, *attn, *z; // attn: [n_heads][n_ctx][n_ctx]
        toy_real *mid, *norm2, *pre, *soft, *gated, *post;
    } acts[TOY_LAYERS_MAX];
    toy_real *out, *norm, *logits, *d_out, *d_norm, *d_q, *d_k, *d_v, *d_z, *d_attn, *d_post,
        *d_pre;
};

struct toy_work *toy_work_new(const struct toy *t); // NULL: no memory
void toy_work_free(struct toy_work *w);             // NULL is allowed

/*
 * Returns the summed loss in nats of the tokens next[n_ctx] after those of ids[n_ctx].  With
 * 'train' the gradient of scale x loss is added to w->grad.
 */
double toy_sequence(const struct toy *t, struct toy_work *w, const uint16_t *ids,
                    const uint16_t *next, bool train, toy_real scale);

/* A random number in [0, 1), by xorshift; *state is not 0. */
double toy_random(uint64_t *state);

#endif
