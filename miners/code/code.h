/*
 * code.h - the miners that are written in C, by name
 *
 * Each is a file of its own, miners/code_<name>.c, which may hold a family of related ones, and
 * begins with a page on what exactly it labels.  A miner of this kind never gives up: it takes
 * O(bytes + tokens), or says why not.
 */
#ifndef GAPSCOPE_MINERS_CODE_CODE_H
#define GAPSCOPE_MINERS_CODE_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* One thread's working memory, shared by all code miners of that thread; what is in it means
 * nothing from one call to the next.  {0} is empty; code_scratch_free(). */
struct code_scratch {
    struct buf a, b, c; // to be used as any array; aligned as malloc() does
};
void code_scratch_free(struct code_scratch *s);

struct code_miner {
    const char *name; // as in 'code: NAME'
    const char *help; // one line: what is labelled
    /* As miner_kind's label().  Errors: ERR_NOMEM. */
    int (*label)(const struct tokens *doc, uint8_t *label, struct code_scratch *s, struct err *err);
};

/* All of them, in the order of their names; NULL from the last on. */
const struct code_miner *code_at(size_t i);

/* The one of this name, or NULL. */
const struct code_miner *code_named(const char *name);

#endif
