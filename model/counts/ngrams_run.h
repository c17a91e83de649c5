/*
 * ngrams_run.h - a run: the sorted n-grams of some documents, an intermediate file of counting
 *
 *     ngrams_keys_new -> ngrams_keys_add, ... -> ngrams_keys_write (empties the keys), ...
 *
 *     doc --every n-gram's key--> one row per table --radix sort--> key, count --> run file
 *
 * A run lists the units that it counts, so a folder of runs shows what is done: after a kill, the
 * units that no run lists are counted again.  A run appears under its name only when it is whole.
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

/* Sorts keys[n], all below 2^bits; other[n] is scratch memory. */
void ngrams_sort(uint64_t *keys, uint64_t *other, size_t n, unsigned bits);

// Memory of the keys per predicted token, including what sorting needs.
#define NGRAMS_TOKEN_BYTES ((size_t)26 * sizeof(uint64_t))

struct ngrams_keys;

/* Makes room for the n-grams of toks_max tokens, NGRAMS_TOKEN_BYTES each; it grows for a document
 * that does not fit.  Errors: ERR_NOMEM. */
int ngrams_keys_new(struct ngrams_keys **out, uint32_t d_vocab, size_t toks_max, struct err *err);
void ngrams_keys_free(struct ngrams_keys *k); // NULL is allowed

size_t ngrams_keys_toks(const struct ngrams_keys *k); // number of tokens added

/* Adds all n-grams of the document first, ids[n].  Every id is below d_vocab.  Errors:
 * ERR_NOMEM. */
int ngrams_keys_add(struct ngrams_keys *k, uint32_t first, const uint32_t *ids, size_t n,
                    struct err *err);

/* What a run counts. */
struct ngrams_run_info {
    uint64_t fingerprint; // of corpus, tokenizer and settings
    uint64_t docs;
    const uint64_t *units; // [n_units]
    size_t n_units;
};

/* Writes everything that was added, under "path.tmp" until the file is whole, and empties the keys.
 * Errors: ERR_IO, ERR_NOMEM. */
int ngrams_keys_write(struct ngrams_keys *k, const struct ngrams_run_info *info, const char *path,
                      struct err *err);

struct ngrams_run {
    struct file_map map;
    struct ngrams_run_info info; // ngrams_run_close() frees its units
    uint32_t d_vocab;
    uint64_t tokens;
    size_t at[NGRAMS_TABLES], len[NGRAMS_TABLES]; // of the tables, in the map
};

/* Errors: those of file_map(); ERR_FORMAT, ERR_TRUNCATED, ERR_CORRUPT: its units must be counted
 * again. */
int ngrams_run_open(struct ngrams_run *out, const char *path, struct err *err);
void ngrams_run_close(struct ngrams_run *r); // {0} is allowed

/* Moves the cursor to the first of the run's entries of a table. */
void ngrams_run_stream(struct ngrams_cursor *c, const struct ngrams_run *r, unsigned table);

// --- writing entries

/* Writes ascending keys with their numbers to a stream, in the format of a table of ngrams.h. */
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
uint64_t ngrams_sink_sum(const struct ngrams_sink *s); // of all bytes so far
void ngrams_sink_flush(struct ngrams_sink *s);
void ngrams_sink_end(struct ngrams_sink *s); // after a flush; {0} is allowed

#endif
