/*
 * circuits_view.h - what gapscope circuits shows of a model: made (circuits_make.c), for people
 * (circuits_text.c) and as JSON (circuits_json.c)
 */
#ifndef GAPSCOPE_SCAN_CMD_CIRCUITS_VIEW_H
#define GAPSCOPE_SCAN_CMD_CIRCUITS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/explain/circuits.h"
#include "model/explain/composition.h"
#include "model/explain/head_scores.h"
#include "out/text/screen.h"
#include "scan/load/prompts.h"

/* What is asked. */
struct circuits_ask {
    bool one_head; // else all
    size_t layer, index;
    const uint32_t *sources,
        *queries; // [n_sources], [n_queries]; none: chosen by size, of one head
    size_t n_sources, n_queries;
    size_t top;                        // tokens in a list, pairs in a table
    const struct tokenizer *tokenizer; // NULL: tokens are ids
    uint32_t bos;
};

/* Tokens of the most extreme values, the most extreme first. */
struct circuits_list {
    uint32_t *ids;
    double *values;
    size_t n;
};

enum circuits_lists {
    CIRCUITS_GREATEST,
    CIRCUITS_LEAST,
    CIRCUITS_GREATEST_RAW,
    CIRCUITS_LEAST_RAW,
    CIRCUITS_AT, // of queries: greatest scores at one position
    CIRCUITS_LISTS,
};

/* What a token does by one circuit: by a head's OV as a source, by its QK as a query, or by the
 * direct path. */
struct circuits_row {
    enum { CIRCUITS_OV, CIRCUITS_QK, CIRCUITS_DIRECT } kind;
    size_t layer, index; // of the head; not of the direct path
    uint32_t token;
    double own[2];      // the token's own value, folded and raw
    size_t own_rank[2]; // among all tokens, 1: the greatest
    struct circuits_list lists[CIRCUITS_LISTS];
};

struct circuits_view {
    const struct model *model;
    const char *name;
    struct circuits_ask ask;
    struct head_scores *scores;           // [n_layers][n_heads]
    struct circuits_positions *positions; // the same
    size_t n_positions;                   // windows of so many
    struct composition folded, raw;
    struct circuits_row *rows; // [n_rows] by kind
    size_t n_rows, rows_cap;
    size_t query_at; // lists CIRCUITS_AT: the query's position, the key's is one less; 0: none
};

/* 'ask' outlives *out, which circuits_view_free() ends in any case.  Errors: ERR_NOMEM. */
int circuits_view_make(struct circuits_view *out, const struct model *m, const char *name,
                       const struct circuits_ask *ask, struct err *err);
void circuits_view_free(struct circuits_view *v); // {0} is allowed

/* Is the pair one that is shown: is it of the asked head, if one was asked for? */
bool circuits_view_shows(const struct circuits_view *v, const struct composition_pair *p);

int circuits_view_put(const struct circuits_view *v, const struct screen *s, struct err *err);
void circuits_view_json(const struct circuits_view *v, struct jsonout *j);

#endif
