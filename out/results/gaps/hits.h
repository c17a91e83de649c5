/*
 * hits.h - the lists of a tally: the strongest gaps, one per context
 *
 *     hits_wants, hits_offer for each token of a document -> for each of its best: hits_count, and
 *     where it hits_belongs: hits_show, hits_insert
 *
 * Why keeping only 'top' hits of a part is exact: a hit that stands for its context in the whole
 * stands for it in its part too, and fewer hits beat it there than in the whole.  So every hit of
 * the whole's list is in its part's, and no list holds what was not offered.  The same holds for
 * the best few of a document, taken token by token.
 *
 * A side turns a gap into its worth: the gap itself for 'other', its negative for 'base'.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_HITS_H
#define GAPSCOPE_OUT_RESULTS_GAPS_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/results/gaps/tally.h"

/* The best of a document so far, of different contexts; greatest worth first, then the earlier. */
struct hits_best {
    size_t n;
    struct hits_place {
        int64_t worth; // > 0
        uint32_t at;   // index in the document
        uint64_t context[2];
    } places[TALLY_HITS_PER_DOC];
};

/* Whether a token of this worth, later than all before, can still be one of the best. */
static inline bool hits_wants(const struct hits_best *best, int64_t worth)
{
    return worth > (best->n < TALLY_HITS_PER_DOC ? 0 : best->places[TALLY_HITS_PER_DOC - 1].worth);
}

/* Takes a token that hits_wants(); tokens come in order. */
void hits_offer(struct hits_best *best, const struct tally_doc *doc, uint32_t at, int64_t worth);

/* sketch: documents are counted by context.  Errors: ERR_NOMEM, *hits is then {0}. */
int hits_new(struct tally_hits *hits, bool sketch, struct err *err);
void hits_free(struct tally_hits *hits); // {0} is allowed
void hits_clear(struct tally_hits *hits);
void hits_free_own(struct tally_hit *hit); // strings and detail

/* Negative where a stands before b in the list of 'side', 0 for one place, else positive. */
int hits_order(const struct tally_hit *a, const struct tally_hit *b, int side);

/* Counts a document that has this context among its best in the sketch, where there is one. */
void hits_count(struct tally_hits *hits, const uint64_t context[2]);

/* Whether a hit (its strings are not looked at) belongs in the list, as far as hits and the cutoff,
 * a gap (or NULL), can tell. */
bool hits_belongs(const struct tally_hits *hits, const struct tally_hit *hit, int side, size_t top,
                  const int64_t *cutoff);

/* Sets the hit's strings from the document (hit->at, byte_start, byte_end), no detail. */
int hits_show(struct tally_hit *hit, const struct tally_doc *doc, struct err *err);

/* Sets them from three texts that end with NUL: token_text, before, after. */
int hits_copy_strings(struct tally_hit *hit, const char *const texts[3], struct err *err);

/* Puts a hit that hits_belongs() let pass in its place, in place of one of the same context or of
 * the last of a full list.  *hit is the list's from then on, also on failure. */
int hits_insert(struct tally_hits *hits, const struct tally_hit *hit, int side, size_t top,
                struct err *err);

/* Adds 'from'.  O(n + from->n). */
int hits_merge(struct tally_hits *hits, const struct tally_hits *from, int side, size_t top,
               struct err *err);

#endif
