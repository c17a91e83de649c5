/*
 * yamlvalue.h - values of a YAML file that must be of a kind
 *
 * Errors, which begin with line and column: ERR_FORMAT (it is of another kind).
 */
#ifndef GAPSCOPE_MINERS_YAMLVALUE_H
#define GAPSCOPE_MINERS_YAMLVALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "miners/yamltree.h"

/* Puts the place of a value before the message in *err, and returns its code. */
int yamlvalue_place_error(const struct yamltree_node *node, struct err *err);

/* A text without NULs, of the tree.  key: what it is called in messages. */
int yamlvalue_text(const struct yamltree_node *v, const char *key, const char **out,
                   struct err *err);
int yamlvalue_bool(const struct yamltree_node *v, const char *key, bool *out, struct err *err);

/* A whole number from 'least' to 'most'. */
int yamlvalue_number(const struct yamltree_node *v, const char *key, unsigned long least,
                     unsigned long most, unsigned long *out, struct err *err);

/* Is it a list of 1 to 'max' values? */
int yamlvalue_list(const struct yamltree_node *v, const char *key, size_t max, struct err *err);

#endif
