/*
 * units.h - a corpus as units of work: fixed runs of whole documents, cut by bytes of text
 *
 *     units_open -> units_next, units_next, ... until unit->number == UNIT_END -> units_close
 *
 * A unit ends with the first document that brings it to UNIT_BYTES of text or more (as read, before
 * it is normalised; a token id counts for UNIT_ID_BYTES), with its UNIT_DOCS-th document, or with
 * its shard; so it depends on the corpus alone.  Rejected records belong to the unit of the next
 * document; those after the last document of a shard, and damage that ends it, to its last unit.  A
 * shard with rejects and no document has one unit without documents, one with neither none.
 *
 * What is held in memory is one unit and what the document after it needs: of rejects only counts
 * and the first places, since a shard may hold nothing else.
 *
 * Threads: a reader belongs to one thread at a time, and so does a unit, which may go from the
 * reader's to another.
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
#define UNIT_DOCS ((size_t)16 << 10) // so that empty documents come to an end too
#define UNIT_END UINT64_MAX

struct unit_doc {
    uint64_t number; // in its shard
    size_t at, len;  // text: bytes of unit->text; with ids: of unit->ids
    size_t domain;   // offset of a NUL-terminated name in unit->names; SIZE_MAX: none
};

struct unit {
    uint64_t number; // through the sorted corpus, from 0; UNIT_END: there are no more
    uint32_t shard;
    bool last;             // of its shard
    struct unit_doc *docs; // [n_docs]
    size_t n_docs, docs_cap;
    struct buf text; // valid UTF-8, documents behind one another
    uint32_t *ids;   // [n_ids], with ids
    size_t n_ids, ids_cap;
    struct buf names; // of domains
    struct rejects rejects;
    uint64_t repaired; // U+FFFD put in
    uint64_t raw;      // bytes of shards read since the unit before, for progress
};

void unit_free(struct unit *u); // {0} is an empty unit; *u is one again

struct units_options {
    struct source_options source; // not with ids
    bool ids;                     // shards are JSONL {"ids": [...]}
    size_t n_ctx, d_vocab;        // with ids
};

struct units;

/* shards, and the names in options, outlive *out.  Errors: ERR_NOMEM. */
int units_open(struct units **out, const struct shards *shards, const struct units_options *options,
               struct err *err);

/*
 * Reads on into *u, whose memory is used again; all in it is valid until it is read into or freed.
 * Shards are read in order; once a unit of a shard is seen, or UNIT_END, those before it are done.
 * Errors: shard_check()'s (a shard is not what shards_open() saw, before it is read or after),
 * those of opening it (not found, unsupported), source_next()'s; idlist_next()'s but for damage,
 * which is counted.  After an error *u holds nothing of use and only units_close() may follow.
 */
int units_next(struct units *r, struct unit *u, struct err *err);

/* Raw bytes read so far of all shards together: in the end the sum of their sizes, and of 'raw' of
 * all units, the UNIT_END's too. */
uint64_t units_tell_raw(const struct units *r);

void units_close(struct units *r); // NULL is allowed

#endif
