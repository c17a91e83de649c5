#include "corpora/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/domain_name.h"
#include "corpora/member.h"

struct jsonl {
    struct json_parser *parser;
    struct json_object *record; // the last line; it owns the text
    char *field, *domain;       // paths to members; NULL: the defaults
    struct buf domain_name;     // of the last line; it ends with a NUL
    struct buf paragraphs;      // of the last line, joined
    bool strings;               // a line may be a string
};

/* Sets *out to a copy of 'path' (NULL: the default).  what: "field", for messages. */
static int copy_path(char **out, const char *path, const char *what, struct err *err)
{
    if (!path) {
        return 0;
    }
    *out = strdup(path);
    return *out ? member_check(path, what, err) : err_nomem(err, "a reader of JSONL");
}

int jsonl_open(struct jsonl **out, const char *field, const char *domain, struct err *err)
{
    struct jsonl *j = mem_zero(1, sizeof *j);
    if (!j) {
        return err_nomem(err, "a reader of JSONL");
    }
    j->parser = json_lines_parser_new();
    int rc = j->parser ? 0 : err_nomem(err, "a reader of JSONL");
    if (!rc) {
        rc = copy_path(&j->field, field, "field", err);
    }
    if (!rc) {
        rc = copy_path(&j->domain, domain, "domain", err);
    }
    if (rc) {
        jsonl_close(j);
        return rc;
    }
    *out = j;
    return 0;
}

void jsonl_close(struct jsonl *j)
{
    if (!j) {
        return;
    }
    json_parser_free(j->parser);
    json_object_put(j->record);
    buf_free(&j->domain_name);
    buf_free(&j->paragraphs);
    free(j->field);
    free(j->domain);
    free(j);
}

void jsonl_allow_strings(struct jsonl *j, bool allow)
{
    j->strings = allow;
}

/* Whether 'value' is a text: a string, or a list of strings, which are its paragraphs. */
static bool is_text(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_array)) {
        return json_object_is_type(value, json_type_string);
    }
    const size_t n = json_object_array_length(value);
    for (size_t i = 0; i < n; i++) {
        if (!json_object_is_type(json_object_array_get_idx(value, i), json_type_string)) {
            return false;
        }
    }
    return true;
}

/* Sets the text of *record; paragraphs are joined by two line ends, as lm_dataformat joins them. */
static int take_text(struct jsonl *j, struct json_object *text, struct jsonl_record *record,
                     struct err *err)
{
    if (json_object_is_type(text, json_type_string)) {
        record->text = json_object_get_string(text);
        record->len = (size_t)json_object_get_string_len(text);
        return 0;
    }
    const size_t n = json_object_array_length(text);
    int rc = 0;
    j->paragraphs.len = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        struct json_object *one = json_object_array_get_idx(text, i);
        rc = i > 0 ? buf_append(&j->paragraphs, "\n\n", 2, err) : 0;
        rc = rc ? rc
                : buf_append(&j->paragraphs, json_object_get_string(one),
                             (size_t)json_object_get_string_len(one), err);
    }
    record->text = j->paragraphs.len ? j->paragraphs.data : "";
    record->len = j->paragraphs.len;
    return rc;
}

static struct json_object *default_text(const struct jsonl *j)
{
    static const char *const names[] = {"text", "content", "code"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct json_object *text = json_member(j->record, names[i]);
        if (text && is_text(text)) {
            return text;
        }
    }
    return NULL;
}

static bool is_name(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0;
}

/* The string that names the record's domain, or NULL. */
static struct json_object *domain_of(const struct jsonl *j)
{
    struct json_object *other;
    if (j->domain) {
        return member_that(j->record, j->domain, is_name, &other);
    }
    static const char *const paths[] = {"meta.pile_set_name", "meta.set", "source",
                                        "meta.redpajama_set_name"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct json_object *value = member_that(j->record, paths[i], is_name, &other);
        if (value) {
            return value;
        }
    }
    return NULL;
}

/* The messages are stored in run.db as reasons of rejects and are part of its digest: they must not
 * change. */
int jsonl_read(struct jsonl *j, const char *line, size_t len, struct jsonl_record *record,
               enum reject_reason *reason, struct err *err)
{
    json_object_put(j->record);
    j->record = NULL;
    int rc = json_parse_line(j->parser, &j->record, line, len, err);
    if (rc) {
        *reason = REJECT_BAD_JSON;
        return rc;
    }
    *record = (struct jsonl_record){0};
    if (j->strings && !j->field && json_object_is_type(j->record, json_type_string)) {
        return take_text(j, j->record, record, err);
    }
    if (!json_object_is_type(j->record, json_type_object)) {
        *reason = REJECT_NOT_AN_OBJECT;
        return err_set(err, ERR_FORMAT, "%s, not an object", json_kind(j->record));
    }
    struct json_object *other = NULL;
    struct json_object *text =
        j->field ? member_that(j->record, j->field, is_text, &other) : default_text(j);
    if (!text) {
        *reason = REJECT_NO_TEXT_FIELD;
        if (!j->field) {
            return err_set(err, ERR_FORMAT,
                           "no \"text\", \"content\" or \"code\" that is a string");
        }
        if (!other) {
            return err_set(err, ERR_FORMAT, "no \"%s\"", j->field);
        }
        return err_set(err, ERR_FORMAT, "\"%s\" is %s, not a string", j->field, json_kind(other));
    }
    struct json_object *domain = domain_of(j);
    if (domain) {
        rc = domain_name(&j->domain_name, json_object_get_string(domain),
                         (size_t)json_object_get_string_len(domain), err);
        record->domain = j->domain_name.data;
    }
    return rc ? rc : take_text(j, text, record, err);
}
