/*
 * patch.h - a window run with some activations replaced: activation patching and ablation
 *
 *     patcher_new -> recording_new (a window as it is, with all values kept), ...
 *                 -> patch_run (the same window with patches) -> patch_token_logits, patch_logits
 *                 -> ... -> recording_free, patcher_free
 *
 *   resid_pre --+- norm, heads: z - W_O, b_O -+- norm, neurons: post - W_out, b_out: mlp_out -+--
 *               +-----------------------------+------------------------------------------------+
 *
 * A patch replaces the values at one of these places: with those of another window (patch_from():
 * Vig et al., "Investigating Gender Bias in Language Models Using Causal Mediation Analysis", 2020;
 * Meng et al., "Locating and Editing Factual Associations in GPT", 2022; Wang et al.,
 * "Interpretability in the Wild", 2022), with zeros, or with any.  The names are those of
 * TransformerLens' hooks.
 *
 * The passes are those of forward.h.  A run computes only the rows from the first one that a patch
 * changes, and only the layers from the first one that it changes.  A patch with the values that
 * are there already changes nothing, bit for bit; and with resid_pre of layer 0 replaced at all
 * positions the logits are those of the other window, bit for bit.
 *
 * Threads: a patcher belongs to one thread at a time; recordings are shared.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_PATCH_H
#define GAPSCOPE_MODEL_EXPLAIN_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

/* The values of a window that was run. post and mlp_out are empty where there is no MLP. */
struct recording {
    const struct model *model;
    size_t n;
    float *resid_pre; // [n_layers + 1][n][d_model]; the last is the input of the final norm
    float *resid_mid; // [n_layers][n][d_model], between attention and MLP
    float *z;         // [n_layers][n_heads][n][d_head]
    float *post;      // [n_layers][n][d_mlp]
    float *mlp_out;   // [n_layers][n][d_model], with b_out
    float *logits;    // [d_vocab] after the last position
    float *block;     // what all of the above points into
};

enum patch_kind {
    PATCH_RESID_PRE, // the residual stream before a layer
    PATCH_Z,         // a head's output before W_O
    PATCH_POST,      // a neuron's activation
    PATCH_MLP_OUT,   // what an MLP adds
};

#define PATCH_ALL SIZE_MAX

struct patch {
    enum patch_kind kind;
    size_t layer;
    size_t index;        // the head or the neuron; other kinds ignore it
    size_t position;     // one position, or PATCH_ALL
    const float *values; // of position i: values + i * stride, [d_model], [d_head] or [1]; NULL: 0
    size_t stride;       // 0: the same at all positions
};

/* The patch that sets all positions to a recording's values, for a window of the same length. */
struct patch patch_from(const struct recording *r, enum patch_kind kind, size_t layer,
                        size_t index);

struct patcher;

/* The model outlives it.  Errors: ERR_NOMEM. */
int patcher_new(struct patcher **out, const struct model *model, struct err *err);
void patcher_free(struct patcher *p); // NULL is allowed

/* From now on all runs, also those that are recorded, have these patches, which stand before those
 * of patch_run(): the model is a changed one.  They outlive the runs, and have values of as many
 * positions as the windows. */
void patcher_change(struct patcher *p, const struct patch *patches, size_t n);

/* Runs ids[n] with 1 <= n <= n_ctx and every id < d_vocab; other values are a bug (asserted).
 * Errors: ERR_NOMEM. */
int recording_new(struct recording **out, struct patcher *p, const uint32_t *ids, size_t n,
                  struct err *err);
void recording_free(struct recording *r); // NULL is allowed

/* Runs a recorded window, of this patcher's model with the same changes, again with patches[n]; where
 * several patch one place, the last counts.  A neuron or mlp_out of an attention-only model, or a layer, index or
 * position that does not exist, is a bug (asserted). */
void patch_run(struct patcher *p, const struct recording *base, const struct patch *patches,
               size_t n);

/* The logits that the last patch_run() gave after the last position: those of tokens[count], or of
 * the whole vocabulary into logits[d_vocab].  Both give the same bits. */
void patch_token_logits(struct patcher *p, const uint32_t *tokens, size_t count, float *logits);
void patch_logits(struct patcher *p, float *logits);

#endif
