/*
 * code.h - the miners that are written in C, by name
 *
 * Each has a file of its own, miners/code/code_<name>.c, which may hold a family of related miners
 * and begins with a definition of what each labels.  A miner of this kind never gives up: it takes
 * O(bytes + tokens), or its file says why it takes more.
 */
#ifndef GAPSCOPE_MINERS_CODE_CODE_H
#define GAPSCOPE_MINERS_CODE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* The working memory that all code miners of a thread share; its contents mean nothing from one
 * call to the next.  {0} is empty; code_scratch_free() ends it. */
struct code_scratch {
    struct buf a, b, c; // may hold arrays of any type; aligned as malloc() does
};
void code_scratch_free(struct code_scratch *s);

struct code_miner {
    const char *name; // as in 'code: NAME'
    const char *help; // one line that says which tokens are labelled
    /* Like label() of miner_kind.  Errors: ERR_NOMEM. */
    int (*label)(const struct tokens *doc, uint8_t *label, struct code_scratch *s, struct err *err);
    /* Like answer() of miner_kind; NULL: it does not answer. */
    int (*answer)(const struct tokens *doc, uint8_t *label, uint32_t *answer,
                  struct code_scratch *s, struct err *err);
    bool windows; // it sees doc->window_begin
};

/* Miner i in the order of names; NULL after the last. */
const struct code_miner *code_at(size_t i);

/* The miner of this name, or NULL. */
const struct code_miner *code_named(const char *name);

#endif
