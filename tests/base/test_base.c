#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/base/err.h"
#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8_repair.h"

static void an_error_reads_from_the_outside_in(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_FORMAT, "byte %d: unterminated string", 88211), ERR_FORMAT);
    assert_int_equal(err_prefix(&err, "line %d", 1204), ERR_FORMAT);
    assert_int_equal(err_prefix(&err, "%s", "shard.zst"), ERR_FORMAT);
    assert_string_equal(err.msg, "shard.zst: line 1204: byte 88211: unterminated string");
}

static void control_bytes_never_reach_the_terminal(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_FORMAT, "tensor \033[2J\n");
    assert_string_equal(err.msg, "tensor \\x1B[2J\\x0A");
    err_set(&err, ERR_FORMAT,
            "caf\xc3\xa9 \xff\xc2\x9b"
            "2J");
    assert_string_equal(err.msg, "caf\xc3\xa9 \\xFF\\xC2\\x9B2J");
}

static void a_long_error_keeps_its_beginning(void **state)
{
    (void)state;
    struct err err = {0};
    char longest[4000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    err_set(&err, ERR_FORMAT, "%s", longest);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    err_prefix(&err, "file");
    assert_int_equal(strncmp(err.msg, "file: xxx", 9), 0);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    for (size_t i = 0; i < 1020; i += 2) {
        memcpy(longest + i, "\xc3\xa9", 2);
    }
    longest[1020] = '\0';
    err_set(&err, ERR_FORMAT, "%s", longest);
    err_prefix(&err, "file");
    assert_int_equal(strlen(err.msg), sizeof err.msg - 2);
}

static void sizes_do_not_overflow(void **state)
{
    (void)state;
    size_t product = 7;
    assert_false(mem_mul(SIZE_MAX, 2, &product));
    assert_int_equal(product, 7);
    assert_true(mem_mul(6, 7, &product));
    assert_int_equal(product, 42);
    assert_null(mem_new(SIZE_MAX / 2, 4));
}

static void a_buffer_grows_and_keeps_what_it_holds(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_printf(&b, NULL, "%d,", i), 0);
    }
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.data, "0,1,2,", 6);
    assert_memory_equal(b.data + b.len - 8, "998,999,", 8);
    buf_free(&b);
    assert_null(b.data);
}

// Expected values: bytes.decode("utf-8", errors="replace") of Python 3.11.
static void utf8_is_repaired_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        uint64_t n;
    } cases[] = {
        {"plain", "plain", 0},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 0},
        {"bad \xff utf8", "bad \xef\xbf\xbd utf8", 1},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3}, // a surrogate
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", 2},                 // overlong
        {"\xe2\x82", "\xef\xbf\xbd", 1},                             // cut
        {"\xf0\x9f\x98"
         "a",
         "\xef\xbf\xbd"
         "a",
         1},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 4},
        {"\xef\xbf\xbd", "\xef\xbf\xbd", 0}, // U+FFFD itself is text
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        uint64_t n = 0;
        assert_int_equal(utf8_repair(&out, cases[i].in, strlen(cases[i].in), &n, NULL), 0);
        assert_int_equal(n, cases[i].n);
        assert_int_equal(out.len, strlen(cases[i].out));
        assert_memory_equal(out.data, cases[i].out, out.len);
        buf_free(&out);
    }
}

static struct json_object *parsed(const char *text, size_t len, struct err *err)
{
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    err->code = ERR_NONE;
    json_parse(parser, &value, text, len, err);
    json_parser_free(parser);
    return value;
}

static void json_strings_may_hold_nul_and_lone_surrogates(void **state)
{
    (void)state;
    static const char text[] = "{\"t\":\"a\\u0000b \\ud800 c\"}";
    struct err err = {0};
    struct json_object *object = parsed(text, sizeof text - 1, &err);
    struct json_object *t = json_member(object, "t");
    assert_int_equal(json_object_get_string_len(t), 9);
    assert_memory_equal(json_object_get_string(t), "a\0b \xef\xbf\xbd c", 9);
    json_object_put(object);
}

static void json_mistakes_name_their_place(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "  ", "{", "[1,", "{\"a\":1}x", "{\"a\":1,}", "nul", "\"open", "{\"a\":1} {}", "[1 2]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_null(parsed(bad[i], strlen(bad[i]), &err));
        if (err.code != ERR_FORMAT) {
            print_error("accepted: %s\n", bad[i]);
        }
        assert_int_equal(err.code, ERR_FORMAT);
        assert_int_equal(strncmp(err.msg, "line 1, column ", 15), 0);
    }
    struct err err = {0};
    assert_null(parsed("{\n \"a\": ?}", 10, &err));
    assert_int_equal(strncmp(err.msg, "line 2, column 7: ", 18), 0);
    assert_null(parsed("{}\0", 3, &err));
    assert_int_equal(err.code, ERR_FORMAT);
}

static void json_values_of_every_kind_parse_whole(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0", "-1.5e3", "true", " null ", "\"s\"", "[]", "{}", "[1,2]\n", "12345678901234567890123"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err err = {0};
        struct json_object *value = parsed(good[i], strlen(good[i]), &err);
        if (err.code) {
            print_error("refused: %s: %s\n", good[i], err.msg);
        }
        assert_int_equal(err.code, 0);
        json_object_put(value);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char deep[4000];
    memset(deep, '[', sizeof deep);
    struct err err = {0};
    assert_null(parsed(deep, sizeof deep, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.msg, "nested too deep"));
}

static void an_output_file_appears_only_when_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/gapscope-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = file_join(dir, "out.txt");
    struct outfile out = {0};
    assert_int_equal(outfile_open(&out, path, NULL), 0);
    fputs("half", out.stream);
    assert_false(file_is_regular(path));
    outfile_discard(&out);
    assert_false(file_is_regular(path));

    assert_int_equal(outfile_open(&out, path, NULL), 0);
    fputs("whole", out.stream);
    assert_int_equal(outfile_commit(&out, NULL), 0);
    struct buf text = {0};
    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    assert_int_equal(text.len, 5);

    struct err err = {0};
    assert_int_equal(file_read(path, 4, &text, &err), ERR_LIMIT);
    buf_free(&text);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); // fails if anything else is there
    free(path);
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    struct outfile out = {0};
    struct err err = {0};
    assert_int_equal(outfile_open(&out, "/dev/full", &err), 0);
    fputs("text", out.stream);
    assert_int_equal(outfile_commit(&out, &err), ERR_IO);
    assert_string_equal(err.msg, "/dev/full: No space left on device");
}

static void base_names_lose_trailing_slashes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a/b.txt", "b.txt"},
                                           {"models/gelu-1l/", "gelu-1l"},
                                           {"x", "x"},
                                           {"/", "/"},
                                           {"/x//", "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = file_base_name(cases[i][0]);
        assert_string_equal(name, cases[i][1]);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_reads_from_the_outside_in),
        cmocka_unit_test(control_bytes_never_reach_the_terminal),
        cmocka_unit_test(a_long_error_keeps_its_beginning),
        cmocka_unit_test(sizes_do_not_overflow),
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_holds),
        cmocka_unit_test(utf8_is_repaired_as_python_does),
        cmocka_unit_test(json_strings_may_hold_nul_and_lone_surrogates),
        cmocka_unit_test(json_mistakes_name_their_place),
        cmocka_unit_test(json_values_of_every_kind_parse_whole),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(an_output_file_appears_only_when_whole),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(base_names_lose_trailing_slashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
