/*
 * units.h - reads a corpus as units of work: whole documents in a row, cut by bytes of text
 *
 *     units_open -> units_next, units_next, ... until unit->number == UNIT_END -> units_close
 *
 * A unit ends with the first document that brings it to UNIT_BYTES of text or more (as read, before
 * it is normalised; a token id counts for UNIT_ID_BYTES), with its UNIT_DOCS-th document, or with
 * its shard; so it depends on the corpus alone.  Rejected records belong to the unit of the next
 * document; those after the last document of a shard, and damage that ends it, to its last unit.  A
 * shard with rejects and no document has one unit without documents; a shard with neither has none.
 *
 * Memory holds one unit and what the document after it needs.  Only counts and the first places are
 * kept of rejects, since a shard may consist of nothing else.
 *
 * Threads: a reader belongs to one thread at a time, and so does a unit, which another thread may
 * take over.
 */
#ifndef GAPSCOPE_CORPORA_UNITS_H
#define GAPSCOPE_CORPORA_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/reject.h"
#include "corpora/shards.h"
#include "corpora/source.h"

#define UNIT_BYTES ((size_t)256 << 10)
#define UNIT_ID_BYTES ((size_t)4)
#define UNIT_DOCS ((size_t)16 << 10) // bounds a unit of empty documents
#define UNIT_END UINT64_MAX

struct unit_doc {
    uint64_t number; // in its shard
    size_t at, len;  // place in unit->text, in bytes, or with ids in unit->ids
    size_t domain;   // offset of a NUL-terminated name in unit->names; SIZE_MAX: none
};

struct unit {
    uint64_t number; // in the sorted corpus, from 0; UNIT_END: there are no more
    uint32_t shard;
    bool last;             // the last unit of its shard
    struct unit_doc *docs; // [n_docs]
    size_t n_docs, docs_cap;
    struct buf text; // valid UTF-8, one document after another
    uint32_t *ids;   // [n_ids]; only with options.ids
    size_t n_ids, ids_cap;
    struct buf names; // of domains
    struct rejects rejects;
    uint64_t repaired; // number of U+FFFD put in
    uint64_t raw;      // raw bytes of shards read since the previous unit, for progress
};

void unit_free(struct unit *u); // {0} is allowed, and *u becomes {0}

struct units_options {
    struct source_options source; // with ids, only its field is used
    bool ids;                     // shards are JSONL {"ids": [...]}, or what source.field names
    size_t n_ctx, d_vocab;        // used with ids only
};

struct units;

/*
 * Opens every shard and looks at its beginning, so that one that is not text is refused before the
 * work begins, not in the middle of the night.  *ids_key: with ids and no field, the member of the
 * first list that is under another name than "ids", for a message; NULL: there is none.
 * Errors: those of opening a shard.
 */
int units_check(const struct shards *shards, const struct units_options *options,
                const char **ids_key, struct err *err);

/* shards and the names in options must outlive *out.  Errors: ERR_NOMEM. */
int units_open(struct units **out, const struct shards *shards, const struct units_options *options,
               struct err *err);

/*
 * Reads the next unit into *u, whose memory is used again; its contents are valid until *u is read
 * into or freed.  Shards are read in order: a unit of a shard, or UNIT_END, means that all shards
 * before it are done.
 * Errors: those of shard_check() (the shard is not what shards_open() saw, checked before and after
 * reading it), of opening a shard (not found, unsupported), of source_next(), and of idlist_next()
 * except damage, which is counted.  After an error *u holds nothing of use and only units_close()
 * may follow.
 */
int units_next(struct units *r, struct unit *u, struct err *err);

/* The raw bytes read so far of all shards.  At the end this is the sum of the shards' sizes, and of
 * 'raw' of all units including the one with UNIT_END. */
uint64_t units_tell_raw(const struct units *r);

void units_close(struct units *r); // NULL is allowed

#endif
