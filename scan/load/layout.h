/*
 * layout.h - a unit's documents as tokens, and the windows in which models see them
 *
 *     tokens   doc 0 ......... | doc 1 ... | doc 2 ..........
 *     docs     [0 . . . .][4 . . . ][8 .][9 . . .]            window: BOS + up to n_ctx - 1 tokens
 *     rows     [0 . . . . . . EOS][. . . . EOS . . .][. .     every window but the last is full
 *
 * docs: no window holds tokens of two documents.  rows: the documents of a unit are joined with EOS
 * between them and cut into windows, as the models were trained; the EOS are context and are
 * predicted, but belong to no document, so both packings count the same tokens.
 *
 * Threads: a layout belongs to one thread; the tokenizer is shared.
 */
#ifndef GAPSCOPE_SCAN_LOAD_LAYOUT_H
#define GAPSCOPE_SCAN_LOAD_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "corpora/units.h"
#include "model/pass/engine.h"
#include "model/tokenizer/tokenizer.h"

enum packing { PACKING_DOCS, PACKING_ROWS };

struct layout_doc {
    uint32_t first;        // what stands before its first token: BOS, or with ids the list's first
    size_t begin, n;       // its tokens
    size_t text, text_len; // bytes of layout->text, normalised
    const struct unit_doc *doc;
};

struct layout_window {
    uint32_t first;  // what stands before its first token: BOS, or with ids the list's first
    size_t begin, n; // tokens that it predicts
};

struct layout {
    uint32_t *ids;          // [n]
    uint32_t *ends;         // [n] bytes into the document's text; not with ids
    uint32_t *pos;          // [n] in the window, from 1
    uint32_t *window;       // [n] number of the window: in its document, with rows in the unit
    size_t n;               // tokens, including EOS between documents
    unsigned char *skipped; // [n] 1: a special token that is context alone; NULL: none is
    size_t n_skipped;
    struct buf text;         // of all documents
    struct layout_doc *docs; // [n_docs], in order
    size_t n_docs;
    struct layout_window *windows; // [n_windows], in order, tiling the tokens
    size_t n_windows;
    size_t n_double; // documents that begin with BOS themselves, behind the window's

    // the layout's own
    size_t ids_cap, ends_cap, pos_cap, window_cap, docs_cap, windows_cap, skipped_cap;
    struct tokens tokens;
    struct encoder *encoder;
};

struct layout_options {
    const struct tokenizer *tokenizer; // NULL: units hold ids
    enum packing packing;              // PACKING_DOCS with ids
    enum special_tokens special;
    bool skip_special; // special tokens that documents hold are context, counted nowhere
    size_t n_ctx;      // at least 2
};

/* Lays out 'u', which outlives it, in *l, which is {0} or holds an earlier layout whose memory is
 * used again; layout_free() ends it.  Errors: ERR_NOMEM, ERR_LIMIT (encode()'s). */
int layout_make(struct layout *l, const struct unit *u, const struct layout_options *o,
                struct err *err);

void layout_free(struct layout *l); // {0} is allowed

/* The window of token i < l->n: the last that begins at or before it. */
size_t layout_window_of(const struct layout *l, size_t i);

/* The pick that asks an engine about token i < l->n; windows[l->n_windows] are the layout's. */
struct engine_pick layout_pick(const struct layout *l, const struct engine_window *windows,
                               size_t i);

#endif
