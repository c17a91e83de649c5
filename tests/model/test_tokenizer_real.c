/*
 * Real tokenizers against golden ids of the reference library.  The tokenizer.json files are too
 * large for the repository; the test is skipped if one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "model/tokenizer/tokenizer.h"

static int n_skipped;

/* The tokenizer of this name; if it is missing the test ends. */
static struct tokenizer *load(const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s/tokenizer.json", GAPSCOPE_TOKENIZERS, name);
    if (!file_is_regular(path)) {
        print_message("skipped: there is no %s (set GAPSCOPE_TOKENIZERS in CMake)\n", path);
        n_skipped++;
        skip();
    }
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_load(&t, path, &err)) {
        fail_msg("%s", err.msg);
    }
    return t;
}

static void expect_numbers(struct json_object *want, const uint32_t *got, size_t n, size_t line)
{
    if (json_object_array_length(want) != n) {
        fail_msg("line %zu: %zu tokens instead of %zu", line, n, json_object_array_length(want));
    }
    for (size_t i = 0; i < n; i++) {
        const int number = json_object_get_int(json_object_array_get_idx(want, i));
        if ((uint32_t)number != got[i]) {
            fail_msg("line %zu, token %zu: %u instead of %d", line, i, got[i], number);
        }
    }
}

static void check_line(struct encoder *e, struct json_object *golden, size_t line)
{
    struct json_object *text = json_member(golden, "text");
    const size_t len = (size_t)json_object_get_string_len(text);
    struct json_object *ids = json_member(golden, "ids"), *plain = json_member(golden, "ids_plain");
    struct tokens got = {0};
    assert_int_equal(encode(e, json_object_get_string(text), len, SPECIAL_SPLIT, &got, NULL), 0);
    expect_numbers(ids, got.ids, got.n, line);
    expect_numbers(json_member(golden, "ends"), got.ends, got.n, line);
    assert_int_equal(got.text_len, json_object_get_int(json_member(golden, "norm_len")));
    assert_int_equal(got.text != json_object_get_string(text),
                     json_object_get_boolean(json_member(golden, "norm_changed")));
    assert_int_equal(encode(e, json_object_get_string(text), len, SPECIAL_PLAIN, &got, NULL), 0);
    expect_numbers(plain ? plain : ids, got.ids, got.n, line);
    tokens_free(&got);
}

/* Checks that the tokenizer 'name' gives the ids of the golden file, 326 texts. */
static void check(const char *name, const char *golden)
{
    struct tokenizer *t = load(name);
    struct encoder *e = encoder_new(t);
    struct json_parser *parser = json_parser_new();
    FILE *f = fopen(golden, "r");
    assert_true(e && parser && f);
    char *line = NULL;
    size_t cap = 0, n = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, f)) > 0) {
        struct json_object *object = NULL;
        assert_int_equal(json_parse(parser, &object, line, (size_t)len, NULL), 0);
        check_line(e, object, ++n);
        json_object_put(object);
    }
    assert_int_equal(n, 326);
    free(line);
    fclose(f);
    json_parser_free(parser);
    encoder_free(e);
    tokenizer_free(t);
}

static void digits_gives_the_golden_ids(void **state)
{
    (void)state;
    check("digits", "tests/golden/tokenizers/digits.jsonl");
}

static void neox20b_gives_the_golden_ids(void **state)
{
    (void)state;
    check("neox20b", "tests/golden/tokenizers/neox20b.jsonl");
}

// The models were trained without the splits that newer libraries make with the older file.
static void the_older_file_of_digits_gives_the_same_ids_as_the_newer(void **state)
{
    (void)state;
    check("digits_wsadded", "tests/golden/tokenizers/digits.jsonl");
}

static void the_real_tokenizers_are_the_same_or_told_apart(void **state)
{
    (void)state;
    struct tokenizer *digits = load("digits"), *older = load("digits_wsadded");
    struct tokenizer *neox = load("neox20b");
    struct err why = {0};
    assert_int_equal(tokenizer_same(digits, older, &why), 0);
    assert_int_equal(tokenizer_same(digits, neox, &why), ERR_MISMATCH);
    assert_string_equal(why.msg,
                        "token 0 is \"<|EOS|>\" in one and \"<|endoftext|>\" in the other");
    assert_int_equal(tokenizer_bos(digits), 1);
    assert_int_equal(tokenizer_eos(digits), 0);
    assert_int_equal(tokenizer_bos(neox), 0);
    assert_int_equal(tokenizer_eos(neox), 0);
    assert_int_equal(tokenizer_n_vocab(digits), 48262);
    assert_int_equal(tokenizer_n_vocab(neox), 50277);
    tokenizer_free(digits);
    tokenizer_free(older);
    tokenizer_free(neox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_gives_the_golden_ids),
        cmocka_unit_test(neox20b_gives_the_golden_ids),
        cmocka_unit_test(the_older_file_of_digits_gives_the_same_ids_as_the_newer),
        cmocka_unit_test(the_real_tokenizers_are_the_same_or_told_apart),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    return n_failed ? n_failed : n_skipped ? 77 : 0; // 77: skipped, to ctest
}
