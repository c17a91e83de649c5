/*
 * ngrams.h - an .ngrams file: how often which tokens follow each other in a corpus
 *
 *     count:  ngrams_build.h makes one
 *     use:    ngrams_open -> ngrams_count, ... -> ngrams_close
 *
 * A document is BOS t1 t2 ... tn (in a list of ids the first id takes BOS' place).  Every n-gram in
 * it that ends in one of t1 ... tn is counted:
 *
 *     bigrams        (B, C)      C follows B
 *     trigrams       (A, B, C)
 *     skip-bigrams   (A, C, d)   C is d = 2 ... 16 tokens after A, whatever is between; d is kept
 *                                as one of four kinds: 2, 3-4, 5-8, 9-16
 *
 * BOS is a context like any token.  All counts are exact: nothing is sampled or hashed, so the
 * error is 0 and the size grows with the corpus: about 2.4 bytes per different trigram or
 * skip-bigram, index included (10 MB for 1.1 million tokens, 226 MB for 105 million, 675 MB for 582
 * million).  A sketch of fixed size with a small error is not smaller: on the demo's corpus, a
 * count-min sketch of the same size, two rows of 32 bits, overestimates 93 % of the n-grams that
 * were seen (it says 6.8 on average where the count is 1) and says 5.7 on average of those that
 * were not; and it cannot say how many different tokens follow a context.  With a 'min_count' of 2,
 * trigrams and skip-bigrams that were seen once are left out of their tables, but the numbers of
 * contexts still include them; that saves half of the file.
 *
 * File, all numbers little-endian:
 *
 *   1. header, NGRAMS_HEADER bytes: magic "GAPNGRAM"; u32 version, d_vocab; then u64: file size,
 *      tokenizer hash, settings hash, tokens, docs, units, units in it, min_count; per table
 *      entries counted and dropped; per set of counts-of-counts how many are 1, 2, 3, 4; per
 *      section place, length, XXH3; last the XXH3 of the header before it
 *   2. sections, one after another, each at a multiple of 8:
 *      words      [d_vocab] struct ngrams_word as u64s in its order
 *      shards     per shard u64 bytes, u64 hash, u32 length of its name, name
 *      units      one bit per unit in u64 words: unit i is in the file
 *      per table  entries, ascending by key, as LEB128: key minus the previous key (the first: key
 *                 plus 1), count, and for a bigram the five other numbers of struct ngrams_bigram
 *      per table  index: for every NGRAMS_BLOCK-th entry u64 key, u64 place in the table
 *
 *   A key is the concatenation of its ids, ngrams_bits(d_vocab) bits each, the first one highest.
 *
 * Opening a file reads it once to check all sums; after that, no content of the file, however
 * wrong, causes a read outside of it.
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
#define NGRAMS_BITS_MAX 20u // bits of an id: three ids and a tag fit in a key
#define NGRAMS_BLOCK 64u    // entries per entry of the index
#define NGRAMS_SKIPS 4u     // kinds of distance
#define NGRAMS_SKIP_MAX 16u // the longest distance

enum ngrams_table {
    NGRAMS_BIGRAMS,
    NGRAMS_TRIGRAMS,
    NGRAMS_SKIP, // the first of NGRAMS_SKIPS tables
    NGRAMS_TABLES = NGRAMS_SKIP + NGRAMS_SKIPS,
};

/* Sets of counts-of-counts: one per table; one of N(*BC), the different tokens before a bigram; one
 * of N(*C), the different tokens before a token. */
enum { NGRAMS_LEFT_2 = NGRAMS_TABLES, NGRAMS_LEFT_1, NGRAMS_COFC };

/* The kind of distance d, 2 <= d <= NGRAMS_SKIP_MAX. */
static inline unsigned ngrams_skip_of(unsigned d)
{
    return d <= 2 ? 0 : d <= 4 ? 1 : d <= 8 ? 2 : 3;
}

/* The tokens behind a context: their total, and how many different ones were seen once, twice, more
 * often. */
struct ngrams_context {
    uint64_t total;
    uint64_t n[3];
};

struct ngrams_word {
    uint64_t count;                           // how often the token was predicted
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

/* What a file says about itself. */
struct ngrams_info {
    uint32_t d_vocab;
    uint64_t tokenizer; // tokenizer_hash()
    uint64_t settings;  // a hash of how documents were read
    uint64_t tokens;    // number of predicted tokens
    uint64_t docs;
    uint64_t n_units;      // of the corpus
    uint64_t n_units_done; // those that the file counts; fewer than n_units: a part
    uint64_t min_count;    // 1 or 2
    uint64_t entries[NGRAMS_TABLES];
    uint64_t dropped[NGRAMS_TABLES]; // entries that min_count left out, all seen once
    uint64_t cofc[NGRAMS_COFC][4];   // how many have the count 1, 2, 3, 4
    struct ngrams_shard *shards;     // [n_shards], sorted as shards.h says
    size_t n_shards;
};

struct ngrams;

/* Errors: those of file_map(), ERR_FORMAT (not an .ngrams file, or a hostile one), ERR_UNSUPPORTED
 * (a later version), ERR_TRUNCATED, ERR_CORRUPT (a sum is wrong), ERR_NOMEM; the message begins
 * with the path. */
int ngrams_open(struct ngrams **out, const char *path, struct err *err);

/* The same for bytes[len], which must outlive *out. */
int ngrams_parse(struct ngrams **out, const void *bytes, size_t len, struct err *err);
void ngrams_close(struct ngrams *n); // NULL is allowed

/* Whether the file at 'path' begins like an .ngrams file. */
bool ngrams_is(const char *path);

const struct ngrams_info *ngrams_info(const struct ngrams *n);
uint64_t ngrams_hash(const struct ngrams *n); // of everything in the file
bool ngrams_has_unit(const struct ngrams *n, uint64_t unit);

unsigned ngrams_bits(uint32_t d_vocab); // the bits of an id in a key

static inline uint64_t ngrams_key2(unsigned bits, uint32_t b, uint32_t c)
{
    return (uint64_t)b << bits | c;
}

static inline uint64_t ngrams_key3(unsigned bits, uint32_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)a << 2 * bits | (uint64_t)b << bits | c;
}

/* The ids in a key must be below d_vocab.  0, or all 0: the n-gram is not in the file. */
const struct ngrams_word *ngrams_word(const struct ngrams *n, uint32_t id);
uint64_t ngrams_count(const struct ngrams *n, unsigned table, uint64_t key);
struct ngrams_bigram ngrams_bigram(const struct ngrams *n, uint64_t key);

/* Visits the entries of a table in order:
 *     for (ngrams_seek(&c, n, table, key); c.is; ngrams_next(&c)) */
struct ngrams_cursor {
    bool is;                     // the cursor is at an entry
    bool bad;                    // the rest of the table cannot be read
    uint64_t key;                // of the entry
    struct ngrams_bigram bigram; // of the entry; in other tables only its count is set
    const unsigned char *at, *end;
    uint64_t key_end; // all keys are below it
    bool wide;        // the entries are those of bigrams
};

/* Moves the cursor to the first entry with this key or a greater one. */
void ngrams_seek(struct ngrams_cursor *c, const struct ngrams *n, unsigned table, uint64_t key);
void ngrams_next(struct ngrams_cursor *c);

/* Moves the cursor to the first of the entries data[len], which have the format of a table. */
void ngrams_stream(struct ngrams_cursor *c, const void *data, size_t len, uint64_t key_end,
                   bool wide);

// --- for writers of such files

enum ngrams_section {
    NGRAMS_WORDS,
    NGRAMS_SHARDS,
    NGRAMS_UNITS,
    NGRAMS_DATA, // the entries of the first table
    NGRAMS_INDEX = NGRAMS_DATA + NGRAMS_TABLES,
    NGRAMS_SECTIONS = NGRAMS_INDEX + NGRAMS_TABLES,
};

struct ngrams_place {
    uint64_t at, len, sum;
};

#define NGRAMS_WORD_U64 (2 + 4 * (2 + NGRAMS_SKIPS)) // u64s in struct ngrams_word
#define NGRAMS_HEADER 1024
#define NGRAMS_VARINT 10 // the most bytes of a number

/* header[NGRAMS_HEADER] */
void ngrams_header(unsigned char *header, const struct ngrams_info *info,
                   const struct ngrams_place *places);

/* Writes a number to 'to', which has room; returns the place behind it. */
unsigned char *ngrams_put(unsigned char *to, uint64_t number);

#endif
