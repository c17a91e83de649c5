#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/jsonl.h"
#include "corpora/record_keys.h"

// The text of each line, or, if text is NULL, the reason why there is none.
static const struct {
    const char *line;
    const char *field;
    const char *text;
    enum reject_reason reason;
    const char *why;
} cases[] = {
    {"{\"text\":\"a\"}", NULL, "a", 0, NULL},
    {" {\"text\" : \"a\" }\r", NULL, "a", 0, NULL},
    {"{\"text\":\"\"}", NULL, "", 0, NULL},
    {"{\"content\":\"b\"}", NULL, "b", 0, NULL},
    {"{\"code\":\"c\"}", NULL, "c", 0, NULL},
    {"{\"code\":\"c\",\"content\":\"b\",\"text\":\"a\"}", NULL, "a", 0, NULL},
    {"{\"text\":5,\"code\":\"c\"}", NULL, "c", 0, NULL},
    {"{\"text\":\"one\",\"text\":\"two\"}", NULL, "two", 0, NULL},
    {"{\"text\":\"tab\tand \x01\"}", NULL, "tab\tand \x01", 0, NULL}, // not JSON, but seen
    {"{\"text\":\"a\",\"score\":NaN}", NULL, "a", 0, NULL},           // Python's

    {"{\"a\":{\"b\":\"deep\"},\"text\":\"t\"}", "a.b", "deep", 0, NULL},
    {"{\"a\":\"flat\"}", "a", "flat", 0, NULL},
    // A key with a dot in it is found before the members that its parts name.
    {"{\"a.b\":\"flat\"}", "a.b", "flat", 0, NULL},
    {"{\"a\":{\"b\":\"deep\"},\"a.b\":\"flat\"}", "a.b", "flat", 0, NULL},
    {"{\"a\":{\"b\":\"deep\"},\"a.b\":null}", "a.b", "deep", 0, NULL},
    {"{\"a.b\":{\"c\":\"t\"}}", "a.b.c", "t", 0, NULL},
    {"{\"a\":{\"b.c\":\"t\"}}", "a.b.c", "t", 0, NULL},
    {"{\"a.b\":{\"x\":1},\"a\":{\"b\":{\"c\":\"t\"}}}", "a.b.c", "t", 0, NULL},
    {"{\"a.b\":5,\"a\":{\"b\":\"deep\"}}", "a.b", "deep", 0, NULL},
    {"{\"a.b\":{\"c\":1},\"a\":{\"b.c\":[2],\"b\":{\"c\":\"deep\"}}}", "a.b.c", "deep", 0, NULL},
    {"{\"a.b\":5,\"a\":{\"b\":true}}", "a.b", NULL, REJECT_NO_TEXT_FIELD,
     "\"a.b\" is a number, not a string"},
    {"{\"a.b\":null,\"a\":{\"b\":true}}", "a.b", NULL, REJECT_NO_TEXT_FIELD,
     "\"a.b\" is true or false, not a string"},
    {"{\"a\":\"flat\"}", "a.b", NULL, REJECT_NO_TEXT_FIELD, "no \"a.b\""},
    {"{\"a\":{\"b\":null}}", "a.b", NULL, REJECT_NO_TEXT_FIELD, "no \"a.b\""},
    {"{\"a\":{\"b\":[1]}}", "a.b", NULL, REJECT_NO_TEXT_FIELD, "\"a.b\" is an array, not a string"},
    {"{\"text\":\"t\"}", "a", NULL, REJECT_NO_TEXT_FIELD, "no \"a\""},

    {"{}", NULL, NULL, REJECT_NO_TEXT_FIELD,
     "no \"text\", \"content\" or \"code\" that is a string"},
    // A list of strings is a text of paragraphs.
    {"{\"text\":[\"p1\",\"p2\"]}", NULL, "p1\n\np2", 0, NULL},
    {"{\"text\":[\"p1\"],\"content\":\"c\"}", NULL, "p1", 0, NULL},
    {"{\"text\":[]}", NULL, "", 0, NULL},
    {"{\"text\":[\"\",\"\"]}", NULL, "\n\n", 0, NULL},
    {"{\"text\":[\"a\\ud800\",\"b\"]}", NULL, "a\xff\n\nb", 0, NULL},
    {"{\"a\":{\"b\":[\"p1\",\"p2\"]}}", "a.b", "p1\n\np2", 0, NULL},
    {"{\"text\":[\"p1\",2]}", NULL, NULL, REJECT_NO_TEXT_FIELD, "no \"text\""},
    {"{\"text\":[[\"p1\"]]}", NULL, NULL, REJECT_NO_TEXT_FIELD, "no \"text\""},
    {"{\"text\":{\"text\":\"t\"}}", NULL, NULL, REJECT_NO_TEXT_FIELD, "no \"text\""},
    {"[\"text\"]", NULL, NULL, REJECT_NOT_AN_OBJECT, "an array, not an object"},
    {"\"bare\"", NULL, NULL, REJECT_NOT_AN_OBJECT, "a string, not an object"},
    {"12", NULL, NULL, REJECT_NOT_AN_OBJECT, "a number, not an object"},
    {"null", NULL, NULL, REJECT_NOT_AN_OBJECT, "null, not an object"},
    {"not json", NULL, NULL, REJECT_BAD_JSON, "column 2: "},
    {"{\"text\":\"cut", NULL, NULL, REJECT_BAD_JSON, "column 13: ends too early"},
    {"{\"text\":\"a\"} {}", NULL, NULL, REJECT_BAD_JSON, "column 14: "},
    {"{\"text\":\"a\",}", NULL, NULL, REJECT_BAD_JSON, "column 13: "},
    {"{text:\"a\"}", NULL, NULL, REJECT_BAD_JSON, "column 2: "},
    {"{\"text\":\"\\ud800\\ud800\" x", NULL, NULL, REJECT_BAD_JSON,
     "column 24: "}, // not of the marked line

    // Lone surrogates become FF, which is repaired and counted with the rest.
    {"{\"text\":\"\\ud83d\\ude00\"}", NULL, "\xf0\x9f\x98\x80", 0, NULL},
    {"{\"text\":\"\\uD83D\\uDE00\"}", NULL, "\xf0\x9f\x98\x80", 0, NULL},
    {"{\"text\":\"a\\ud800b\"}", NULL,
     "a\xff"
     "b",
     0, NULL},
    {"{\"text\":\"\\udc00\"}", NULL, "\xff", 0, NULL},
    {"{\"text\":\"\\ud800\\ud800\"}", NULL, "\xff\xff", 0, NULL},
    {"{\"text\":\"\\ud800\\ud83d\\ude00\"}", NULL, "\xff\xf0\x9f\x98\x80", 0, NULL},
    {"{\"text\":\"\\ude00\\ud83d\"}", NULL, "\xff\xff", 0, NULL},
    {"{\"text\":\"\\ud83d\\n\\ude00\"}", NULL, "\xff\n\xff", 0, NULL},
    {"{\"text\":\"\\ud83dx\"}", NULL, "\xffx", 0, NULL},
    {"{\"text\":\"\\\\ud800\"}", NULL, "\\ud800", 0, NULL}, // a backslash and a word
    {"{\"text\":\"\\\\\\ud800\"}", NULL, "\\\xff", 0, NULL},
    {"{\"text\":\"\\ufffd\xef\xbf\xbd\"}", NULL, "\xef\xbf\xbd\xef\xbf\xbd", 0, NULL}, // its own
    {"{\"text\":\"bad \xff utf8 \xc3\"}", NULL, "bad \xff utf8 \xc3", 0, NULL},
    {"{\"text\":\"\\ud80\"}", NULL, NULL, REJECT_BAD_JSON, "column "},
    {"{\"text\":\"\\ud800", NULL, NULL, REJECT_BAD_JSON, "column 16: ends too early"},
    {"{\"text\":\"\\u", NULL, NULL, REJECT_BAD_JSON, "column 12: ends too early"},
    {"{\"text\":\"\\", NULL, NULL, REJECT_BAD_JSON, "column 11: ends too early"},
};

static void every_line_has_a_text_or_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jsonl *j;
        assert_int_equal(jsonl_open(&j, cases[i].field, NULL, NULL), 0);
        for (int again = 0; again < 2; again++) {
            struct jsonl_record record;
            enum reject_reason reason = REJECT_N;
            struct err err = {0};
            const int rc =
                jsonl_read(j, cases[i].line, strlen(cases[i].line), &record, &reason, &err);
            if (cases[i].text) {
                assert_int_equal(rc, 0);
                assert_int_equal(record.len, strlen(cases[i].text));
                assert_memory_equal(record.text, cases[i].text, record.len);
            } else if (rc != ERR_FORMAT || reason != cases[i].reason ||
                       strncmp(err.msg, cases[i].why, strlen(cases[i].why)) != 0) {
                fail_msg("%s: %d, %d, %s", cases[i].line, rc, reason, err.msg);
            }
        }
        jsonl_close(j);
    }
}

#define X10 "0123456789"
#define X50 X10 X10 X10 X10 X10
#define X190 X50 X50 X50 X10 X10 X10 X10

// Members after the text, and the domain.
static const struct {
    const char *members;
    const char *option;
    const char *domain;
} domains[] = {
    {"\"meta\":{\"pile_set_name\":\"Pile-CC\"}", NULL, "Pile-CC"},
    {"\"meta\":{\"set\":\"c4\"}", NULL, "c4"},
    {"\"source\":\"reddit\"", NULL, "reddit"},
    {"\"meta\":{\"redpajama_set_name\":\"RedPajamaBook\"}", NULL, "RedPajamaBook"},
    {"\"source\":\"s\",\"meta\":{\"redpajama_set_name\":\"r\",\"set\":\"t\",\"pile_set_name\":"
     "\"p\"}",
     NULL, "p"},
    {"\"source\":\"s\",\"meta\":{\"redpajama_set_name\":\"r\",\"set\":\"t\"}", NULL, "t"},
    {"\"source\":\"s\",\"meta\":{\"redpajama_set_name\":\"r\"}", NULL, "s"},
    {"\"source\":\"s\",\"meta\":{\"pile_set_name\":5,\"set\":\"\"}", NULL, "s"}, // no names
    {"\"source\":\"s\",\"meta\":null", NULL, "s"},
    {"\"source\":\"s\",\"meta\":\"pile_set_name\"", NULL, "s"},
    {"\"source\":\"one\",\"source\":\"two\"", NULL, "two"},
    {"\"source\":\"\"", NULL, NULL},
    {"\"source\":[\"s\"]", NULL, NULL},
    {"\"set\":\"t\",\"pile_set_name\":\"p\"", NULL, NULL},
    {"\"meta.pile_set_name\":\"p\",\"source\":\"s\"", NULL, "p"}, // a flattened record
    {"\"meta.set\":\"t\",\"meta\":{\"set\":\"u\"}", NULL, "t"},
    {"\"a\":1", NULL, NULL},

    {"\"a\":{\"b\":\"deep\"},\"source\":\"s\"", "a.b", "deep"},
    {"\"a\":{\"b\":\"\"},\"source\":\"s\"", "a.b", NULL}, // and not the default
    {"\"a\":{\"b\":1},\"source\":\"s\"", "a.b", NULL},
    {"\"a\":\"flat\",\"source\":\"s\"", "a.b", NULL},
    {"\"a\":\"flat\"", "a", "flat"},
    {"\"a.b\":\"flat\"", "a.b", "flat"},
    {"\"a.b\":\"flat\",\"a\":{\"b\":\"deep\"}", "a.b", "flat"},
    {"\"a\":{\"b.c\":\"t\"}", "a.b.c", "t"},
    {"\"a\":1", "text", "t"},

    {"\"source\":\"caf\\u00e9\"", NULL, "caf\xc3\xa9"},
    {"\"source\":\"a\\u0000b\"", NULL,
     "a\xef\xbf\xbd"
     "b"},
    {"\"source\":\"a\\ud800b\"", NULL,
     "a\xef\xbf\xbd"
     "b"},
    {"\"source\":\"\xe6\x97\"", NULL, "\xef\xbf\xbd"},
    {"\"source\":\"" X190 X10 "\"", NULL, X190 X10},
    {"\"source\":\"" X190 X10 "a\"", NULL, X190 X10},
    {"\"source\":\"" X190 X190 "\"", NULL, X190 X10},
    {"\"source\":\"" X190 "01234567\xc3\xa9z\"", NULL, X190 "01234567\xc3\xa9"},
    {"\"source\":\"" X190 "012345678\xc3\xa9z\"", NULL, X190 "012345678"},
    {"\"source\":\"" X190 "0123456\xe6\x97\xa5z\"", NULL, X190 "0123456\xe6\x97\xa5"},
    {"\"source\":\"" X190 "01234567\xe6\x97\xa5z\"", NULL, X190 "01234567"},
    {"\"source\":\"" X190 "0123456\xf0\x9f\x98\x80z\"", NULL, X190 "0123456"},
    {"\"source\":\"" X190 X10 "\xf0\x9f\x98\x80\"", NULL, X190 X10},
    {"\"source\":\"" X190 "01234567\xff\"", NULL, X190 "01234567"}, // U+FFFD has no room
    {"\"source\":\"" X190 "0123456\xffz\"", NULL, X190 "0123456\xef\xbf\xbd"},
};

static void every_record_has_its_domain(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        struct jsonl *j;
        assert_int_equal(jsonl_open(&j, NULL, domains[i].option, NULL), 0);
        for (int again = 0; again < 2; again++) {
            char line[600];
            const int len = snprintf(line, sizeof line, "{\"text\":\"t\",%s}", domains[i].members);
            struct jsonl_record record;
            enum reject_reason reason;
            assert_int_equal(jsonl_read(j, line, (size_t)len, &record, &reason, NULL), 0);
            assert_string_equal(record.text, "t");
            if (!record.domain != !domains[i].domain ||
                (record.domain && strcmp(record.domain, domains[i].domain) != 0)) {
                fail_msg("%s: %s", line, record.domain ? record.domain : "none");
            }
        }
        jsonl_close(j);
    }
}

static void a_nul_is_text_when_escaped_and_bad_when_bare(void **state)
{
    (void)state;
    struct jsonl *j;
    assert_int_equal(jsonl_open(&j, NULL, NULL, NULL), 0);
    struct jsonl_record record;
    enum reject_reason reason;
    struct err err = {0};
    static const char escaped[] = "{\"text\":\"a\\u0000b\\ud800\"}", bare[] = "{\"text\":\"a\0b\"}";
    assert_int_equal(jsonl_read(j, escaped, sizeof escaped - 1, &record, &reason, &err), 0);
    assert_int_equal(record.len, 4);
    assert_memory_equal(record.text, "a\0b\xff", 4);
    assert_int_equal(jsonl_read(j, bare, sizeof bare - 1, &record, &reason, &err), ERR_FORMAT);
    assert_int_equal(reason, REJECT_BAD_JSON);
    assert_string_equal(err.msg, "column 11: a NUL byte");
    jsonl_close(j);
}

static void a_string_is_a_text_where_it_is_allowed(void **state)
{
    (void)state;
    for (int with_field = 0; with_field < 2; with_field++) {
        struct jsonl *j;
        struct jsonl_record record;
        enum reject_reason reason;
        assert_int_equal(jsonl_open(&j, with_field ? "text" : NULL, NULL, NULL), 0);
        jsonl_allow_strings(j, true);
        assert_int_equal(
            jsonl_read(j, "{\"text\":\"a\",\"source\":\"s\"}", 25, &record, &reason, NULL), 0);
        assert_string_equal(record.domain, "s");
        const int rc = jsonl_read(j, "\"b\\n\"", 5, &record, &reason, NULL);
        assert_int_equal(rc, with_field ? ERR_FORMAT : 0);
        if (with_field) {
            assert_int_equal(reason, REJECT_NOT_AN_OBJECT);
        } else {
            assert_int_equal(record.len, 2);
            assert_memory_equal(record.text, "b\n", 2);
            assert_null(record.domain);
        }
        assert_int_equal(jsonl_read(j, "5", 1, &record, &reason, NULL), ERR_FORMAT);
        assert_int_equal(reason, REJECT_NOT_AN_OBJECT);
        jsonl_close(j);
    }
}

static void an_empty_field_is_refused(void **state)
{
    (void)state;
    struct jsonl *j = NULL;
    struct err err = {0};
    assert_int_equal(jsonl_open(&j, "", NULL, &err), ERR_USAGE);
    assert_string_equal(err.msg, "field \"\": a name must not be empty");
    assert_int_equal(jsonl_open(&j, NULL, "", &err), ERR_USAGE);
    assert_string_equal(err.msg, "domain \"\": a name must not be empty");
    assert_null(j);
}

/* The key of the longest string, which messages suggest, finds that string, however it is
 * written. */
static void a_key_that_is_suggested_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *line, *key;
    } records[] = {
        {"{\"n\":\"\",\"body\":\"found\"}", "body"},
        {"{\".a\":\"found\"}", ".a"},
        {"{\"a.\":\"found\"}", "a."},
        {"{\"a..b\":\"found\"}", "a..b"},
        {"{\".\":\"found\"}", "."},
        {"{\"a\":{\".b\":\"found\"}}", "a..b"},
        {"{\"a.\":{\"b\":\"found\"}}", "a..b"},
        {"{\"a\":{\"\":\"found\"}}", "a."},
        {"{\"\":{\"a\":\"found\"}}", ".a"},
        {"{\"\":{\"\":\"found\"}}", "."},
        {"{\"a.b\":{\"c.d\":\"found\"}}", "a.b.c.d"},
        {"{\"-x\":\"found\",\"\":\"not this one\"}", "-x"},
        {"{\"\":\"a key that cannot be named\"}", ""},
        {"{\"n\":5}", ""},
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        const size_t len = strlen(records[i].line);
        struct record_keys keys;
        record_keys_of_line(&keys, records[i].line, len);
        assert_true(keys.any);
        assert_string_equal(keys.longest, records[i].key);
        if (!*records[i].key) {
            continue;
        }
        struct jsonl *j;
        struct jsonl_record record;
        enum reject_reason reason;
        assert_int_equal(jsonl_open(&j, keys.longest, NULL, NULL), 0);
        assert_int_equal(jsonl_read(j, records[i].line, len, &record, &reason, NULL), 0);
        assert_string_equal(record.text, "found");
        jsonl_close(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_has_a_text_or_a_reason),
        cmocka_unit_test(every_record_has_its_domain),
        cmocka_unit_test(a_nul_is_text_when_escaped_and_bad_when_bare),
        cmocka_unit_test(a_string_is_a_text_where_it_is_allowed),
        cmocka_unit_test(an_empty_field_is_refused),
        cmocka_unit_test(a_key_that_is_suggested_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
