/*
 * How files of the Hugging Face hub are loaded: what config.json may say, which tensors there may be,
 * shards, pytorch_model.bin; and what is refused, by name
 */
#include "tests/kit/folder.h"
#include "tests/kit/hf_model.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "model/load/config.h"

// --- config.json --------------------------------------------------------------------------------

/* The config.json of a golden model with a key set to a value; NULL: without the key. */
static int with(struct config *c, const char *name, const char *key, const char *value,
                struct err *err)
{
    char path[128];
    struct config own;
    snprintf(path, sizeof path, "tests/golden/hf/%s/config.json", name);
    struct json_object *object = golden_json(path);
    json_object_object_del(object, key);
    if (value) {
        json_object_object_add(object, key, golden_parse(value));
    }
    const char *text = json_object_to_json_string(object);
    *err = (struct err){0};
    const int rc = config_parse(c ? c : &own, text, strlen(text), "x", err);
    assert_int_equal(rc, err->code);
    json_object_put(object);
    return rc;
}

static void is_refused(const char *name, const char *key, const char *value, enum err_code code,
                       const char *why)
{
    struct err err;
    const int rc = with(NULL, name, key, value, &err);
    if (rc != (int)code || !strstr(err.msg, key) || !strstr(err.msg, why)) {
        fail_msg("%s: \"%s\": %s: status %d, not %d: %s", name, key, value ? value : "none", rc,
                 (int)code, err.msg);
    }
}

static void passes(const char *name, const char *key, const char *value)
{
    struct err err;
    if (with(NULL, name, key, value, &err)) {
        fail_msg("%s: \"%s\": %s: %s", name, key, value, err.msg);
    }
}

static void what_is_not_computed_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *model, *key, *value, *why;
    } all[] = {
        {"llama-a", "model_type", "\"bloom\"", "ALiBi"},
        {"llama-a", "model_type", "\"falcon\"", "fused"},
        {"llama-a", "model_type", "\"mixtral\"", "a mixture of experts"},
        {"llama-a", "model_type", "\"gemma2\"", "soft caps"},
        {"llama-a", "model_type", "\"of tomorrow\"", "does not know its formula"},
        {"llama-a", "rope_scaling", "{\"type\":\"linear\",\"factor\":2.0}", "linear"},
        {"llama-a", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8.0}", "llama3"},
        {"llama-a", "rope_scaling", "{\"factor\":8.0}", "linear"},
        {"llama-a", "rope_parameters", "{\"rope_type\":\"yarn\"}", "yarn"},
        {"llama-a", "sliding_window", "16", "near tokens only"},
        {"llama-a", "quantization_config", "{\"bits\":4}", "quantised"},
        {"llama-a", "num_local_experts", "8", "experts"},
        {"llama-a", "hidden_act", "\"quick_gelu\"", "silu are"},
        {"llama-a", "partial_rotary_factor", "0.5", "a part of each head"},
        {"llama-a", "layer_types", "[\"full_attention\",\"sliding_attention\"]", "near tokens"},
        {"gemma-a", "final_logit_softcapping", "30.0", "soft cap"},
        {"gpt-neo-a", "attention_types", "[[[\"global\",\"banded\"],2]]", "banded"},
        {"gpt2-a", "add_cross_attention", "true", "an encoder"},
        {"opt-a", "do_layer_norm_before", "false", "norms behind"},
        {"opt-a", "word_embed_proj_dim", "12", "another width"},
        {"opt-a", "_remove_final_layer_norm", "true", "without a final norm"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct err err;
        const int rc = with(NULL, all[i].model, all[i].key, all[i].value, &err);
        if (rc != ERR_UNSUPPORTED || !strstr(err.msg, all[i].key) || !strstr(err.msg, all[i].why)) {
            fail_msg("%s: %s: status %d: %s", all[i].key, all[i].value, rc, err.msg);
        }
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    is_refused("llama-a", "model_type", "null", ERR_FORMAT, "null");
    is_refused("llama-a", "model_type", NULL, ERR_FORMAT, "missing");
    is_refused("llama-a", "hidden_size", NULL, ERR_FORMAT, "missing");
    is_refused("llama-a", "hidden_size", "25", ERR_FORMAT, "no multiple");
    is_refused("llama-a", "num_key_value_heads", "3", ERR_FORMAT, "no multiple");
    is_refused("llama-a", "rms_norm_eps", "0", ERR_FORMAT, "expected a number");
    is_refused("llama-a", "rope_scaling", "2", ERR_FORMAT, "expected an object");
    is_refused("llama-a", "tie_word_embeddings", "1", ERR_FORMAT, "");
    is_refused("pythia-a", "rotary_pct", "1.5", ERR_FORMAT, "up to 1");
    struct err err;
    assert_int_equal(with(NULL, "pythia-a", "rotary_pct", "0.4", &err), ERR_FORMAT); // 3 of 8
    assert_non_null(strstr(err.msg, "3 of a head's 8"));
    is_refused("gpt-neo-a", "attention_types", "[[[\"global\"],2]]", ERR_FORMAT, "");
    assert_int_equal(with(NULL, "gpt-neo-a", "attention_types", "[[[\"global\"],9]]", &err),
                     ERR_FORMAT);
    assert_non_null(strstr(err.msg, "more than 4 layers"));
    is_refused("gpt-neo-a", "attention_types", "[[\"global\",4]]", ERR_FORMAT, "no list");
}

static void values_that_change_nothing_pass(void **state)
{
    (void)state;
    passes("llama-a", "model_type", "\"mistral\"");
    passes("llama-a", "sliding_window", "48");
    passes("llama-a", "sliding_window", "null");
    passes("llama-a", "rope_scaling", "{\"rope_type\":\"default\"}");
    passes("gpt-neo-a", "attention_types", "null"); // attention_layers says it
    passes("gpt2-a", "n_ctx", NULL);
    passes("gpt2-a", "n_positions", NULL);
    passes("gemma-a", "hidden_activation", "null");
}

static void keys_become_attributes(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(with(&c, "llama-headdim", "x", NULL, &err), 0);
    assert_true(c.norm == NORM_RMS && c.final_rms && c.gated && !c.parallel && c.layout.tied);
    assert_true(c.d_head == 10 && c.n_kv_heads == 1 && c.rotary_dims == 10 && c.eps == 1e-6f);
    assert_true(c.rotary_base == 500000 && !config_has_pos_embed(&c) && !config_centres(&c));
    assert_int_equal(with(&c, "llama-a", "rope_parameters", "{\"rope_theta\":77.0}", &err), 0);
    assert_true(c.rotary_base == 77);
    assert_int_equal(with(&c, "pythia-a", "rotary_pct", NULL, &err), 0);
    assert_true(c.parallel && c.rotary_dims == 2); // a quarter is usual
    assert_int_equal(with(&c, "pythia-a", "attention_bias", "false", &err), 0);
    assert_true(!c.layout.qkv_bias && !c.layout.out_bias && c.layout.mlp_bias);
    assert_int_equal(with(&c, "gpt2-a", "scale_attn_weights", "false", &err), 0);
    assert_true(config_attn_scale(&c, 0) == 1);
    assert_int_equal(with(&c, "gpt2-b", "x", NULL, &err), 0);
    assert_true(config_attn_scale(&c, 2) == (float)(1 / (sqrt(6.0) * 3)));
    assert_int_equal(with(&c, "gpt-neo-b", "x", NULL, &err), 0);
    assert_true(config_window(&c, 0) == 5 && config_window(&c, 1) == SIZE_MAX);
    assert_true(config_window(&c, 2) == 5 && config_attn_scale(&c, 1) == 1);
    assert_int_equal(with(&c, "opt-a", "enable_bias", "false", &err), 0);
    assert_true(!c.layout.qkv_bias && !c.layout.out_bias && !c.layout.mlp_bias);
    assert_int_equal(with(&c, "gemma-a", "head_dim", NULL, &err), 0);
    assert_int_equal(c.d_head, 256);
}

// --- weights ------------------------------------------------------------------------------------

/* The bytes of a file; the caller frees them. */
static void read_bytes(const char *path, struct buf *out)
{
    char some[4096];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t n; (n = fread(some, 1, sizeof some, f)) > 0;) {
        assert_int_equal(buf_append(out, some, n, NULL), 0);
    }
    fclose(f);
}

static void copy(const char *from, const char *dir, const char *name)
{
    char path[256];
    struct buf bytes = {0};
    snprintf(path, sizeof path, "tests/golden/hf/%s", from);
    read_bytes(path, &bytes);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
    buf_free(&bytes);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static uint64_t hash_of(const char *dir)
{
    struct model *m = NULL;
    struct err err = {0};
    if (model_load(&m, "m", dir, &err)) {
        fail_msg("%s", err.msg);
    }
    const uint64_t hash = model_hash(m);
    assert_int_equal(m->n_unused, 0);
    model_free(m);
    return hash;
}

static void a_bin_file_has_the_same_weights(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2-b", "opt-b", "pythia-a"};
    for (size_t i = 0; i < 3; i++) {
        char from[64], whole[64];
        const char *dir = folder_path(names[i]);
        assert_int_equal(mkdir(dir, 0777), 0);
        snprintf(from, sizeof from, "%s/config.json", names[i]);
        copy(from, dir, "config.json");
        snprintf(from, sizeof from, "%s/pytorch_model.bin", names[i]);
        copy(from, dir, "pytorch_model.bin");
        snprintf(whole, sizeof whole, "tests/golden/hf/%s", names[i]);
        assert_true(hash_of(dir) == hash_of(whole));
    }
}

/* Cuts a safetensors file into two shards, whose tensors take turns, and writes their index. */
static void write_shards(const char *path, const char *dir)
{
    struct buf bytes = {0};
    uint64_t header_len;
    read_bytes(path, &bytes);
    memcpy(&header_len, bytes.data, 8);
    char *header = strndup(bytes.data + 8, header_len);
    struct json_object *all = golden_parse(header), *map = json_object_new_object();
    free(header);
    for (size_t shard = 0; shard < 2; shard++) {
        struct json_object *mine = json_object_new_object();
        struct buf data = {0};
        char name[64], out[256];
        size_t k = 0;
        snprintf(name, sizeof name, "model-%05zu-of-00002.safetensors", shard + 1);
        json_object_object_foreach(all, tensor, value)
        {
            if (strcmp(tensor, "__metadata__") == 0 || k++ % 2 != shard) {
                continue;
            }
            struct json_object *offsets = json_member(value, "data_offsets");
            const size_t from = (size_t)golden_number(offsets, 0);
            const size_t n = (size_t)golden_number(offsets, 1) - from;
            char text[300];
            snprintf(text, sizeof text, "{\"dtype\":%s,\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                     json_object_to_json_string(json_member(value, "dtype")),
                     json_object_to_json_string(json_member(value, "shape")), data.len,
                     data.len + n);
            assert_int_equal(buf_append(&data, bytes.data + 8 + header_len + from, n, NULL), 0);
            json_object_object_add(mine, tensor, golden_parse(text));
            json_object_object_add(map, tensor, json_object_new_string(name));
        }
        const char *text = json_object_to_json_string(mine);
        const uint64_t len = strlen(text);
        snprintf(out, sizeof out, "%s/%s", dir, name);
        FILE *f = fopen(out, "wb");
        assert_non_null(f);
        fwrite(&len, 8, 1, f);
        fwrite(text, 1, len, f);
        fwrite(data.data, 1, data.len, f);
        assert_int_equal(fclose(f), 0);
        buf_free(&data);
        json_object_put(mine);
    }
    struct json_object *index = json_object_new_object();
    json_object_object_add(index, "weight_map", map);
    write_text(dir, "model.safetensors.index.json", json_object_to_json_string(index));
    json_object_put(index);
    json_object_put(all);
    buf_free(&bytes);
}

static void shards_have_the_same_weights(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-gqa", "gpt-neo-b"};
    for (size_t i = 0; i < 2; i++) {
        char whole[64], path[96], from[64];
        const char *dir = folder_path(names[i]);
        snprintf(whole, sizeof whole, "tests/golden/hf/%s", names[i]);
        snprintf(path, sizeof path, "%s/model.safetensors", whole);
        snprintf(from, sizeof from, "%s/config.json", names[i]);
        assert_int_equal(mkdir(dir, 0777), 0);
        copy(from, dir, "config.json");
        write_shards(path, dir);
        assert_true(hash_of(dir) == hash_of(whole));
    }
}

/* A copy of a model, one text of whose header is replaced by one of the same length. */
static void expect_error(const char *name, const char *text, const char *by, enum err_code code,
                         const char *why)
{
    static size_t n;
    char from[64], path[256], dir[16];
    struct buf bytes = {0};
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "bad-%zu", n++);
    const char *to = folder_path(dir);
    assert_int_equal(mkdir(to, 0777), 0);
    snprintf(from, sizeof from, "%s/config.json", name);
    copy(from, to, "config.json");
    snprintf(path, sizeof path, "tests/golden/hf/%s/model.safetensors", name);
    read_bytes(path, &bytes);
    char *at = memmem(bytes.data, bytes.len, text, strlen(text));
    assert_non_null(at);
    assert_int_equal(strlen(text), strlen(by));
    memcpy(at, by, strlen(by));
    snprintf(path, sizeof path, "%s/model.safetensors", to);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
    const int rc = model_load(&m, "m", to, &err);
    if (rc != (int)code || !strstr(err.msg, why)) {
        fail_msg("%s for %s: status %d, not %d: %s", by, text, rc, (int)code, err.msg);
    }
    buf_free(&bytes);
}

static void tensors_that_are_missing_or_too_many_are_named(void **state)
{
    (void)state;
    expect_error("gpt2-b", "transformer.h.1.ln_1.weight", "transformer.h.1.ln_1.waight", ERR_FORMAT,
                 "tensor transformer.h.1.ln_1.weight is missing");
    expect_error("llama-a", "\"lm_head.weight\"", "\"xx_head.weight\"", ERR_FORMAT,
                 "tensor lm_head.weight is missing");
    // another name for one of the buffers is a weight of another formula
    expect_error("llama-a", "layers.1.self_attn.rotary_emb.inv_freq",
                 "layers.1.self_attn.query_norms.weights", ERR_UNSUPPORTED,
                 "layers.1.self_attn.query_norms.weights: a llama");
}

static void what_a_model_is_made_of_changes_its_hash(void **state)
{
    (void)state;
    uint64_t hashes[HF_NAMES];
    for (size_t i = 0; i < HF_NAMES; i++) {
        struct model *m = hf_model(hf_names[i]);
        hashes[i] = model_hash(m);
        m->config.window++;
        assert_true(model_hash(m) != hashes[i]);
        m->config.window--;
        m->config.rotary_base += 1;
        assert_true(model_hash(m) != hashes[i]);
        model_free(m);
        for (size_t k = 0; k < i; k++) {
            assert_true(hashes[i] != hashes[k]);
        }
    }
}

/* What is shared counts once: the numbers that transformers' num_parameters() would give, but for
 * OPT's two rows that no position uses. */
static void parameters_are_counted_once(void **state)
{
    (void)state;
    struct model *m = hf_model("llama-gqa");
    const size_t d = 24, mlp = 66;
    assert_int_equal(m->n_params,
                     2 * 109 * d + 3 * (2 * d * d + 2 * 8 * d + 3 * d * mlp + 2 * d) + d);
    assert_int_equal(m->n_tensors, 3 + 3 * 9);
    model_free(m);
    m = hf_model("gpt2-a");
    assert_int_equal(m->n_params, (131 + 48) * d + 2 * (12 * d * d + 13 * d) + 2 * d);
    assert_int_equal(m->n_tensors, 4 + 2 * 12);
    model_free(m);
    m = hf_model("opt-a");
    assert_int_equal(m->n_params,
                     (120 + 48) * d + 2 * (4 * (d * d + d) + 2 * d * 80 + 80 + d + 4 * d) + 2 * d);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_computed_is_refused_by_name),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(values_that_change_nothing_pass),
        cmocka_unit_test(keys_become_attributes),
        cmocka_unit_test(a_bin_file_has_the_same_weights),
        cmocka_unit_test(shards_have_the_same_weights),
        cmocka_unit_test(tensors_that_are_missing_or_too_many_are_named),
        cmocka_unit_test(what_a_model_is_made_of_changes_its_hash),
        cmocka_unit_test(parameters_are_counted_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
