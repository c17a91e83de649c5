/*
 * yamltree.h - parses a small YAML file into a tree of nodes that know their place
 *
 * It reads one document of texts, lists and maps, which is all that settings need.  Anchors,
 * aliases and tags are refused, and so is a file that is deeper or larger than the limits below, so
 * that time and memory are proportional to the file's size.
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
    struct yamltree_node *first; // the first of them; a map has key, value, key, value, ...
    struct yamltree_node *next;  // the next in the list or map that this node is in

    struct yamltree_node *older; // private: the node made before this one
};

/*
 * Parses yaml[len] into a tree.  Its top is *top (NULL: the file holds nothing), and the caller
 * ends it with yamltree_free(*tree).  Errors: ERR_FORMAT ("line 7, column 12: ..."), ERR_LIMIT,
 * ERR_NOMEM.
 */
int yamltree_parse(struct yamltree_node **tree, struct yamltree_node **top, const char *yaml,
                   size_t len, struct err *err);
void yamltree_free(struct yamltree_node *tree); // NULL is allowed

/* Whether the node is exactly this text. */
bool yamltree_is(const struct yamltree_node *node, const char *text);

/* The kind of a node, for messages: "a list", ... */
const char *yamltree_name(const struct yamltree_node *node);

/* Sets an error at the node's place, "line 7, column 12: <formatted>", and returns ERR_FORMAT. */
int yamltree_error(const struct yamltree_node *node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
