/*
 * tokenizer_parts.h - what a tokenizer is made of; for tokenizer.c, which cuts texts with it, and
 * tokenizer_file.c, which makes one
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_PARTS_H
#define GAPSCOPE_MODEL_TOKENIZER_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/added.h"
#include "model/bpe.h"
#include "scan/base/mem.h"

struct token_text {
    uint32_t at; // in 'bytes'; 0: no token has this id
    uint32_t len;
};

struct tokenizer {
    size_t n_vocab;
    struct token_text *texts; // [n_vocab]
    struct buf bytes;         // the texts; its first byte is none of them
    bool nfc;                 // the normaliser: NFC or none
    bool digits;              // Digits(individual_digits) stands before ByteLevel
    struct bpe bpe;
    struct added raw;        // cut out of the text before it is normalised
    struct added normalized; // and these afterwards
    uint32_t bos, eos;       // or TOKENIZER_NO_ID
};

#endif
