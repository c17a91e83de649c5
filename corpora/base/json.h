/*
 * json.h - reading JSON with json-c: strict, whole, and with the place of a mistake
 *
 * Values are json-c's own (json_object_get_string_len() and so on; they belong to the object that
 * holds them, the top one is ended with json_object_put()).  Strings may hold NUL bytes; a lone
 * surrogate escape becomes U+FFFD; of equal keys the last stands.  Invalid UTF-8 and bare control
 * characters inside strings are let through: who takes text from there repairs it.
 */
#ifndef GAPSCOPE_CORPORA_BASE_JSON_H
#define GAPSCOPE_CORPORA_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* Arrays and objects may be nested this deep. */
#define JSON_MAX_DEPTH 512

/* A parser to use again and again (one thread at a time); ended with json_tokener_free().
 * NULL: no memory. */
struct json_tokener *json_parser_new(void);

/*
 * Parses text[len], one whole JSON value with white space around it, into *out, which the caller
 * ends with json_object_put() (the value null is a NULL *out with success).
 * Errors: ERR_FORMAT ("line 3, column 14: ..."), ERR_LIMIT (text over 2 GiB), ERR_NOMEM.
 */
int json_parse(struct json_tokener *parser, struct json_object **out, const char *text, size_t len,
               struct err *err);

/* json_parse() of one line of many: its messages have the column alone ("column 14: ..."). */
int json_parse_line(struct json_tokener *parser, struct json_object **out, const char *text,
                    size_t len, struct err *err);

/* Reads the file 'path' (at most max_bytes) and parses it.  The message begins with the path. */
int json_read_file(struct json_object **out, const char *path, size_t max_bytes, struct err *err);

/* The member 'key' of 'object', or NULL where there is none, it is null, or 'object' is no object.
 */
struct json_object *json_member(struct json_object *object, const char *key);

/* Typed members.  A missing or null member leaves *out as it was and is not an error; one of
 * another type is ERR_FORMAT with the key's name.  A string stays valid as long as 'object'. */
int json_member_size(struct json_object *object, const char *key, size_t *out, struct err *err);
int json_member_bool(struct json_object *object, const char *key, bool *out, struct err *err);
int json_member_string(struct json_object *object, const char *key, const char **out,
                       struct err *err);

/* "a string", "an object", ...: what a value is, for messages. */
const char *json_kind(struct json_object *value);

#endif
