/* Property: any bytes are read as JSON or refused with a place; what is read is written by json-c as
 * JSON that reads to the same; lines (Python's JSON) take all that files do.  Any first bytes are a
 * known kind of file with a way out, or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/foreign.h"
#include "corpora/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static const char *written(struct json_object *value)
{
    return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

/* Parses text[len] and what it is written as.  Returns whether it was read. */
static int read_twice(struct json_parser *parser, const char *text, size_t len)
{
    struct json_object *value = NULL, *again = NULL;
    struct err err = {0};
    if (json_parse(parser, &value, text, len, &err)) {
        check(!value && err.code == ERR_FORMAT && strncmp(err.msg, "line ", 5) == 0);
        return 0;
    }
    const char *json = written(value);
    check(json_parse(parser, &again, json, strlen(json), &err) == 0);
    check(strcmp(json, written(again)) == 0);
    json_object_put(value);
    json_object_put(again);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_parser *plain = json_parser_new(), *lines = json_lines_parser_new();
    check(plain && lines);
    const int is_json = read_twice(plain, (const char *)data, size);
    const int is_line = read_twice(lines, (const char *)data, size);
    check(is_line || !is_json);
    json_parser_free(plain);
    json_parser_free(lines);

    struct foreign f = {0};
    const bool found = foreign_find(&f, data, size);
    check(found ? f.what[0] && f.way_out[0] : size > 0);
    return 0;
}
