#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/json.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/utf8.h"

static void strings_are_escaped_where_json_asks_for_it_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"\"\\/", 3, "\"\\\"\\\\/\""},
        {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        assert_int_equal(buf_append(&out, "x:", 2, NULL), 0);
        assert_int_equal(jsonw_string(&out, cases[i].text, cases[i].len, NULL), 0);
        assert_int_equal(out.len, 2 + strlen(cases[i].json));
        assert_memory_equal(out.data + 2, cases[i].json, out.len - 2);
        buf_free(&out);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    char every[128];
    for (size_t i = 0; i < sizeof every; i++) {
        every[i] = (char)i;
    }
    struct buf out = {0};
    assert_int_equal(jsonw_string(&out, every, sizeof every, NULL), 0);
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    assert_int_equal(json_parse(parser, &value, out.data, out.len, NULL), 0);
    assert_int_equal(json_object_get_string_len(value), sizeof every);
    assert_memory_equal(json_object_get_string(value), every, sizeof every);
    json_object_put(value);
    json_parser_free(parser);
    buf_free(&out);
}

static void numbers_and_lists_of_them_are_appended(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 7, 10, 4294967295};
    struct buf out = {0};
    assert_int_equal(jsonw_u32s(&out, values, 0, NULL), 0);
    assert_int_equal(jsonw_u32s(&out, values, 1, NULL), 0);
    assert_int_equal(jsonw_u32s(&out, values, 4, NULL), 0);
    assert_int_equal(jsonw_u64(&out, UINT64_MAX, NULL), 0);
    assert_int_equal(jsonw_u64(&out, 0, NULL), 0);
    assert_int_equal(buf_append(&out, "", 1, NULL), 0);
    assert_string_equal(out.data, "[][0][0,7,10,4294967295]184467440737095516150");
    buf_free(&out);
}

static void an_unfinished_character_is_told_from_a_wrong_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"", 0},
        {"abc", 0},
        {"\xc3\xa9", 0},
        {"a\xc3", 1},
        {"a\xe2", 1},
        {"a\xe2\x82", 2},
        {"\xf0\x9f\x98", 3},
        {"\xf0\x9f", 2},
        {"\xf0\x9f\x98\x80", 0},
        {"\x80", 0}, // not a lead byte
        {"\x80\x80\x80\x80", 0},
        {"\xff", 0},         // never a lead
        {"\xc0", 0},         // overlong
        {"\xf5", 0},         // above U+10FFFF
        {"\xed\xa0", 0},     // a surrogate is wrong whatever follows
        {"\xe0\x80", 0},     // overlong
        {"\xf4\x90", 0},     // above U+10FFFF
        {"\xe2\x82\xe2", 1}, // the first is wrong, the second unfinished
        {"\xc3\xa9\x82", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(utf8_unfinished(cases[i].text, strlen(cases[i].text)), cases[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_where_json_asks_for_it_and_nowhere_else),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(numbers_and_lists_of_them_are_appended),
        cmocka_unit_test(an_unfinished_character_is_told_from_a_wrong_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
