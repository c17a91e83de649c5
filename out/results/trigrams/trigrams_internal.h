/*
 * trigrams_internal.h - what the files of trigrams share
 *
 *     trigrams.c        sums of trigrams: made, merged, and read as tables
 *     trigrams_shape.c  which trigrams there are, and the groups of tokens that they share
 *     trigrams_unit.c   a unit: its rows in groups, and its documents
 *     trigrams_save.c   as bytes
 */
#ifndef GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_INTERNAL_H
#define GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_INTERNAL_H

#include "out/results/trigrams/trigrams.h"

#define TRIGRAMS_NONE UINT32_MAX // of groups, items and places

/* A token of the unit that is in a group. */
struct trigrams_row {
    uint32_t token;    // of the unit
    uint32_t ab, b, a; // its groups, or none
    bool follows;      // another token of its document and window is before it
};

/* The best place of a document for a list. */
struct trigrams_place {
    uint32_t key;
    uint32_t at; // of the document's tokens, or none
};

/* What the current document has of a trigram. */
struct trigrams_best {
    bool touched;
    uint64_t n;                             // places
    struct trigrams_place place, elsewhere; // for its lists
};

/* A pair's gaps at the places of a trigram in the current document. */
struct trigrams_gaps {
    int64_t sum;
    uint64_t n; // places that have one
};

struct trigrams_unit {
    struct unit_tokens tokens;
    struct trigrams_row *rows; // [n_rows], ascending
    size_t n_rows, rows_cap;
    size_t *next;             // [n_layers] the first row that blocks have not come to
    uint32_t *groups, *items; // [n_groups_in], [n_items_in] what is not empty, in any order
    size_t n_groups_in, n_items_in;
    bool *is_in; // [n] items that are

    // of the current document
    struct trigrams_best *best; // [n]
    struct trigrams_gaps *gaps; // [n][n_pairs]
    uint32_t *touched;          // [n_touched] items that it has
    size_t n_touched;
};

/* *out is to be freed also after an error, which is ERR_NOMEM. */
int trigrams_unit_new(struct trigrams_unit **out, const struct trigrams_shape *s, struct err *err);
void trigrams_unit_free(struct trigrams_unit *u); // NULL is allowed

/* The group of A before the B of group 'b'; the item of such a group that predicts C.  Or none. */
uint32_t trigrams_find_ab(const struct trigrams_shape *s, uint32_t b, uint32_t a);
uint32_t trigrams_find_item(const struct trigrams_shape *s, uint32_t ab, uint32_t c);

#endif
