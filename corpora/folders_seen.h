/*
 * folders_seen.h - a set of folders, each known by its device and inode
 */
#ifndef GAPSCOPE_CORPORA_FOLDERS_SEEN_H
#define GAPSCOPE_CORPORA_FOLDERS_SEEN_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "corpora/base/err.h"

/* {0}: empty. */
struct folders_seen {
    struct folders_seen_id {
        bool used;
        dev_t dev;
        ino_t ino;
    } * items; // [cap], a hash table; at most half of it is used
    size_t n, cap;
};

/* Adds a folder; *had: it was in the set.  Errors: ERR_NOMEM. */
int folders_seen_add(struct folders_seen *f, const struct stat *folder, bool *had, struct err *err);

void folders_seen_free(struct folders_seen *f);

/* The names in a folder that do not begin with a dot, in the order of their bytes: how many, or -1
 * and errno.  *entries and each of them are the caller's to free. */
int folders_list(const char *folder, struct dirent ***entries);

#endif
