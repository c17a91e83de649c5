/*
 * tally.h - everything that a scan counts, as aggregates that merge exactly
 *
 *     tally_new -> tally_add_doc, tally_add_hits, ... -> tally_merge(whole, part) -> tally_free
 *
 * A log-prob that is no number which sums can hold (fixed.h) is counted, and its token is left out
 * of its model's means and of the gaps of its model's pairs, in all that is said of them.
 *
 * A document's log-probs may be a little wrong (shape->epsilon); sums are of those.  Which tokens
 * can be among the hits all the same is what tally_add_doc() picks; tally_add_hits() then gets
 * their exact log-probs, and only those decide.  So the lists are the same however exact the rest
 * is.
 *
 * A tally of any set of documents is the same, bit for bit, however it came about: counts and sums
 * are whole numbers (fixed.h); of lists the greatest under a total order are kept; of domains those
 * whose names hash lowest.  So tally_merge() is associative and commutative, and a tally saved and
 * loaded continues where it was.
 *
 * Threads: a tally belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_TALLY_H
#define GAPSCOPE_OUT_RESULTS_GAPS_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/fixed.h"
#include "out/results/gaps/hit_detail.h"
#include "out/results/run.h"
#include "out/results/unit.h"

#define TALLY_POSITIONS 24 // powers of two: bin k is positions 2^k .. 2^(k+1) - 1
#define TALLY_DOMAINS_MAX 4096
#define TALLY_HITS_PER_DOC 3
#define TALLY_CONTEXT 8  // tokens before the hit that, with it, tell its context
#define TALLY_BEFORE 160 // bytes of text shown before a hit
#define TALLY_AFTER 80
#define TALLY_REJECT_PLACES 3
#define TALLY_SKETCH_ROWS 4 // of the count-min sketch behind 'duplicates'
#define TALLY_SKETCH_COLS 16384

/* What all tallies of a run share.  Owned by the caller, who keeps it as long as any of them. */
struct tally_shape {
    size_t n_models, n_pairs, n_shards;
    size_t d_vocab;
    const struct run_pair *pairs; // [n_pairs]
    double floor;                 // nats, below 0, at most 1000 in size
    double epsilon;               // nats; no logprob of a document is further from the exact one
    size_t gap_bins_half;         // bins of 0.1 nats on each side of 0: ceil(-floor * 10)
    size_t top;                   // hits kept a pair and side
    size_t n_brief_models, n_brief_pairs; // the last ones: run_model.brief, run_pair.brief
    size_t brief_top;                     // hits kept a brief pair and side
    size_t domains_max;                   // domains kept; 0: TALLY_DOMAINS_MAX
    size_t n_hypotheses;
    const struct run_hypothesis *hypotheses; // [n_hypotheses] what each predicts; NULL: all this
};

/* The models and pairs that are not brief: the first ones. */
static inline size_t tally_full_models(const struct tally_shape *s)
{
    return s->n_models - s->n_brief_models;
}

static inline size_t tally_full_pairs(const struct tally_shape *s)
{
    return s->n_pairs - s->n_brief_pairs;
}

/* Hits kept of a pair and side. */
static inline size_t tally_top(const struct tally_shape *s, size_t pair)
{
    return pair < tally_full_pairs(s) ? s->top : s->brief_top;
}

/* The token at which the gap of labelled token i of n is taken: i, or with 'next' the one after it
 * in its window; n: there is none.  pos[n]: as in tally_doc. */
static inline size_t tally_place(size_t i, size_t n, const uint32_t *pos, bool next)
{
    return !next ? i : i + 1 < n && pos[i + 1] != 1 ? i + 1 : n;
}

/* What a hypothesis says of a document. */
struct tally_labels {
    const uint32_t *at; // [n] labelled tokens, ascending, the document's first being 'base'
    size_t n;
    uint32_t base;
    bool gave_up; // it could not say; n is 0
};

/* A document as the models saw it: its predicted tokens, in order, over all its windows. */
struct tally_doc {
    uint32_t shard;
    uint64_t number;    // in its shard
    const char *domain; // valid UTF-8, NULL: none
    const char *text;   // [text_len], normalised, valid UTF-8
    size_t text_len;
    size_t n;                     // predicted tokens, may be 0
    const uint32_t *ids;          // [n] the predicted token
    const uint32_t *ends;         // [n] bytes into text; NULL with --ids (text_len is 0 then)
    const uint32_t *pos;          // [n] position in its window, from 1: where 1 is, a window begins
    const double *const *logprob; // [n_models][n] nats; of a changed model logprob_none() too
    const unsigned char *skipped; // [n] 1: context alone, counted nowhere; NULL: none is
    const struct tally_labels *labels; // [n_hypotheses]; no skipped token
    const uint64_t *label_words;       // [n][bits_words(n_hypotheses)] the same, a bit each
};

/* Document d of a unit, without labels.  logprob: [n_models][tokens of the unit]; rows[n_models]
 * become the document's, and must live as long as what is returned. */
struct tally_doc tally_doc_of_unit(const struct unit_tokens *unit, size_t d,
                                   const double *const *logprob, size_t n_models,
                                   const double **rows);

/* Tokens of a document that may enter a list of hits: their indices in it, ascending, and the
 * models of the pairs in whose lists they may. */
struct tally_picks {
    uint32_t *at;     // [n]
    uint64_t *models; // [n][bits_words(n_models)] as bits
    size_t n, cap, models_cap;
};

void tally_picks_free(struct tally_picks *picks); // {0} is allowed

/* A place of a list.  Strings are the hit's own (one block, which begins at token_text), valid
 * UTF-8 and as the text is, except that a NUL is shown as \x00; "" with --ids. */
struct tally_hit {
    int64_t gap;          // fixed
    double base_logprob;  // nats, unclamped
    double other_logprob; // of the deciding model
    uint32_t shard;
    uint64_t doc;
    uint32_t byte_start, byte_end; // of the token in the normalised text; 0, 0 with --ids
    uint32_t at;                   // index among the document's predicted tokens
    uint32_t token;                // id
    uint64_t context[2]; // XXH3-128 of up to TALLY_CONTEXT tokens of its window before it, and it
    char *token_text;    // a byte that belongs to no whole character is shown as \xNN
    char *before;        // up to TALLY_BEFORE bytes of text, cut between characters
    char *after;         // up to TALLY_AFTER
    struct hit_detail *detail; // its own; NULL: none yet
};

/* One per context, in order: for side 'other' greatest gap first, for 'base' least; then the
 * earlier (shard, doc, at).  On side 'other' gaps are above 0, on side 'base' below. */
struct tally_hits {
    struct tally_hit *items; // [n], n <= shape->top
    size_t n, cap;
    uint32_t *sketch; // [TALLY_SKETCH_ROWS][TALLY_SKETCH_COLS]: documents by context; NULL: of a
                      // brief pair
};

enum { TALLY_OTHER, TALLY_BASE }; // sides

struct tally_gap_sums {
    uint64_t n;
    __int128 gap, base, other; // fixed; base and other unclamped
};

/* The gap where a hypothesis labels the token, and elsewhere; not of documents on which it gave up.
 * The ledger: what of all gaps stands on tokens that it labels and none before it does.  Of one that
 * predicts the next token "labelled" means tally_place() of the labelled tokens here. */
struct tally_ledger {
    struct moments labelled, rest;
    __int128 gain;                // of max(gap, 0) on labelled tokens, fixed
    __int128 beyond, gain_beyond; // of gap and max(gap, 0) where it is the first
};

struct tally_pair_sums {
    struct moments gap;
    struct moments difference;   // ln P of the deciding other less that of the base, unclamped
    uint64_t other_better;       // gap > 0
    __int128 gain;               // of max(gap, 0), fixed
    struct tally_ledger *ledger; // [n_hypotheses]
    uint64_t *hist; // [2 * gap_bins_half]: bin i is [(i - half) / 10, (i + 1 - half) / 10);
                    // the last holds its upper end too
    struct tally_gap_sums position[TALLY_POSITIONS];
    struct tally_gap_sums *tokens; // [d_vocab]; NULL: of a brief pair
    struct tally_hits hits[2];
};

struct tally_model_sums {
    struct moments logprob; // unclamped
    uint64_t clamped;       // logprob < floor
    uint64_t n_not_finite;  // tokens that are in neither, for want of a number
};

struct tally_hypothesis {
    uint64_t seen;    // tokens of documents on which it did not give up
    uint64_t tokens;  // labelled
    uint64_t docs;    // with a labelled token
    uint64_t aborted; // documents on which it gave up
};

struct tally_domain {
    char *name;    // NULL: of documents without one, or with ""
    uint64_t hash; // XXH64, seed 0; of no name: of ""
    uint64_t docs, tokens;
    struct moments *models;              // [tally_full_models()] logprob
    struct moments *pairs;               // [tally_full_pairs()] gap
    struct tally_hypothesis *hypotheses; // [n_hypotheses]
};

struct tally_reject {
    uint64_t n;
    struct {
        uint64_t line, byte;
        char why[160];
    } places[TALLY_REJECT_PLACES]; // the first ones by (line, byte, why): as many as n, or all
};

#define TALLY_REASONS 16 // room for reject.h's

struct tally_shard {
    uint64_t docs;   // scored, empty ones counted
    uint64_t tokens; // predicted
    uint64_t text_bytes;
    uint64_t units_done;
    uint64_t repaired;
    uint64_t skipped; // records rejected
    struct tally_reject rejects[TALLY_REASONS];
};

struct tally {
    const struct tally_shape *shape;
    struct tally_shard *shards;      // [n_shards]
    struct tally_model_sums *models; // [n_models]
    struct tally_pair_sums *pairs;   // [n_pairs]
    struct tally_domain *domains;    // [n_domains], ascending by (hash, name)
    size_t n_domains, domains_cap;
    struct tally_domain other;           // the rest, summed; no name, hash 0
    struct tally_hypothesis *hypotheses; // [n_hypotheses]

    // the tally's own
    uint32_t *touched; // [n_touched] tokens that pairs[].tokens have, each once, in any order
    bool *is_touched;  // [d_vocab]
    size_t n_touched;
    struct tally_scratch *scratch;
};

int tally_new(struct tally **out, const struct tally_shape *shape, struct err *err);
void tally_free(struct tally *t);  // NULL is allowed
void tally_clear(struct tally *t); // as new

/*
 * Adds a document (to its shard's docs, tokens and text_bytes too), all but its hits.
 * *picks becomes the tokens whose exact log-probs tally_add_hits() needs, of which models; the
 * caller ends it with tally_picks_free().  cutoff: tally_cutoff() of a tally that the result will be merged with, or NULL: what
 * cannot enter a list there is not picked.
 *
 * Errors: ERR_NOMEM; the tally is then fit for tally_clear() and tally_free() only.
 */
int tally_add_doc(struct tally *t, const struct tally_doc *doc, const int64_t *cutoff,
                  struct tally_picks *picks, struct err *err);

/*
 * *picks becomes the tokens [begin, end) of a document that tally_add_doc() will pick for the pairs
 * whose last model is 'model', judged by the document's first 'end' tokens: none of those is
 * missing, and there may be more.  Models after it need not have been run yet.  A document comes in
 * pieces that follow each other, for each model the first with begin 0, and no other one between
 * them.
 * It changes nothing but the room that tally_add_doc() uses.  Errors: ERR_NOMEM.
 */
int tally_expect(struct tally *t, const struct tally_doc *doc, size_t model, size_t begin,
                 size_t end, const int64_t *cutoff, struct tally_picks *picks, struct err *err);

/*
 * Adds the hits of a document that was added with the same cutoff (or one that lets less pass).
 * logprob: the exact ones of the picks, [n_models][picks->n], where picks->models has a model, else
 * logprob_none(); NULL: the document's are exact.
 * Errors: ERR_NOMEM; the tally then as above.
 */
int tally_add_hits(struct tally *t, const struct tally_doc *doc, const struct tally_picks *picks,
                   const double *const *logprob, const int64_t *cutoff, struct err *err);

/* Gives a hit a copy of its detail, which must depend on its document alone.  ERR_NOMEM. */
int tally_set_detail(struct tally_hit *hit, const struct hit_detail *detail, struct err *err);

/* For each pair and side, cutoff[2 * pair + side], the gap beyond which a token may still enter t's
 * list of hits: the worst of a full list; INT64_MIN (side 'other') or INT64_MAX of one with room.
 */
void tally_cutoff(const struct tally *t, int64_t *cutoff);

/* Counts a rejected record, in its shard's 'skipped' too; reason < TALLY_REASONS. */
void tally_add_reject(struct tally *t, uint32_t shard, unsigned reason, uint64_t line,
                      uint64_t byte, const char *why);

/* Adds 'from', of the same shape, which stays as it is.  Errors: ERR_NOMEM, 'to' then fit for
 * tally_clear() and tally_free() only. */
int tally_merge(struct tally *to, const struct tally *from, struct err *err);

/* How many documents, about, have been folded into hits->items[i]: an upper bound, exact unless
 * contexts collide in every row; too high by more than e/TALLY_SKETCH_COLS of all documents'
 * candidates with a probability of e^-TALLY_SKETCH_ROWS (Cormode and Muthukrishnan, 2005).  0: it
 * stands alone, or nothing is known, of a brief pair. */
uint64_t tally_duplicates(const struct tally_hits *hits, size_t i);

/* Appends the whole tally as bytes, the same for equal tallies; and back.  tally_load() wants a new
 * tally of the same shape, and leaves it new where it fails.  Errors: ERR_NOMEM, ERR_FORMAT (not
 * such bytes, or of another shape).  No checksum: whoever keeps the bytes has one. */
int tally_save(const struct tally *t, struct buf *out, struct err *err);
int tally_load(struct tally *t, const void *bytes, size_t len, struct err *err);

#endif
