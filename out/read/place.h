/*
 * place.h - a place of the corpus with the tokens around it, as tables of examples keep it
 */
#ifndef GAPSCOPE_OUT_READ_PLACE_H
#define GAPSCOPE_OUT_READ_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/jsonout.h"
#include "out/read/reader.h"

struct place {
    double activation; // NaN: there is none
    int64_t shard, doc, byte_start, byte_end;
    int64_t token_index;             // of the token in question, in 'tokens'
    struct json_object *tokens;      // ids; NULL: damaged
    struct json_object *activations; // numbers as many; NULL: damaged, or there are none
    struct json_object *labelled;    // indices into 'tokens'; NULL: damaged, or there are no labels
    // places_name() sets these, place_free() ends them
    char **texts; // [n_texts] of the tokens, "<id>" where the run has no text
    size_t n_texts;
    char *shard_name; // NULL: the run does not know the shard
};

/* The length of a list in JSON; 0 for what is none. */
size_t list_length(struct json_object *list);

/* Reads the texts of tokens and the names of shards of the places in rows[n]: rows of 'size' bytes,
 * each with its place 'at' bytes from its begin. */
int places_name(struct reader *r, void *rows, size_t n, size_t size, size_t at);
void place_free(struct place *p); // the lists belong to who has read them

/* The texts as a member "texts": ["a", ...]. */
void place_json_texts(struct jsonout *j, const struct place *p);

#endif
