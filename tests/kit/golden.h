/*
 * golden.h - small helpers of the tests that compare with golden values
 */
#ifndef GAPSCOPE_TESTS_KIT_GOLDEN_H
#define GAPSCOPE_TESTS_KIT_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/json.h"

/* The JSON file, or a failed test. */
static inline struct json_object *golden_json(const char *path)
{
    struct json_object *object = NULL;
    struct err err = {0};
    if (json_read_file(&object, path, (size_t)64 << 20, &err)) {
        fail_msg("%s", err.msg);
    }
    return object;
}

/* The JSON text, or a failed test. */
static inline struct json_object *golden_parse(const char *text)
{
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    struct err err = {0};
    assert_non_null(parser);
    if (json_parse(parser, &value, text, strlen(text), &err)) {
        fail_msg("%s: %s", text, err.msg);
    }
    json_parser_free(parser);
    return value;
}

/* Element i of an array of numbers. */
static inline double golden_number(struct json_object *array, size_t i)
{
    assert_true(json_object_is_type(array, json_type_array));
    assert_true(i < json_object_array_length(array));
    return json_object_get_double(json_object_array_get_idx(array, i));
}

#endif
