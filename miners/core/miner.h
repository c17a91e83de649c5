/*
 * miner.h - the interface of every kind of hypothesis: it labels the tokens of a document
 *
 *     miner_new (once, shared) -> miner_ctx_new (a thread) -> miner_label for each document
 *                              -> miner_ctx_free -> miner_free
 *
 * A miner sees text and token spans but no model, so a label cannot depend on what it is meant to
 * explain.  Its labels of a document depend on that document alone.
 *
 * Threads: a compiled hypothesis is immutable and shared; a ctx belongs to one thread.
 */
#ifndef GAPSCOPE_MINERS_CORE_MINER_H
#define GAPSCOPE_MINERS_CORE_MINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/stop.h"

/* Whether the labels of a document mean something. */
enum miner_verdict {
    MINER_DONE,
    MINER_GAVE_UP, // the miner reached a limit: its labels of this document mean nothing
};

/*
 * One kind of miner ("regex", "tokens", "code", "plugin", "exec").  'self' is what the kind
 * compiled from the hypothesis, 'ctx' is one thread's working memory for it.
 *
 * label: sets label[i] to 1 for each token i of the document that the hypothesis names; all are 0
 * before.  doc->text is valid UTF-8 and normalised; doc->ids and doc->ends are its tokens without
 * BOS; there may be none.
 * Errors: ERR_NOMEM, and errors that end the whole run (a plugin or program that breaks its
 * interface again and again).  A failure on one document is a verdict, not an error.
 *
 * ctx_watch: from now on a label() that waits ends soon after *stop is set, with MINER_GAVE_UP.
 *
 * answer: label(), and sets answer[i] of each labelled token to the id that the hypothesis says would
 * follow; the others' mean nothing.  The ids may be any: labeller.h checks them.
 *
 * why: in words, why label() or answer() gave up last; valid until its next call.
 */
struct miner_kind {
    const char *name;
    bool needs_text; // false: ids are enough; doc->text and doc->ends may be NULL
    bool shares_ctx; // one ctx serves all miners of this kind in a thread; ctx_new's 'self' is NULL
    int (*ctx_new)(void **ctx, const void *self, struct err *err); // NULL: needs no memory
    void (*ctx_watch)(void *ctx, const atomic_int *stop);          // NULL: it never waits
    void (*ctx_free)(void *ctx);                                   // NULL is allowed as 'ctx'
    int (*label)(const void *self, void *ctx, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err);
    int (*answer)(const void *self, void *ctx, const struct tokens *doc, uint8_t *label,
                  uint32_t *answer, enum miner_verdict *verdict,
                  struct err *err);      // NULL: none of its miners answers
    const char *(*why)(const void *ctx); // NULL: a limit of its own
    void (*free)(void *self);
};

#define MINER_ANSWERS_MAX 2

/* A hypothesis, ready to be used. */
struct miner {
    const struct miner_kind *kind;
    void *self;
    char *name; // of the hypothesis
    char *spec; // JSON with sorted keys: {"mark":"all","regex":"..."}.  It holds everything that
                // changes results and nothing else, so that runs with equal specs can be merged
    bool predicts_next; // log-probs are taken at the token after the labelled one in its window

    // Which tokens would follow a labelled one: these, or the one that the miner says itself
    uint32_t answers[MINER_ANSWERS_MAX]; // [n_answers]
    size_t n_answers;
    bool answers_itself; // n_answers is 0 then

    bool windows; // its labels or answers depend on windows: tokens.window_begin is to be given
};

void miner_free(struct miner *m); // {0} is allowed

/*
 * Labels every token that shares at least one byte with text[from, to), or the first such token, or
 * the last, or the first that begins at or after 'to'; none if from == to.
 * *at is 0 at first, then the value that the last call left: if spans come in order, the search
 * goes on from there.
 */
enum miner_mark { MARK_ALL, MARK_FIRST, MARK_LAST, MARK_NEXT };
void miner_mark(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
                enum miner_mark mark);

#endif
