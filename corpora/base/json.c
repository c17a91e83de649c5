#include "corpora/base/json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "corpora/base/file.h"

struct json_tokener *json_parser_new(void)
{
    struct json_tokener *parser = json_tokener_new_ex(JSON_MAX_DEPTH);
    if (parser) {
        json_tokener_set_flags(parser, JSON_TOKENER_STRICT);
    }
    return parser;
}

static bool is_json_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* "line L, column C" of the byte text[at], both from 1; columns count bytes. */
static int error_at(const char *text, size_t at, const char *what, struct err *err)
{
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            begin = i + 1;
        }
    }
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s", line, at - begin + 1, what);
}

/* Makes room in the parser for the longest string that text[len] can hold: json-c does not look
 * whether its buffer could grow. */
static bool make_room(struct json_tokener *parser, size_t len)
{
    struct printbuf *b = parser->pb;
    if ((size_t)b->size > len) {
        return true;
    }
    const bool made = printbuf_memset(b, (int)len, 0, 1) == 0;
    printbuf_reset(b);
    return made;
}

/* The bytes of text[len] up to the end of the next key or of the next inner object.  'depth' and
 * 'quoted' are those of the text so far. */
static size_t next_piece(const char *text, size_t len, long *depth, bool *quoted)
{
    for (size_t n = 0; n < len; n++) {
        const char c = text[n];
        if (*quoted) {
            n += c == '\\' && n + 1 < len;
            *quoted = c != '"';
            continue;
        }
        *quoted = c == '"';
        *depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c == ':' || (c == '}' && *depth > 0)) {
            return n + 1;
        }
    }
    return len;
}

/*
 * json_tokener_parse_ex() of text[len]; *end is what it has read, *nomem whether it lacked memory.
 * json-c does not say so: it stops early with success, takes a key that it could not copy, or
 * leaves out a member that it could not add.  All of this shows in errno until a number resets it.
 * So the text is handed over in pieces that end where a key or an object ends.
 */
static struct json_object *parse_pieces(struct json_tokener *parser, const char *text, size_t len,
                                        size_t *end, bool *nomem)
{
    struct json_object *value = NULL;
    long depth = 0;
    bool quoted = false;
    enum json_tokener_error status = json_tokener_continue;
    *nomem = !make_room(parser, len);
    *end = 0;
    while (*end < len && status == json_tokener_continue && !*nomem) {
        const size_t n = next_piece(text + *end, len - *end, &depth, &quoted);
        errno = 0;
        value = json_tokener_parse_ex(parser, text + *end, (int)n);
        status = json_tokener_get_error(parser);
        const size_t used = json_tokener_get_parse_end(parser);
        *end += used;
        *nomem = errno == ENOMEM || (status == json_tokener_success && used < n);
    }
    if (status == json_tokener_continue && !*nomem) {
        // Nothing ends a number that is the last thing in the text: json-c needs to see a NUL.
        errno = 0;
        value = json_tokener_parse_ex(parser, "", -1);
        *nomem = errno == ENOMEM;
    }
    return value;
}

int json_parse(struct json_tokener *parser, struct json_object **out, const char *text, size_t len,
               struct err *err)
{
    if (len > INT_MAX) {
        return err_set(err, ERR_LIMIT, "JSON text of %zu bytes; at most %d are read", len, INT_MAX);
    }
    while (len > 0 && is_json_space(text[len - 1])) {
        len--;
    }
    if (len == 0) {
        return error_at(text, 0, "no JSON value", err);
    }
    // json-c takes a NUL for the end of its input, and a bare one is never JSON.
    const char *nul = memchr(text, '\0', len);
    if (nul) {
        return error_at(text, (size_t)(nul - text), "a NUL byte", err);
    }

    json_tokener_reset(parser);
    const int before = errno;
    size_t end;
    bool nomem;
    struct json_object *value = parse_pieces(parser, text, len, &end, &nomem);
    const enum json_tokener_error status = json_tokener_get_error(parser);
    errno = before;
    if (nomem) {
        json_object_put(value);
        json_tokener_reset(parser);
        return err_nomem(err, "JSON");
    }
    if (status == json_tokener_error_depth) {
        return error_at(text, end, "nested too deep", err);
    }
    if (status != json_tokener_success && end == len) {
        return error_at(text, len, "ends too early", err);
    }
    if (status != json_tokener_success) {
        return error_at(text, end, json_tokener_error_desc(status), err);
    }
    *out = value;
    return 0;
}

int json_parse_line(struct json_tokener *parser, struct json_object **out, const char *text,
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
    struct json_tokener *parser = NULL;
    int rc = file_read(path, max_bytes, &text, err);
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
    if (parser) {
        json_tokener_free(parser);
    }
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
    *out = (size_t)json_object_get_int64(value);
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
    *out = json_object_get_string(value);
    return 0;
}
