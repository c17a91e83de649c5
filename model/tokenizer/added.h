/*
 * added.h - added tokens: texts that are cut out of a text before it is split into words
 *
 *     added_put, added_put, ... -> added_seal -> added_next, ... -> added_free
 *
 * A match is the leftmost, and the longest if several begin together; matches do not overlap.
 *
 * Threads: immutable once sealed.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_ADDED_H
#define GAPSCOPE_MODEL_TOKENIZER_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/tokenizer/tokenizer.h"

struct added_token {
    char *text; // [len], len > 0
    size_t len;
    uint32_t id;
    bool special;
    bool takes_space; // the white space behind it belongs to it: "rstrip"
};

/* A set of added tokens; {0} is empty and sealed. */
struct added {
    struct added_token *items; // [n], sorted by bytes once sealed
    size_t n, cap;
    uint32_t first[257]; // items[first[c]] to items[first[c + 1]] begin with byte c
};

struct added_match {
    size_t begin, end; // bytes
    uint32_t id;
};

/* Adds a copy of text[len]. */
int added_put(struct added *a, const char *text, size_t len, uint32_t id, bool special,
              bool takes_space, struct err *err);

/* Sorts the set.  Errors: ERR_FORMAT if two texts are equal. */
int added_seal(struct added *a, struct err *err);

/* Finds the first token in text[from, len) to cut out; false: there is none.  With SPECIAL_PLAIN a
 * special token is skipped as a whole, so that no other is found inside. */
bool added_next(const struct added *a, const char *text, size_t from, size_t len,
                enum special_tokens special, struct added_match *match);

void added_free(struct added *a); // {0} is allowed

#endif
