/*
 * shards.h - the files of a corpus, identified by name and content, not by their place
 *
 * A shard's identity is (base name, size, hash of its first and last 64 KiB).  Shards are sorted by
 * it and numbered in this order, so that naming them in another order, or from another folder,
 * gives the same corpus.
 */
#ifndef GAPSCOPE_CORPORA_SHARDS_H
#define GAPSCOPE_CORPORA_SHARDS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

struct shard {
    char *path; // as the user named it
    char *name; // the path's last part, repaired to valid UTF-8
    uint64_t bytes;
    uint64_t hash; // XXH64, seed 0, of the first 64 KiB followed by the last 64 KiB; of a shorter
                   // file both are the whole file
};

struct shards {
    struct shard *items; // [n], sorted by (name, bytes, hash), no two alike
    size_t n;
};

/* On success the caller ends *out with shards_free().  Errors: ERR_NOT_FOUND, ERR_IO (a folder, a
 * pipe, "-": a scan must be able to read it again), ERR_MISMATCH (two have the same identity: one
 * shard was named twice; one becomes shorter meanwhile), ERR_NOMEM; the message begins with the path. */
int shards_open(struct shards *out, const char *const *paths, size_t n, struct err *err);
void shards_free(struct shards *s); // {0} is allowed

/* The bytes of all shards together. */
uint64_t shards_bytes(const struct shards *s);

/* Checks that the file at s->path still has this size and hash.  Errors: ERR_MISMATCH (the message
 * says what changed), and those of shards_open(). */
int shard_check(const struct shard *s, struct err *err);

#endif
