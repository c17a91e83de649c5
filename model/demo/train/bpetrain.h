/*
 * bpetrain.h - learns a byte-level BPE from text
 *
 *     {0} -> bpetrain_text, ... -> bpetrain_json -> bpetrain_free
 *
 * Words are cut as the tokenizer cuts them: NFC, every digit alone, ByteLevel's pattern.  The
 * vocabulary is <|endoftext|> (0), <|padding|> (1), the 256 bytes, and one entry per merge.
 *
 * Threads: a bpetrain belongs to one thread.
 */
#ifndef GAPSCOPE_MODEL_DEMO_TRAIN_BPETRAIN_H
#define GAPSCOPE_MODEL_DEMO_TRAIN_BPETRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "model/tokenizer/normalize.h"

#define BPETRAIN_VOCAB_MIN 258
#define BPETRAIN_VOCAB_MAX 32768 // the table of pairs then takes 8 GiB

struct bpetrain_word {
    size_t at, len; // bytes of bpetrain.bytes
    uint64_t n;     // how often it was seen
};

struct bpetrain {
    struct buf bytes;            // distinct words, one after another
    struct bpetrain_word *words; // [n_words]
    size_t n_words, words_cap;
    uint32_t *slots; // [slots_n] number of a word + 1, or 0: open addressing
    size_t slots_n;
    struct normalize_work normal;
    struct buf text; // in NFC
};

/* Counts the words of text[len], valid UTF-8.  Errors: ERR_NOMEM. */
int bpetrain_text(struct bpetrain *b, const char *text, size_t len, struct err *err);

/* Learns merges until there are n_vocab entries or no pair occurs twice (*n_out is the number of
 * entries), and appends tokenizer.json to *out.  The most frequent pair is merged first, and the
 * one with the lowest ids if several are equal.  Errors: ERR_NOMEM. */
int bpetrain_json(const struct bpetrain *b, size_t n_vocab, size_t *n_out, struct buf *out,
                  struct err *err);

void bpetrain_free(struct bpetrain *b); // {0} is allowed

#endif
