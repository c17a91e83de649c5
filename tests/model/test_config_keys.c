/*
 * What config.json may say of the formula: each key of the table with its usual values and with one
 * that asks for something else.  tests/python/config_formula checks what is heeded against numpy.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "model/load/config.h"
#include "model/load/config_keys.h"
#include "model/load/model.h"

/* Parses a usual config with "key": value in it; c may be NULL. */
static int with(struct config *c, const char *key, const char *value, struct err *err)
{
    char text[512];
    struct config own;
    snprintf(text, sizeof text,
             "{\"n_layers\":2,\"d_model\":8,\"n_ctx\":4,\"n_heads\":2,\"d_head\":4,\"d_vocab\":9,"
             "\"normalization_type\":\"LN\",\"act_fn\":\"gelu\",\"%s\":%s}",
             key, value);
    *err = (struct err){0};
    const int rc = config_parse(c ? c : &own, text, strlen(text), "x", err);
    assert_int_equal(rc, err->code);
    if (!rc && !c) {
        config_free(&own);
    }
    return rc;
}

static void passes(const char *key, const char *value)
{
    struct err err;
    if (with(NULL, key, value, &err)) {
        fail_msg("\"%s\": %s: %s", key, value, err.msg);
    }
}

static void is_refused(const char *key, const char *value, enum err_code code)
{
    struct err err;
    char name[100];
    const int rc = with(NULL, key, value, &err);
    snprintf(name, sizeof name, "%s", key);
    if (rc != (int)code || !strstr(err.msg, name)) {
        fail_msg("\"%s\": %s: status %d, not %d: %s", key, value, rc, (int)code, err.msg);
    }
}

static void values_of_another_formula_are_refused_by_name(void **state)
{
    (void)state;
    size_t n, n_checked = 0;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const char *key = keys[i].name;
        char usual[80];
        if (keys[i].rule == KEY_HEEDED) {
            continue;
        }
        passes(key, "null");
        n_checked++;
        switch (keys[i].rule) {
        case KEY_HEEDED:
        case KEY_SET:
            break;
        case KEY_HARMLESS:
            passes(key, "\"anything\"");
            passes(key, "{\"at\":[\"all\"]}");
            break;
        case KEY_UNSET:
            passes(key, "false");
            passes(key, "-1.0");
            passes(key, "0");
            is_refused(key, "true", ERR_UNSUPPORTED);
            is_refused(key, "30.0", ERR_UNSUPPORTED);
            is_refused(key, "\"yes\"", ERR_UNSUPPORTED);
            break;
        case KEY_WORD:
            snprintf(usual, sizeof usual, "\"%s\"", keys[i].usual);
            passes(key, usual);
            is_refused(key, "\"bidirectional\"", ERR_UNSUPPORTED);
            is_refused(key, "1", ERR_UNSUPPORTED);
            break;
        case KEY_ALL_WORD:
            snprintf(usual, sizeof usual, "[\"%s\",\"%s\"]", keys[i].usual, keys[i].usual);
            passes(key, usual);
            is_refused(key, "[\"global\",\"local\"]", ERR_UNSUPPORTED);
            break;
        case KEY_SIZE_OF_KEY:
            passes(key, "-1");
            passes(key, strcmp(keys[i].usual, "d_vocab") == 0 ? "9" : "2");
            is_refused(key, "1", ERR_UNSUPPORTED);
            is_refused(key, "true", ERR_UNSUPPORTED);
            break;
        }
    }
    assert_true(n_checked > 50);
    passes("a_key_that_nobody_knows", "true");
}

static void keys_stand_in_the_table_once(void **state)
{
    (void)state;
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(keys[i].name, keys[k].name);
        }
        const bool refuses = keys[i].rule != KEY_HEEDED && keys[i].rule != KEY_HARMLESS;
        assert_int_equal(keys[i].why != NULL, refuses);
    }
}

static void heeded_keys_change_the_config(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(with(&c, "eps", "0.001", &err), 0);
    assert_true(c.eps == 0.001f && !config_has_attn_scale(&c));
    assert_int_equal(with(&c, "use_attn_scale", "false", &err), 0);
    assert_true(config_attn_scale(&c, 0) == 1 && config_attn_scale(&c, 1) == 1);
    assert_int_equal(with(&c, "attn_scale", "8", &err), 0);
    assert_true(config_attn_scale(&c, 1) == 0.125f && config_has_attn_scale(&c));
    assert_int_equal(with(&c, "attn_scale", "2.0", &err), 0); // what it would be anyway
    assert_false(config_has_attn_scale(&c));
    assert_int_equal(with(&c, "attn_scale", "-1.0", &err), 0);
    assert_true(config_attn_scale(&c, 0) == 0.5f && c.eps == CONFIG_EPS);
    assert_int_equal(with(&c, "scale_attn_by_inverse_layer_idx", "true", &err), 0);
    assert_true(config_attn_scale(&c, 0) == 0.5f && config_attn_scale(&c, 1) == 0.25f);
    assert_true(config_has_attn_scale(&c));
    assert_int_equal(with(&c, "positional_embedding_type", "\"shortformer\"", &err), 0);
    assert_true(c.shortformer);
    assert_int_equal(with(&c, "d_mlp", "-1", &err), 0); // not given
    assert_int_equal(c.d_mlp, 32);

    static const struct {
        const char *key, *value;
        enum err_code code;
    } bad[] = {
        {"eps", "0", ERR_FORMAT},
        {"eps", "-1e-5", ERR_FORMAT},
        {"eps", "\"1e-5\"", ERR_FORMAT},
        {"eps", "1e-60", ERR_FORMAT}, // 0 in f32
        {"eps", "1e60", ERR_FORMAT},
        {"attn_scale", "0", ERR_FORMAT},
        {"attn_scale", "-2", ERR_FORMAT},
        {"attn_scale", "true", ERR_FORMAT},
        {"use_attn_scale", "1", ERR_FORMAT},
        {"scale_attn_by_inverse_layer_idx", "\"yes\"", ERR_FORMAT},
        {"positional_embedding_type", "\"rotary\"", ERR_UNSUPPORTED},
        {"positional_embedding_type", "\"alibi\"", ERR_UNSUPPORTED},
        {"shortformer_pos\":true,\"positional_embedding_type", "\"standard\"", ERR_FORMAT},
        {"normalization_type", "\"RMS\"", ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(with(NULL, bad[i].key, bad[i].value, &err), bad[i].code);
    }
}

/* TransformerLens' own config has final_rms too, and weights under its names. */
static void a_saved_config_of_transformerlens_has_the_usual_layout(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(
        with(&c, "final_rms\":false,\"positional_embedding_type", "\"standard\"", &err), 0);
    assert_false(c.old_layout);
    assert_int_equal(with(&c, "final_rms", "false", &err), 0);
    assert_true(c.old_layout);
}

/* A run of another formula is another run. */
static void models_of_another_formula_have_another_hash(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, 4};
    struct model m = {.config = {.n_layers = 2, .d_head = 4, .norm = NORM_LN, .eps = CONFIG_EPS},
                      .n_floats = 4,
                      .block = w};
    const uint64_t usual = model_hash(&m);
    struct config changed[5];
    for (size_t i = 0; i < 5; i++) {
        changed[i] = m.config;
    }
    changed[0].eps = 1e-6f;
    changed[1].attn_scale = 1;
    changed[2].scale_by_layer = true;
    changed[3].shortformer = true;
    changed[4].norm = NORM_LNPRE;
    uint64_t seen[5];
    for (size_t i = 0; i < 5; i++) {
        m.config = changed[i];
        seen[i] = model_hash(&m);
        assert_true(seen[i] != usual);
        for (size_t k = 0; k < i; k++) {
            assert_true(seen[i] != seen[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_another_formula_are_refused_by_name),
        cmocka_unit_test(keys_stand_in_the_table_once),
        cmocka_unit_test(heeded_keys_change_the_config),
        cmocka_unit_test(a_saved_config_of_transformerlens_has_the_usual_layout),
        cmocka_unit_test(models_of_another_formula_have_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
