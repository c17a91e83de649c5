/*
 * tokenizer_internal.h - the parts of a tokenizer, for tokenizer.c, which cuts texts with them, and
 * for tokenizer_file.c and tokenizer_vocab.c, which read them
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_TOKENIZER_INTERNAL_H
#define GAPSCOPE_MODEL_TOKENIZER_TOKENIZER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "model/tokenizer/added.h"
#include "model/tokenizer/bpe.h"

struct token_text {
    uint32_t at; // in 'bytes'; 0: no token has this id
    uint32_t len;
};

/* Where a text is cut into words. */
enum cut { CUT_GPT2, CUT_GPT4, CUT_NOT }; // pretokenize.h; CUT_NOT: a piece is a word

/* What becomes of spaces: SentencePiece's way. */
enum spaces {
    SPACES_STAY,
    SPACES_REPLACED,  // by U+2581
    SPACES_PREPENDED, // and one in front of each piece between added tokens
    SPACES_FIRST,     // and one in front of the text, where neither a space nor an added token is
};

struct tokenizer {
    size_t n_vocab;
    struct token_text *texts; // [n_vocab]
    struct buf bytes;         // the texts, from its second byte on
    bool nfc;                 // the normaliser: NFC or none
    bool digits;              // Digits(individual_digits) stands before ByteLevel
    enum cut cut;
    size_t most_digits; // of a word, with CUT_GPT4
    enum spaces spaces; // not SPACES_STAY: the vocabulary is of characters
    struct bpe bpe;
    struct added raw;        // cut out of the text before it is normalised
    struct added normalized; // cut out of the normalised text
    uint32_t bos, eos;       // TOKENIZER_NO_ID if there is none
    char *no_bos, *no_eos;   // names beside the file that are no token of it; NULL: none
    unsigned char *special;  // [n_vocab] 1: a special token
};

/*
 * Reads tokens and merges from 'vocab' (an object) and 'merges' (an array), and makes room for the
 * ids of 'added' (an array) too.  Errors: ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED, ERR_NOMEM.
 */
int tokenizer_put_vocab(struct tokenizer *t, struct json_object *vocab, struct json_object *merges,
                        struct json_object *added, struct err *err);

/* Then reads the added tokens; t->nfc and t->spaces must be set.  Errors: as above. */
int tokenizer_put_added(struct tokenizer *t, struct json_object *vocab, struct json_object *added,
                        struct err *err);

/* Last, the table of tokens by their texts, where it is needed.  Errors: ERR_NOMEM. */
int tokenizer_put_words(struct tokenizer *t, struct json_object *vocab, struct err *err);

/* The id of the token called 'name' among those that these two have read, or TOKENIZER_NO_ID. */
uint32_t tokenizer_find_id(struct json_object *vocab, struct json_object *added, const char *name);

#define TOKENIZER_FILE_MAX ((size_t)64 << 20) // the largest files in use have 30 MB

/* Makes a tokenizer of the object in a tokenizer.json.  Errors: as above. */
int tokenizer_read(struct tokenizer **out, struct json_object *root, const char *bos,
                   const char *eos, struct err *err);

#endif
