/*
 * forward.h - the reference forward pass: plain C, f32, to be read beside the formulas
 *
 *     forward_new -> forward_run -> forward_logits, forward_logits, ... -> forward_free
 *
 * The hooks below see what TransformerLens hooks can see.  Formulas: Elhage et al., "A Mathematical
 * Framework for Transformer Circuits" (2021); SoLU: Elhage et al., "Softmax Linear Units" (2022);
 * shortformer positions: Press et al. (2021).
 *
 * For one token sequence of n ids, position i:
 *
 *   resid[i]   = W_E[ids[i]] + W_pos[i]                        (shortformer: no W_pos here)
 *   per layer:
 *     x        = norm(resid)
 *     q, k     = x W_Q + b_Q, x W_K + b_K                      (shortformer: of x + W_pos)
 *     v        = x W_V + b_V
 *     pattern  = softmax over j <= i of  q[i] . k[j] / sqrt(d_head)   (or config_attn_scale())
 *     resid   += sum over heads of (pattern v) W_O  +  b_O
 *     pre      = norm(resid) W_in + b_in
 *     post     = gelu(pre), or for SoLU: mid = pre softmax(pre), post = norm(mid)
 *     resid   += post W_out + b_out
 *   logits     = norm(resid) W_U + b_U
 *
 * What config.h calls otherwise:
 *
 *   rotary     q, k are turned by their positions (rotary.h), and there is no W_pos
 *   local      j > i - window
 *   gated      pre = norm(resid) W_gate + b_gate, post = act(pre) (norm(resid) W_in + b_in)
 *   parallel   the MLP's norm(resid) is of the stream before the layer
 *   NORM_RMS   no norm centres
 *
 * Threads: a forward belongs to one thread at a time; the model is shared.
 */
#ifndef GAPSCOPE_MODEL_PASS_FORWARD_H
#define GAPSCOPE_MODEL_PASS_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

struct forward;

/* The hooks.  Any may be NULL.  Arrays are valid only during the call. */
struct forward_hooks {
    void *context;
    /* Attention of one head: pattern[i][j] is how much query i looks at key j; rows sum to 1. */
    void (*pattern)(void *context, size_t layer, size_t head, const float *pattern,
                    size_t n); // [n][n]
    /* Activations of a layer's neurons at one site: acts[i][neuron]. */
    void (*neurons)(void *context, size_t layer, enum site site, const float *acts, size_t n,
                    size_t d_mlp); // [n][d_mlp]
};

/* Makes working memory for sequences of up to model->config.n_ctx ids.  The model must outlive it.
 * Errors: ERR_NOMEM. */
int forward_new(struct forward **out, const struct model *model, struct err *err);

/*
 * Runs ids[n] through all layers, 1 <= n <= n_ctx and every id < d_vocab (asserted).
 * hooks: NULL for none.
 */
void forward_run(struct forward *f, const uint32_t *ids, size_t n,
                 const struct forward_hooks *hooks);

/*
 * Functions that may change values: the run goes on with the contents of the array when the
 * function returns.  Any may be NULL.  Rows before 'first' are absent, except for resid_pre
 * (below).
 */
struct forward_edits {
    void *context;
    /* The residual stream before a layer, and between its attention and its MLP. */
    void (*resid_pre)(void *context, size_t layer, float *resid); // [n][d_model]
    void (*resid_mid)(void *context, size_t layer, float *resid); // [n][d_model]
    /* The result of a head before W_O; neurons before W_out; the output of the MLP. */
    void (*z)(void *context, size_t layer, size_t head, float *z); // [n][d_head]
    void (*post)(void *context, size_t layer, float *post);        // [n][d_mlp]
    void (*mlp_out)(void *context, size_t layer, float *out);      // [n][d_model]
};

/* A part of a pass: rows [first, n) from the attention or the MLP of a layer on. */
struct forward_part {
    size_t layer;
    bool mlp; // not of a model whose MLP reads what attention reads
    size_t first;
    bool last_alone; // the last layer makes only the last row
};

/*
 * forward_run() with edits, not NULL.  Its results differ from forward_run() by rounding, since an
 * MLP's output is a sum of its own.  A whole pass runs ids[n].  A part embeds nothing: the edit at
 * which it begins (resid_pre or resid_mid) must set all rows of the residual stream, and before
 * each later layer resid_pre must give the rows before 'first', from which keys and values are
 * made.  A row has the same bits as in a whole pass.
 */
void forward_run_edited(struct forward *f, const uint32_t *ids, size_t n,
                        const struct forward_edits *edits);
void forward_run_part(struct forward *f, size_t n, const struct forward_part *part,
                      const struct forward_edits *edits);

/* The residual stream after the last layer, before the final norm: [n][d_model] of the last pass,
 * valid until the next. */
const float *forward_resid_final(const struct forward *f);

/* Puts the logits after positions [from, from + count) of the last pass into
 * logits[count][d_vocab].  A few dozen positions at a time keep the weights in cache and the logits
 * small: 24 rows of 48262 floats are 4.6 MB. */
void forward_logits(struct forward *f, size_t from, size_t count, float *logits);

/* The logits of only tokens[count] after position 'at': the same bits. */
void forward_token_logits(struct forward *f, size_t at, const uint32_t *tokens, size_t count,
                          float *logits);

void forward_free(struct forward *f); // NULL is allowed

#endif
