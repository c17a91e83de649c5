/*
 * Loading: config.json, the weights of a folder, and how a model is found by name.  Small models
 * are written into a folder of their own, each with one thing wrong.
 */
#include "tests/kit/golden.h"
#include "tests/kit/remove_all.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/load/config.h"
#include "model/load/hub.h"
#include "model/load/model.h"

// --- a tiny model -------------------------------------------------------------------------------

static const char tiny_config[] =
    "{\"n_layers\":1,\"d_model\":4,\"n_ctx\":6,\"d_head\":2,\"n_heads\":2,\"d_mlp\":8,"
    "\"d_vocab\":7,\"act_fn\":\"solu_ln\",\"attn_only\":false,\"normalization\":\"LN\","
    "\"architecture\":\"neel\"}";

static const struct {
    const char *name;
    size_t shape[3];
} tiny_tensors[] = {
    {"embed.W_E", {7, 4}},
    {"pos_embed.W_pos", {6, 4}},
    {"blocks.0.ln1.w", {4}},
    {"blocks.0.ln1.b", {4}},
    {"blocks.0.attn.W_Q", {2, 4, 2}},
    {"blocks.0.attn.W_K", {2, 4, 2}},
    {"blocks.0.attn.W_V", {2, 4, 2}},
    {"blocks.0.attn.b_Q", {2, 2}},
    {"blocks.0.attn.b_K", {2, 2}},
    {"blocks.0.attn.b_V", {2, 2}},
    {"blocks.0.attn.W_O", {2, 2, 4}},
    {"blocks.0.attn.b_O", {4}},
    {"blocks.0.ln2.w", {4}},
    {"blocks.0.ln2.b", {4}},
    {"blocks.0.mlp.W_in", {4, 8}},
    {"blocks.0.mlp.b_in", {8}},
    {"blocks.0.mlp.ln.w", {8}},
    {"blocks.0.mlp.ln.b", {8}},
    {"blocks.0.mlp.W_out", {8, 4}},
    {"blocks.0.mlp.b_out", {4}},
    {"ln_final.w", {4}},
    {"ln_final.b", {4}},
    {"unembed.W_U", {4, 7}},
    {"unembed.b_U", {7}},
};
#define N_TINY (sizeof tiny_tensors / sizeof *tiny_tensors)

/* The fault of a tiny model; all NULL: no fault. */
struct fault {
    const char *leave_out; // this tensor is missing
    const char *rename;    // this one is called "extra.<name>", which is unknown
    const char *flatten;   // this one has one axis
    const char *poison;    // the last value of this one is 'poison_value'
    float poison_value;
};

static bool is(const char *name, const char *wanted)
{
    return wanted && strcmp(name, wanted) == 0;
}

static void write_file(const char *dir, const char *name, const void *data, size_t len)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

/* Makes the tiny model as safetensors; value k of all values is k / 16. */
static void write_weights(const char *dir, const char *file, const struct fault *fault)
{
    struct buf header = {0}, data = {0}, all = {0};
    buf_printf(&header, NULL, "{");
    float next = 0;
    for (size_t t = 0; t < N_TINY; t++) {
        const char *name = tiny_tensors[t].name;
        if (is(name, fault->leave_out)) {
            continue;
        }
        size_t n = 1, n_dims = 0;
        struct buf shape = {0};
        for (; n_dims < 3 && tiny_tensors[t].shape[n_dims]; n_dims++) {
            n *= tiny_tensors[t].shape[n_dims];
            buf_printf(&shape, NULL, "%s%zu", n_dims ? "," : "", tiny_tensors[t].shape[n_dims]);
        }
        if (is(name, fault->flatten)) {
            shape.len = 0;
            buf_printf(&shape, NULL, "%zu", n);
        }
        buf_printf(&header, NULL,
                   "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                   header.len > 1 ? "," : "", is(name, fault->rename) ? "extra." : "", name,
                   shape.data, data.len, data.len + n * sizeof next);
        for (size_t i = 0; i < n; i++, next += 0.0625f) {
            const float value = is(name, fault->poison) && i + 1 == n ? fault->poison_value : next;
            buf_append(&data, &value, sizeof value, NULL);
        }
        buf_free(&shape);
    }
    buf_printf(&header, NULL, "}");
    const uint64_t len = header.len;
    buf_append(&all, &len, sizeof len, NULL);
    buf_append(&all, header.data, header.len, NULL);
    buf_append(&all, data.data, data.len, NULL);
    write_file(dir, file, all.data, all.len);
    buf_free(&header);
    buf_free(&data);
    buf_free(&all);
}

static int in_folder(void **state)
{
    char dir[] = "/tmp/gapscope-test-XXXXXX";
    *state = strdup(mkdtemp(dir));
    return 0;
}

static int folder_gone(void **state)
{
    remove_all(*state);
    free(*state);
    return 0;
}

/* Loads the tiny model with 'fault' from 'dir'; the error's message in *err. */
static struct model *tiny(const char *dir, const struct fault *fault, struct err *err)
{
    write_file(dir, "config.json", tiny_config, strlen(tiny_config));
    write_weights(dir, "model.safetensors", fault);
    struct model *m = NULL;
    *err = (struct err){0};
    const int rc = model_load(&m, "tiny", dir, err);
    assert_int_equal(rc, err->code);
    return m;
}

// --- weights ------------------------------------------------------------------------------------

static void weights_stand_where_their_names_say(void **state)
{
    struct err err;
    struct model *m = tiny(*state, &(struct fault){0}, &err);
    assert_non_null(m);
    assert_int_equal(m->n_params, 28 + 24 + 4 * 2 + 16 * 3 + 4 * 3 + 16 + 4 + 4 * 2 + 32 + 8 * 3 +
                                      32 + 4 + 4 * 2 + 28 + 7);
    assert_int_equal(m->n_tensors, N_TINY);
    assert_int_equal(m->n_unused, 0);
    assert_true(m->W_E[5] == 5 / 16.0f);
    assert_true(m->W_pos[0] == 28 / 16.0f);
    assert_true(m->layers[0].ln1_w[3] == 55 / 16.0f);
    assert_true(m->b_U[6] == (float)(m->n_params - 1) / 16);
    model_free(m);
}

static void a_missing_weight_is_named(void **state)
{
    struct err err;
    assert_null(tiny(*state, &(struct fault){.leave_out = "blocks.0.mlp.W_in"}, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.msg, "/model.safetensors: tensor blocks.0.mlp.W_in is missing"));
    assert_null(tiny(*state, &(struct fault){.leave_out = "ln_final.w"}, &err));
    assert_non_null(strstr(err.msg, "tensor ln_final.w is missing"));
}

static void a_missing_bias_is_zero(void **state)
{
    struct err err;
    struct model *m = tiny(*state, &(struct fault){.leave_out = "unembed.b_U"}, &err);
    assert_non_null(m);
    assert_int_equal(m->n_tensors, N_TINY - 1);
    for (size_t i = 0; i < 7; i++) {
        assert_true(m->b_U[i] == 0);
    }
    model_free(m);
}

static void a_wrong_shape_is_named_with_the_right_one(void **state)
{
    struct err err;
    assert_null(tiny(*state, &(struct fault){.flatten = "unembed.W_U"}, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.msg, "tensor unembed.W_U is [28]; config.json makes it [4, 7]"));
}

static void a_weight_that_is_not_finite_is_named(void **state)
{
    struct err err;
    assert_null(
        tiny(*state, &(struct fault){.poison = "blocks.0.attn.W_O", .poison_value = NAN}, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.msg, "tensor blocks.0.attn.W_O: element 15 is not a number"));
    assert_null(
        tiny(*state, &(struct fault){.poison = "embed.W_E", .poison_value = -INFINITY}, &err));
    assert_non_null(strstr(err.msg, "tensor embed.W_E: element 27 is infinite"));
}

static void tensors_that_the_model_does_not_have_are_told(void **state)
{
    struct err err;
    struct model *m = tiny(*state, &(struct fault){.rename = "blocks.0.attn.b_O"}, &err);
    assert_non_null(m);
    assert_int_equal(m->n_unused, 1);
    assert_string_equal(m->unused[0], "extra.blocks.0.attn.b_O");
    model_free(m);
}

static void the_weight_file_is_found_by_rule(void **state)
{
    const char *dir = *state;
    struct err err;
    struct model *m = NULL;
    write_file(dir, "config.json", tiny_config, strlen(tiny_config));
    assert_int_equal(model_load(&m, "tiny", dir, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no weights"));

    write_weights(dir, "step_100_final.pth", &(struct fault){0});
    assert_int_equal(model_load(&m, "tiny", dir, &err), 0);
    assert_non_null(strstr(m->weights_path, "/step_100_final.pth"));
    model_free(m);

    write_weights(dir, "other_final.pth", &(struct fault){0});
    assert_int_equal(model_load(&m, "tiny", dir, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, ": 2 files end in \"final.pth\" (other_final.pth, "
                                    "step_100_final.pth); leave one, or name it model_final.pth"));

    write_weights(dir, "model_final.pth", &(struct fault){0});
    assert_int_equal(model_load(&m, "tiny", dir, &err), 0);
    assert_non_null(strstr(m->weights_path, "/model_final.pth"));
    model_free(m);
}

static void sites_follow_the_activation(void **state)
{
    struct err err;
    enum site site;
    struct model *m = tiny(*state, &(struct fault){0}, &err);
    assert_int_equal(model_site(m, SITE_DEFAULT, &site, NULL), 0);
    assert_int_equal(site, SITE_MID);
    assert_int_equal(model_site(m, SITE_PRE, &site, NULL), 0);
    assert_int_equal(site, SITE_PRE);
    m->config.act_fn = ACT_GELU;
    assert_int_equal(model_site(m, SITE_DEFAULT, &site, NULL), 0);
    assert_int_equal(site, SITE_POST);
    assert_int_equal(model_site(m, SITE_MID, &site, &err), ERR_UNSUPPORTED);
    m->config.attn_only = true;
    assert_int_equal(model_site(m, SITE_DEFAULT, &site, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "it has no neurons"));
    model_free(m);
}

// --- config.json --------------------------------------------------------------------------------

static int parse(struct config *c, const char *json, const char *dir_name, struct err *err)
{
    *err = (struct err){0};
    return config_parse(c, json, strlen(json), dir_name, err);
}

static void config_mistakes_name_their_key(void **state)
{
    (void)state;
#define LEAST "\"n_layers\":1,\"d_model\":8,\"n_ctx\":4,\"d_vocab\":9"
#define SIZES LEAST ",\"n_heads\":2"
#define ATTN SIZES ",\"normalization\":null,\"attn_only\":true"
    static const struct {
        const char *json;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"", ERR_FORMAT, "no JSON value"},
        {"[]", ERR_FORMAT, "an array; expected an object"},
        {"{}", ERR_FORMAT, "\"n_layers\" is missing"},
        {"{\"n_layers\":\"1\"}", ERR_FORMAT, "\"n_layers\" is \"1\"; expected a whole number"},
        {"{\"n_layers\":-1}", ERR_FORMAT, "\"n_layers\" is -1"},
        {"{\"n_layers\":1.5}", ERR_FORMAT, "\"n_layers\" is 1.5"},
        {"{\"n_layers\":0}", ERR_FORMAT,
         "\"n_layers\" is 0; expected a whole number from 1 to 1024"},
        {"{\"n_layers\":null}", ERR_FORMAT,
         "\"n_layers\" is null; expected a whole number from 1 to 1024"},
        {"{\"n_layers\":1025}", ERR_FORMAT,
         "\"n_layers\" is 1025; expected a whole number from 1 to 1024"},
        {"{\"n_layers\":99999999999999999999999}", ERR_FORMAT,
         "\"n_layers\" is 99999999999999999999999; expected a whole number from 1 to 1024"},
        {"{\"n_layers\":1,\"d_model\":1e3}", ERR_FORMAT,
         "\"d_model\" is 1e3; expected a whole number from 1 to 16777216"},
        {"{\"n_layers\":1,\"d_model\":18446744073709551615}", ERR_FORMAT,
         "\"d_model\" is 18446744073709551615; expected a whole number from 1 to 16777216"},
        {"{" LEAST ",\"n_heads\":0}", ERR_FORMAT,
         "\"n_heads\" is 0; expected a whole number from 1 to 16777216, or -1 where it follows"},
        {"{" LEAST ",\"d_head\":-2}", ERR_FORMAT,
         "\"d_head\" is -2; expected a whole number from 1"},
        {"{" LEAST ",\"d_head\":9}", ERR_FORMAT,
         "\"d_head\" is 9, more than \"d_model\", 8: \"n_heads\" does not follow from it"},
        {"{" LEAST ",\"n_heads\":9}", ERR_FORMAT, "\"d_head\" does not follow from it"},
        {"{" LEAST ",\"n_heads\":-1}", ERR_FORMAT, "neither \"n_heads\" nor \"d_head\" is given"},
        {"{" ATTN ",\"eps\":1e300}", ERR_FORMAT,
         "\"eps\" is 1e300; expected a number from 1e-37 to 1e+37"},
        {"{" ATTN ",\"eps\":1e-400}", ERR_FORMAT,
         "\"eps\" is 1e-400; expected a number from 1e-37 to 1e+37"},
        {"{" ATTN ",\"eps\":0}", ERR_FORMAT, "\"eps\" is 0; expected a number from 1e-37"},
        {"{" ATTN ",\"eps\":-1}", ERR_FORMAT, "\"eps\" is -1; expected a number from 1e-37"},
        {"{" ATTN ",\"eps\":\"1\"}", ERR_FORMAT, "\"eps\" is \"1\"; expected a number from 1e-37"},
        {"{" ATTN ",\"attn_scale\":-2}", ERR_FORMAT,
         "\"attn_scale\" is -2; expected a number from 1e-37 to 1e+37, or -1 where it follows"},
        {"{" SIZES ",\"normalization\":\"LN\",\"normalization_type\":\"LNPre\"}", ERR_FORMAT,
         "normalization_type LNPre contradicts normalization LN"},
        {"{" SIZES "}", ERR_FORMAT, "neither \"normalization\" nor"},
        {"{" SIZES ",\"normalization\":\"RMS\"}", ERR_UNSUPPORTED, "\"RMS\" is not supported"},
        {"{" SIZES ",\"normalization\":\"LN\"}", ERR_FORMAT, "\"act_fn\" is missing"},
        {"{" SIZES ",\"normalization\":\"LN\",\"act_fn\":\"relu\"}", ERR_UNSUPPORTED,
         "act_fn \"relu\" is not supported; gelu"},
        {"{" SIZES ",\"normalization\":\"LN\",\"act_fn\":\"gelu\",\"d_mlp\":0}", ERR_FORMAT,
         "\"d_mlp\" is 0; expected a whole number from 1 to 16777216, or -1 where it follows"},
        {"{" SIZES ",\"normalization\":\"LN\",\"architecture\":\"gpt2\"}", ERR_UNSUPPORTED,
         "architecture \"gpt2\""},
        {"{" SIZES ",\"normalization\":\"LN\",\"attn_only\":1}", ERR_FORMAT,
         "\"attn_only\" is a number; expected true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        struct err err;
        assert_int_equal(parse(&c, cases[i].json, "x", &err), cases[i].code);
        if (!strstr(err.msg, cases[i].says)) {
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].json, err.msg, cases[i].says);
        }
    }
}

static void config_defaults_are_those_of_the_hub(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    // d_mlp may be -1 without an MLP, normalization null means none, d_head follows
    assert_int_equal(
        parse(&c, "{" SIZES ",\"normalization\":null,\"attn_only\":true,\"d_mlp\":-1}", "x", &err),
        0);
    assert_int_equal(c.norm, NORM_NONE);
    assert_int_equal(c.d_head, 4);
    assert_int_equal(c.d_mlp, 0);
    assert_false(c.old_layout);
    assert_null(c.tokenizer_name);
    config_free(&c);

    // either key of the norm, or both where they agree; d_mlp is four times d_model
    assert_int_equal(parse(&c,
                           "{" SIZES
                           ",\"normalization_type\":\"LNPre\",\"normalization\":\"LNPre\","
                           "\"act_fn\":\"gelu\",\"tokenizer_name\":\"a/b\"}",
                           "x", &err),
                     0);
    assert_int_equal(c.norm, NORM_LNPRE);
    assert_int_equal(c.d_mlp, 32);
    assert_string_equal(c.tokenizer_name, "a/b");
    config_free(&c);
}

static void the_old_layout_is_told_by_name_key_or_architecture(void **state)
{
    (void)state;
#define OLD "{" SIZES ",\"normalization\":\"LN\",\"act_fn\":\"solu_ln\""
    static const struct {
        const char *json, *dir;
        bool old;
    } cases[] = {
        {OLD "}", "SoLU_1L_v9_old", true},
        {OLD "}", "solu-1l", false},
        {OLD ",\"final_rms\":false}", "renamed", true},
        {OLD ",\"architecture\":\"neel-solu-old\"}", "renamed", true},
        {OLD ",\"architecture\":\"neel\"}", "my_old", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        struct err err;
        assert_int_equal(parse(&c, cases[i].json, cases[i].dir, &err), 0);
        assert_int_equal(c.old_layout, cases[i].old);
        config_free(&c);
    }
}

// --- names --------------------------------------------------------------------------------------

static void make_folder(const char *first, const char *second)
{
    char *path = file_join(first, second);
    for (char *p = path + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0777);
            *p = '/';
        }
    }
    mkdir(path, 0777);
    assert_true(file_is_folder(path));
    free(path);
}

static void models_are_found_by_folder_alias_and_repository(void **state)
{
    const char *dir = *state;
    char env[256];
    make_folder(dir, "a/gelu-1l");
    make_folder(dir, "b/NeelNanda/SoLU_1L512W_C4_Code");
    make_folder(dir, "hf/hub/models--NeelNanda--Attn_Only_2L512W_C4_Code/snapshots/abc");
    make_folder(dir, "hf/hub/models--NeelNanda--Attn_Only_2L512W_C4_Code/refs");
    write_file(dir, "hf/hub/models--NeelNanda--Attn_Only_2L512W_C4_Code/refs/main", "abc\n", 4);
    snprintf(env, sizeof env, "/nowhere::%s/a:%s/b", dir, dir);
    setenv("GAPSCOPE_MODELS", env, 1);
    snprintf(env, sizeof env, "%s/hf", dir);
    setenv("HF_HOME", env, 1);
    unsetenv("HF_HUB_CACHE");

    static const struct {
        const char *spec, *name, *below;
    } cases[] = {
        {"gelu-1l", "gelu-1l", "a/gelu-1l"},
        {"GELU_1L512W_C4_Code", "GELU_1L512W_C4_Code", "a/gelu-1l"},
        {"mine=gelu-1l", "mine", "a/gelu-1l"},
        {"solu-1l", "solu-1l", "b/NeelNanda/SoLU_1L512W_C4_Code"},
        {"NeelNanda/SoLU_1L512W_C4_Code", "NeelNanda/SoLU_1L512W_C4_Code",
         "b/NeelNanda/SoLU_1L512W_C4_Code"},
        {"attn-only-2l", "attn-only-2l",
         "hf/hub/models--NeelNanda--Attn_Only_2L512W_C4_Code/snapshots/abc"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hub_place place = {0};
        struct err err = {0};
        if (hub_resolve(&place, cases[i].spec, &err)) {
            fail_msg("%s: %s", cases[i].spec, err.msg);
        }
        char *where = file_join(dir, cases[i].below);
        assert_string_equal(place.name, cases[i].name);
        assert_string_equal(place.dir, where);
        free(where);
        hub_place_free(&place);
    }

    // A folder is called by its own name, a cache's snapshot by its repository's.
    struct hub_place place = {0};
    char *folder = file_join(dir, cases[5].below);
    assert_int_equal(hub_resolve(&place, folder, NULL), 0);
    assert_string_equal(place.name, "Attn_Only_2L512W_C4_Code");
    hub_place_free(&place);
    free(folder);

    static const struct {
        const char *spec, *says;
    } bad[] = {
        {"gelu-4l", "`gapscope fetch gelu-4l` fetches it"},
        {"no-such-model", "no such folder, no alias"},
        {"=x", "NAME=FOLDER"},
        {"x=", "NAME=FOLDER"},
        {"CMakeLists.txt", "is a file; a model is the folder"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_int_not_equal(hub_resolve(&place, bad[i].spec, &err), 0);
        assert_non_null(strstr(err.msg, bad[i].says));
    }
    unsetenv("GAPSCOPE_MODELS");
    unsetenv("HF_HOME");
}

static void a_tokenizer_is_found_beside_the_model_or_by_its_name(void **state)
{
    const char *dir = *state;
    make_folder(dir, "model");
    make_folder(dir, "list/some/tokenizer");
    make_folder(dir, "list/gpt-neox-tokenizer-digits");
    write_file(dir, "list/some/tokenizer/tokenizer.json", "{}", 2);
    write_file(dir, "list/gpt-neox-tokenizer-digits/tokenizer.json", "{}", 2);
    char list[256], model[256];
    snprintf(list, sizeof list, "%s/list", dir);
    snprintf(model, sizeof model, "%s/model", dir);
    setenv("GAPSCOPE_MODELS", list, 1);
    setenv("HF_HOME", dir, 1);

    struct config c = {.d_vocab = 100};
    struct err why = {0};
    char *path;
    assert_int_equal(hub_tokenizer(&path, model, &c, &why), 0);
    assert_null(path);
    assert_non_null(strstr(why.msg, "no tokenizer.json in"));

    c.d_vocab = 48262; // the size identifies the repository
    assert_int_equal(hub_tokenizer(&path, model, &c, &why), 0);
    assert_non_null(strstr(path, "/list/gpt-neox-tokenizer-digits/tokenizer.json"));
    free(path);

    c.tokenizer_name = (char[]){"some/tokenizer"};
    assert_int_equal(hub_tokenizer(&path, model, &c, &why), 0);
    assert_non_null(strstr(path, "/list/some/tokenizer/tokenizer.json"));
    free(path);

    write_file(model, "tokenizer.json", "{}", 2);
    assert_int_equal(hub_tokenizer(&path, model, &c, &why), 0);
    assert_non_null(strstr(path, "/model/tokenizer.json"));
    free(path);
    unsetenv("GAPSCOPE_MODELS");
    unsetenv("HF_HOME");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_folder, folder_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(weights_stand_where_their_names_say),
        IN_FOLDER(a_missing_weight_is_named),
        IN_FOLDER(a_missing_bias_is_zero),
        IN_FOLDER(a_wrong_shape_is_named_with_the_right_one),
        IN_FOLDER(a_weight_that_is_not_finite_is_named),
        IN_FOLDER(tensors_that_the_model_does_not_have_are_told),
        IN_FOLDER(the_weight_file_is_found_by_rule),
        IN_FOLDER(sites_follow_the_activation),
        cmocka_unit_test(config_mistakes_name_their_key),
        cmocka_unit_test(config_defaults_are_those_of_the_hub),
        cmocka_unit_test(the_old_layout_is_told_by_name_key_or_architecture),
        IN_FOLDER(models_are_found_by_folder_alias_and_repository),
        IN_FOLDER(a_tokenizer_is_found_beside_the_model_or_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
