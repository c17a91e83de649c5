/*
 * record_keys.h - which keys a record has: what to say where none of them is the text
 */
#ifndef GAPSCOPE_CORPORA_RECORD_KEYS_H
#define GAPSCOPE_CORPORA_RECORD_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/shards.h"

struct record_keys {
    bool any;          // an object was seen; the others are "" without one
    bool ids;          // it has a list of token ids under a name that idlist.h knows
    char list[300];    // "\"id\", \"meta.title\", \"body\"", the first of them
    char longest[120]; // that of the longest string, "a.b" inside an object; "": there is no string
};

/* Sets *k to the keys of line[len] where that is an object. */
void record_keys_of_line(struct record_keys *k, const char *line, size_t len);

/* The same for the first object among the first records of a shard, of the first shards. */
void record_keys_of_shards(struct record_keys *k, const struct shards *shards);

#endif
