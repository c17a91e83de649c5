#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "corpora/base/jsonout.h"

static char *written; // the output of the last test's stream

static struct jsonout begin(void)
{
    static size_t size;
    return (struct jsonout){.to = open_memstream(&written, &size)};
}

static void expect(struct jsonout *j, const char *wanted)
{
    fclose(j->to);
    assert_string_equal(written, wanted);
    free(written);
}

static void commas_stand_between_and_lines_end(void **state)
{
    (void)state;
    struct jsonout j = begin();
    for (int i = 0; i < 2; i++) {
        jsonout_begin(&j, '{');
        jsonout_key(&j, "a");
        jsonout_u32s(&j, (const uint32_t[]){1, 2, UINT32_MAX}, 3);
        jsonout_key(&j, "b");
        jsonout_begin(&j, '{');
        jsonout_end(&j, '}');
        jsonout_key(&j, "c");
        jsonout_begin(&j, '[');
        jsonout_floats(&j, NULL, 0);
        jsonout_i64(&j, INT64_MIN);
        jsonout_u64(&j, UINT64_MAX);
        jsonout_end(&j, ']');
        jsonout_end(&j, '}');
    }
#define LINE                                                                                       \
    "{\"a\":[1,2,4294967295],\"b\":{},\"c\":[[],-9223372036854775808,18446744073709551615]}\n"
    expect(&j, LINE LINE);
}

static void text_is_escaped(void **state)
{
    (void)state;
    struct jsonout j = begin();
    jsonout_begin(&j, '[');
    jsonout_text(&j, "nul \0 quote \" slash \\ \n\t\r\x1b\x7f", 27);
    jsonout_string(&j, "caf\xc3\xa9 </script>");
    jsonout_end(&j, ']');
    expect(&j, "[\"nul \\u0000 quote \\\" slash \\\\ \\n\\t\\r\\u001b\x7f\","
               "\"caf\xc3\xa9 </script>\"]\n");
}

static void numbers_are_short_and_read_back(void **state)
{
    (void)state;
    struct jsonout j = begin();
    jsonout_begin(&j, '[');
    jsonout_float(&j, 0.1f);
    jsonout_float(&j, -3.14159274f);
    jsonout_float(&j, 16777216.0f);
    jsonout_float(&j, FLT_MIN);
    jsonout_float(&j, FLT_TRUE_MIN);
    jsonout_float(&j, FLT_MAX);
    jsonout_float(&j, 0.0f);
    jsonout_float(&j, -0.0f);
    jsonout_double(&j, 0.1);
    jsonout_double(&j, 1.0 / 3);
    jsonout_double(&j, -0.0);
    jsonout_end(&j, ']');
    expect(&j, "[0.1,-3.1415927,16777216,1.1754944e-38,1.4013e-45,3.4028235e+38,0,-0.0,"
               "0.1,0.3333333333333333,-0.0]\n");
}

static void what_json_cannot_say_is_null(void **state)
{
    (void)state;
    struct jsonout j = begin();
    jsonout_floats(&j, (const float[]){NAN, INFINITY, -INFINITY}, 3);
    expect(&j, "[null,null,null]\n");
}

static void every_float_tried_reads_back(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 1664525 + 1013904223;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        struct jsonout j = begin();
        jsonout_floats(&j, &value, 1);
        fclose(j.to);
        const float back = strtof(written + 1, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        free(written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_and_lines_end),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(numbers_are_short_and_read_back),
        cmocka_unit_test(what_json_cannot_say_is_null),
        cmocka_unit_test(every_float_tried_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
