/*
 * miner.h - what every kind of hypothesis looks like to the rest: it labels a document's tokens
 *
 *     miner_new (once, shared) -> miner_ctx_new (a thread) -> miner_label for each document
 *                              -> miner_ctx_free -> miner_free
 *
 * A miner sees text and token spans and nothing of a model, so a label cannot peek at what it is
 * to explain.  What it says of a document depends on that document alone.
 *
 * Threads: what is compiled is immutable and shared; a run belongs to one thread.
 */
#ifndef GAPSCOPE_MINERS_CORE_MINER_H
#define GAPSCOPE_MINERS_CORE_MINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"

/* What miner_label() found out. */
enum miner_verdict {
    MINER_DONE,
    MINER_GAVE_UP, // a limit was reached: of this document nothing is known, its labels mean
                   // nothing
};

/*
 * One kind of miner ("regex", "tokens", "code", "plugin", "exec").  'self' is what the kind
 * compiled from the hypothesis, 'run' one thread's working memory for it.
 *
 * label: sets label[i] to 1 for each token i of the document that the hypothesis names; all are 0
 * before.  doc->text is valid UTF-8 and normalised, doc->ids and doc->ends are its tokens, without
 * BOS; there may be none.
 * Errors: ERR_NOMEM, and what ends a whole run (a plugin or program that does not keep to its
 * interface again and again); what one document does to a miner is a verdict.
 */
struct miner_kind {
    const char *name;
    bool needs_text; // else ids are enough: doc->text and doc->ends may be NULL
    bool shares_run; // one run serves all miners of this kind in a thread; run_new's 'self' is NULL
    int (*run_new)(void **run, const void *self, struct err *err); // NULL: needs no memory
    void (*run_free)(void *run);                                   // NULL is allowed as 'run'
    int (*label)(const void *self, void *run, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err);
    void (*free)(void *self);
};

/* A hypothesis, ready to be used. */
struct miner {
    const struct miner_kind *kind;
    void *self;
    char *name; // of the hypothesis
    char *spec; // what it is, as JSON with sorted keys: {"regex":"...","mark":"all"}; what changes
                // labels and nothing else, so that two runs with equal specs may be merged
};

void miner_free(struct miner *m); // {0} is allowed

/*
 * Labels every token that shares at least one byte with text[from, to), the first such token, the
 * last, or the first that begins at or after 'to'; none where from == to.
 * *at is 0 at first, then what the last call left: where spans come in order, what was passed is
 * not looked at again.
 */
enum miner_mark { MARK_ALL, MARK_FIRST, MARK_LAST, MARK_NEXT };
void miner_mark(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
                enum miner_mark mark);

#endif
