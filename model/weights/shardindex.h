/*
 * shardindex.h - reads the index of weights that are divided into several files
 *
 *     {"metadata": {...}, "weight_map": {"embed.W_E": "model-00001-of-00002.safetensors", ...}}
 *
 * The file is called model.safetensors.index.json or pytorch_model.bin.index.json.  Its shards are
 * files of the same folder: a name that leads elsewhere is refused.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_SHARDINDEX_H
#define GAPSCOPE_MODEL_WEIGHTS_SHARDINDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/tensorlist.h"

/* Which shard has a tensor. */
struct shardindex_entry {
    char *tensor;
    size_t shard;
};

struct shardindex {
    struct shardindex_entry *entries; // [n], sorted by 'tensor'
    size_t n;
    char **shards; // [n_shards] file names, in the order in which the index first names them
    size_t n_shards;
};

/* Is a file of this name an index? */
bool shardindex_is(const char *path);

/* Reads json[len].  On success the caller ends *out with shardindex_free().  Errors: ERR_FORMAT (no
 * weight_map, a key twice, a shard's name that is no plain file name), ERR_LIMIT (too many shards),
 * ERR_NOMEM. */
int shardindex_parse(struct shardindex *out, const char *json, size_t len, struct err *err);

/* Checks that a shard holds the tensors that the index says, and no others; list is indexed.
 * Errors: ERR_FORMAT (a tensor is missing, unlisted, or listed in another shard), ERR_NOMEM. */
int shardindex_check(const struct shardindex *x, size_t shard, const struct tensorlist *list,
                     struct err *err);

void shardindex_free(struct shardindex *x); // {0} is allowed

#endif
