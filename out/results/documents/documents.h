/*
 * documents.h - each document of a scan: its tokens, its log-probs by model, its gaps by pair
 *
 * At most shape->most are kept: the first by (hash of the text, shard, number), a total order, so
 * that threads, parts, kills and the order of units make no difference.  A document takes
 * documents_item_size() bytes, 48 and 32 for each model and pair that is not brief.
 *
 * Threads: a shape is read only; a whole belongs to whoever holds the run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_DOCUMENTS_DOCUMENTS_H
#define GAPSCOPE_OUT_RESULTS_DOCUMENTS_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/collector.h"

#define DOCUMENTS_MOST ((size_t)1000000)    // kept where nothing else is asked for
#define DOCUMENTS_LIMIT ((size_t)100000000) // that may be asked for

extern const struct collector_kind documents_collector;

struct documents_shape {
    size_t most;
    size_t n_models, n_pairs; // those that are not brief: the first ones
    size_t n_shards;
    const struct run_pair *pairs; // [n_pairs], the run's
    double floor;                 // nats
};

/* The shape of a run that outlives it.  Errors: ERR_NOMEM. */
int documents_shape_new(struct documents_shape **out, const struct run *run, size_t most,
                        struct err *err);

struct document_sum {
    __int128 sum; // nats, as fixed.h has them
    uint64_t n;   // tokens
};

struct document {
    uint64_t hash; // XXH64 of its text
    uint64_t shard, number;
    uint64_t tokens, text_bytes;
    uint64_t domain;            // domain_key's hash
    struct document_sum sums[]; // [n_models + n_pairs]
};

struct documents {
    const struct documents_shape *shape;
    char *items; // [n] of documents_item_size() bytes, in their order
    size_t n, cap;
};

size_t documents_item_size(const struct documents_shape *s);
struct document *documents_at(const struct documents *d, size_t i);

int documents_new(struct documents **out, const struct documents_shape *s, struct err *err);
void documents_free(struct documents *d); // NULL is allowed

/* Appends a document that is zeroed, but for its place; the order is not kept until
 * documents_sort().  Errors: ERR_NOMEM. */
int documents_append(struct documents *d, struct document **out, struct err *err);
void documents_sort(struct documents *d);

/* Adds those of 'from', of the same shape and sorted.  Errors: ERR_NOMEM. */
int documents_merge(struct documents *to, const struct documents *from, struct err *err);

/* As bytes, DOCUMENTS_PIECE documents a piece, and back, piece after piece, into a new one.  Equal
 * wholes give equal bytes.  Errors: ERR_NOMEM, ERR_FORMAT. */
#define DOCUMENTS_PIECE ((size_t)65536)
size_t documents_n_pieces(const struct documents_shape *s);
int documents_save(const struct documents *d, size_t piece, struct buf *out, struct err *err);
int documents_load(struct documents *d, size_t piece, const void *bytes, size_t len,
                   struct err *err);

#endif
