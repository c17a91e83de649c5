#include "model/load/family_layouts.h"

#include <stddef.h>

#include "model/load/model.h"

#define AT(field) offsetof(struct layer, field)

/*     name | field | kind | part | when it is there */
const struct weight_rule layout_gpt2[] = {
    {"ln_1.weight", AT(ln1_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"ln_1.bias", AT(ln1_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"attn.c_attn.weight", AT(W_Q), WEIGHT_HEADS, PART_Q, WHEN_ALWAYS},
    {"attn.c_attn.weight", AT(W_K), WEIGHT_HEADS, PART_K, WHEN_ALWAYS},
    {"attn.c_attn.weight", AT(W_V), WEIGHT_HEADS, PART_V, WHEN_ALWAYS},
    {"attn.c_attn.bias", AT(b_Q), WEIGHT_HEADS_B, PART_Q, WHEN_QKV_BIAS},
    {"attn.c_attn.bias", AT(b_K), WEIGHT_HEADS_B, PART_K, WHEN_QKV_BIAS},
    {"attn.c_attn.bias", AT(b_V), WEIGHT_HEADS_B, PART_V, WHEN_QKV_BIAS},
    {"attn.c_proj.weight", AT(W_O), WEIGHT_OUT, PART_ALONE, WHEN_ALWAYS},
    {"attn.c_proj.bias", AT(b_O), WEIGHT_OF_MODEL, PART_ALONE, WHEN_OUT_BIAS},
    {"ln_2.weight", AT(ln2_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"ln_2.bias", AT(ln2_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_fc.weight", AT(W_in), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_fc.bias", AT(b_in), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"mlp.c_proj.weight", AT(W_out), WEIGHT_MLP_OUT, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_proj.bias", AT(b_out), WEIGHT_OF_MODEL, PART_ALONE, WHEN_MLP_BIAS},
    {NULL, 0, WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
};

const struct weight_rule layout_gpt_neo[] = {
    {"ln_1.weight", AT(ln1_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"ln_1.bias", AT(ln1_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"attn.attention.q_proj.weight", AT(W_Q), WEIGHT_HEADS, PART_ALONE, WHEN_ALWAYS},
    {"attn.attention.k_proj.weight", AT(W_K), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"attn.attention.v_proj.weight", AT(W_V), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"attn.attention.q_proj.bias", AT(b_Q), WEIGHT_HEADS_B, PART_ALONE, WHEN_QKV_BIAS},
    {"attn.attention.k_proj.bias", AT(b_K), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"attn.attention.v_proj.bias", AT(b_V), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"attn.attention.out_proj.weight", AT(W_O), WEIGHT_OUT, PART_ALONE, WHEN_ALWAYS},
    {"attn.attention.out_proj.bias", AT(b_O), WEIGHT_OF_MODEL, PART_ALONE, WHEN_OUT_BIAS},
    {"ln_2.weight", AT(ln2_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"ln_2.bias", AT(ln2_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_fc.weight", AT(W_in), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_fc.bias", AT(b_in), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"mlp.c_proj.weight", AT(W_out), WEIGHT_MLP_OUT, PART_ALONE, WHEN_ALWAYS},
    {"mlp.c_proj.bias", AT(b_out), WEIGHT_OF_MODEL, PART_ALONE, WHEN_MLP_BIAS},
    {NULL, 0, WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
};

const struct weight_rule layout_gpt_neox[] = {
    {"input_layernorm.weight", AT(ln1_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"input_layernorm.bias", AT(ln1_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"attention.query_key_value.weight", AT(W_Q), WEIGHT_HEADS, PART_Q, WHEN_ALWAYS},
    {"attention.query_key_value.weight", AT(W_K), WEIGHT_HEADS, PART_K, WHEN_ALWAYS},
    {"attention.query_key_value.weight", AT(W_V), WEIGHT_HEADS, PART_V, WHEN_ALWAYS},
    {"attention.query_key_value.bias", AT(b_Q), WEIGHT_HEADS_B, PART_Q, WHEN_QKV_BIAS},
    {"attention.query_key_value.bias", AT(b_K), WEIGHT_HEADS_B, PART_K, WHEN_QKV_BIAS},
    {"attention.query_key_value.bias", AT(b_V), WEIGHT_HEADS_B, PART_V, WHEN_QKV_BIAS},
    {"attention.dense.weight", AT(W_O), WEIGHT_OUT, PART_ALONE, WHEN_ALWAYS},
    {"attention.dense.bias", AT(b_O), WEIGHT_OF_MODEL, PART_ALONE, WHEN_OUT_BIAS},
    {"post_attention_layernorm.weight", AT(ln2_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"post_attention_layernorm.bias", AT(ln2_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"mlp.dense_h_to_4h.weight", AT(W_in), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"mlp.dense_h_to_4h.bias", AT(b_in), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"mlp.dense_4h_to_h.weight", AT(W_out), WEIGHT_MLP_OUT, PART_ALONE, WHEN_ALWAYS},
    {"mlp.dense_4h_to_h.bias", AT(b_out), WEIGHT_OF_MODEL, PART_ALONE, WHEN_MLP_BIAS},
    {NULL, 0, WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
};

const struct weight_rule layout_opt[] = {
    {"self_attn_layer_norm.weight", AT(ln1_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"self_attn_layer_norm.bias", AT(ln1_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.q_proj.weight", AT(W_Q), WEIGHT_HEADS, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.k_proj.weight", AT(W_K), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"self_attn.v_proj.weight", AT(W_V), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"self_attn.q_proj.bias", AT(b_Q), WEIGHT_HEADS_B, PART_ALONE, WHEN_QKV_BIAS},
    {"self_attn.k_proj.bias", AT(b_K), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"self_attn.v_proj.bias", AT(b_V), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"self_attn.out_proj.weight", AT(W_O), WEIGHT_OUT, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.out_proj.bias", AT(b_O), WEIGHT_OF_MODEL, PART_ALONE, WHEN_OUT_BIAS},
    {"final_layer_norm.weight", AT(ln2_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"final_layer_norm.bias", AT(ln2_b), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"fc1.weight", AT(W_in), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"fc1.bias", AT(b_in), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"fc2.weight", AT(W_out), WEIGHT_MLP_OUT, PART_ALONE, WHEN_ALWAYS},
    {"fc2.bias", AT(b_out), WEIGHT_OF_MODEL, PART_ALONE, WHEN_MLP_BIAS},
    {NULL, 0, WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
};

const struct weight_rule layout_llama[] = {
    {"input_layernorm.weight", AT(ln1_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.q_proj.weight", AT(W_Q), WEIGHT_HEADS, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.k_proj.weight", AT(W_K), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"self_attn.v_proj.weight", AT(W_V), WEIGHT_HEADS, PART_ALONE_KV, WHEN_ALWAYS},
    {"self_attn.q_proj.bias", AT(b_Q), WEIGHT_HEADS_B, PART_ALONE, WHEN_QKV_BIAS},
    {"self_attn.k_proj.bias", AT(b_K), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"self_attn.v_proj.bias", AT(b_V), WEIGHT_HEADS_B, PART_ALONE_KV, WHEN_QKV_BIAS},
    {"self_attn.o_proj.weight", AT(W_O), WEIGHT_OUT, PART_ALONE, WHEN_ALWAYS},
    {"self_attn.o_proj.bias", AT(b_O), WEIGHT_OF_MODEL, PART_ALONE, WHEN_OUT_BIAS},
    {"post_attention_layernorm.weight", AT(ln2_w), WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
    {"mlp.gate_proj.weight", AT(W_gate), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"mlp.gate_proj.bias", AT(b_gate), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"mlp.up_proj.weight", AT(W_in), WEIGHT_MLP_IN, PART_ALONE, WHEN_ALWAYS},
    {"mlp.up_proj.bias", AT(b_in), WEIGHT_OF_MLP, PART_ALONE, WHEN_MLP_BIAS},
    {"mlp.down_proj.weight", AT(W_out), WEIGHT_MLP_OUT, PART_ALONE, WHEN_ALWAYS},
    {"mlp.down_proj.bias", AT(b_out), WEIGHT_OF_MODEL, PART_ALONE, WHEN_MLP_BIAS},
    {NULL, 0, WEIGHT_OF_MODEL, PART_ALONE, WHEN_ALWAYS},
};

const char *const layout_gpt2_buffers[] = {".attn.bias", ".attn.masked_bias", NULL};
const char *const layout_gpt_neo_buffers[] = {".attn.attention.bias", ".attn.attention.masked_bias",
                                              NULL};
const char *const layout_gpt_neox_buffers[] = {".attention.bias", ".attention.masked_bias",
                                               ".rotary_emb.inv_freq", NULL};
const char *const layout_rotary_buffers[] = {".rotary_emb.inv_freq", NULL};
