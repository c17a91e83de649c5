#include "corpora/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "scan/base/json.h"
#include "scan/base/mem.h"

struct jsonl {
    struct json_tokener *parser;
    struct json_object *record; // the last line; the text belongs to it
    struct buf line;            // a line without its lone surrogates
    char *field;                // "a.b", NULL: the default
    char *names;                // "a\0b\0": [n_names] strings
    size_t n_names;
};

int jsonl_open(struct jsonl **out, const char *field, struct err *err)
{
    struct jsonl *j = mem_zero(1, sizeof *j);
    if (!j) {
        return err_nomem(err, "a reader of JSONL");
    }
    int rc = 0;
    j->parser = json_parser_new();
    if (field) {
        j->field = strdup(field);
        j->names = strdup(field);
    }
    if (!j->parser || (field && (!j->field || !j->names))) {
        rc = err_nomem(err, "a reader of JSONL");
        goto out;
    }
    for (char *name = j->names; name;) {
        char *dot = strchr(name, '.');
        if (*name == '\0' || dot == name) {
            rc = err_set(err, ERR_USAGE, "field \"%s\": a name in it is empty", field);
            goto out;
        }
        if (dot) {
            *dot++ = '\0';
        }
        j->n_names++;
        name = dot;
    }
    *out = j;
    j = NULL;
out:
    jsonl_close(j);
    return rc;
}

void jsonl_close(struct jsonl *j)
{
    if (!j) {
        return;
    }
    if (j->parser) {
        json_tokener_free(j->parser);
    }
    json_object_put(j->record);
    buf_free(&j->line);
    free(j->field);
    free(j->names);
    free(j);
}

/* The 4 hex digits at p[len], or -1. */
static int hex4(const char *p, size_t len)
{
    if (len < 4) {
        return -1;
    }
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        int digit = -1;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (c | 0x20) - 'a' + 10;
        }
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
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
 * Where in line[from, len) the next lone surrogate escape (6 bytes) begins; 'len' where there is
 * none.  A backslash stands only in strings, so that those need not be told from the rest.
 */
static size_t lone_surrogate(const char *line, size_t len, size_t from)
{
    for (size_t at = from; at < len;) {
        const char *escape = memchr(line + at, '\\', len - at);
        if (!escape) {
            break;
        }
        at = (size_t)(escape - line);
        if (len - at < 6 || line[at + 1] != 'u') {
            at += 2;
            continue;
        }
        const int code = hex4(line + at + 2, len - at - 2);
        if (is_high(code) && len - at >= 12 && line[at + 6] == '\\' && line[at + 7] == 'u' &&
            is_low(hex4(line + at + 8, len - at - 8))) {
            at += 12;
        } else if (is_high(code) || is_low(code)) {
            return at;
        } else {
            at += 2;
        }
    }
    return len;
}

/*
 * json-c turns a lone surrogate into U+FFFD, which cannot be told from one that the text has.  So
 * it is shown a line with byte FF in place of each, which it hands on untouched.
 * *line and *len become those of that line, if there is anything to be changed.
 */
static int mark_lone_surrogates(struct jsonl *j, const char **line, size_t *len, struct err *err)
{
    size_t at = lone_surrogate(*line, *len, 0);
    if (at == *len) {
        return 0;
    }
    j->line.len = 0;
    size_t done = 0;
    for (; at < *len; at = lone_surrogate(*line, *len, done)) {
        int rc = buf_append(&j->line, *line + done, at - done, err);
        if (!rc) {
            rc = buf_append(&j->line, "\xff", 1, err);
        }
        if (rc) {
            return rc;
        }
        done = at + 6;
    }
    const int rc = buf_append(&j->line, *line + done, *len - done, err);
    *line = j->line.data;
    *len = j->line.len;
    return rc;
}

static struct json_object *default_text(const struct jsonl *j)
{
    static const char *const names[] = {"text", "content", "code"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct json_object *text = json_member(j->record, names[i]);
        if (json_object_is_type(text, json_type_string)) {
            return text;
        }
    }
    return NULL;
}

static struct json_object *field_text(const struct jsonl *j)
{
    struct json_object *value = j->record;
    const char *name = j->names;
    for (size_t i = 0; i < j->n_names; i++) {
        value = json_member(value, name);
        name += strlen(name) + 1;
    }
    return value;
}

int jsonl_read(struct jsonl *j, const char *line, size_t len, struct jsonl_record *record,
               enum reject_reason *reason, struct err *err)
{
    json_object_put(j->record);
    j->record = NULL;
    const char *marked = line;
    size_t marked_len = len;
    int rc = mark_lone_surrogates(j, &marked, &marked_len, err);
    if (rc) {
        return rc;
    }
    rc = json_parse_line(j->parser, &j->record, marked, marked_len, err);
    if (rc == ERR_FORMAT && marked != line) {
        rc = json_parse_line(j->parser, &j->record, line, len,
                             err); // for the column, which the marks have shifted
    }
    if (rc) {
        *reason = REJECT_BAD_JSON;
        return rc;
    }
    if (!json_object_is_type(j->record, json_type_object)) {
        *reason = REJECT_NOT_AN_OBJECT;
        return err_set(err, ERR_FORMAT, "%s; an object is wanted", json_kind(j->record));
    }
    struct json_object *text = j->field ? field_text(j) : default_text(j);
    if (!json_object_is_type(text, json_type_string)) {
        *reason = REJECT_NO_TEXT_FIELD;
        if (!j->field) {
            return err_set(err, ERR_FORMAT,
                           "no \"text\", \"content\" or \"code\" that is a string");
        }
        if (!text) {
            return err_set(err, ERR_FORMAT, "no \"%s\"", j->field);
        }
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; a string is wanted", j->field,
                       json_kind(text));
    }
    record->text = json_object_get_string(text);
    record->len = (size_t)json_object_get_string_len(text);
    return 0;
}
