/*
 * pack_domain.h - the domain of a file that is packed, from the folder that it stands in
 *
 * Where one folder is packed alone, its sub-folders are the domains: of data/code/a/x.c, found in
 * data, it is "code", and of data/y.c "data".  Where several are named, they are the domains
 * themselves: of code/a/x.c, found in code, it is "code".  A file that was named itself has none,
 * nor has what stands directly in ".", ".." or "/".
 */
#ifndef GAPSCOPE_CORPORA_PACK_DOMAIN_H
#define GAPSCOPE_CORPORA_PACK_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* The domain of the file 'path', which begins with the named path 'root' (alone: no other was
 * named), and its length in *len; a part of 'path'.  NULL: none. */
const char *pack_domain(const char *path, const char *root, bool alone, size_t *len);

/* Appends the members of a file's "meta": its path, and its domain[n] where there is one (NULL:
 * none); bytes that are no UTF-8 are repaired.  Errors: ERR_NOMEM. */
int pack_meta(struct buf *out, const char *path, const char *domain, size_t n, struct err *err);

#endif
