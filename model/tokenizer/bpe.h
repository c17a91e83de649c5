/*
 * bpe.h - byte pair encoding: a word's bytes become tokens, pair by pair, lowest rank first
 *
 *     bpe_init, bpe_put ... -> (per thread) bpe_worker_new -> bpe_encode, ... -> bpe_worker_free
 *                           -> bpe_free
 *
 * Of all adjacent pairs that have a merge, the one of lowest rank is merged, the leftmost of equal
 * ones, until no pair has a merge.  A word's first tokens are those of its bytes; by_character
 * those of its characters, and of the bytes of a character that is no token.  With whole_words a
 * word that is a token is that token.
 *
 * Threads: a bpe is immutable once the last merge is in; a worker belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_BPE_H
#define GAPSCOPE_MODEL_TOKENIZER_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"

#define BPE_NONE UINT32_MAX

struct bpe_merge {
    uint32_t left, right;
    uint32_t rank; // BPE_NONE: an empty slot
};

/* A token by its text. */
struct bpe_word {
    uint32_t at, len; // in 'text'
    uint32_t id;      // BPE_NONE: an empty slot
};

struct bpe {
    bool by_character, whole_words; // both need words
    const char *text;               // of the words
    struct bpe_word *words;         // [words_mask + 1] as 'slots'; NULL: there are none
    size_t words_mask;
    uint32_t byte_ids[256]; // BPE_NONE where the vocabulary has no token for a byte
    uint32_t *token_bytes;  // [n_vocab] the length of each token
    uint32_t *made;         // [n_ranks] the id of the token that the merge makes
    uint32_t n_ranks;
    struct bpe_merge *slots; // [slots_mask + 1] open addressing, linear probing
    size_t slots_mask;
};

/* Makes room for n_ranks merges of n_vocab tokens (fewer than 2^32 of both).  The caller fills
 * token_bytes and byte_ids. */
int bpe_init(struct bpe *b, size_t n_ranks, size_t n_vocab, struct err *err);

/* Puts the merge of 'rank' < n_ranks.  The last one put of several equal pairs counts. */
void bpe_put(struct bpe *b, uint32_t rank, uint32_t left, uint32_t right, uint32_t made);

/* The rank of the merge of left and right, or BPE_NONE. */
uint32_t bpe_rank(const struct bpe *b, uint32_t left, uint32_t right);

/* Makes room for n words of 'text', which outlives b; puts one; and finds one, or BPE_NONE. */
int bpe_words_init(struct bpe *b, size_t n, const char *text, struct err *err);
void bpe_words_put(struct bpe *b, uint32_t at, uint32_t len, uint32_t id);
uint32_t bpe_words_find(const struct bpe *b, const char *word, size_t len);

void bpe_free(struct bpe *b); // {0} is allowed

struct bpe_worker; // the word cache and scratch memory of one thread

/* 'b' must outlive the worker.  NULL: no memory. */
struct bpe_worker *bpe_worker_new(const struct bpe *b);
void bpe_worker_free(struct bpe_worker *w); // NULL is allowed

/*
 * Appends the tokens of word[len], valid UTF-8 all of whose bytes have a token, to *out; the word's
 * first byte has offset 'from' in the text (from + len < 2^32).  Takes O(len log len).
 * Errors: ERR_NOMEM, ERR_LIMIT.
 */
int bpe_encode(struct bpe_worker *w, const char *word, size_t len, uint32_t from,
               struct tokens *out, struct err *err);

/* Makes room for 'extra' more tokens in *out. */
int bpe_reserve(struct tokens *out, size_t extra, struct err *err);

#endif
