/*
 * tensorlist.h - the list of a file's tensors, with an index by name
 *
 *     tensorlist_add, tensorlist_add, ... -> tensorlist_index -> tensorlist_find -> tensorlist_free
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_TENSORLIST_H
#define GAPSCOPE_MODEL_WEIGHTS_TENSORLIST_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/tensor.h"

/* {0} is empty. */
struct tensorlist {
    struct tensor *items; // [n], in the file's order; the list owns the names
    size_t n, cap;
    const struct tensor **by_name; // [n], once indexed
};

/* Appends *t under a copy of the name.  Errors: ERR_FORMAT (not UTF-8), ERR_UNSUPPORTED (a NUL in
 * it), ERR_NOMEM. */
int tensorlist_add(struct tensorlist *list, const char *name, size_t name_len,
                   const struct tensor *t, struct err *err);

/* Makes the index; nothing may be added after that.  Errors: ERR_FORMAT (two tensors have the same
 * name), ERR_NOMEM. */
int tensorlist_index(struct tensorlist *list, struct err *err);

const struct tensor *tensorlist_find(const struct tensorlist *list, const char *name); // or NULL

void tensorlist_free(struct tensorlist *list); // the list is then empty and may be used again

#endif
