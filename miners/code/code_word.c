/*
 * code_word.c - words as the tokenizer cut them
 *
 * word_start          a token with the first letter of a word
 * word_inside         a token with letters of a word, but not its first
 * other_tokenisation  a token of a word that was other tokens earlier in the document
 *
 * A word is a maximal run of letters of any script and marks on them; so don't is two words.  A
 * token with parts of several words may be both word_start and word_inside.
 *
 * other_tokenisation: words have two bytes or more and are compared byte by byte (The is not the).
 * A word's tokens are those that share a byte with it, as a whole: " cream" and "cre|am" differ,
 * and so do " cream" and "cream".  All tokens of the later word are labelled, although only the
 * last one shows which word it is.
 */
#include "miners/code/code_list.h"

#include <string.h>

#include "miners/core/miner.h"

enum part { START, INSIDE };

static int mark_parts(const struct tokens *doc, uint8_t *label, enum part part)
{
    size_t token = 0;
    for (size_t at = 0; (at = text_letters_begin(doc, at)) < doc->text_len;) {
        const size_t end = text_letters_end(doc, at);
        if (part == START) {
            miner_mark(label, doc, &token, at, at + 1, MARK_ALL);
        } else {
            mark_nth(label, doc, &token, at, end, 2, SIZE_MAX);
        }
        at = end;
    }
    return 0;
}

struct word {
    uint32_t from, len; // len 0: the slot is free
    uint64_t tokens;    // a hash of the ids of its first occurrence
    bool several;       // it also occurred as other ids
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return ((hash ^ hash >> 29) + value + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

/* The slot of text[from, end) in words[mask + 1]. */
static struct word *slot_of(struct word *words, size_t mask, const struct tokens *doc, size_t from,
                            size_t end)
{
    uint64_t hash = end - from;
    for (size_t i = from; i < end; i++) {
        hash = mix(hash, (unsigned char)doc->text[i]);
    }
    size_t at = (size_t)(hash >> 32) & mask;
    while (words[at].len &&
           (words[at].len != end - from ||
            memcmp(doc->text + words[at].from, doc->text + from, end - from) != 0)) {
        at = (at + 1) & mask;
    }
    return &words[at];
}

/* Makes room for the words of a document, all slots free. */
static int make_words(const struct tokens *doc, struct buf *memory, size_t *mask, struct err *err)
{
    size_t n = 0;
    for (size_t at = 0; (at = text_letters_begin(doc, at)) < doc->text_len; n++) {
        at = text_letters_end(doc, at);
    }
    for (*mask = 63; *mask < 2 * n;) {
        *mask = 2 * *mask + 1;
    }
    memory->len = 0;
    const int rc = buf_reserve(memory, (*mask + 1) * sizeof(struct word), err);
    if (!rc) {
        memset(memory->data, 0, (*mask + 1) * sizeof(struct word));
    }
    return rc;
}

static int mark_others(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                       struct err *err)
{
    size_t mask, token = 0;
    const int rc = make_words(doc, &s->a, &mask, err);
    for (size_t at = 0, end; !rc && (at = text_letters_begin(doc, at)) < doc->text_len; at = end) {
        end = text_letters_end(doc, at);
        if (end - at < 2) {
            continue;
        }
        while (doc->ends[token] <= at) {
            token++;
        }
        uint64_t tokens = 0;
        for (size_t i = token; i < doc->n && token_begin(doc, i) < end; i++) {
            tokens = mix(tokens, doc->ids[i]);
        }
        struct word *w = slot_of((void *)s->a.data, mask, doc, at, end);
        if (!w->len) {
            *w = (struct word){(uint32_t)at, (uint32_t)(end - at), tokens, false};
            continue;
        }
        w->several |= w->tokens != tokens;
        if (w->several) {
            miner_mark(label, doc, &token, at, end, MARK_ALL);
        }
    }
    return rc;
}

CODE_LABEL(other_tokenisation, mark_others(doc, label, s, err))
CODE_LABEL(word_inside, mark_parts(doc, label, INSIDE))
CODE_LABEL(word_start, mark_parts(doc, label, START))
