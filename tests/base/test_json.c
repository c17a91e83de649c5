#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

static struct json_parser *plain, *lines; // of json_parser_new(), json_lines_parser_new()

static int make_parsers(void **state)
{
    (void)state;
    plain = json_parser_new();
    lines = json_lines_parser_new();
    return plain && lines ? 0 : -1;
}

static int free_parsers(void **state)
{
    (void)state;
    json_parser_free(plain);
    json_parser_free(lines);
    return 0;
}

/* Parses a text in a heap block of its exact size, so that AddressSanitizer sees a byte too far. */
static int parse(struct json_parser *parser, struct json_object **out, const char *text, size_t len,
                 struct err *err)
{
    char *copy = mem_new(len, 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    *err = (struct err){0};
    const int rc = json_parse(parser, out, copy, len, err);
    free(copy);
    return rc;
}

static void expect_refused(struct json_parser *parser, const char *text, const char *why)
{
    struct json_object *value = NULL;
    struct err err;
    if (parse(parser, &value, text, strlen(text), &err) != ERR_FORMAT || value) {
        fail_msg("%s: read as %s", text, json_object_to_json_string(value));
    }
    if (strcmp(err.msg, why) != 0) {
        fail_msg("%s: %s; wanted %s", text, err.msg, why);
    }
}

static void expect_read(struct json_parser *parser, const char *text, const char *as)
{
    struct json_object *value = NULL;
    struct err err;
    if (parse(parser, &value, text, strlen(text), &err)) {
        fail_msg("%s: %s", text, err.msg);
    }
    const char *got = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE);
    if (strcmp(got, as) != 0) {
        fail_msg("%s: read as %s; wanted %s", text, got, as);
    }
    json_object_put(value);
}

// --- escapes -----------------------------------------------------------------------------------

/* Appends a code point as Python's json.dumps escapes it, with hex digits of either case. */
static void escape(struct buf *out, uint32_t code, bool upper)
{
    const char *format = upper ? "\\u%04X" : "\\u%04x";
    if (code >= 0x10000) {
        assert_int_equal(buf_printf(out, NULL, format, 0xd800 + ((code - 0x10000) >> 10)), 0);
        code = 0xdc00 + (code & 0x3ff);
    }
    assert_int_equal(buf_printf(out, NULL, format, code), 0);
}

/* Also those whose lower 16 bits look like a surrogate: U+1D800 to U+1DFFF and so on. */
static void every_code_point_is_read_from_its_escape(void **state)
{
    (void)state;
    size_t tried = 0;
    for (uint32_t first = 0; first < 0x110000; first += 0x400) {
        struct buf json = {0}, text = {0};
        assert_int_equal(buf_append(&json, "\"", 1, NULL), 0);
        for (uint32_t code = first; code < first + 0x400; code++) {
            char bytes[4];
            if (code < 0xd800 || code > 0xdfff) {
                escape(&json, code, code & 1);
                assert_int_equal(buf_append(&text, bytes, utf8_encode(code, bytes), NULL), 0);
                tried++;
            }
        }
        assert_int_equal(buf_append(&json, "\"", 1, NULL), 0);
        for (int k = 0; k < 2; k++) {
            struct json_object *value = NULL;
            struct err err;
            assert_int_equal(parse(k ? lines : plain, &value, json.data, json.len, &err), 0);
            assert_int_equal(json_object_get_string_len(value), text.len);
            if (text.len > 0) {
                assert_memory_equal(json_object_get_string(value), text.data, text.len);
            }
            json_object_put(value);
        }
        buf_free(&json);
        buf_free(&text);
    }
    assert_int_equal(tried, 1112064);
}

#define FFFD "\xef\xbf\xbd"

static void lone_surrogates_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text, *in_lines;
    } cases[] = {
        {"\"\\ud800\"", FFFD, "\xff"},
        {"\"\\uDBFF\"", FFFD, "\xff"},
        {"\"\\udc00\"", FFFD, "\xff"},
        {"\"\\uDFFF\"", FFFD, "\xff"},
        {"\"\\ud837\\udf00\"", "\xf0\x9d\xbc\x80", "\xf0\x9d\xbc\x80"}, // U+1DF00
        {"\"\\uD876\\uDC00\"", "\xf0\xad\xa0\x80", "\xf0\xad\xa0\x80"}, // U+2D800
        {"\"\\ud83d\\uDE00\"", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\"\\ud800\\ud800\"", FFFD FFFD, "\xff\xff"},
        {"\"\\ud837\\ud837\\udf00\"", FFFD "\xf0\x9d\xbc\x80", "\xff\xf0\x9d\xbc\x80"},
        {"\"\\udf00\\ud837\"", FFFD FFFD, "\xff\xff"},
        {"\"\\ud837\\udf00\\udf00\"", "\xf0\x9d\xbc\x80" FFFD, "\xf0\x9d\xbc\x80\xff"},
        {"\"\\ud800\\u0041\"", FFFD "A",
         "\xff"
         "A"},
        {"\"\\ud800x\"", FFFD "x", "\xffx"},
        {"\"\\ud800\\n\"", FFFD "\n", "\xff\n"},
        {"\"\\ud800\\\\udc00\"", FFFD "\\udc00", "\xff\\udc00"},
        {"\"\\\\ud800\"", "\\ud800", "\\ud800"},
        {"\"\xf0\x9d\xbc\x80\"", "\xf0\x9d\xbc\x80", "\xf0\x9d\xbc\x80"}, // not escaped
        {"\"\\ufffd\"", FFFD, FFFD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 2; k++) {
            const char *wanted = k ? cases[i].in_lines : cases[i].text;
            struct json_object *value = NULL;
            struct err err;
            if (parse(k ? lines : plain, &value, cases[i].json, strlen(cases[i].json), &err)) {
                fail_msg("%s: %s", cases[i].json, err.msg);
            }
            if (strcmp(json_object_get_string(value), wanted) != 0) {
                fail_msg("%s: %s", cases[i].json, json_object_get_string(value));
            }
            json_object_put(value);
        }
    }
}

static void keys_are_unescaped_as_well(void **state)
{
    (void)state;
    expect_read(plain, "{\"\\ud837\\udf00\":1,\"t\\u0065xt\":2}",
                "{\"\xf0\x9d\xbc\x80\":1,\"text\":2}");
    expect_read(plain, "{\"a\\ud800\":1}", "{\"a" FFFD "\":1}");
}

static void all_short_escapes_are_read(void **state)
{
    (void)state;
    struct json_object *value = NULL;
    struct err err;
    static const char json[] = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000.\"";
    assert_int_equal(parse(plain, &value, json, sizeof json - 1, &err), 0);
    assert_int_equal(json_object_get_string_len(value), 10);
    assert_memory_equal(json_object_get_string(value), "\"\\/\b\f\n\r\t\0.", 10);
    json_object_put(value);
    static const char *const bad[] = {"\\a",     "\\0",     "\\'",     "\\U0041", "\\x41", "\\u004",
                                      "\\u00g0", "\\u 041", "\\u+041", "\\u",     "\\\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[32];
        snprintf(text, sizeof text, "[\"%s\"]", bad[i]);
        expect_refused(plain, text, "line 1, column 3: invalid string sequence");
    }
}

// --- what JSON is and is not -------------------------------------------------------------------

static void what_is_not_json_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{'a':1}", "column 2: quoted object property name expected"}, // json-c takes these two
        {"{'\"a\":1,\"b\"':2}", "column 2: quoted object property name expected"},
        {"['a']", "column 2: unexpected character"},
        {"{a:1}", "column 2: quoted object property name expected"},
        {"{\"a\":1,}", "column 8: quoted object property name expected"},
        {"[1,]", "column 4: unexpected character"},
        {"[,1]", "column 2: unexpected character"},
        {"[1 2]", "column 4: array value separator ',' expected"},
        {"{\"a\" 1}", "column 6: object property name separator ':' expected"},
        {"{\"a\":1 \"b\":2}", "column 8: object value separator ',' expected"},
        {"{\"a\":}", "column 6: unexpected character"},
        {"/**/1", "column 1: unexpected character"},
        {"1//", "column 2: unexpected character"},
        {"{} {}", "column 4: unexpected character"},
        {"1 2", "column 3: unexpected character"},
        {"]", "column 1: unexpected character"},
        {"[}", "column 2: unexpected character"},
        {"{]", "column 2: quoted object property name expected"},
        {"TRUE", "column 1: unexpected character"},
        {"None", "column 2: unexpected character"},
        {"nil", "column 2: null expected"},
        {"tru", "column 4: ends too early"},
        {"truly", "column 4: boolean expected"},
        {"falsy", "column 5: boolean expected"},
        {"nullx", "column 5: unexpected character"},
        {"undefined", "column 1: unexpected character"},
        {"\v1", "column 1: unexpected character"},
        {"\xc2\xa0"
         "1",
         "column 1: unexpected character"}, // a no-break space
        {"+1", "column 1: unexpected character"},
        {".5", "column 1: unexpected character"},
        {"1.", "column 3: ends too early"},
        {"[1.]", "column 4: number expected"},
        {"[1.e5]", "column 4: number expected"},
        {"[1e]", "column 4: number expected"},
        {"[1e+]", "column 5: number expected"},
        {"[-]", "column 3: number expected"},
        {"[01]", "column 3: number expected"},
        {"[-01]", "column 4: number expected"},
        {"[0x1]", "column 3: array value separator ',' expected"},
        {"[1_000]", "column 3: array value separator ',' expected"},
        {"[-NaN]", "column 3: number expected"},
        {"\"a", "column 3: ends too early"},
        {"\"a\\\"", "column 5: ends too early"},
        {"{\"a\\u0000b\":1}", "column 2: \\u0000 in a key is not read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[100];
        snprintf(why, sizeof why, "line 1, %s", cases[i].why);
        expect_refused(plain, cases[i].text, why);
        expect_refused(lines, cases[i].text, why);
    }
    struct json_object *value = NULL;
    struct err err;
    assert_int_equal(parse(plain, &value, "[\"\0\"]", 5, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "line 1, column 3: a NUL byte");
}

static void numbers_are_what_they_say(void **state)
{
    (void)state;
    static const char *const same[] = {
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616", // json-c makes 18446744073709551615 of it
        "-9223372036854775809",
        "1000000000000000019884624838656", // of many a tokenizer_config.json
        "1.50",
        "-0.0",
        "1E+05",
        "1e-400",
        "1.7976931348623157e308",
    };
    static const double values[] = {0,
                                    -1,
                                    9223372036854775807.0,
                                    -9223372036854775808.0,
                                    9223372036854775808.0,
                                    18446744073709551615.0,
                                    18446744073709551616.0,
                                    -9223372036854775809.0,
                                    1000000000000000019884624838656.0,
                                    1.5,
                                    -0.0,
                                    1e5,
                                    0,
                                    1.7976931348623157e308};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        expect_read(plain, same[i], same[i]);
        expect_read(lines, same[i], same[i]);
        struct json_object *value = NULL;
        struct err err;
        assert_int_equal(parse(plain, &value, same[i], strlen(same[i]), &err), 0);
        assert_true(json_object_get_double(value) == values[i]);
        assert_int_equal(json_object_is_type(value, json_type_int), i < 6);
        json_object_put(value);
    }
    expect_read(plain, "-0", "0");
    expect_refused(plain, "[1e999]", "line 1, column 2: a number beyond the range of a double");
    expect_refused(plain, "-1e309", "line 1, column 1: a number beyond the range of a double");
    expect_refused(plain, "[NaN]", "line 1, column 2: NaN and Infinity are not JSON");
    expect_refused(plain, "{\"a\":-Infinity}", "line 1, column 6: NaN and Infinity are not JSON");
    expect_refused(plain, "Inf", "line 1, column 4: ends too early");
}

static void lines_may_hold_what_python_writes(void **state)
{
    (void)state;
    expect_read(lines, "{\"a\":[NaN,Infinity,-Infinity,1e999],\"b\":1}",
                "{\"a\":[NaN,Infinity,-Infinity,1e999],\"b\":1}");
    expect_refused(lines, "[Nan]", "line 1, column 4: unexpected character");
    expect_refused(lines, "[Infinite]", "line 1, column 9: unexpected character");
}

static void the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    expect_read(plain, "{\"a\":1,\"b\":2,\"a\":{\"a\":3}}", "{\"a\":{\"a\":3},\"b\":2}");
    expect_read(plain, "{\"a\":1,\"\\u0061\":null}", "{\"a\":null}");
    expect_read(plain, "{\"\":1}", "{\"\":1}");
}

static void a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    expect_read(plain, "\xef\xbb\xbf{\"a\":1}", "{\"a\":1}");
    expect_read(lines, "\xef\xbb\xbf \n7", "7");
    expect_refused(plain, "\xef\xbb\xbf", "line 1, column 1: no JSON value");
    expect_refused(plain, "\xef\xbb\xbf\xef\xbb\xbf 1", "line 1, column 4: unexpected character");
}

static void nesting_ends_at_its_limit(void **state)
{
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 3];
    for (size_t n = JSON_MAX_DEPTH; n <= JSON_MAX_DEPTH + 1; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);
        struct json_object *value = NULL;
        struct err err;
        const int rc = parse(plain, &value, text, 2 * n, &err);
        assert_int_equal(rc, n == JSON_MAX_DEPTH ? 0 : ERR_FORMAT);
        if (rc) {
            assert_string_equal(err.msg, "line 1, column 513: nested too deep");
        }
        json_object_put(value);
    }
    // Depth is not the number of arrays.
    expect_read(plain, "[[],[[]],{\"a\":{}},[]]", "[[],[[]],{\"a\":{}},[]]");
}

static void long_strings_and_numbers_are_whole(void **state)
{
    (void)state;
    enum { LEN = 3 << 20 };
    char *text = mem_new(LEN, 1);
    struct json_object *value = NULL;
    struct err err;
    memset(text, 'x', LEN);
    text[0] = text[LEN - 1] = '"';
    assert_int_equal(parse(plain, &value, text, LEN, &err), 0);
    assert_int_equal(json_object_get_string_len(value), LEN - 2);
    json_object_put(value);
    memcpy(text + LEN / 2, "\\n", 2);
    assert_int_equal(parse(plain, &value, text, LEN, &err), 0);
    assert_int_equal(json_object_get_string_len(value), LEN - 3);
    json_object_put(value);
    memset(text, '1', LEN);
    text[1] = '.';
    assert_int_equal(parse(plain, &value, text, LEN, &err), 0);
    assert_true(json_object_get_double(value) == 1.1111111111111112);
    json_object_put(value);
    free(text);
}

static void typed_members_are_not_cut_at_a_nul(void **state)
{
    (void)state;
    static const char json[] = "{\"s\":\"gelu\\u0000x\",\"n\":18446744073709551615,\"m\":"
                               "18446744073709551616,\"t\":\"ok\"}";
    struct json_object *object = NULL;
    struct err err;
    assert_int_equal(parse(plain, &object, json, sizeof json - 1, &err), 0);
    const char *s = NULL;
    size_t n = 0;
    assert_int_equal(json_member_string(object, "s", &s, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "\"s\" is \"gelu\\u0000x\"; expected a string without \\u0000");
    assert_int_equal(json_member_string(object, "t", &s, &err), 0);
    assert_string_equal(s, "ok");
    assert_int_equal(json_member_size(object, "n", &n, &err), 0);
    assert_true(n == SIZE_MAX);
    assert_int_equal(json_member_size(object, "m", &n, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "\"m\" is 18446744073709551616; expected a whole number from 0");
    assert_null(json_c_string(json_member(object, "s")));
    assert_null(json_c_string(json_member(object, "n")));
    assert_null(json_c_string(NULL));
    json_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_read_from_its_escape),
        cmocka_unit_test(lone_surrogates_are_replaced),
        cmocka_unit_test(keys_are_unescaped_as_well),
        cmocka_unit_test(all_short_escapes_are_read),
        cmocka_unit_test(what_is_not_json_is_refused_at_its_place),
        cmocka_unit_test(numbers_are_what_they_say),
        cmocka_unit_test(lines_may_hold_what_python_writes),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(long_strings_and_numbers_are_whole),
        cmocka_unit_test(typed_members_are_not_cut_at_a_nul),
    };
    return cmocka_run_group_tests(tests, make_parsers, free_parsers);
}
