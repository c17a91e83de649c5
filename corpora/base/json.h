/*
 * json.h - reads JSON (RFC 8259): strictly, to the end, and with the place of a mistake
 *
 * Values are json-c's own (json_object_get_string_len() and so on; they belong to the object that
 * holds them; json_object_put() ends the top one).  The parser is not json-c's: version 0.16 turns
 * escapes of 32,768 code points (those whose lower 16 bits look like a surrogate) into U+FFFD, ends
 * a key at \u0000, makes the greatest 64-bit number of a larger one, and takes NaN and 01.
 *
 * - A lone surrogate escape becomes U+FFFD, in lines a byte FF (see json_lines_parser_new()).
 * - Strings may hold NUL characters (\u0000); keys may not.
 * - Invalid UTF-8 and bare control characters but NUL pass inside strings: whoever takes text from
 *   there repairs it.
 * - The last of several equal keys counts.
 * - A whole number that int64_t or uint64_t holds is one; any other number is a double, which
 *   prints as it was written.  A number that no double holds (1e999) is refused.
 * - A byte order mark in front of the value is skipped.
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

/* White space of JSON. */
static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A parser, which can be used many times, by one thread at a time. */
struct json_parser;

/* The caller ends it with json_parser_free().  NULL: no memory. */
struct json_parser *json_parser_new(void);

/*
 * A parser for records that programs write line by line, and that somebody wants to read in spite
 * of small faults.  A lone surrogate becomes a byte FF, which utf8_repair() counts and turns into
 * U+FFFD.  NaN, Infinity and -Infinity, which Python writes, and 1e999 are numbers.
 */
struct json_parser *json_lines_parser_new(void);

void json_parser_free(struct json_parser *parser); // NULL is allowed

/*
 * Parses text[len], one whole JSON value with white space around it, into *out, which the caller
 * ends with json_object_put() (the value null is a NULL *out with success).
 * Errors: ERR_FORMAT ("line 3, column 14: ..."), ERR_LIMIT (text over 2 GiB), ERR_NOMEM.
 */
int json_parse(struct json_parser *parser, struct json_object **out, const char *text, size_t len,
               struct err *err);

/* Like json_parse() for one of many lines: messages have only the column ("column 14: ..."). */
int json_parse_line(struct json_parser *parser, struct json_object **out, const char *text,
                    size_t len, struct err *err);

enum json_beginning { JSON_WRONG, JSON_BEGUN, JSON_WHOLE };

/* What text[len], which may be cut anywhere, begins with: a whole value, which ends at *end, or the
 * beginning of one.  Of a number that ends the text it is not known; it counts as whole.
 * Errors: ERR_NOMEM. */
int json_begin(struct json_parser *parser, enum json_beginning *out, size_t *end, const char *text,
               size_t len, struct err *err);

/* Reads the file 'path' (at most max_bytes) and parses it.  The message begins with the path. */
int json_read_file(struct json_object **out, const char *path, size_t max_bytes, struct err *err);

/* json_object_to_json_string_ext(), which leaves out what it has no memory for: NULL then. */
const char *json_to_text(struct json_object *value, int flags);

/* The member 'key' of 'object'; NULL if there is none, it is null, or 'object' is not an object. */
struct json_object *json_member(struct json_object *object, const char *key);

/* The text of a string without NUL characters; NULL for one that has some, and for what is no
 * string.  It stays valid as long as 'value'. */
const char *json_c_string(struct json_object *value);

/* Typed members.  A missing or null member leaves *out as it was and is not an error; a member of
 * another type is ERR_FORMAT with the key's name.  A string stays valid as long as 'object'. */
int json_member_size(struct json_object *object, const char *key, size_t *out, struct err *err);
int json_member_bool(struct json_object *object, const char *key, bool *out, struct err *err);
int json_member_string(struct json_object *object, const char *key, const char **out,
                       struct err *err);

/* The kind of a value, for messages: "a string", "an object", ... */
const char *json_kind(struct json_object *value);

#endif
