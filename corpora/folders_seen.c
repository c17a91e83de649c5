#include "corpora/folders_seen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* Where the folder is, or the free place where it belongs. */
static struct folders_seen_id *find(const struct folders_seen *f, dev_t dev, ino_t ino)
{
    const uint64_t hash = ((uint64_t)ino ^ (uint64_t)dev << 32) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 20) % f->cap;
    while (f->items[at].used && (f->items[at].dev != dev || f->items[at].ino != ino)) {
        at = (at + 1) % f->cap;
    }
    return &f->items[at];
}

static int grow(struct folders_seen *f, struct err *err)
{
    struct folders_seen more = {.n = f->n, .cap = f->cap > 0 ? 2 * f->cap : 64};
    more.items = mem_zero(more.cap, sizeof *more.items);
    if (!more.items) {
        return err_nomem(err, "the folders packed so far");
    }
    for (size_t i = 0; i < f->cap; i++) {
        if (f->items[i].used) {
            *find(&more, f->items[i].dev, f->items[i].ino) = f->items[i];
        }
    }
    free(f->items);
    *f = more;
    return 0;
}

int folders_seen_add(struct folders_seen *f, const struct stat *folder, bool *had, struct err *err)
{
    const int rc = 2 * (f->n + 1) > f->cap ? grow(f, err) : 0;
    if (rc) {
        return rc;
    }
    struct folders_seen_id *id = find(f, folder->st_dev, folder->st_ino);
    *had = id->used;
    f->n += !id->used;
    *id = (struct folders_seen_id){.used = true, .dev = folder->st_dev, .ino = folder->st_ino};
    return 0;
}

void folders_seen_free(struct folders_seen *f)
{
    free(f->items);
    *f = (struct folders_seen){0};
}

static int is_not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int folders_list(const char *folder, struct dirent ***entries)
{
    return scandir(folder, entries, is_not_hidden, by_bytes);
}
