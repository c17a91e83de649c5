/*
 * config.h - reads a model's config.json: its sizes and its variant
 *
 * A config.json with "model_type" is one of the Hugging Face hub: families.h says which are
 * computed.  Other files are those of the NeelNanda/... repositories (TransformerLens names in brackets):
 * d_model n_layers d_mlp d_head n_heads n_ctx d_vocab act_fn attn_only, normalization or
 * normalization_type, and optionally shortformer_pos, final_rms, architecture, tokenizer_name.  A
 * HookedTransformerConfig that was saved as JSON is read too: positional_embedding_type, eps,
 * attn_scale, use_attn_scale, scale_attn_by_inverse_layer_idx, and -1 for sizes that follow from
 * others.  What asks for another formula is refused by name (config_keys.h).
 */
#ifndef GAPSCOPE_MODEL_LOAD_CONFIG_H
#define GAPSCOPE_MODEL_LOAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

#define CONFIG_EPS 1e-5f // where config.json does not say

enum act_fn {
    ACT_GELU,     // "gelu": x Phi(x), by erf
    ACT_GELU_NEW, // "gelu_new": its tanh approximation
    ACT_SOLU_LN,  // "solu_ln": x softmax(x), then a layer norm
    ACT_RELU,     // "relu": max(x, 0)
    ACT_SILU,     // "silu": x / (1 + e^-x)
};

enum norm {
    NORM_NONE,  // null: no norm anywhere
    NORM_LN,    // "LN": centre, scale, times w, plus b
    NORM_LNPRE, // "LNPre": centre and scale only
    NORM_RMS,   // "RMS": divide by the root mean square, times w; nothing is centred
};

#define CONFIG_LAYERS_MAX ((size_t)1024)

/* How the file's weights become the model's (families.h); no pass depends on it. */
struct family;
struct config_layout {
    const struct family *family; // NULL: names and shapes are TransformerLens'
    bool tied;                   // W_U is W_E of the file
    bool qkv_bias, out_bias;     // of attention: they are in the file
    bool mlp_bias;
};

struct config {
    size_t n_layers;
    size_t d_model;
    size_t n_heads;
    size_t d_head;     // n_heads * d_head may be less than d_model
    size_t d_mlp;      // 0 if attn_only
    size_t n_kv_heads; // of the file: each is the key and value of n_heads / n_kv_heads heads
    size_t n_ctx;
    size_t d_vocab;
    bool attn_only;
    enum act_fn act_fn; // meaningless if attn_only
    enum norm norm;
    bool shortformer; // W_pos is added to the input of queries and keys, not to the residual stream
    bool final_rms;   // the final norm divides by the root mean square and does not centre; so
                      // with NORM_RMS
    bool gated;       // post = act(pre) times another product of the MLP's input, W_in
    bool parallel;    // the MLP reads the stream that attention reads
    size_t
        rotary_dims; // of each query and key that positions turn, in pairs (i, i + half); 0: none,
                     // and W_pos is there
    double rotary_base;
    size_t window;                          // keys that a local layer sees, the query's own too
    uint64_t local[CONFIG_LAYERS_MAX / 64]; // bit of a layer: it is local
    struct config_layout layout;
    bool old_layout;      // architecture "neel-solu-old": other tensor names, transposed weights
    float eps;            // added to the variance in every norm
    double attn_scale;    // attention scores are divided by it; 0: by sqrt(d_head)
    bool scale_by_layer;  // and by 1 + the number of the layer
    char *tokenizer_name; // NULL if the file has none
};

/*
 * Parses config.json in json[len].  'dir_name' is the model's folder or repository.  A config
 * without "architecture" has the old layout if that name ends in "_old" (TransformerLens' rule) or
 * if it has final_rms, which only the old files do; but never if it has positional_embedding_type:
 * then it is TransformerLens' own, and so are the names of its weights.
 * On success the caller ends *out with config_free().
 * Errors: ERR_FORMAT (the message names the key, and what it may be), ERR_UNSUPPORTED (an act_fn, normalization or
 * architecture that gapscope does not have, config_keys_check()'s), ERR_NOMEM.
 */
int config_parse(struct config *out, const char *json, size_t len, const char *dir_name,
                 struct err *err);

/* The same from dir/config.json; 'name' is what the user calls the model, and counts as dir_name if
 * it ends in "_old".  Errors also: ERR_NOT_FOUND, ERR_IO; the message begins with the path. */
int config_load(struct config *out, const char *name, const char *dir, struct err *err);

void config_free(struct config *c); // {0} is allowed

/* What attention scores of this layer are multiplied by: 1 / sqrt(d_head), usually. */
float config_attn_scale(const struct config *c, size_t layer);

/* Are positions a term of the residual stream? */
bool config_has_pos_embed(const struct config *c);

/* Do the layers' norms centre? */
bool config_centres(const struct config *c);

/* How many keys a query of this layer sees at most, its own too; SIZE_MAX: all before it. */
size_t config_window(const struct config *c, size_t layer);

/* Whether attention scores are scaled otherwise than by 1 / sqrt(d_head). */
bool config_has_attn_scale(const struct config *c);

const char *act_fn_name(enum act_fn act_fn); // "gelu", ...
const char *norm_name(enum norm norm);       // "LN", "LNPre", "none"

#endif
