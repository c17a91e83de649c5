/*
 * JSON and memory streams when an allocation fails, each one after the other: json-c and the C
 * library say little about it.  The allocator of this program fails once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/json.h"
#include "corpora/base/memstream.h"
#include "tests/kit/failing_malloc.h"

#if !FAILING_MALLOC

int main(void)
{
    return 77; // a sanitizer has an allocator of its own
}

#else

// Keys and strings longer than json-c's first buffer; numbers, which reset errno, behind all else.
static const char long_text[] =
    "{\"text\":\"0123456789012345678901234567890123456789\\n\\u00e9:},\\\"\",\"n\":1,"
    "\"a key that is longer than 32 bytes, for sure\":{\"x\":{\"y\":[1,{\"z\":null},2.5]},\"k\":3},"
    "\"list\":[[],{},\"s\",-1,true,[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,"
    "25,26,27,28,29,30,31,32,33,34]],\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":"
    "8,"
    "\"i\":9,\"j\":10,\"l\":11,\"m\":12,\"last\":7}";

static void json_is_whole_or_an_error(void **state)
{
    (void)state;
    const char *const texts[] = {long_text, "123456789012", "[1,2,{\"a\":\"b\"},3]", "\"text\"",
                                 "{\"a\":{\"b\":\"c\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_parser *parser = json_parser_new();
        struct json_object *value = NULL;
        assert_int_equal(json_parse(parser, &value, texts[i], strlen(texts[i]), NULL), 0);
        char *whole = strdup(json_object_to_json_string(value));
        json_object_put(value);
        json_parser_free(parser);
        bool done = false;
        for (long nth = 0; !done; nth++) {
            assert_true(nth < 10000);
            struct err err = {0};
            value = NULL;
            parser = json_parser_new();
            before_failure = nth;
            const int rc = json_parse(parser, &value, texts[i], strlen(texts[i]), &err);
            done = none_came();
            if (rc) {
                assert_int_equal(rc, ERR_NOMEM);
                assert_null(value);
            } else {
                assert_string_equal(json_object_to_json_string(value), whole);
            }
            json_object_put(value);
            assert_int_equal(json_parse(parser, &value, texts[i], strlen(texts[i]), &err), 0);
            assert_string_equal(json_object_to_json_string(value), whole); // it works afterwards
            json_object_put(value);
            json_parser_free(parser);
            assert_true(!done || nth > 0);
        }
        free(whole);
    }
}

static void the_text_of_json_is_whole_or_null(void **state)
{
    (void)state;
    struct json_parser *parser = json_parser_new();
    bool done = false;
    for (long nth = 0; !done; nth++) {
        struct json_object *value = NULL;
        assert_int_equal(json_parse(parser, &value, long_text, strlen(long_text), NULL), 0);
        before_failure = nth;
        const char *text = json_to_text(value, JSON_C_TO_STRING_PLAIN);
        done = none_came();
        char *kept = text ? strdup(text) : NULL;
        const char *whole = json_to_text(value, JSON_C_TO_STRING_PLAIN);
        assert_true(kept ? strcmp(kept, whole) == 0 : !done);
        free(kept);
        json_object_put(value);
    }
    json_parser_free(parser);
}

static void a_memory_stream_is_whole_or_its_close_fails(void **state)
{
    (void)state;
    bool done = false;
    size_t failed = 0;
    for (long nth = 0; !done; nth++) {
        char *text = NULL;
        size_t len = 0;
        before_failure = nth;
        FILE *to = memstream_open(&text, &len);
        for (int i = 0; to && i < 9000; i++) {
            fprintf(to, "%d\n", i);
        }
        const int rc = to ? fclose(to) : EOF;
        done = none_came();
        failed += rc != 0;
        if (rc) {
            assert_null(text);
        } else {
            assert_int_equal(len, 10 * 2 + 90 * 3 + 900 * 4 + 8000 * 5);
            assert_int_equal(strlen(text), len);
            assert_string_equal(text + len - 5, "8999\n");
        }
        free(text);
    }
    assert_true(failed >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_whole_or_an_error),
        cmocka_unit_test(the_text_of_json_is_whole_or_null),
        cmocka_unit_test(a_memory_stream_is_whole_or_its_close_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
