/*
 * chunks.h - the data of a report: named pieces, each read by the page when it is needed
 *
 *     draft_open -> jsonout_... to draft.json -> chunks_add     for each piece, also several at
 * once
 *
 *     a piece:  JSON -> zlib -> base64, which no markup can be in
 *
 * All of them are kept in memory until the page is written: about a tenth of the run.db.
 */
#ifndef GAPSCOPE_OUT_REPORT_CHUNKS_H
#define GAPSCOPE_OUT_REPORT_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"

/* A chunk that is being written. */
struct draft {
    struct jsonout json; // to a memory stream
    char *text;          // what it has collected: [len]
    size_t len;
};

/* draft_discard() or chunks_add() ends *d, {0} before.  Errors: ERR_NOMEM. */
int draft_open(struct draft *d, struct err *err);
void draft_discard(struct draft *d);

#define CHUNK_NAME 48

struct chunks {
    struct chunk {
        char name[CHUNK_NAME]; // "hits/0": letters, digits, one slash
        char *base64;          // [len], ended by NUL
        size_t len;
    } * items; // [n], in the order in which they were added
    size_t n, cap;
    uint64_t hash; // hash of all names and bytes so far
};

/* Ends the draft and adds it under a name made by printf(); with rc other than 0 it is discarded
 * and rc returned.  Errors: ERR_NOMEM, ERR_LIMIT (over 4 GiB of JSON). */
int chunks_add(struct chunks *c, struct draft *d, int rc, struct err *err, const char *name, ...)
    __attribute__((format(printf, 5, 6)));
void chunks_free(struct chunks *c); // {0} is allowed

#endif
