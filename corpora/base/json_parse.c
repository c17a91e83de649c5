#include "corpora/base/json.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

struct json_parser {
    bool of_lines;
    struct buf scratch; // a string without its escapes, or a number with a NUL behind it
};

static struct json_parser *parser_new(bool of_lines)
{
    struct json_parser *parser = mem_zero(1, sizeof *parser);
    if (parser) {
        parser->of_lines = of_lines;
    }
    return parser;
}

struct json_parser *json_parser_new(void)
{
    return parser_new(false);
}

struct json_parser *json_lines_parser_new(void)
{
    return parser_new(true);
}

void json_parser_free(struct json_parser *parser)
{
    if (parser) {
        buf_free(&parser->scratch);
        free(parser);
    }
}

// --- a text that is being read -----------------------------------------------------------------

struct reader {
    struct json_parser *parser;
    const char *text; // [len]
    size_t len;
    size_t at; // the next byte to read
    int depth; // of the arrays and objects that are open
    bool cut;  // it failed for want of more text
    struct err *err;
};

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

/* What is wrong with the byte at 'at': 'what', unless the text has ended. */
static int fail(struct reader *r, size_t at, const char *what)
{
    r->cut = at >= r->len;
    return at < r->len ? error_at(r->text, at, what, r->err)
                       : error_at(r->text, r->len, "ends too early", r->err);
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* The byte at 'at', or -1 at the end. */
static int byte_at(const struct reader *r, size_t at)
{
    return at < r->len ? (unsigned char)r->text[at] : -1;
}

/* Skips white space; the byte that follows, or -1 at the end. */
static int next(struct reader *r)
{
    while (r->at < r->len && json_is_space(r->text[r->at])) {
        r->at++;
    }
    return byte_at(r, r->at);
}

// --- strings -----------------------------------------------------------------------------------

/* The number that the 4 hex digits at text[at, end) write, or -1. */
static int hex4(const char *text, size_t at, size_t end)
{
    if (end - at < 4) {
        return -1;
    }
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        const int c = text[i], letter = c | 0x20;
        const bool is_letter = letter >= 'a' && letter <= 'f';
        if (!is_digit(c) && !is_letter) {
            return -1;
        }
        value = value << 4 | (is_letter ? letter - 'a' + 10 : c - '0');
    }
    return value;
}

static bool is_high(int code)
{
    return code >= 0xd800 && code <= 0xdbff;
}

static bool is_low(int code)
{
    return code >= 0xdc00 && code <= 0xdfff;
}

/*
 * Reads the escape \uXXXX at r->at, or two that are a surrogate pair, and appends its character to
 * *to.  'end': that of the string.
 */
static int read_code(struct reader *r, size_t end, char **to)
{
    const char *text = r->text;
    const size_t at = r->at;
    int code = hex4(text, at + 2, end);
    if (code < 0) {
        return fail(r, at, "invalid string sequence");
    }
    r->at += 6;
    if (is_high(code) && end - at >= 12 && text[at + 6] == '\\' && text[at + 7] == 'u') {
        const int low = hex4(text, at + 8, end);
        if (is_low(low)) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            r->at += 6;
        }
    }
    if (!is_high(code) && !is_low(code)) {
        *to += utf8_encode((uint32_t)code, *to);
    } else if (r->parser->of_lines) {
        *(*to)++ = '\xff';
    } else {
        *to += utf8_encode(0xfffd, *to);
    }
    return 0;
}

/* Reads the escape at r->at and appends its character to *to.  'end': that of the string. */
static int read_escape(struct reader *r, size_t end, char **to)
{
    static const char names[] = "\"\\/bfnrt", chars[] = "\"\\/\b\f\n\r\t";
    const char name = r->text[r->at + 1];
    if (name == 'u') {
        return read_code(r, end, to);
    }
    const char *known = memchr(names, name, sizeof names - 1);
    if (!known) {
        return fail(r, r->at, "invalid string sequence");
    }
    *(*to)++ = chars[known - names];
    r->at += 2;
    return 0;
}

/* Reads text[r->at, end), which no quote ends, into the scratch without its escapes. */
static int unescape(struct reader *r, size_t end, const char **out, size_t *len)
{
    struct buf *scratch = &r->parser->scratch;
    scratch->len = 0;
    int rc = buf_reserve(scratch, end - r->at, r->err); // no escape is shorter than its character
    char *to = scratch->data;
    while (!rc && r->at < end) {
        const char *from = r->text + r->at, *escape = memchr(from, '\\', end - r->at);
        const size_t n = escape ? (size_t)(escape - from) : end - r->at;
        memcpy(to, from, n);
        to += n;
        r->at += n;
        rc = escape ? read_escape(r, end, &to) : 0;
    }
    *out = scratch->data;
    *len = (size_t)(to - scratch->data);
    return rc;
}

/*
 * Reads the string whose opening quote is at r->at.  *out, of *len bytes and without a NUL behind
 * them, is in the text or in the scratch: it is valid until the next string or number.
 */
static int read_string(struct reader *r, const char **out, size_t *len)
{
    const size_t begin = r->at + 1;
    size_t end = begin;
    bool plain = true;
    for (;;) {
        const char *quote = end < r->len ? memchr(r->text + end, '"', r->len - end) : NULL;
        if (!quote) {
            return fail(r, r->len, "");
        }
        // Go behind all escapes in front of this quote: one of them may be the quote's own.
        const size_t quote_at = (size_t)(quote - r->text);
        const char *escape = NULL;
        while (end < quote_at && (escape = memchr(r->text + end, '\\', quote_at - end))) {
            end = (size_t)(escape - r->text) + 2;
            plain = false;
        }
        if (end <= quote_at) {
            end = quote_at;
            break;
        }
    }
    r->at = begin;
    *out = r->text + begin;
    *len = end - begin;
    const int rc = plain ? 0 : unescape(r, end, out, len);
    if (!rc) {
        r->at = end + 1;
    }
    return rc;
}

static int string_value(struct reader *r, struct json_object **out)
{
    const char *text;
    size_t len;
    const int rc = read_string(r, &text, &len);
    if (rc) {
        return rc;
    }
    *out = json_object_new_string_len(text, (int)len);
    return *out ? 0 : err_nomem(r->err, "a JSON string");
}

// --- numbers and words -------------------------------------------------------------------------

/* Makes the number in text[r->at, end), of which 'whole' says that it has digits alone.  What 64 bits
 * hold is a whole number, anything else a double that keeps its digits. */
static int make_number(struct reader *r, size_t end, bool whole, struct json_object **out)
{
    struct buf *scratch = &r->parser->scratch;
    scratch->len = 0;
    int rc = buf_append(scratch, r->text + r->at, end - r->at, r->err);
    rc = rc ? rc : buf_append(scratch, "", 1, r->err);
    if (rc) {
        return rc;
    }
    const char *digits = scratch->data;
    errno = 0;
    const long long i = whole ? strtoll(digits, NULL, 10) : 0;
    const bool fits = whole && errno == 0;
    errno = 0;
    const unsigned long long u = whole && !fits && *digits != '-' ? strtoull(digits, NULL, 10) : 0;
    if (fits) {
        *out = json_object_new_int64(i);
    } else if (u > 0 && errno == 0) {
        *out = json_object_new_uint64(u);
    } else {
        const double value = strtod(digits, NULL); // with a point: the program sets no locale
        if ((value > DBL_MAX || value < -DBL_MAX) && !r->parser->of_lines) {
            return fail(r, r->at, "a number beyond the range of a double");
        }
        *out = json_object_new_double_s(value, digits);
    }
    r->at = end;
    return *out ? 0 : err_nomem(r->err, "a JSON number");
}

/* Moves *at behind the digits there; an error if there are none. */
static int skip_digits(struct reader *r, size_t *at)
{
    if (!is_digit(byte_at(r, *at))) {
        return fail(r, *at, "number expected");
    }
    while (is_digit(byte_at(r, *at))) {
        ++*at;
    }
    return 0;
}

/* Moves *at behind 'word'; 'what' is said of the first byte that differs. */
static int skip_word(struct reader *r, size_t *at, const char *word, const char *what)
{
    for (; *word; word++, ++*at) {
        if (byte_at(r, *at) != *word) {
            return fail(r, *at, what);
        }
    }
    return 0;
}

/* Reads NaN, Infinity or -Infinity, which Python writes, as the number that it is. */
static int odd_number(struct reader *r, struct json_object **out)
{
    size_t at = r->at + (r->text[r->at] == '-');
    const int rc =
        skip_word(r, &at, r->text[at] == 'N' ? "NaN" : "Infinity", "unexpected character");
    if (rc) {
        return rc;
    }
    return r->parser->of_lines ? make_number(r, at, false, out)
                               : fail(r, r->at, "NaN and Infinity are not JSON");
}

static int number_value(struct reader *r, struct json_object **out)
{
    size_t at = r->at + (r->text[r->at] == '-');
    if (byte_at(r, at) == 'I') {
        return odd_number(r, out);
    }
    bool whole = true;
    int rc = 0;
    if (byte_at(r, at) == '0') {
        at++;
        rc = is_digit(byte_at(r, at)) ? fail(r, at, "number expected") : 0; // 007
    } else {
        rc = skip_digits(r, &at);
    }
    if (!rc && byte_at(r, at) == '.') {
        whole = false;
        at++;
        rc = skip_digits(r, &at);
    }
    if (!rc && (byte_at(r, at) | 0x20) == 'e') {
        whole = false;
        at++;
        at += byte_at(r, at) == '+' || byte_at(r, at) == '-';
        rc = skip_digits(r, &at);
    }
    return rc ? rc : make_number(r, at, whole, out);
}

static int word_value(struct reader *r, struct json_object **out)
{
    const char first = r->text[r->at];
    if (first == 'n') {
        return skip_word(r, &r->at, "null", "null expected");
    }
    const int rc = skip_word(r, &r->at, first == 't' ? "true" : "false", "boolean expected");
    if (rc) {
        return rc;
    }
    *out = json_object_new_boolean(first == 't');
    return *out ? 0 : err_nomem(r->err, "a JSON value");
}

// --- arrays, objects, any value ----------------------------------------------------------------

static int any_value(struct reader *r, struct json_object **out);

/* Reads the value of a member and puts it into the object under a copy of its key. */
static int put_member(struct reader *r, struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    const int rc = any_value(r, &value);
    if (rc) {
        return rc;
    }
    if (json_object_object_add(object, key, value) != 0) {
        json_object_put(value);
        return err_nomem(r->err, "a JSON object");
    }
    return 0;
}

static int read_member(struct reader *r, struct json_object *object)
{
    const size_t begin = r->at;
    const char *text;
    size_t len;
    int rc = read_string(r, &text, &len);
    if (rc) {
        return rc;
    }
    if (memchr(text, '\0', len)) { // json-c's keys end at a NUL
        return fail(r, begin, "\\u0000 in a key is not read");
    }
    char *key = strndup(text, len);
    if (!key) {
        return err_nomem(r->err, "a JSON key");
    }
    if (next(r) == ':') {
        r->at++;
        rc = put_member(r, object, key);
    } else {
        rc = fail(r, r->at, "object property name separator ':' expected");
    }
    free(key);
    return rc;
}

static int fill_object(struct reader *r, struct json_object *object)
{
    int c = next(r);
    while (c == '"') {
        const int rc = read_member(r, object);
        if (rc) {
            return rc;
        }
        c = next(r);
        if (c == '}') {
            return 0;
        }
        if (c != ',') {
            return fail(r, r->at, "object value separator ',' expected");
        }
        r->at++;
        c = next(r);
    }
    return fail(r, r->at, "quoted object property name expected");
}

static int fill_array(struct reader *r, struct json_object *array)
{
    for (;;) {
        struct json_object *value = NULL;
        const int rc = any_value(r, &value);
        if (rc) {
            return rc;
        }
        if (json_object_array_add(array, value) != 0) {
            json_object_put(value);
            return err_nomem(r->err, "a JSON array");
        }
        const int c = next(r);
        if (c == ']') {
            return 0;
        }
        if (c != ',') {
            return fail(r, r->at, "array value separator ',' expected");
        }
        r->at++;
    }
}

/* Reads an array or an object, whose bracket is at r->at. */
static int nested_value(struct reader *r, struct json_object **out)
{
    const bool is_object = r->text[r->at] == '{';
    if (r->depth == JSON_MAX_DEPTH) {
        return fail(r, r->at, "nested too deep");
    }
    struct json_object *value = is_object ? json_object_new_object() : json_object_new_array();
    if (!value) {
        return err_nomem(r->err, "a JSON value");
    }
    r->depth++;
    r->at++;
    int rc = 0;
    if (next(r) != (is_object ? '}' : ']')) {
        rc = is_object ? fill_object(r, value) : fill_array(r, value);
    }
    if (rc) {
        json_object_put(value);
        return rc;
    }
    r->at++;
    r->depth--;
    *out = value;
    return 0;
}

static int any_value(struct reader *r, struct json_object **out)
{
    const int c = next(r);
    switch (c) {
    case '{':
    case '[':
        return nested_value(r, out);
    case '"':
        return string_value(r, out);
    case 't':
    case 'f':
    case 'n':
        return word_value(r, out);
    case 'N':
    case 'I':
        return odd_number(r, out);
    default:
        return c == '-' || is_digit(c) ? number_value(r, out)
                                       : fail(r, r->at, "unexpected character");
    }
}

int json_parse(struct json_parser *parser, struct json_object **out, const char *text, size_t len,
               struct err *err)
{
    struct reader r = {.parser = parser, .text = text, .len = len, .err = err};
    if (len > INT_MAX) {
        return err_set(err, ERR_LIMIT, "JSON text of %zu bytes; at most %d are read", len, INT_MAX);
    }
    while (r.len > 0 && json_is_space(text[r.len - 1])) {
        r.len--;
    }
    r.at = utf8_bom(text, r.len);
    if (r.at == r.len) {
        return error_at(text, 0, "no JSON value", err);
    }
    const char *nul = memchr(text, '\0', r.len);
    if (nul) {
        return fail(&r, (size_t)(nul - text), "a NUL byte");
    }
    struct json_object *value = NULL;
    int rc = any_value(&r, &value);
    if (!rc && r.at < r.len) {
        next(&r);
        rc = fail(&r, r.at, "unexpected character");
    }
    if (rc) {
        json_object_put(value);
        return rc;
    }
    *out = value;
    return 0;
}

int json_begin(struct json_parser *parser, enum json_beginning *out, size_t *end, const char *text,
               size_t len, struct err *err)
{
    struct err why = {0};
    struct reader r = {.parser = parser, .text = text, .len = len, .err = &why};
    struct json_object *value = NULL;
    const int rc = any_value(&r, &value);
    json_object_put(value);
    if (rc == ERR_NOMEM) {
        return err_nomem(err, "JSON");
    }
    *out = !rc ? JSON_WHOLE : r.cut ? JSON_BEGUN : JSON_WRONG;
    *end = rc ? 0 : r.at;
    return 0;
}
