/*
 * unit.h - a unit of text as the collectors see it: tokens, documents, labels
 *
 *     tokens     0 . . . . . . . | . . . . . | . . . . . . . . .    [n], without BOS
 *     docs       doc 0 ......... | doc 1 ... | doc 2 ..........     in order
 *
 * All documents of a unit stand behind one another.  With --packing rows an EOS stands between two
 * documents: it is predicted, but belongs to none.  A skipped token, a special one, belongs to a
 * document, but no statistic counts it, neither as a target nor with what neurons do there.
 *
 * Threads: a unit belongs to the worker that works on it; everything is read only.
 */
#ifndef GAPSCOPE_OUT_RESULTS_UNIT_H
#define GAPSCOPE_OUT_RESULTS_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_tokens_doc {
    uint64_t number;    // in its shard
    size_t begin, n;    // its tokens
    uint32_t first;     // what stands before its first token: BOS, or the first of a list of ids
    uint64_t hash;      // XXH64 of its text, seed 0; of a list of ids, of these
    bool test;          // the half of the documents that scores are reported on: odd hashes
    const char *domain; // valid UTF-8; NULL: none
    const char *text;   // [text_len], normalised, valid UTF-8; "" of a list of ids
    size_t text_len;
};

/* Tokens of the unit, ascending. */
struct unit_token_set {
    const uint32_t *at; // [n]
    size_t n;
};

/* What the hypotheses say, in three forms; words of 64 bits, bit h of bits.h is hypothesis h. */
struct unit_labels {
    size_t n_hypotheses;
    const struct unit_token_set
        *sets;               // [1 + 2 * n_hypotheses] all (not filled in); of h: 1 + 2 * h
                             // labelled by it, 2 + 2 * h of documents it gave up on
    const uint64_t *words;   // [n][bits_words(n_hypotheses)] labels of a token
    const uint64_t *gave_up; // [n_docs][bits_words(n_hypotheses)]
    const uint32_t *begin; // [n_docs + 1][n_hypotheses] where in its labelled set a document begins
    const uint32_t *const *answers; // [n_hypotheses] what it says would follow each of its labelled
                                    // set; NULL: it does not answer itself
};

/* A record that was not read. */
struct unit_reject {
    unsigned reason;
    uint64_t line, byte;
    const char *why;
};

struct unit_tokens {
    uint32_t shard;
    uint64_t number; // of the unit in the corpus

    size_t n;
    const uint32_t *ids;    // [n]
    const uint32_t *ends;   // [n] bytes into the document's text; NULL for lists of ids
    const uint32_t *pos;    // [n] position in the window, from 1: where it is 1, a window begins
    const uint32_t *window; // [n] number of the window: in its document, with rows in the unit
    const unsigned char *skipped; // [n] 1: context alone, to be counted nowhere; NULL: none is
    const struct unit_tokens_doc *docs; // [n_docs]
    size_t n_docs;
    const struct unit_labels *labels; // NULL: there are no hypotheses

    // what was not read of it
    const struct unit_reject *rejects; // [n_rejects], the first of each reason
    size_t n_rejects;
    const uint64_t *rejects_more; // [n_reasons] records beside those; NULL: none
    size_t n_reasons;
    uint64_t repaired; // sequences of bytes that became U+FFFD
};

/* Is token i of the unit left out of all statistics? */
static inline bool unit_skips(const struct unit_tokens *u, size_t i)
{
    return u->skipped && u->skipped[i];
}

#endif
