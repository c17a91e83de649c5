#include "corpora/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"

/* The path to a member of a record, possibly through other members. */
struct member {
    char *path;  // "a.b"; NULL: the default
    char *names; // "a\0b\0": [n_names] strings
    size_t n_names;
};

struct jsonl {
    struct json_parser *parser;
    struct json_object *record; // the last line; it owns the text
    struct member field;
    struct member domain;
    struct buf domain_name; // of the last line; it ends with a NUL
};

/* path: NULL leaves *m as it is, {0}.  what: "field", for messages. */
static int member_init(struct member *m, const char *what, const char *path, struct err *err)
{
    if (!path) {
        return 0;
    }
    m->path = strdup(path);
    m->names = strdup(path);
    if (!m->path || !m->names) {
        return err_nomem(err, "a reader of JSONL");
    }
    for (char *name = m->names; name;) {
        char *dot = strchr(name, '.');
        if (*name == '\0' || dot == name) {
            return err_set(err, ERR_USAGE, "%s \"%s\": a name in it is empty", what, path);
        }
        if (dot) {
            *dot++ = '\0';
        }
        m->n_names++;
        name = dot;
    }
    return 0;
}

static void member_free(struct member *m)
{
    free(m->path);
    free(m->names);
}

/* The member, or NULL if there is none or it is null. */
static struct json_object *member_of(struct json_object *record, const struct member *m)
{
    const char *name = m->names;
    for (size_t i = 0; i < m->n_names; i++) {
        record = json_member(record, name);
        name += strlen(name) + 1;
    }
    return record;
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
        rc = member_init(&j->field, "field", field, err);
    }
    if (!rc) {
        rc = member_init(&j->domain, "domain", domain, err);
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
    member_free(&j->field);
    member_free(&j->domain);
    free(j);
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

static bool is_name(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0;
}

/* The string that names the record's domain, or NULL. */
static struct json_object *domain_of(const struct jsonl *j)
{
    if (j->domain.path) {
        struct json_object *value = member_of(j->record, &j->domain);
        return is_name(value) ? value : NULL;
    }
    struct json_object *const meta = json_member(j->record, "meta");
    struct json_object *const values[] = {
        json_member(meta, "pile_set_name"), json_member(meta, "set"),
        json_member(j->record, "source"), json_member(meta, "redpajama_set_name")};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (is_name(values[i])) {
            return values[i];
        }
    }
    return NULL;
}

/* Makes domain_name from 'value', as struct jsonl_record describes it. */
static int tidy_domain(struct jsonl *j, struct json_object *value, struct err *err)
{
    // Take 4 bytes more than the name may have: if they cut a character, the name ends before it.
    char raw[JSONL_DOMAIN_BYTES + 4];
    const size_t len = (size_t)json_object_get_string_len(value);
    const size_t n = len < sizeof raw ? len : sizeof raw;
    memcpy(raw, json_object_get_string(value), n);
    for (size_t i = 0; i < n; i++) {
        raw[i] = raw[i] ? raw[i] : '\xff'; // the repair turns FF into U+FFFD
    }
    struct buf *name = &j->domain_name;
    name->len = 0;
    uint64_t repaired = 0;
    int rc = utf8_repair(name, raw, n, &repaired, err);
    if (rc) {
        return rc;
    }
    if (name->len > JSONL_DOMAIN_BYTES) {
        name->len = JSONL_DOMAIN_BYTES;
        name->len = utf8_valid_prefix(name->data, name->len); // drops half a character
    }
    return buf_append(name, "", 1, err);
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
    if (!json_object_is_type(j->record, json_type_object)) {
        *reason = REJECT_NOT_AN_OBJECT;
        return err_set(err, ERR_FORMAT, "%s; an object is wanted", json_kind(j->record));
    }
    struct json_object *text = j->field.path ? member_of(j->record, &j->field) : default_text(j);
    if (!json_object_is_type(text, json_type_string)) {
        *reason = REJECT_NO_TEXT_FIELD;
        if (!j->field.path) {
            return err_set(err, ERR_FORMAT,
                           "no \"text\", \"content\" or \"code\" that is a string");
        }
        if (!text) {
            return err_set(err, ERR_FORMAT, "no \"%s\"", j->field.path);
        }
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; a string is wanted", j->field.path,
                       json_kind(text));
    }
    struct json_object *domain = domain_of(j);
    if (domain) {
        rc = tidy_domain(j, domain, err);
    }
    *record = (struct jsonl_record){
        .text = json_object_get_string(text),
        .len = (size_t)json_object_get_string_len(text),
        .domain = domain ? j->domain_name.data : NULL,
    };
    return rc;
}
