#include "corpora/base/json.h"

#include <errno.h>
#include <string.h>

#include "corpora/base/file.h"

int json_parse_line(struct json_parser *parser, struct json_object **out, const char *text,
                    size_t len, struct err *err)
{
    static const char line[] = "line 1, ";
    const size_t n = sizeof line - 1;
    const int rc = json_parse(parser, out, text, len, err);
    if (rc && err && strncmp(err->msg, line, n) == 0) {
        memmove(err->msg, err->msg + n, strlen(err->msg + n) + 1);
    }
    return rc;
}

int json_read_file(struct json_object **out, const char *path, size_t max_bytes, struct err *err)
{
    struct buf text = {0};
    struct json_parser *parser = NULL;
    int rc = file_read_text(path, max_bytes, &text, err);
    if (rc) {
        goto out;
    }
    parser = json_parser_new();
    if (!parser) {
        rc = err_nomem(err, "a JSON parser");
        goto out;
    }
    rc = json_parse(parser, out, text.data, text.len, err);
    if (rc) {
        err_prefix(err, "%s", path);
    }
out:
    json_parser_free(parser);
    buf_free(&text);
    return rc;
}

const char *json_to_text(struct json_object *value, int flags)
{
    const int before = errno;
    errno = 0;
    const char *text = json_object_to_json_string_ext(value, flags);
    text = errno == ENOMEM ? NULL : text;
    errno = before;
    return text;
}

struct json_object *json_member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (json_object_is_type(object, json_type_object)) {
        json_object_object_get_ex(object, key, &value);
    }
    return value;
}

const char *json_c_string(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    const char *text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

const char *json_kind(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "true or false";
    case json_type_double:
    case json_type_int:
        return "a number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        return "a string";
    }
    return "something else";
}

int json_member_size(struct json_object *object, const char *key, size_t *out, struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected a whole number from 0", key,
                       json_object_to_json_string(value));
    }
    *out = json_object_get_uint64(value);
    return 0;
}

int json_member_bool(struct json_object *object, const char *key, bool *out, struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_object_is_type(value, json_type_boolean)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected true or false", key,
                       json_kind(value));
    }
    *out = json_object_get_boolean(value);
    return 0;
}

int json_member_string(struct json_object *object, const char *key, const char **out,
                       struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected a string", key, json_kind(value));
    }
    *out = json_c_string(value);
    return *out ? 0
                : err_set(err, ERR_FORMAT, "\"%s\" is %s; expected a string without \\u0000", key,
                          json_object_to_json_string(value));
}
