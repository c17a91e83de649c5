/*
 * json.h - reads JSON with json-c: strictly, to the end, and with the place of a mistake
 *
 * Values are json-c's own (json_object_get_string_len() and so on; they belong to the object that
 * holds them; json_object_put() ends the top one).  Strings may hold NUL bytes; a lone surrogate
 * escape becomes U+FFFD; the last of several equal keys counts.  Invalid UTF-8 and bare control
 * characters inside strings pass: whoever takes text from there repairs it.
 */
#ifndef GAPSCOPE_CORPORA_BASE_JSON_H
#define GAPSCOPE_CORPORA_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* The deepest nesting of arrays and objects. */
#define JSON_MAX_DEPTH 512

/* A parser that can be used many times (by one thread at a time); json_tokener_free() ends it.
 * NULL: no memory. */
struct json_tokener *json_parser_new(void);

/*
 * Parses text[len], one whole JSON value with white space around it, into *out, which the caller
 * ends with json_object_put() (the value null is a NULL *out with success).
 * Errors: ERR_FORMAT ("line 3, column 14: ..."), ERR_LIMIT (text over 2 GiB), ERR_NOMEM.
 */
int json_parse(struct json_tokener *parser, struct json_object **out, const char *text, size_t len,
               struct err *err);

/* Like json_parse() for one of many lines: messages have only the column ("column 14: ..."). */
int json_parse_line(struct json_tokener *parser, struct json_object **out, const char *text,
                    size_t len, struct err *err);

/* Reads the file 'path' (at most max_bytes) and parses it.  The message begins with the path. */
int json_read_file(struct json_object **out, const char *path, size_t max_bytes, struct err *err);

/* json_object_to_json_string_ext(), which leaves out what it has no memory for: NULL then. */
const char *json_to_text(struct json_object *value, int flags);

/* The member 'key' of 'object'; NULL if there is none, it is null, or 'object' is not an object. */
struct json_object *json_member(struct json_object *object, const char *key);

/* Typed members.  A missing or null member leaves *out as it was and is not an error; a member of
 * another type is ERR_FORMAT with the key's name.  A string stays valid as long as 'object'. */
int json_member_size(struct json_object *object, const char *key, size_t *out, struct err *err);
int json_member_bool(struct json_object *object, const char *key, bool *out, struct err *err);
int json_member_string(struct json_object *object, const char *key, const char **out,
                       struct err *err);

/* The kind of a value, for messages: "a string", "an object", ... */
const char *json_kind(struct json_object *value);

#endif
