#include "model/load/families.h"

#include <math.h>
#include <string.h>

#include "corpora/base/file.h"
#include "model/load/config_keys.h"
#include "model/load/config_values.h"
#include "model/load/family_layouts.h"

// --- the table ----------------------------------------------------------------------------------

/* The names that most families share. */
#define USUAL_KEYS                                                                                 \
    .n_layers = "num_hidden_layers", .d_model = "hidden_size", .n_heads = "num_attention_heads",   \
    .n_ctx = "max_position_embeddings"

#define LIKE_LLAMA                                                                                 \
    USUAL_KEYS,                                                                                    \
        .n_kv_heads = "num_key_value_heads", .d_head = "head_dim", .d_mlp = "intermediate_size",   \
        .eps = "rms_norm_eps", .usual_eps = 1e-6, .norm = NORM_RMS, .rotary = true, .gated = true, \
        .prefix = "model.", .attention_bias = "attention_bias", .mlp_bias_key = "mlp_bias",        \
        .W_E = "embed_tokens.weight", .ln_final_w = "norm.weight", .W_U = "lm_head.weight",        \
        .layer = "layers.%zu.", .rules = layout_llama, .buffers = layout_rotary_buffers

static const struct family families[] = {
    {
        .model_type = "gpt2",
        .n_layers = "n_layer",
        .d_model = "n_embd",
        .n_heads = "n_head",
        .d_mlp = "n_inner",
        .n_ctx = "n_positions",
        .eps = "layer_norm_epsilon",
        .act_fn = "activation_function",
        .usual_act_fn = "gelu_new",
        .usual_eps = 1e-5,
        .norm = NORM_LN,
        .qkv_bias = true,
        .out_bias = true,
        .mlp_bias = true,
        .tied = true,
        .conv1d = true,
        .fused = FUSED_BLOCKS,
        .prefix = "transformer.",
        .W_E = "wte.weight",
        .W_pos = "wpe.weight",
        .ln_final_w = "ln_f.weight",
        .ln_final_b = "ln_f.bias",
        .W_U = "lm_head.weight",
        .layer = "h.%zu.",
        .rules = layout_gpt2,
        .buffers = layout_gpt2_buffers,
    },
    {
        .model_type = "gpt_neo",
        .n_layers = "num_layers",
        .d_model = "hidden_size",
        .n_heads = "num_heads",
        .d_mlp = "intermediate_size",
        .n_ctx = "max_position_embeddings",
        .eps = "layer_norm_epsilon",
        .act_fn = "activation_function",
        .usual_act_fn = "gelu_new",
        .usual_eps = 1e-5,
        .norm = NORM_LN,
        .local = true,
        .unscaled = true,
        .out_bias = true,
        .mlp_bias = true,
        .tied = true,
        .prefix = "transformer.",
        .W_E = "wte.weight",
        .W_pos = "wpe.weight",
        .ln_final_w = "ln_f.weight",
        .ln_final_b = "ln_f.bias",
        .W_U = "lm_head.weight",
        .layer = "h.%zu.",
        .rules = layout_gpt_neo,
        .buffers = layout_gpt_neo_buffers,
    },
    {
        USUAL_KEYS,
        .model_type = "gpt_neox",
        .d_mlp = "intermediate_size",
        .eps = "layer_norm_eps",
        .act_fn = "hidden_act",
        .usual_act_fn = "gelu",
        .usual_eps = 1e-5,
        .norm = NORM_LN,
        .rotary = true,
        .rotary_share = 0.25,
        .parallel = "use_parallel_residual",
        .attention_bias = "attention_bias",
        .qkv_bias = true,
        .out_bias = true,
        .mlp_bias = true,
        .fused = FUSED_HEADS,
        .prefix = "gpt_neox.",
        .W_E = "embed_in.weight",
        .ln_final_w = "final_layer_norm.weight",
        .ln_final_b = "final_layer_norm.bias",
        .W_U = "embed_out.weight",
        .layer = "layers.%zu.",
        .rules = layout_gpt_neox,
        .buffers = layout_gpt_neox_buffers,
    },
    {
        USUAL_KEYS,
        .model_type = "opt",
        .d_mlp = "ffn_dim",
        .act_fn = "activation_function",
        .usual_act_fn = "relu",
        .usual_eps = 1e-5,
        .norm = NORM_LN,
        .all_bias = "enable_bias",
        .qkv_bias = true,
        .out_bias = true,
        .mlp_bias = true,
        .tied = true,
        .first_position = 2,
        .prefix = "model.",
        .W_E = "decoder.embed_tokens.weight",
        .W_pos = "decoder.embed_positions.weight",
        .ln_final_w = "decoder.final_layer_norm.weight",
        .ln_final_b = "decoder.final_layer_norm.bias",
        .W_U = "lm_head.weight",
        .layer = "decoder.layers.%zu.",
        .rules = layout_opt,
        .buffers = layout_rotary_buffers,
    },
    {LIKE_LLAMA, .model_type = "llama", .act_fn = "hidden_act", .usual_act_fn = "silu"},
    {LIKE_LLAMA, .model_type = "mistral", .act_fn = "hidden_act", .usual_act_fn = "silu"},
    {LIKE_LLAMA, .model_type = "gemma", .act_fn = "hidden_activation",
     .usual_act_fn = "gelu_pytorch_tanh", .usual_d_head = 256, .scaled_embed = true,
     .plus_one = true, .tied = true},
};

#define COMPUTED "gpt2, gpt_neo, gpt_neox, opt, llama, mistral (without a window) and gemma are"

/* Families that people may try, and what gapscope lacks for them. */
static const struct {
    const char *model_type, *why;
} lacking[] = {
    {"bloom", "positions by ALiBi"},
    {"mpt", "positions by ALiBi"},
    {"falcon", "its fused queries, keys and values with shared heads, and ALiBi"},
    {"RefinedWeb", "its fused queries, keys and values with shared heads, and ALiBi"},
    {"RefinedWebModel", "its fused queries, keys and values with shared heads"},
    {"gptj", "rotary positions in adjacent pairs"},
    {"codegen", "rotary positions in adjacent pairs"},
    {"gpt_bigcode", "its fused queries, keys and values with one shared head"},
    {"openai-gpt", "norms behind attention and MLP"},
    {"mixtral", "a mixture of experts"},
    {"qwen2", "biases of queries, keys and values without one of W_O"},
    {"qwen2_moe", "a mixture of experts"},
    {"qwen3", "norms of queries and keys"},
    {"qwen3_moe", "a mixture of experts"},
    {"olmo", "norms without weights"},
    {"olmo2", "norms of queries and keys, and norms behind attention and MLP"},
    {"gemma2", "soft caps, windows, and norms behind attention and MLP"},
    {"gemma3", "norms of queries and keys, windows, and norms behind attention and MLP"},
    {"gemma3_text", "norms of queries and keys, windows, and norms behind attention and MLP"},
    {"phi", "one norm that attention and MLP share"},
    {"phi3", "its fused queries, keys and values, and fused gates"},
    {"stablelm", "its norms"},
    {"starcoder2", "its norms and windows"},
    {"cohere", "its norms and scaled logits"},
    {"granite", "its multipliers of embeddings, residuals and logits"},
    {"deepseek_v2", "latent attention and a mixture of experts"},
    {"deepseek_v3", "latent attention and a mixture of experts"},
    {"llama4", "a mixture of experts"},
    {"mamba", "a state-space model instead of attention"},
    {"rwkv", "a recurrent model instead of attention"},
    {"bert", "tokens that see what follows them"},
    {"roberta", "tokens that see what follows them"},
    {"t5", "an encoder beside the decoder"},
    {"xlnet", "tokens that see what follows them"},
};

static int find_family(const struct family **out, struct json_object *object, struct err *err)
{
    const char *type = NULL;
    const int rc = json_member_string(object, "model_type", &type, err);
    if (rc) {
        return rc;
    }
    if (!type) {
        return err_set(err, ERR_FORMAT, "\"model_type\" is null; " COMPUTED " computed");
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strcmp(type, families[i].model_type) == 0) {
            *out = &families[i];
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        if (strcmp(type, lacking[i].model_type) == 0) {
            return err_set(
                err, ERR_UNSUPPORTED,
                "model_type \"%s\" is not supported: gapscope does not compute %s; " COMPUTED
                " supported",
                type, lacking[i].why);
        }
    }
    return err_set(
        err, ERR_UNSUPPORTED,
        "model_type \"%.100s\" is not supported: gapscope does not know its formula; " COMPUTED
        " supported",
        type);
}

// --- values that ask for another formula --------------------------------------------------------

static const struct config_key others[] = {
    {"quantization_config", KEY_UNSET, NULL, "weights that are quantised"},
    {"alibi", KEY_UNSET, NULL, "positions by ALiBi"},
    {"is_encoder_decoder", KEY_UNSET, NULL, "an encoder beside the decoder"},
    {"add_cross_attention", KEY_UNSET, NULL, "attention to an encoder"},
    {"use_bidirectional_attention", KEY_UNSET, NULL, "tokens that see what follows them"},
    {"num_local_experts", KEY_UNSET, NULL, "a mixture of experts"},
    {"num_experts", KEY_UNSET, NULL, "a mixture of experts"},
    {"attn_logit_softcapping", KEY_UNSET, NULL, "attention scores with a soft cap"},
    {"final_logit_softcapping", KEY_UNSET, NULL, "logits with a soft cap"},
    {"qk_layernorm", KEY_UNSET, NULL, "a norm of queries and keys"},
    {"use_qk_norm", KEY_UNSET, NULL, "a norm of queries and keys"},
    {"_remove_final_layer_norm", KEY_UNSET, NULL, "a model without a final norm"},
    {"layer_types", KEY_ALL_WORD, "full_attention", "attention to near tokens only"},
    {"do_layer_norm_before", KEY_SET, NULL, "norms behind attention and MLP"},
    {"layer_norm_elementwise_affine", KEY_SET, NULL, "norms without weights"},
    {"word_embed_proj_dim", KEY_SIZE_OF_KEY, "hidden_size", "embeddings of another width"},
};

/* A window that is shorter than what the model reads. */
static int check_window(struct json_object *object, const struct config *c, struct err *err)
{
    bool used = true;
    const int rc = json_member_bool(object, "use_sliding_window", &used, err);
    struct json_object *value = json_member(object, "sliding_window");
    if (rc || !used || !value) {
        return rc;
    }
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
        json_object_get_uint64(value) < c->n_ctx) {
        return err_set(err, ERR_UNSUPPORTED,
                       "\"sliding_window\" is %.100s: attention to near tokens only is not "
                       "supported; null is, or at least the %zu of \"max_position_embeddings\"",
                       json_object_to_json_string(value), c->n_ctx);
    }
    return 0;
}

// --- sizes --------------------------------------------------------------------------------------

/* A size that may be missing or null. */
static int read_size_or(struct json_object *object, const char *key, size_t usual, size_t *out,
                        struct err *err)
{
    *out = usual;
    return key && json_member(object, key)
               ? config_read_size(object, key, CONFIG_SIZE_MAX, out, err)
               : 0;
}

static int read_sizes(struct json_object *object, const struct family *f, struct config *c,
                      struct err *err)
{
    const bool old_n_ctx = !json_member(object, f->n_ctx) && json_member(object, "n_ctx");
    int rc = config_read_size(object, f->n_layers, CONFIG_LAYERS_MAX, &c->n_layers, err);
    rc = rc ? rc : config_read_size(object, f->d_model, CONFIG_SIZE_MAX, &c->d_model, err);
    rc = rc ? rc : config_read_size(object, f->n_heads, CONFIG_SIZE_MAX, &c->n_heads, err);
    rc = rc ? rc : config_read_size(object, "vocab_size", CONFIG_SIZE_MAX, &c->d_vocab, err);
    rc = rc ? rc
            : config_read_size(object, old_n_ctx ? "n_ctx" : f->n_ctx, CONFIG_SIZE_MAX, &c->n_ctx,
                               err);
    rc = rc ? rc : read_size_or(object, f->d_mlp, 4 * c->d_model, &c->d_mlp, err);
    rc = rc ? rc : read_size_or(object, f->n_kv_heads, c->n_heads, &c->n_kv_heads, err);
    if (rc) {
        return rc;
    }
    if (c->n_heads % c->n_kv_heads != 0) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %zu, of which \"%s\", %zu, is no multiple",
                       f->n_kv_heads, c->n_kv_heads, f->n_heads, c->n_heads);
    }
    const bool given = f->d_head && json_member(object, f->d_head);
    if (!given && f->usual_d_head == 0 && c->d_model % c->n_heads != 0) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %zu, which is no multiple of \"%s\", %zu",
                       f->d_model, c->d_model, f->n_heads, c->n_heads);
    }
    return read_size_or(object, f->d_head,
                        f->usual_d_head ? f->usual_d_head : c->d_model / c->n_heads, &c->d_head,
                        err);
}

// --- the formula --------------------------------------------------------------------------------

static int read_act_fn(struct json_object *object, const struct family *f, enum act_fn *out,
                       struct err *err)
{
    // gelu_fast and gelu_pytorch_tanh are the approximation by tanh too, written otherwise.
    static const struct {
        const char *name;
        enum act_fn act_fn;
    } known[] = {{"gelu", ACT_GELU},          {"gelu_new", ACT_GELU_NEW},
                 {"gelu_fast", ACT_GELU_NEW}, {"gelu_pytorch_tanh", ACT_GELU_NEW},
                 {"relu", ACT_RELU},          {"silu", ACT_SILU},
                 {"swish", ACT_SILU}};
    const char *name = NULL;
    const int rc = json_member_string(object, f->act_fn, &name, err);
    if (rc) {
        return rc;
    }
    name = name ? name : f->usual_act_fn;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].act_fn;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s \"%.100s\" is not supported; gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, "
                   "relu and silu are",
                   f->act_fn, name);
}

/* A share of d_head: "rotary_pct", or what newer files call it. */
static int read_share(struct json_object *object, const struct family *f, const char *key,
                      double *share, struct err *err)
{
    const double before = *share;
    const int rc = config_read_positive(object, key, NAN, share, err);
    if (!rc && *share > 1) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %g; expected a number up to 1", key, *share);
    }
    if (!rc && f->rotary_share == 0 && *share != before) {
        return err_set(err, ERR_UNSUPPORTED,
                       "\"%s\" is %g: rotary positions of a part of each head are not supported "
                       "for %s; 1 is",
                       key, *share, f->model_type);
    }
    return rc;
}

/* "rope_scaling" and "rope_parameters": a kind of rotary positions, which must be the usual one. */
static int read_rope(struct json_object *object, const struct family *f, const char *key,
                     double *share, struct config *c, struct err *err)
{
    struct json_object *rope = json_member(object, key);
    const char *kind = NULL;
    if (!rope) {
        return 0;
    }
    if (!json_object_is_type(rope, json_type_object)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected an object or null", key,
                       json_kind(rope));
    }
    int rc = json_member_string(rope, "type", &kind, err);
    rc = rc ? rc : json_member_string(rope, "rope_type", &kind, err);
    if (!rc && (kind ? strcmp(kind, "default") != 0 : config_has_key(rope, "factor"))) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "\"%s\" has the type \"%.60s\": scaled rotary positions are not supported; "
                     "\"default\" or null is",
                     key, kind ? kind : "linear");
    }
    rc = rc ? rc : config_read_positive(rope, "rope_theta", NAN, &c->rotary_base, err);
    return rc ? rc : read_share(rope, f, "partial_rotary_factor", share, err);
}

static int read_rotary(struct json_object *object, const struct family *f, struct config *c,
                       struct err *err)
{
    double share = f->rotary_share > 0 ? f->rotary_share : 1;
    c->rotary_base = 10000;
    int rc = config_read_positive(object, "rope_theta", NAN, &c->rotary_base, err);
    rc = rc ? rc : config_read_positive(object, "rotary_emb_base", NAN, &c->rotary_base, err);
    rc = rc ? rc : read_share(object, f, "partial_rotary_factor", &share, err);
    rc = rc ? rc : read_share(object, f, "rotary_pct", &share, err);
    rc = rc ? rc : read_rope(object, f, "rope_scaling", &share, c, err);
    rc = rc ? rc : read_rope(object, f, "rope_parameters", &share, c, err);
    if (rc) {
        return rc;
    }
    c->rotary_dims = (size_t)(share * (double)c->d_head);
    if (c->rotary_dims == 0 || c->rotary_dims % 2 != 0) {
        return err_set(err, ERR_FORMAT,
                       "rotary positions would turn %zu of a head's %zu dimensions; expected an "
                       "even number",
                       c->rotary_dims, c->d_head);
    }
    return 0;
}

static int read_scales(struct json_object *object, const struct family *f, struct config *c,
                       struct err *err)
{
    bool scaled = true;
    double eps = f->usual_eps;
    int rc = f->eps ? config_read_positive(object, f->eps, NAN, &eps, err) : 0;
    rc = rc ? rc : json_member_bool(object, "scale_attn_weights", &scaled, err);
    rc = rc ? rc
            : json_member_bool(object, "scale_attn_by_inverse_layer_idx", &c->scale_by_layer, err);
    c->eps = (float)eps;
    c->attn_scale = scaled && !f->unscaled ? 0 : 1;
    return rc;
}

// --- layers that see near tokens only -----------------------------------------------------------

/* Appends a layer's kind to the list of c->local. */
static int add_kind(struct json_object *kind, struct config *c, size_t *n, struct err *err)
{
    const char *word = json_c_string(kind);
    const bool local = word && strcmp(word, "local") == 0;
    if (!local && !(word && strcmp(word, "global") == 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "attention %.100s of a layer is not supported; \"global\" and \"local\" are",
                       json_object_to_json_string(kind));
    }
    if (*n >= c->n_layers) {
        return err_set(err, ERR_FORMAT, "attention of more than %zu layers is given", c->n_layers);
    }
    c->local[*n / 64] |= (uint64_t)local << *n % 64;
    (*n)++;
    return 0;
}

/* [["global", "local"], 12]: these kinds, so many times. */
static int add_kinds(struct json_object *item, struct config *c, size_t *n, struct err *err)
{
    struct json_object *list = NULL, *times = NULL;
    if (json_object_is_type(item, json_type_array) && json_object_array_length(item) == 2) {
        list = json_object_array_get_idx(item, 0);
        times = json_object_array_get_idx(item, 1);
    }
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0 ||
        !json_object_is_type(times, json_type_int)) {
        return err_set(err, ERR_FORMAT, "it is no list of [[kinds of layers], times]");
    }
    int rc = 0;
    for (int64_t k = 0; k < json_object_get_int64(times) && !rc; k++) {
        for (size_t i = 0; i < json_object_array_length(list) && !rc; i++) {
            rc = add_kind(json_object_array_get_idx(list, i), c, n, err);
        }
    }
    return rc;
}

static int read_local(struct json_object *object, struct config *c, struct err *err)
{
    struct json_object *types = json_member(object, "attention_types");
    struct json_object *layers = json_member(object, "attention_layers");
    struct json_object *list = types ? types : layers;
    size_t n = 0;
    int rc = 0;
    if (!json_object_is_type(list, json_type_array)) {
        return err_set(err, ERR_FORMAT,
                       "neither \"attention_types\" nor \"attention_layers\" is a "
                       "list");
    }
    for (size_t i = 0; i < json_object_array_length(list) && !rc; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        rc = types ? add_kinds(item, c, &n, err) : add_kind(item, c, &n, err);
    }
    if (!rc && n < c->n_layers) {
        rc = err_set(err, ERR_FORMAT, "attention of %zu layers is given, of %zu", n, c->n_layers);
    }
    if (rc) {
        return err_prefix(err, "\"attention_%s\"", types ? "types" : "layers");
    }
    c->window = 256;
    return !json_member(object, "window_size")
               ? 0
               : config_read_size(object, "window_size", CONFIG_SIZE_MAX, &c->window, err);
}

// --- all of it ----------------------------------------------------------------------------------

static int read_bool(struct json_object *object, const char *key, bool *out, struct err *err)
{
    return key ? json_member_bool(object, key, out, err) : 0;
}

static int read_layout(struct json_object *object, const struct family *f, struct config *c,
                       struct err *err)
{
    struct config_layout *l = &c->layout;
    bool all = true;
    *l = (struct config_layout){f, f->tied, f->qkv_bias, f->out_bias, f->mlp_bias};
    int rc = json_member_bool(object, "tie_word_embeddings", &l->tied, err);
    rc = rc ? rc : read_bool(object, f->attention_bias, &l->qkv_bias, err);
    l->out_bias = f->attention_bias ? l->qkv_bias : l->out_bias;
    rc = rc ? rc : read_bool(object, f->mlp_bias_key, &l->mlp_bias, err);
    rc = rc ? rc : read_bool(object, f->all_bias, &all, err);
    if (!all) {
        l->qkv_bias = l->out_bias = l->mlp_bias = false;
    }
    return rc;
}

int family_config(struct config *out, struct json_object *object, struct err *err)
{
    const struct family *f = NULL;
    struct config c = {0};
    int rc = find_family(&f, object, err);
    rc = rc ? rc : config_keys_check_in(others, sizeof others / sizeof *others, object, err);
    rc = rc ? rc : read_sizes(object, f, &c, err);
    rc = rc ? rc : check_window(object, &c, err);
    rc = rc ? rc : read_act_fn(object, f, &c.act_fn, err);
    rc = rc ? rc : read_scales(object, f, &c, err);
    rc = rc ? rc : read_layout(object, f, &c, err);
    rc = rc || !f->rotary ? rc : read_rotary(object, f, &c, err);
    rc = rc || !f->local ? rc : read_local(object, &c, err);
    if (rc) {
        return rc;
    }
    c.norm = f->norm;
    c.final_rms = f->norm == NORM_RMS;
    c.gated = f->gated;
    c.parallel = f->parallel;
    rc = read_bool(object, f->parallel, &c.parallel, err);
    *out = c;
    return rc;
}

bool family_is_buffer(const struct family *f, const char *name)
{
    for (size_t i = 0; f->buffers[i]; i++) {
        if (file_ends_with(name, f->buffers[i])) {
            return true;
        }
    }
    return false;
}
