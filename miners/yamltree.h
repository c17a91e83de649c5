/*
 * yamltree.h - a small YAML file as a tree of nodes that know their place
 *
 * What settings need and no more: one document of texts, lists and maps.  Anchors, aliases and tags
 * are refused, and so is what is deeper or larger than the limits below, so that no file takes more
 * time or memory than its size does.
 */
#ifndef GAPSCOPE_MINERS_YAMLTREE_H
#define GAPSCOPE_MINERS_YAMLTREE_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

#define YAMLTREE_DEPTH_MAX 16
#define YAMLTREE_NODES_MAX ((size_t)1 << 17)
#define YAMLTREE_BYTES_MAX ((size_t)4 << 20)

enum yamltree_kind { YAMLTREE_TEXT, YAMLTREE_LIST, YAMLTREE_MAP };

struct yamltree_node {
    enum yamltree_kind kind;
    size_t line, column; // both from 1; columns are characters
    char *text;          // YAMLTREE_TEXT: [len] and a NUL behind; valid UTF-8, may hold NULs
    size_t len;
    size_t n;                    // YAMLTREE_LIST: items; YAMLTREE_MAP: keys and values
    struct yamltree_node *first; // of them: a map's are key, value, key, value, ...
    struct yamltree_node *next;  // in the list or map that this is in

    struct yamltree_node *older; // private: made before this one
};

/*
 * Parses yaml[len] into a tree, whose top is *top (NULL: the file holds nothing) and which the
 * caller ends with yamltree_free(*tree).
 * Errors: ERR_FORMAT ("line 7, column 12: ..."), ERR_LIMIT, ERR_NOMEM.
 */
int yamltree_parse(struct yamltree_node **tree, struct yamltree_node **top, const char *yaml,
                   size_t len, struct err *err);
void yamltree_free(struct yamltree_node *tree); // NULL is allowed

/* Does the node hold exactly this text? */
bool yamltree_is(const struct yamltree_node *node, const char *text);

/* "a list", ...: what a node is, for messages. */
const char *yamltree_name(const struct yamltree_node *node);

/* An error at the node's place: "line 7, column 12: <formatted>"; returns ERR_FORMAT. */
int yamltree_error(const struct yamltree_node *node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
