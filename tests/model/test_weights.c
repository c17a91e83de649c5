/*
 * Weight files as they are found: tensors of dtypes that are not read, shards with an index, and
 * names behind a prefix.  The model is attention-only, of seven tensors.
 */
#include "tests/kit/golden.h"
#include "tests/kit/remove_all.h"

#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/load/model.h"
#include "model/weights/tensorfile.h"

static const char config[] =
    "{\"n_layers\":1,\"d_model\":2,\"n_ctx\":3,\"d_head\":2,\"n_heads\":1,\"d_vocab\":4,"
    "\"attn_only\":true,\"normalization_type\":null,\"architecture\":\"neel\"}";

static const struct {
    const char *name, *shape;
    size_t n;
} needed[] = {
    {"embed.W_E", "[4,2]", 8},           {"pos_embed.W_pos", "[3,2]", 6},
    {"blocks.0.attn.W_Q", "[1,2,2]", 4}, {"blocks.0.attn.W_K", "[1,2,2]", 4},
    {"blocks.0.attn.W_V", "[1,2,2]", 4}, {"blocks.0.attn.W_O", "[1,2,2]", 4},
    {"unembed.W_U", "[2,4]", 8},
};
#define N_NEEDED (sizeof needed / sizeof *needed)

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

static void put(const char *dir, const char *name, const char *data, size_t len)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static void put_text(const char *dir, const char *name, const char *text)
{
    put(dir, name, text, strlen(text));
}

/* A safetensors file while it is made. */
struct file {
    struct buf header, data;
};

static void add(struct file *f, const char *name, const char *dtype, const char *shape,
                const void *values, size_t bytes)
{
    buf_printf(&f->header, NULL,
               "%c\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
               f->header.len ? ',' : '{', name, dtype, shape, f->data.len, f->data.len + bytes);
    buf_append(&f->data, values, bytes, NULL);
}

/* Adds weights [from, to) behind a prefix: value i of weight k is 10 k + i. */
static void add_needed(struct file *f, const char *prefix, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++) {
        float values[8];
        char name[100];
        for (size_t i = 0; i < needed[k].n; i++) {
            values[i] = (float)(10 * k + i);
        }
        snprintf(name, sizeof name, "%s%s", prefix, needed[k].name);
        add(f, name, "F32", needed[k].shape, values, needed[k].n * sizeof *values);
    }
}

static void finish(struct file *f, const char *dir, const char *name)
{
    struct buf all = {0};
    buf_printf(&f->header, NULL, "}");
    const uint64_t len = f->header.len;
    buf_append(&all, &len, sizeof len, NULL);
    buf_append(&all, f->header.data, f->header.len, NULL);
    buf_append(&all, f->data.data, f->data.len, NULL);
    put(dir, name, all.data, all.len);
    buf_free(&all);
    buf_free(&f->header);
    buf_free(&f->data);
}

/* Loads the model of 'dir', which must be as written; the caller frees it. */
static struct model *loads(const char *dir)
{
    struct model *m = NULL;
    struct err err = {0};
    put_text(dir, "config.json", config);
    if (model_load(&m, "m", dir, &err)) {
        fail_msg("%s", err.msg);
    }
    const float *const at[N_NEEDED] = {
        m->W_E,           m->W_pos, m->layers[0].W_Q, m->layers[0].W_K, m->layers[0].W_V,
        m->layers[0].W_O, m->W_U};
    for (size_t k = 0; k < N_NEEDED; k++) {
        for (size_t i = 0; i < needed[k].n; i++) {
            assert_true(at[k][i] == (float)(10 * k + i));
        }
    }
    assert_int_equal(m->n_tensors, N_NEEDED);
    return m;
}

static void refuses(const char *dir, enum err_code code, const char *says)
{
    struct model *m = NULL;
    struct err err = {0};
    put_text(dir, "config.json", config);
    const int rc = model_load(&m, "m", dir, &err);
    if (rc != (int)code || !strstr(err.msg, says)) {
        fail_msg("status %d, not %d; \"%s\" does not say \"%s\"", rc, (int)code, err.msg, says);
    }
}

// --- dtypes -------------------------------------------------------------------------------------

static void tensors_that_are_not_used_may_be_of_any_dtype(void **state)
{
    const char *dir = *state;
    struct file f = {0};
    add(&f, "scales", "F8_E4M3", "[3]", "abc", 3);
    add_needed(&f, "", 0, N_NEEDED);
    add(&f, "half", "F4", "[2,3]", "abc", 3);
    add(&f, "of_tomorrow", "X\xc3\xa9-A-VERY-LONG-NAME", "[7]", "abc", 3);
    finish(&f, dir, "model.safetensors");
    struct model *m = loads(dir);
    assert_int_equal(m->n_unused, 3);
    assert_string_equal(m->unused[0], "scales (dtype F8_E4M3)");
    assert_string_equal(m->unused[1], "half (dtype F4)");
    assert_string_equal(m->unused[2], "of_tomorrow (dtype X\xc3\xa9-A-VERY-LONG)");
    model_free(m);
}

static void a_weight_of_a_dtype_that_is_not_read_is_refused_by_name(void **state)
{
    const char *dir = *state;
    struct file f = {0};
    add_needed(&f, "", 0, N_NEEDED - 1);
    add(&f, "unembed.W_U", "F8_E5M2", "[2,4]", "abcdefgh", 8);
    finish(&f, dir, "model.safetensors");
    refuses(dir, ERR_UNSUPPORTED,
            "/model.safetensors: tensor unembed.W_U: dtype F8_E5M2 is not read: convert it to");

    f = (struct file){0};
    add_needed(&f, "", 0, N_NEEDED);
    add(&f, "unembed.b_U", "U16", "[4]", "abcdefgh", 8); // a bias need not be there, but is
    finish(&f, dir, "model.safetensors");
    refuses(dir, ERR_UNSUPPORTED, "tensor unembed.b_U: dtype U16 is not read");
}

// --- shards -------------------------------------------------------------------------------------

#define SHARD(k) "model-0000" #k "-of-00003.safetensors"

/* Writes three shards, and an index in which one key of the map is changed. */
static void write_shards(const char *dir, const char *index, const char *changed, const char *to)
{
    static const char *const shards[] = {SHARD(1), SHARD(2), SHARD(3)};
    static const size_t from[] = {0, 3, 5, N_NEEDED};
    struct buf map = {0};
    buf_printf(&map, NULL, "{\"metadata\":{\"total_size\":152},\"weight_map\":{");
    for (size_t s = 0; s < 3; s++) {
        struct file f = {0};
        add_needed(&f, "", from[s], from[s + 1]);
        finish(&f, dir, shards[s]);
        for (size_t k = from[s]; k < from[s + 1]; k++) {
            const bool is = changed && strcmp(needed[k].name, changed) == 0;
            buf_printf(&map, NULL, "%s\"%s\":", k ? "," : "", needed[k].name);
            buf_printf(&map, NULL, is ? "%s" : "\"%s\"", is ? to : shards[s]);
        }
    }
    buf_printf(&map, NULL, "}}");
    put(dir, index, map.data, map.len);
    buf_free(&map);
}

static void shards_are_read_as_one_file(void **state)
{
    static const char *const names[] = {"model.safetensors.index.json",
                                        "pytorch_model.bin.index.json", "mine.index.json"};
    for (size_t i = 0; i < 3; i++) {
        const char *dir = *state;
        write_shards(dir, names[i], NULL, NULL);
        struct model *m = loads(dir);
        assert_true(file_ends_with(m->weights_path, names[i]));
        model_free(m);
        char *path = file_join(dir, names[i]);
        struct tensorfile *f = NULL;
        assert_int_equal(tensorfile_open(&f, path, NULL), 0);
        assert_string_equal(tensorfile_format(f), "shards");
        assert_int_equal(tensorfile_n(f), N_NEEDED);
        tensorfile_close(f);
        unlink(path);
        free(path);
    }
}

static void what_does_not_agree_with_the_index_is_refused(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *key, *to;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"unembed.W_U", "\"" SHARD(1) "\"", ERR_FORMAT,
         SHARD(1) ": tensor \"unembed.W_U\" is listed here by the index, but is not"},
        {"blocks.0.attn.W_Q", "\"" SHARD(2) "\"", ERR_FORMAT,
         SHARD(1) ": tensor \"blocks.0.attn.W_Q\" is here, but the index lists it in " SHARD(2)},
        {"embed.W_E", "\"" SHARD(4) "\"", ERR_NOT_FOUND, "shard " SHARD(4) " is missing"},
        {"unembed.W_U", "\"../" SHARD(3) "\"", ERR_FORMAT,
         "index.json: weight_map: the shard of \"unembed.W_U\" is \"..\\/" SHARD(3)},
        {"unembed.W_U", "\"/etc/passwd\"", ERR_FORMAT, "expected the name of a file in the same"},
        {"unembed.W_U", "\"a/b.safetensors\"", ERR_FORMAT, "expected the name of a file"},
        {"unembed.W_U", "\"..\"", ERR_FORMAT, "expected the name of a file"},
        {"unembed.W_U", "\".\"", ERR_FORMAT, "expected the name of a file"},
        {"unembed.W_U", "\"\"", ERR_FORMAT, "expected the name of a file"},
        {"unembed.W_U", "\"x\\u0000\"", ERR_FORMAT, "expected the name of a file"},
        {"unembed.W_U", "3", ERR_FORMAT, "is 3; expected the name of a file"},
        {"unembed.W_U", "null", ERR_FORMAT, "is null; expected the name of a file"},
        {"unembed.W_U", "\"" SHARD(3) "\",\"embed.W_E\":\"" SHARD(1) "\"", ERR_FORMAT,
         "index.json: a key occurs twice"},
        {"unembed.W_U", "\"" SHARD(3) "\",\"x\":\"" SHARD(1) "\"", ERR_FORMAT,
         "tensor \"x\" is listed here by the index, but is not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_shards(dir, "model.safetensors.index.json", cases[i].key, cases[i].to);
        refuses(dir, cases[i].code, cases[i].says);
    }
    static const char *const indexes[][2] = {
        {"{}", "\"weight_map\" is null; expected an object"},
        {"[]", "\"weight_map\" is null"},
        {"{\"weight_map\":[]}", "\"weight_map\" is an array; expected an object"},
        {"{\"weight_map\":{}}", "tensor embed.W_E is missing"},
        {"{\"weight_map\":{", "index.json: line 1, column"},
    };
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        put_text(dir, "model.safetensors.index.json", indexes[i][0]);
        refuses(dir, ERR_FORMAT, indexes[i][1]);
    }
    put_text(dir, "model.safetensors.index.json", "version https://git-lfs.github.com/spec/v1\n");
    refuses(dir, ERR_UNSUPPORTED, "index.json: is a pointer of Git LFS, not the file itself: ");

    // a tensor that the index does not know
    write_shards(dir, "model.safetensors.index.json", NULL, NULL);
    struct file f = {0};
    add_needed(&f, "", 5, N_NEEDED);
    add(&f, "embed.W_E", "F32", "[1]", "abcd", 4);
    finish(&f, dir, SHARD(3));
    refuses(dir, ERR_FORMAT, "tensor \"embed.W_E\" is here, but the index lists it in " SHARD(1));
    f = (struct file){0};
    add_needed(&f, "", 5, N_NEEDED);
    add(&f, "extra", "F32", "[1]", "abcd", 4);
    finish(&f, dir, SHARD(3));
    refuses(dir, ERR_FORMAT, SHARD(3) ": tensor \"extra\" is not listed in the index");
}

static void a_shard_or_an_index_that_is_missing_is_named(void **state)
{
    const char *dir = *state;
    char *path = file_join(dir, SHARD(2)), *index = file_join(dir, "model.safetensors.index.json");
    write_shards(dir, "model.safetensors.index.json", NULL, NULL);
    unlink(path);
    refuses(dir, ERR_NOT_FOUND, "index.json: shard " SHARD(2) " is missing");
    unlink(index);
    refuses(dir, ERR_NOT_FOUND, "-of-00003.safetensors is a shard, and the index");
    free(path);
    free(index);
}

/* Files that hold some of the weights each, and no index. */
static void shards_of_other_names_need_an_index_too(void **state)
{
    static const struct {
        const char *names[3];
        enum err_code code;
        const char *says;
    } cases[] = {
        {{"b.safetensors", "a.safetensors"},
         ERR_FORMAT,
         ": 2 files end in \".safetensors\" (a.safetensors, b.safetensors): if they are shards of "
         "one model, the index that lists them (model.safetensors.index.json) is missing: download "
         "it; else leave one"},
        {{"c.safetensors", "a.safetensors", "b.safetensors"},
         ERR_FORMAT,
         ": 3 files end in \".safetensors\" (a.safetensors, b.safetensors, ...): if they"},
        {{"pytorch_model-00002-of-00002.safetensors", "pytorch_model-00001-of-00002.safetensors"},
         ERR_NOT_FOUND,
         ": pytorch_model-00001-of-00002.safetensors is a shard, and the index that lists all "
         "shards (model.safetensors.index.json) is missing: download it"},
        {{"pytorch_model-00002-of-00002.bin"},
         ERR_NOT_FOUND,
         ": pytorch_model-00002-of-00002.bin is a shard, and the index that lists all shards "
         "(pytorch_model.bin.index.json) is missing: download it"},
        {{"x.pth", "y.pth"},
         ERR_FORMAT,
         ": 2 files end in \".pth\" (x.pth, y.pth); leave one, or name it model_final.pth"},
        {{"x.index.json", "y.index.json"},
         ERR_FORMAT,
         ": 2 files end in \".index.json\" (x.index.json, y.index.json); leave one"},
        {{"training_args.bin"}, ERR_NOT_FOUND, "no weights: expected a file model_final.pth"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t k = 0; k < 3 && cases[i].names[k]; k++) {
            put_text(*state, cases[i].names[k], "");
        }
        refuses(*state, cases[i].code, cases[i].says);
        for (size_t k = 0; k < 3 && cases[i].names[k]; k++) {
            char *path = file_join(*state, cases[i].names[k]);
            unlink(path);
            free(path);
        }
    }
}

/* A hub's snapshot is links to its blobs, which may be missing. */
static void a_shard_that_is_no_file_is_named(void **state)
{
    const char *dir = *state;
    char *path = file_join(dir, SHARD(2)), *index = file_join(dir, "model.safetensors.index.json");
    write_shards(dir, "model.safetensors.index.json", NULL, NULL);
    unlink(path);
    assert_int_equal(symlink("../blobs/5e8", path), 0);
    refuses(dir, ERR_NOT_FOUND, SHARD(2) ": is a link to ../blobs/5e8, which is not there");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses(dir, ERR_IO, SHARD(2) ": is not a regular file");
    unlink(index);
    assert_int_equal(mkfifo(index, 0600), 0);
    refuses(dir, ERR_IO, "/model.safetensors.index.json: is not a regular file");
    struct tensorfile *f = NULL;
    assert_int_equal(tensorfile_open(&f, index, NULL), ERR_IO); // and nobody waits for a writer
    free(path);
    free(index);
}

// --- prefixes -----------------------------------------------------------------------------------

static void a_prefix_of_all_names_is_left_out(void **state)
{
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod.", "module._orig_mod.",
                                           "net.transformer."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct file f = {0};
        add(&f, "optimizer.embed.W_E", "F32", "[1]", "abcd", 4);
        add_needed(&f, prefixes[i], 0, N_NEEDED);
        add(&f, "unembed.W_O", "F32", "[1]", "abcd", 4);
        finish(&f, *state, "model.safetensors");
        struct model *m = loads(*state);
        assert_string_equal(m->prefix, prefixes[i]);
        assert_int_equal(m->n_unused, 2);
        model_free(m);
    }
    struct file f = {0};
    add_needed(&f, "", 0, N_NEEDED);
    add_needed(&f, "module.", 0, N_NEEDED); // those without a prefix win
    finish(&f, *state, "model.safetensors");
    struct model *m = loads(*state);
    assert_string_equal(m->prefix, "");
    assert_int_equal(m->n_unused, N_NEEDED);
    model_free(m);
}

static void a_prefix_of_some_names_is_named(void **state)
{
    struct file f = {0};
    add_needed(&f, "", 0, 3);
    add_needed(&f, "module.", 3, N_NEEDED);
    finish(&f, *state, "model.safetensors");
    refuses(*state, ERR_FORMAT,
            "tensor blocks.0.attn.W_K is missing; module.blocks.0.attn.W_K is there, but not every "
            "weight behind \"module.\": save the state dict without this prefix");
    f = (struct file){0};
    add(&f, "lm_head.weight", "F32", "[1]", "abcd", 4);
    add_needed(&f, "module.", 1, N_NEEDED);
    finish(&f, *state, "model.safetensors");
    refuses(
        *state, ERR_FORMAT,
        "tensor embed.W_E is missing, with and without \"module.\", behind which 6 weights are: "
        "save the whole state dict without this prefix");
    f = (struct file){0};
    add(&f, "module.blocks.0.attn.W_Q", "F32", "[1,2,2]", "abcdabcdabcdabcd", 16);
    add_needed(&f, "", 1, N_NEEDED); // most have none
    finish(&f, *state, "model.safetensors");
    refuses(*state, ERR_FORMAT, "/model.safetensors: tensor embed.W_E is missing");
    f = (struct file){0};
    add_needed(&f, "a.", 0, N_NEEDED);
    add_needed(&f, "b.", 0, N_NEEDED);
    finish(&f, *state, "model.safetensors");
    refuses(*state, ERR_FORMAT, "holds two models, behind \"a.\" and \"b.\"");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, in_folder, folder_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(tensors_that_are_not_used_may_be_of_any_dtype),
        IN_FOLDER(a_weight_of_a_dtype_that_is_not_read_is_refused_by_name),
        IN_FOLDER(shards_are_read_as_one_file),
        IN_FOLDER(what_does_not_agree_with_the_index_is_refused),
        IN_FOLDER(a_shard_or_an_index_that_is_missing_is_named),
        IN_FOLDER(shards_of_other_names_need_an_index_too),
        IN_FOLDER(a_shard_that_is_no_file_is_named),
        IN_FOLDER(a_prefix_of_all_names_is_left_out),
        IN_FOLDER(a_prefix_of_some_names_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
