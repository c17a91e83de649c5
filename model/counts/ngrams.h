/*
 * ngrams.h - an .ngrams file: how often which tokens follow each other in a corpus
 *
 *     count:  ngrams_build.h makes one        use:  ngrams_open -> ngrams_count, ... ->
 * ngrams_close
 *
 * What is counted: a document is BOS t1 t2 ... tn (of a list of ids the first takes BOS' place),
 * and every n-gram within it that ends in one of t1 ... tn:
 *
 *     bigrams        (B, C)      C stands behind B
 *     trigrams       (A, B, C)
 *     skip-bigrams   (A, C, d)   C stands d = 2 ... 16 behind A, whatever is between; the distance
 *                                is kept as one of four: 2, 3-4, 5-8, 9-16
 *
 * BOS is a context like any token.  All counts are exact: nothing is sampled or hashed, so the
 * error is 0 and the size goes with the corpus: about 2.4 bytes a different trigram or skip-bigram,
 * index included (10 MB for 1.1 million tokens, 226 MB for 105 million, 675 MB for 582 million).  A
 * sketch of stated size is no smaller where its error is small: a count-min of the same bytes, two
 * rows of 32 bits, says too much of 93 % of what was seen (6.8 on average where it is 1) and 5.7 on
 * average of what was not, of the demo's corpus; and it cannot say how many different tokens follow
 * a context.  With a 'min_count' of 2 trigrams and skip-bigrams that were seen once are not in
 * their tables, but still in all that is said of contexts; that takes half of the file.
 *
 * File, all numbers little-endian:
 *
 *   1. header, NGRAMS_HEADER bytes: magic "GAPNGRAM"; u32 version, d_vocab; then u64: file size,
 *      tokenizer hash, settings hash, tokens, docs, units, units in it, min_count; per table
 *      entries counted and dropped; per set of counts-of-counts how many are 1, 2, 3, 4; per
 * section place, length, XXH3; last the XXH3 of the header before it
 *   2. sections, one behind another, each begins at a multiple of 8:
 *      words      [d_vocab] struct ngrams_word as u64s in its order
 *      shards     per shard u64 bytes, u64 hash, u32 length of its name, name
 *      units      a bit a unit, u64 words: unit i is in it
 *      per table  entries, ascending by key, as LEB128: key less the key before (the first: plus
 * 1), count, and of a bigram the five more of struct ngrams_bigram per table  index: of every
 * NGRAMS_BLOCK-th entry u64 key, u64 place in the table
 *
 *   A key is its ids behind one another, each of ngrams_bits(d_vocab) bits, the first highest.
 *
 * Opening it reads it once to check all sums; what lies in it is then only ever read within bounds,
 * whatever it says.
 *
 * Threads: immutable once open, shared by all; a cursor belongs to one thread.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_NGRAMS_H
#define GAPSCOPE_MODEL_COUNTS_NGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

#define NGRAMS_VERSION 1
#define NGRAMS_BITS_MAX 20u // of an id: three of them and a tag fit a key
#define NGRAMS_BLOCK 64u    // entries between two of the index
#define NGRAMS_SKIPS 4u     // kinds of distance
#define NGRAMS_SKIP_MAX 16u // the longest

enum ngrams_table {
    NGRAMS_BIGRAMS,
    NGRAMS_TRIGRAMS,
    NGRAMS_SKIP, // and the three after it
    NGRAMS_TABLES = NGRAMS_SKIP + NGRAMS_SKIPS,
};

/* Counts-of-counts: of the tables; of N(*BC), the different tokens before a bigram; of N(*C), those
 * before a token. */
enum { NGRAMS_LEFT_2 = NGRAMS_TABLES, NGRAMS_LEFT_1, NGRAMS_COFC };

/* The kind of distance d, 2 <= d <= NGRAMS_SKIP_MAX. */
static inline unsigned ngrams_skip_of(unsigned d)
{
    return d <= 2 ? 0 : d <= 4 ? 1 : d <= 8 ? 2 : 3;
}

/* What stands behind a context: all of it, and how many different ones once, twice, more often. */
struct ngrams_context {
    uint64_t total;
    uint64_t n[3];
};

struct ngrams_word {
    uint64_t count;                           // of the token, as a predicted one
    uint64_t left;                            // N(*w): different tokens before it
    struct ngrams_context after;              // bigrams (w, C)
    struct ngrams_context left_after;         // N(*wC) over all C
    struct ngrams_context skip[NGRAMS_SKIPS]; // skip-bigrams (w, C)
};

struct ngrams_bigram {
    uint64_t count;
    struct ngrams_context after; // trigrams (A, B, C) of this bigram (A, B)
    uint64_t left;               // N(*BC): different tokens before this bigram (B, C)
};

struct ngrams_shard {
    uint64_t bytes, hash;
    char *name;
};

/* What a file says of itself. */
struct ngrams_info {
    uint32_t d_vocab;
    uint64_t tokenizer; // tokenizer_hash()
    uint64_t settings;  // a hash of how documents were read
    uint64_t tokens;    // predicted
    uint64_t docs;
    uint64_t n_units;      // of the corpus
    uint64_t n_units_done; // of them in it; fewer: a part
    uint64_t min_count;    // 1 or 2
    uint64_t entries[NGRAMS_TABLES];
    uint64_t dropped[NGRAMS_TABLES]; // entries left out for min_count, each once
    uint64_t cofc[NGRAMS_COFC][4];   // how many have the count 1, 2, 3, 4
    struct ngrams_shard *shards;     // [n_shards], sorted as shards.h says
    size_t n_shards;
};

struct ngrams;

/* Errors: file_map()'s, ERR_FORMAT (no such file, or a hostile one), ERR_UNSUPPORTED (a later
 * version), ERR_TRUNCATED, ERR_CORRUPT (a sum is wrong), ERR_NOMEM; the message begins with the
 * path. */
int ngrams_open(struct ngrams **out, const char *path, struct err *err);

/* The same of bytes[len] that outlive *out. */
int ngrams_parse(struct ngrams **out, const void *bytes, size_t len, struct err *err);
void ngrams_close(struct ngrams *n); // NULL is allowed

/* Do the bytes of 'path' begin like one? */
bool ngrams_is(const char *path);

const struct ngrams_info *ngrams_info(const struct ngrams *n);
uint64_t ngrams_hash(const struct ngrams *n); // of all that is in it
bool ngrams_has_unit(const struct ngrams *n, uint64_t unit);

unsigned ngrams_bits(uint32_t d_vocab); // of an id in a key

static inline uint64_t ngrams_key2(unsigned bits, uint32_t b, uint32_t c)
{
    return (uint64_t)b << bits | c;
}

static inline uint64_t ngrams_key3(unsigned bits, uint32_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)a << 2 * bits | (uint64_t)b << bits | c;
}

/* Ids in them are below d_vocab.  0, or all 0: there is none. */
const struct ngrams_word *ngrams_word(const struct ngrams *n, uint32_t id);
uint64_t ngrams_count(const struct ngrams *n, unsigned table, uint64_t key);
struct ngrams_bigram ngrams_bigram(const struct ngrams *n, uint64_t key);

/* Entries of a table in order: for (ngrams_seek(&c, n, table, key); c.is; ngrams_next(&c)) */
struct ngrams_cursor {
    bool is;                     // there is an entry
    bool bad;                    // what follows cannot be read
    uint64_t key;                // its key
    struct ngrams_bigram bigram; // what is said of it; of other tables the count alone
    const unsigned char *at, *end;
    uint64_t key_end; // keys are below it
    bool wide;        // entries of bigrams
};

/* At the first entry with this key or a greater one. */
void ngrams_seek(struct ngrams_cursor *c, const struct ngrams *n, unsigned table, uint64_t key);
void ngrams_next(struct ngrams_cursor *c);

/* Over entries data[len] as a table has them, from the first. */
void ngrams_stream(struct ngrams_cursor *c, const void *data, size_t len, uint64_t key_end,
                   bool wide);

// --- for who writes such files

enum ngrams_section {
    NGRAMS_WORDS,
    NGRAMS_SHARDS,
    NGRAMS_UNITS,
    NGRAMS_DATA, // of the tables
    NGRAMS_INDEX = NGRAMS_DATA + NGRAMS_TABLES,
    NGRAMS_SECTIONS = NGRAMS_INDEX + NGRAMS_TABLES,
};

struct ngrams_place {
    uint64_t at, len, sum;
};

#define NGRAMS_WORD_U64 (2 + 4 * (2 + NGRAMS_SKIPS)) // numbers of a word
#define NGRAMS_HEADER 1024
#define NGRAMS_VARINT 10 // bytes of a number at most

/* header[NGRAMS_HEADER] */
void ngrams_header(unsigned char *header, const struct ngrams_info *info,
                   const struct ngrams_place *places);

/* A number behind 'to', which has room; returns the place behind it. */
unsigned char *ngrams_put(unsigned char *to, uint64_t number);

#endif
