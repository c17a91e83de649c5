/*
 * families.h - the families of models of the Hugging Face hub, as a table of attributes
 *
 * "model_type" of config.json names a family.  What a family's formula is made of becomes attributes
 * of struct config, which the passes read; what its files look like stands here: the keys of
 * config.json, the names and shapes of its tensors.  Any other model_type is refused by name, and so
 * is a value that asks for another formula.
 */
#ifndef GAPSCOPE_MODEL_LOAD_FAMILIES_H
#define GAPSCOPE_MODEL_LOAD_FAMILIES_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"
#include "model/load/config.h"

/* What a tensor of a layer is; d, m, w stand for d_model, d_mlp, n_heads * d_head. */
enum weight_kind {
    WEIGHT_OF_MODEL, // [d]
    WEIGHT_OF_MLP,   // [m]
    WEIGHT_HEADS,    // to [n_heads][d][d_head]: queries, keys or values
    WEIGHT_HEADS_B,  // their biases
    WEIGHT_OUT,      // W_O
    WEIGHT_MLP_IN,   // W_in, W_gate
    WEIGHT_MLP_OUT,  // W_out
};

/* Which of the columns of queries, keys and values a tensor's are. */
enum weight_part { PART_Q, PART_K, PART_V, PART_ALONE, PART_ALONE_KV };

/* When a tensor is there. */
enum weight_when { WHEN_ALWAYS, WHEN_QKV_BIAS, WHEN_OUT_BIAS, WHEN_MLP_BIAS };

struct weight_rule {
    const char *name; // behind the layer's prefix; NULL ends the list
    size_t at;        // offset of the pointer in struct layer
    enum weight_kind kind;
    enum weight_part part;
    enum weight_when when;
};

/* How queries, keys and values stand in one tensor. */
enum fused { FUSED_NOT, FUSED_BLOCKS, FUSED_HEADS }; // all q, all k, all v; or those of each head

struct family {
    const char *model_type;

    // keys of config.json; NULL: there is none
    const char *n_layers, *d_model, *n_heads, *n_kv_heads, *d_head, *d_mlp, *n_ctx, *eps, *act_fn;
    const char *usual_act_fn; // where the file does not say
    double usual_eps;
    size_t usual_d_head; // 0: d_model / n_heads

    // the formula
    enum norm norm;
    bool rotary, gated;
    double rotary_share;  // of each head that is turned, where the file does not say; 0: always all
    const char *parallel; // key: attention and MLP side by side, true where the file does not say
    bool local, unscaled; // layers may see near keys only; scores are not divided by sqrt(d_head)
    const char *attention_bias, *mlp_bias_key, *all_bias; // keys
    bool qkv_bias, out_bias, mlp_bias;                    // where the file does not say
    bool scaled_embed;                                    // W_E is times sqrt(d_model)
    bool plus_one;                                        // norms multiply by 1 + w

    // the files
    bool tied;   // where the file does not say
    bool conv1d; // matrices are [in][out]
    enum fused fused;
    size_t first_position; // the row of W_pos that position 0 has
    const char *prefix;    // that may stand in front of all names but W_U's
    const char *W_E, *W_pos, *ln_final_w, *ln_final_b, *W_U;
    const char *layer; // with %zu
    const struct weight_rule *rules;
    const char *const *buffers; // ends of names of tensors that are no weights; NULL ends it
};

/* Sets *out from an object with "model_type".  Errors: ERR_UNSUPPORTED (the model_type, or a value,
 * and what it would change), ERR_FORMAT. */
int family_config(struct config *out, struct json_object *object, struct err *err);

/* Whether a tensor of the family's files is no weight: a mask, a table of positions. */
bool family_is_buffer(const struct family *f, const char *name);

#endif
