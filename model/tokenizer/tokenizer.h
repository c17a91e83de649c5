/*
 * tokenizer.h - Hugging Face BPE, byte-level or SentencePiece-like, from tokenizer.json, id for id
 *
 *     tokenizer_load -> (per thread) encoder_new -> encode, encode, ... -> encoder_free
 *                    -> tokenizer_free
 *
 *   text --added tokens cut out--> pieces --NFC--> pieces --added tokens cut out--> pieces
 *        --pattern of ByteLevel (GPT-2's)--> words --bytes--> BPE by rank --> ids and ends
 *
 * Other files cut by GPT-4's pattern, or have SentencePiece's way: spaces become U+2581, one comes in
 * front, nothing is cut into words, and the first tokens are characters.  Tokens tile the normalised
 * text, in which U+2581 has three bytes.
 *
 * Added tokens, special or not, are cut out of the raw text; those with "normalized": true are cut
 * out of the normalised pieces.
 *
 * A feature of tokenizer.json that gapscope does not have is an error that names it; it is never
 * ignored.
 *
 * Threads: a tokenizer is immutable once loaded and shared by all; an encoder belongs to one
 * thread at a time.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_TOKENIZER_H
#define GAPSCOPE_MODEL_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"

#define TOKENIZER_NO_ID UINT32_MAX

struct tokenizer;

/*
 * Loads tokenizer.json from 'path', or vocab.json there and merges.txt beside it, and BOS and EOS from
 * tokenizer_config.json or special_tokens_map.json beside it.  If these name none, or one that is not
 * a token, BOS is the token that the file's template puts in front, else <|BOS|>, and EOS is <|EOS|>;
 * if there are no such tokens, both are <|endoftext|>, or EOS is </s>.  Errors:
 * ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_UNSUPPORTED (with the name of the unsupported piece),
 * ERR_NOMEM; the message begins with the path.
 */
int tokenizer_load(struct tokenizer **out, const char *path, struct err *err);

/* The same from memory: json[len] is tokenizer.json; bos, eos: their texts, or NULL for the rule
 * above.  For tests and fuzzing. */
int tokenizer_parse(struct tokenizer **out, const char *json, size_t len, const char *bos,
                    const char *eos, struct err *err);

/* The bytes of vocab.json and merges.txt. */
struct tokenizer_pair {
    const char *vocab, *merges;
    size_t vocab_len, merges_len;
};
int tokenizer_parse_pair(struct tokenizer **out, const struct tokenizer_pair *pair, const char *bos,
                         const char *eos, struct err *err);

void tokenizer_free(struct tokenizer *t); // NULL is allowed

uint32_t tokenizer_bos(const struct tokenizer *t); // TOKENIZER_NO_ID if there is none
uint32_t tokenizer_eos(const struct tokenizer *t);

/* The bos_token or eos_token that a file beside tokenizer.json names and that is no token, so that
 * the usual one is taken in its place; NULL: none. */
const char *tokenizer_unknown_bos(const struct tokenizer *t);
const char *tokenizer_unknown_eos(const struct tokenizer *t);

/* Is it an added token that is special, or that is BOS or EOS? */
bool tokenizer_is_special(const struct tokenizer *t, uint32_t id);

/* A hash of everything that tokenizer_same() compares. */
uint64_t tokenizer_hash(const struct tokenizer *t);

/* One more than the largest id. */
size_t tokenizer_n_vocab(const struct tokenizer *t);

/* The bytes that token 'id' stands for (an added token's text), their number in *len; NULL for an
 * id without a token.  Valid as long as the tokenizer. */
const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *len);

/*
 * Returns 0 if a and b cut every text alike: vocabulary, merges, added tokens, normaliser,
 * pre-tokenizer and BOS are equal.  Else it returns ERR_MISMATCH with the first difference, e.g.
 * "token 314 is \" of\" in one and \" in\" in the other".
 */
int tokenizer_same(const struct tokenizer *a, const struct tokenizer *b, struct err *why);

/* Working memory of one thread: word cache and merge queue.  NULL: no memory. */
struct encoder *encoder_new(const struct tokenizer *t);
void encoder_free(struct encoder *e); // NULL is allowed

enum special_tokens {
    SPECIAL_PLAIN, // special tokens written in the text are ordinary text
    SPECIAL_SPLIT, // they are recognised, as in the reference by default
};

/*
 * Cuts text[len], valid UTF-8 of less than 4 GiB (NULL if len is 0), into *out, which is {0} or
 * from an earlier call; its arrays are reused, and tokens_free() frees them.  No BOS is added.
 * out->text is 'text' itself if normalising changed nothing, else memory of the encoder; it is
 * valid until either is freed or the encoder is used again.  Takes O(len log len).  Errors:
 * ERR_NOMEM, ERR_LIMIT (4 GiB or more).
 */
int encode(struct encoder *e, const char *text, size_t len, enum special_tokens special,
           struct tokens *out, struct err *err);

void tokens_free(struct tokens *t); // {0} is allowed

#endif
