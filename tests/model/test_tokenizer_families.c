/*
 * Tokenizers of other families against golden ids of the reference library: ids, ends, special tokens
 * as text.  The files are other people's and not in the repository; the test is skipped without them.
 */
#include "tests/kit/golden.h"

#include <zstd.h>

#include "corpora/base/file.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/kit/folder.h"

#define FAMILIES GAPSCOPE_TOKENIZERS "/../golden/tokenizers/families"

static int n_skipped;

/* The bytes of a file, unpacked; the caller frees them.  Ends the test where there is none. */
static char *unpack(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("skipped: there is no %s (set GAPSCOPE_TOKENIZERS in CMake)\n", path);
        n_skipped++;
        skip();
    }
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const size_t n = (size_t)ftell(f);
    char *packed = malloc(n);
    rewind(f);
    assert_true(packed && fread(packed, 1, n, f) == n);
    fclose(f);
    ZSTD_DStream *stream = ZSTD_createDStream();
    const size_t cap = (size_t)32 << 20;
    char *out = malloc(cap);
    assert_true(stream && out);
    ZSTD_inBuffer from = {packed, n, 0};
    ZSTD_outBuffer to = {out, cap, 0};
    while (from.pos < from.size) {
        assert_false(ZSTD_isError(ZSTD_decompressStream(stream, &to, &from)));
        assert_true(to.pos < cap);
    }
    ZSTD_freeDStream(stream);
    free(packed);
    *len = to.pos;
    return out;
}

static struct tokenizer *load(const char *name)
{
    char path[1000];
    size_t len;
    struct tokenizer *t = NULL;
    struct err err = {0};
    snprintf(path, sizeof path, FAMILIES "/tokenizers/%s/tokenizer.json.zst", name);
    char *json = unpack(path, &len);
    if (tokenizer_parse(&t, json, len, NULL, NULL, &err)) {
        fail_msg("%s: %s", name, err.msg);
    }
    free(json);
    return t;
}

/* Tells whether the tokens are those of the golden line; shows the first difference. */
static bool is_same(const char *name, size_t line, struct json_object *want, const uint32_t *got,
                    size_t n)
{
    const size_t n_want = json_object_array_length(want);
    for (size_t i = 0; i < n && i < n_want; i++) {
        if ((uint32_t)golden_number(want, i) != got[i]) {
            print_message("%s, line %zu, token %zu: %u instead of %u\n", name, line, i, got[i],
                          (uint32_t)golden_number(want, i));
            return false;
        }
    }
    if (n != n_want) {
        print_message("%s, line %zu: %zu tokens instead of %zu\n", name, line, n, n_want);
    }
    return n == n_want;
}

static size_t check_line(const char *name, struct encoder *e, struct json_object *golden,
                         size_t line)
{
    struct json_object *text = json_member(golden, "text"), *ids = json_member(golden, "ids");
    struct json_object *plain = json_member(golden, "ids_plain");
    const size_t len = (size_t)json_object_get_string_len(text);
    const char *bytes = json_object_get_string(text);
    struct tokens got = {0};
    size_t n_wrong = 0;
    assert_int_equal(encode(e, bytes, len, SPECIAL_SPLIT, &got, NULL), 0);
    n_wrong += !is_same(name, line, ids, got.ids, got.n);
    n_wrong += !is_same(name, line, json_member(golden, "ends"), got.ends, got.n);
    n_wrong += got.text_len != (size_t)json_object_get_int(json_member(golden, "norm_len"));
    assert_int_equal(encode(e, bytes, len, SPECIAL_PLAIN, &got, NULL), 0);
    n_wrong += !is_same(name, line, plain ? plain : ids, got.ids, got.n);
    tokens_free(&got);
    return n_wrong;
}

static void check(const char *name, const struct tokenizer *t, uint32_t bos)
{
    char path[1000];
    size_t len, line = 0, n_wrong = 0;
    snprintf(path, sizeof path, FAMILIES "/%s.jsonl.zst", name);
    char *all = unpack(path, &len);
    struct encoder *e = encoder_new(t);
    struct json_parser *parser = json_parser_new();
    assert_true(e && parser);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(all + at, '\n', len - at);
        const size_t n = end ? (size_t)(end - all) - at : len - at;
        struct json_object *object = NULL;
        assert_int_equal(json_parse(parser, &object, all + at, n, NULL), 0);
        line++;
        if (json_member(object, "text")) { // else it is about a file that is not here
            n_wrong += check_line(name, e, object, line);
        }
        json_object_put(object);
        at += n + 1;
    }
    print_message("%s: %zu texts, %zu differences\n", name, line, n_wrong);
    assert_true(line > 800);
    assert_int_equal(n_wrong, 0);
    assert_int_equal(tokenizer_bos(t), bos);
    json_parser_free(parser);
    encoder_free(e);
    free(all);
}

#define FAMILY_TEST(name, bos)                                                                     \
    static void name##_gives_the_golden_ids(void **state)                                          \
    {                                                                                              \
        (void)state;                                                                               \
        struct tokenizer *t = load(#name);                                                         \
        check(#name, t, bos);                                                                      \
        tokenizer_free(t);                                                                         \
    }
FAMILY_TEST(gpt2, 50256)
FAMILY_TEST(opt, 2)
FAMILY_TEST(phi2, 50256)
FAMILY_TEST(smollm_shape, 0)
FAMILY_TEST(qwen3, 151643)
FAMILY_TEST(llama3_shape, 20000)
FAMILY_TEST(mistral_v1, 1)
FAMILY_TEST(phi3_shape, 32000)
FAMILY_TEST(metaspace_shape, 1)
FAMILY_TEST(gemma_shape, 1)

static void put(const char *name, const char *from, bool is_packed)
{
    char path[1000];
    size_t len;
    snprintf(path, sizeof path, FAMILIES "/tokenizers/%s%s", from, is_packed ? ".zst" : "");
    if (is_packed) {
        char *bytes = unpack(path, &len);
        FILE *f = fopen(folder_path(name), "wb");
        assert_true(f && fwrite(bytes, 1, len, f) == len);
        assert_int_equal(fclose(f), 0);
        free(bytes);
        return;
    }
    struct buf text = {0};
    assert_int_equal(file_read_text(path, 1 << 20, &text, NULL), 0);
    FILE *f = fopen(folder_path(name), "wb");
    assert_true(f && fwrite(text.data, 1, text.len, f) == text.len);
    assert_int_equal(fclose(f), 0);
    buf_free(&text);
}

static void a_vocab_and_merges_give_the_golden_ids(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2", "opt"};
    for (size_t i = 0; i < 2; i++) {
        char from[64];
        struct tokenizer *t = NULL;
        struct err err = {0};
        snprintf(from, sizeof from, "%s/vocab.json", names[i]);
        put("vocab.json", from, true);
        snprintf(from, sizeof from, "%s/merges.txt", names[i]);
        put("merges.txt", from, true);
        if (i == 1) { // <pad>, an added token of the whole file, is not in it
            put("tokenizer_config.json", "opt/tokenizer_config.json", false);
        }
        if (tokenizer_load(&t, folder_path("vocab.json"), &err)) {
            fail_msg("%s", err.msg);
        }
        if (i == 0) {
            check(names[i], t, 50256);
        } else {
            assert_int_equal(tokenizer_bos(t), 2);
        }
        tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_gives_the_golden_ids),
        cmocka_unit_test(opt_gives_the_golden_ids),
        cmocka_unit_test(phi2_gives_the_golden_ids),
        cmocka_unit_test(smollm_shape_gives_the_golden_ids),
        cmocka_unit_test(qwen3_gives_the_golden_ids),
        cmocka_unit_test(llama3_shape_gives_the_golden_ids),
        cmocka_unit_test(mistral_v1_gives_the_golden_ids),
        cmocka_unit_test(phi3_shape_gives_the_golden_ids),
        cmocka_unit_test(metaspace_shape_gives_the_golden_ids),
        cmocka_unit_test(gemma_shape_gives_the_golden_ids),
        cmocka_unit_test(a_vocab_and_merges_give_the_golden_ids),
    };
    const int n_failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    return n_failed ? n_failed : n_skipped ? 77 : 0; // 77: skipped, to ctest
}
