#include "model/weights/tensorlist.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"

int tensorlist_add(struct tensorlist *list, const char *name, size_t name_len,
                   const struct tensor *t, struct err *err)
{
    if (utf8_valid_prefix(name, name_len) != name_len) {
        return err_set(err, ERR_FORMAT, "tensor %zu: its name is not valid UTF-8", list->n);
    }
    if (memchr(name, '\0', name_len)) {
        return err_set(err, ERR_UNSUPPORTED, "tensor %zu: a NUL byte in its name", list->n);
    }
    const int rc = mem_reserve(&list->items, &list->cap, list->n + 1, sizeof *list->items,
                               "the list of tensors", err);
    if (rc) {
        return rc;
    }
    char *copy = strndup(name, name_len);
    if (!copy) {
        return err_nomem(err, "a tensor's name");
    }
    struct tensor *to = &list->items[list->n++];
    *to = *t;
    to->name = copy;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

int tensorlist_index(struct tensorlist *list, struct err *err)
{
    const struct tensor **index = mem_new(list->n, sizeof *index);
    if (!index) {
        return err_nomem(err, "the index of tensors");
    }
    for (size_t i = 0; i < list->n; i++) {
        index[i] = &list->items[i];
    }
    qsort(index, list->n, sizeof *index, by_name);
    for (size_t i = 0; i + 1 < list->n; i++) {
        if (by_name(&index[i], &index[i + 1]) == 0) {
            const int rc = err_set(err, ERR_FORMAT, "two tensors are named \"%s\"", index[i]->name);
            free(index);
            return rc;
        }
    }
    list->by_name = index;
    return 0;
}

const struct tensor *tensorlist_find(const struct tensorlist *list, const char *name)
{
    const struct tensor key = {.name = name}, *const wanted = &key;
    const struct tensor **found =
        list->n ? bsearch(&wanted, list->by_name, list->n, sizeof wanted, by_name) : NULL;
    return found ? *found : NULL;
}

void tensorlist_free(struct tensorlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free((void *)(uintptr_t)list->items[i].name);
    }
    free(list->items);
    free(list->by_name);
    *list = (struct tensorlist){0};
}
