/*
 * ngrams_run.h - n-grams of some documents, sorted: what counting keeps until there is enough of it
 *
 *     ngrams_keys_new -> ngrams_keys_add, ... -> ngrams_keys_write (a run, and empty again), ...
 *
 *     doc --every n-gram's key--> a row a table --radix sort--> key, count --> run file
 *
 * A run names the units that it counts, so a folder of runs says by itself what is done: after a
 * kill the units that no run names are counted again.  A run appears under its name when it is
 * whole.
 *
 * File, little-endian: magic "GAPNGRUN"; u64 version, fingerprint, d_vocab, tokens, docs, units,
 * bytes of each table; units as u64; the tables as in ngrams.h; XXH3 of all before it.
 *
 * Threads: keys belong to one thread at a time; runs are immutable.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_NGRAMS_RUN_H
#define GAPSCOPE_MODEL_COUNTS_NGRAMS_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/file.h"
#include "model/counts/ngrams.h"

/* Sorts keys[n], all below 2^bits, with other[n] to work in. */
void ngrams_sort(uint64_t *keys, uint64_t *other, size_t n, unsigned bits);

// Of keys, a predicted token, with what sorting takes.
#define NGRAMS_TOKEN_BYTES ((size_t)26 * sizeof(uint64_t))

struct ngrams_keys;

/* Room for the n-grams of toks_max tokens, NGRAMS_TOKEN_BYTES each; a document that does not fit
 * makes it grow.  Errors: ERR_NOMEM. */
int ngrams_keys_new(struct ngrams_keys **out, uint32_t d_vocab, size_t toks_max, struct err *err);
void ngrams_keys_free(struct ngrams_keys *k); // NULL is allowed

size_t ngrams_keys_toks(const struct ngrams_keys *k); // in it

/* All n-grams of: first, ids[n].  Every id is below d_vocab.  Errors: ERR_NOMEM. */
int ngrams_keys_add(struct ngrams_keys *k, uint32_t first, const uint32_t *ids, size_t n,
                    struct err *err);

/* What a run is of. */
struct ngrams_run_info {
    uint64_t fingerprint; // of corpus, tokenizer and settings
    uint64_t docs;
    const uint64_t *units; // [n_units]
    size_t n_units;
};

/* Writes all that was added, under "path.tmp" until it is whole, and forgets it.  Errors: ERR_IO,
 * ERR_NOMEM. */
int ngrams_keys_write(struct ngrams_keys *k, const struct ngrams_run_info *info, const char *path,
                      struct err *err);

struct ngrams_run {
    struct file_map map;
    struct ngrams_run_info info; // units: the caller's with ngrams_run_close()
    uint32_t d_vocab;
    uint64_t tokens;
    size_t at[NGRAMS_TABLES], len[NGRAMS_TABLES]; // of the tables, in the map
};

/* Errors: file_map()'s; ERR_FORMAT, ERR_TRUNCATED, ERR_CORRUPT: it is to be done again. */
int ngrams_run_open(struct ngrams_run *out, const char *path, struct err *err);
void ngrams_run_close(struct ngrams_run *r); // {0} is allowed

/* Its entries of a table, from the first. */
void ngrams_run_stream(struct ngrams_cursor *c, const struct ngrams_run *r, unsigned table);

// --- a file of entries as it grows

/* Ascending keys with numbers behind each, as in a table of ngrams.h, into a stream. */
struct ngrams_sink {
    FILE *to;
    void *sum; // XXH3 state of all bytes
    uint64_t key, len;
    size_t used;
    unsigned char bytes[1 << 16];
};

int ngrams_sink_begin(struct ngrams_sink *s, FILE *to, struct err *err); // ERR_NOMEM
void ngrams_sink_raw(struct ngrams_sink *s, const void *bytes, size_t n);
void ngrams_sink_entry(struct ngrams_sink *s, uint64_t key, const uint64_t *numbers, size_t n);
uint64_t ngrams_sink_sum(const struct ngrams_sink *s); // of all so far
void ngrams_sink_flush(struct ngrams_sink *s);
void ngrams_sink_end(struct ngrams_sink *s); // after a flush; {0} is allowed

#endif
