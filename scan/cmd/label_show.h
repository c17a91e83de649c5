/*
 * label_show.h - what a hypothesis names, for people: how much, and the first places
 *
 *     label_show_add for each document -> label_show_print -> label_show_free
 */
#ifndef GAPSCOPE_SCAN_CMD_LABEL_SHOW_H
#define GAPSCOPE_SCAN_CMD_LABEL_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "miners/core/miner.h"
#include "model/tokenizer/tokenizer.h"

/* Of one hypothesis; {0} at first. */
struct label_show {
    uint64_t tokens, docs;        // seen, without those that it gave up on
    uint64_t labelled, docs_with; // tokens, and docs with any
    uint64_t gave_up;             // docs
    struct buf lines;             // [n_lines] contexts, each ends with '\n'
    size_t n_lines;
};

/* What a hypothesis says would follow. */
struct label_answers {
    const struct tokenizer *tokenizer;
    const uint32_t *own;   // [t->n] of each labelled token; NULL: the same at all
    const uint32_t *fixed; // [n_fixed]
    size_t n_fixed;
};

/* Counts labels[t->n] of document 'number', and keeps the context of its first labelled tokens
 * where fewer than n_max are kept.  Errors: ERR_NOMEM. */
int label_show_add(struct label_show *s, uint64_t number, const struct tokens *t,
                   const uint8_t *labels, const struct label_answers *answers,
                   enum miner_verdict verdict, size_t n_max, struct err *err);

void label_show_print(const struct label_show *s, const char *name, FILE *to);
void label_show_free(struct label_show *s);

#endif
