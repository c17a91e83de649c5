#include "model/load/config_keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct config_key keys[] = {
    // sizes
    {"n_layers", KEY_HEEDED, NULL, NULL},
    {"d_model", KEY_HEEDED, NULL, NULL},
    {"n_ctx", KEY_HEEDED, NULL, NULL},
    {"d_head", KEY_HEEDED, NULL, NULL},
    {"n_heads", KEY_HEEDED, NULL, NULL},
    {"d_mlp", KEY_HEEDED, NULL, NULL},
    {"d_vocab", KEY_HEEDED, NULL, NULL},
    {"d_vocab_out", KEY_SIZE_OF_KEY, "d_vocab", "logits over another vocabulary"},
    {"n_key_value_heads", KEY_SIZE_OF_KEY, "n_heads", "keys and values shared by heads"},

    // the formula
    {"act_fn", KEY_HEEDED, NULL, NULL},
    {"attn_only", KEY_HEEDED, NULL, NULL},
    {"normalization_type", KEY_HEEDED, NULL, NULL},
    {"normalization", KEY_HEEDED, NULL, NULL},
    {"eps", KEY_HEEDED, NULL, NULL},
    {"final_rms", KEY_HEEDED, NULL, NULL},
    {"positional_embedding_type", KEY_HEEDED, NULL, NULL},
    {"shortformer_pos", KEY_HEEDED, NULL, NULL},
    {"use_attn_scale", KEY_HEEDED, NULL, NULL},
    {"attn_scale", KEY_HEEDED, NULL, NULL},
    {"scale_attn_by_inverse_layer_idx", KEY_HEEDED, NULL, NULL},
    {"attention_dir", KEY_WORD, "causal", "tokens that see what follows them"},
    {"parallel_attn_mlp", KEY_UNSET, NULL, "attention and MLP side by side"},
    {"use_local_attn", KEY_UNSET, NULL, "attention to near tokens only"},
    {"attn_types", KEY_ALL_WORD, "global", "attention to near tokens only"},
    {"gated_mlp", KEY_UNSET, NULL, "an MLP with gates"},
    {"num_experts", KEY_UNSET, NULL, "a mixture of experts"},
    {"experts_per_token", KEY_UNSET, NULL, "a mixture of experts"},
    {"post_embedding_ln", KEY_UNSET, NULL, "a norm behind the embedding"},
    {"use_normalization_before_and_after", KEY_UNSET, NULL, "a norm behind each layer"},
    {"use_qk_norm", KEY_UNSET, NULL, "a norm of queries and keys"},
    {"attn_scores_soft_cap", KEY_UNSET, NULL, "attention scores with a soft cap"},
    {"output_logits_soft_cap", KEY_UNSET, NULL, "logits with a soft cap"},
    {"load_in_4bit", KEY_UNSET, NULL, "weights of 4 bits"},

    // where files and layouts are found
    {"architecture", KEY_HEEDED, NULL, NULL},
    {"tokenizer_name", KEY_HEEDED, NULL, NULL},
    {"original_architecture", KEY_HARMLESS, NULL, NULL},
    {"model_name", KEY_HARMLESS, NULL, NULL},
    {"from_checkpoint", KEY_HARMLESS, NULL, NULL},
    {"checkpoint_index", KEY_HARMLESS, NULL, NULL},
    {"checkpoint_label_type", KEY_HARMLESS, NULL, NULL},
    {"checkpoint_value", KEY_HARMLESS, NULL, NULL},
    {"trust_remote_code", KEY_HARMLESS, NULL, NULL},
    {"n_params", KEY_HARMLESS, NULL, NULL},

    // what only kinds of attention and positions use that are refused above
    {"window_size", KEY_HARMLESS, NULL, NULL},
    {"rotary_dim", KEY_HARMLESS, NULL, NULL},
    {"rotary_base", KEY_HARMLESS, NULL, NULL},
    {"rotary_base_local", KEY_HARMLESS, NULL, NULL},
    {"rotary_adjacent_pairs", KEY_HARMLESS, NULL, NULL},
    {"use_NTK_by_parts_rope", KEY_HARMLESS, NULL, NULL},
    {"NTK_by_parts_low_freq_factor", KEY_HARMLESS, NULL, NULL},
    {"NTK_by_parts_high_freq_factor", KEY_HARMLESS, NULL, NULL},
    {"NTK_by_parts_factor", KEY_HARMLESS, NULL, NULL},
    {"NTK_original_ctx_len", KEY_HARMLESS, NULL, NULL},
    {"relative_attention_max_distance", KEY_HARMLESS, NULL, NULL},
    {"relative_attention_num_buckets", KEY_HARMLESS, NULL, NULL},
    {"decoder_start_token_id", KEY_HARMLESS, NULL, NULL},

    // hooks, devices, and how training began
    {"use_attn_result", KEY_HARMLESS, NULL, NULL},
    {"use_attn_in", KEY_HARMLESS, NULL, NULL},
    {"use_split_qkv_input", KEY_HARMLESS, NULL, NULL},
    {"use_split_qkv_normalized_input", KEY_HARMLESS, NULL, NULL},
    {"use_hook_mlp_in", KEY_HARMLESS, NULL, NULL},
    {"use_hook_tokens", KEY_HARMLESS, NULL, NULL},
    {"ungroup_grouped_query_attention", KEY_HARMLESS, NULL, NULL},
    {"device", KEY_HARMLESS, NULL, NULL},
    {"n_devices", KEY_HARMLESS, NULL, NULL},
    {"dtype", KEY_HARMLESS, NULL, NULL}, // gapscope computes in f32
    {"seed", KEY_HARMLESS, NULL, NULL},
    {"init_mode", KEY_HARMLESS, NULL, NULL},
    {"init_weights", KEY_HARMLESS, NULL, NULL},
    {"initializer_range", KEY_HARMLESS, NULL, NULL},
    {"tie_word_embeddings", KEY_HARMLESS, NULL, NULL}, // W_U is a tensor of its own
    {"default_prepend_bos", KEY_HARMLESS, NULL, NULL}, // windows begin with BOS
    {"tokenizer_prepends_bos", KEY_HARMLESS, NULL, NULL},
};

const struct config_key *config_keys(size_t *n)
{
    *n = sizeof keys / sizeof *keys;
    return keys;
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

static bool is_word(struct json_object *value, const char *word)
{
    return json_object_is_type(value, json_type_string) &&
           strcmp(json_object_get_string(value), word) == 0;
}

static bool is_unset(struct json_object *value)
{
    return (json_object_is_type(value, json_type_boolean) && !json_object_get_boolean(value)) ||
           (is_number(value) && json_object_get_double(value) <= 0);
}

static bool are_words(struct json_object *value, const char *word)
{
    if (!json_object_is_type(value, json_type_array)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        if (!is_word(json_object_array_get_idx(value, i), word)) {
            return false;
        }
    }
    return true;
}

/* Is it -1, or what the other key has? */
static bool is_size_of(struct json_object *value, struct json_object *other)
{
    return json_object_is_type(value, json_type_int) &&
           (json_object_get_int64(value) == -1 ||
            (json_object_is_type(other, json_type_int) &&
             json_object_get_int64(value) == json_object_get_int64(other)));
}

static int refuse(const struct config_key *key, struct json_object *value, const char *usual,
                  struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "\"%s\" is %.100s: %s is not supported; %s is", key->name,
                   json_object_to_json_string(value), key->why, usual);
}

static int check(const struct config_key *key, struct json_object *config, struct err *err)
{
    struct json_object *value = json_member(config, key->name);
    if (!value) {
        return 0;
    }
    char usual[80];
    switch (key->rule) {
    case KEY_HEEDED:
    case KEY_HARMLESS:
        return 0;
    case KEY_UNSET:
        return is_unset(value) ? 0 : refuse(key, value, "false or null", err);
    case KEY_SET:
        return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value)
                   ? 0
                   : refuse(key, value, "true", err);
    case KEY_WORD:
    case KEY_ALL_WORD:
        snprintf(usual, sizeof usual, "\"%s\"%s", key->usual,
                 key->rule == KEY_WORD ? "" : " in every layer");
        return (key->rule == KEY_WORD ? is_word : are_words)(value, key->usual)
                   ? 0
                   : refuse(key, value, usual, err);
    case KEY_SIZE_OF_KEY:
        snprintf(usual, sizeof usual, "the number of \"%s\"", key->usual);
        return is_size_of(value, json_member(config, key->usual)) ? 0
                                                                  : refuse(key, value, usual, err);
    }
    return 0;
}

int config_keys_check_in(const struct config_key *table, size_t n, struct json_object *config,
                         struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const int rc = check(&table[i], config, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int config_keys_check(struct json_object *config, struct err *err)
{
    return config_keys_check_in(keys, sizeof keys / sizeof *keys, config, err);
}
