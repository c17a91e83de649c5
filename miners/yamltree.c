#include "miners/yamltree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "corpora/base/mem.h"

struct builder {
    yaml_parser_t parser;
    const char *yaml; // [len]
    size_t len;
    struct yamltree_node *newest, *top;
    size_t n_nodes, n_documents;
    struct yamltree_node *open[YAMLTREE_DEPTH_MAX]; // [depth], lists and maps not yet closed
    struct yamltree_node *last[YAMLTREE_DEPTH_MAX]; // the last child of each, or NULL
    size_t depth;
};

bool yamltree_is(const struct yamltree_node *node, const char *text)
{
    return node->kind == YAMLTREE_TEXT && node->len == strlen(text) &&
           memcmp(node->text, text, node->len) == 0;
}

const char *yamltree_name(const struct yamltree_node *node)
{
    return node->kind == YAMLTREE_TEXT   ? "a text"
           : node->kind == YAMLTREE_LIST ? "a list"
                                         : "a map";
}

int yamltree_error(const struct yamltree_node *node, struct err *err, const char *fmt, ...)
{
    char what[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s", node->line, node->column, what);
}

void yamltree_free(struct yamltree_node *tree)
{
    while (tree) {
        struct yamltree_node *older = tree->older;
        free(tree->text);
        free(tree);
        tree = older;
    }
}

/* Sets an error at a place that libyaml gives; libyaml counts from 0. */
static int error_at(yaml_mark_t mark, const char *what, struct err *err)
{
    return err_set(err, ERR_FORMAT, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1,
                   what);
}

/* Sets an error from libyaml's. */
static int parser_error(const struct builder *b, struct err *err)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "no YAML";
    if (p->error == YAML_MEMORY_ERROR) {
        return err_nomem(err, "YAML");
    }
    if (p->error == YAML_READER_ERROR) { // it reads ahead: only the byte is known
        yaml_mark_t mark = {0};
        for (size_t i = 0; i < p->problem_offset && i < b->len; i++) {
            const bool line_end = b->yaml[i] == '\n';
            mark.line += line_end;
            mark.column = line_end ? 0 : mark.column + (((unsigned char)b->yaml[i] & 0xc0) != 0x80);
        }
        return error_at(mark, problem, err);
    }
    if (p->context && p->context_mark.line != p->problem_mark.line) {
        char what[256];
        snprintf(what, sizeof what, "%s, %s that began in line %zu", problem, p->context,
                 p->context_mark.line + 1);
        return error_at(p->problem_mark, what, err);
    }
    return error_at(p->problem_mark, problem, err);
}

/* Appends a node to the innermost open list or map, or makes it the top. */
static int add(struct builder *b, const yaml_event_t *event, enum yamltree_kind kind,
               struct err *err)
{
    if (b->n_nodes == YAMLTREE_NODES_MAX) {
        return error_at(event->start_mark, "too many values in one file", err);
    }
    struct yamltree_node *node = mem_zero(1, sizeof *node);
    if (!node) {
        return err_nomem(err, "YAML");
    }
    node->kind = kind;
    node->line = event->start_mark.line + 1;
    node->column = event->start_mark.column + 1;
    node->older = b->newest;
    b->newest = node;
    b->n_nodes++;
    if (b->depth == 0) {
        b->top = node;
        return 0;
    }
    struct yamltree_node *in = b->open[b->depth - 1], **last = &b->last[b->depth - 1];
    *(*last ? &(*last)->next : &in->first) = node;
    *last = node;
    in->n++;
    return 0;
}

static int add_text(struct builder *b, const yaml_event_t *event, struct err *err)
{
    const int rc = add(b, event, YAMLTREE_TEXT, err);
    if (rc) {
        return rc;
    }
    const size_t len = event->data.scalar.length;
    b->newest->text = mem_new(len + 1, 1);
    if (!b->newest->text) {
        return err_nomem(err, "YAML");
    }
    memcpy(b->newest->text, event->data.scalar.value, len + 1); // libyaml adds a NUL
    b->newest->len = len;
    return 0;
}

static int open_node(struct builder *b, const yaml_event_t *event, enum yamltree_kind kind,
                     struct err *err)
{
    if (b->depth == YAMLTREE_DEPTH_MAX) {
        return error_at(event->start_mark, "nested too deep", err);
    }
    const int rc = add(b, event, kind, err);
    if (!rc) {
        b->open[b->depth] = b->newest;
        b->last[b->depth++] = NULL;
    }
    return rc;
}

/* Refuses anchors and tags.  libyaml names only explicit tags. */
static int check_plain(const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag,
                       struct err *err)
{
    return anchor ? error_at(event->start_mark, "anchors (&name) are not supported", err)
           : tag  ? error_at(event->start_mark, "tags (!name) are not supported", err)
                  : 0;
}

static int take(struct builder *b, const yaml_event_t *event, struct err *err)
{
    int rc;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return error_at(event->start_mark,
                        "aliases (*name) are not supported; a text that begins with * needs quotes",
                        err);
    case YAML_DOCUMENT_START_EVENT:
        return b->n_documents++ == 0
                   ? 0
                   : error_at(event->start_mark, "a second YAML document; expected one", err);
    case YAML_SCALAR_EVENT:
        rc = check_plain(event, event->data.scalar.anchor, event->data.scalar.tag, err);
        return rc ? rc : add_text(b, event, err);
    case YAML_SEQUENCE_START_EVENT:
        rc = check_plain(event, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                         err);
        return rc ? rc : open_node(b, event, YAMLTREE_LIST, err);
    case YAML_MAPPING_START_EVENT:
        rc = check_plain(event, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                         err);
        return rc ? rc : open_node(b, event, YAMLTREE_MAP, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

int yamltree_parse(struct yamltree_node **tree, struct yamltree_node **top, const char *yaml,
                   size_t len, struct err *err)
{
    if (len > YAMLTREE_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "%zu bytes of YAML; at most %zu are read", len,
                       YAMLTREE_BYTES_MAX);
    }
    struct builder b = {.yaml = yaml, .len = len};
    if (!yaml_parser_initialize(&b.parser)) {
        return err_nomem(err, "YAML");
    }
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(len ? yaml : ""), len);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    int rc = 0;
    for (bool more = true; more && !rc;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b.parser, &event)) {
            rc = parser_error(&b, err);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        rc = take(&b, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&b.parser);
    if (rc) {
        yamltree_free(b.newest);
        return rc;
    }
    *tree = b.newest;
    *top = b.top;
    return 0;
}
