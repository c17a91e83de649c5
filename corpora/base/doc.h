/*
 * doc.h - plain data that the layers hand to each other: a document and its tokens
 */
#ifndef GAPSCOPE_CORPORA_BASE_DOC_H
#define GAPSCOPE_CORPORA_BASE_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A doc over this many bytes is cut into pieces, each a doc of its own. */
#define DOC_MAX_BYTES ((size_t)1 << 20)

/* One record's text, or a piece of a record longer than DOC_MAX_BYTES. */
struct doc {
    const char *text;  // [len], valid UTF-8, no NUL at the end, NUL bytes inside are text
    size_t len;        // <= DOC_MAX_BYTES
    uint64_t number;   // from 0 in its shard; rejected records have numbers too, blank lines do not
    uint64_t line;     // the record's line in the shard, from 1; 1 where the shard is one text
    uint64_t begins;   // offset of the piece's first byte in the record's repaired text
    uint64_t repaired; // number of U+FFFD that replace invalid bytes or lone surrogates
    // The record's domain, valid UTF-8 of at most 200 bytes that ends with a NUL; NULL: none
    const char *domain;
};

/*
 * A text cut into tokens.  The tokens tile the normalised text: token i is the bytes
 * [i ? ends[i-1] : 0, ends[i]), and may begin or end inside a UTF-8 character.
 */
struct tokens {
    uint32_t *ids;  // [n]
    uint32_t *ends; // [n], offsets in text, ascending; the last is text_len (n == 0: text_len is 0)
    size_t n;
    size_t cap;       // capacity of ids and ends
    const char *text; // [text_len], the normalised text
    size_t text_len;
    // [n] the first token of this text in the window of token i; NULL: the text is one window
    const uint32_t *window_begin;
};

/* The first token of token i's window. */
static inline size_t tokens_window(const struct tokens *t, size_t i)
{
    return t->window_begin ? t->window_begin[i] : 0;
}

/* Does a token follow token i in its window? */
static inline bool tokens_has_next(const struct tokens *t, size_t i)
{
    return i + 1 < t->n && tokens_window(t, i + 1) == tokens_window(t, i);
}

#endif
