/*
 * tally_internal.h - what the files of a tally share
 *
 * Domains: why keeping the least (hash, name) of a part is exact: a domain that a part gave up has
 * 'domains_max' lesser ones there, and so in the whole; the whole gives it up too, and 'other' gets
 * its documents from everywhere.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_TALLY_INTERNAL_H
#define GAPSCOPE_OUT_RESULTS_GAPS_TALLY_INTERNAL_H

#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally.h"

#define TALLY_MAGIC "GSTALLY5"
#define TALLY_SKETCH_CELLS ((size_t)TALLY_SKETCH_ROWS * TALLY_SKETCH_COLS)

#define TALLY_BLOCK ((size_t)256) // tokens whose values of all models stay in cache

/* Room for what is computed of one document. */
struct tally_scratch {
    int64_t (*fixed)[TALLY_BLOCK]; // [n_models] logprob of a block of tokens, or FIXED_NONE
    bool *lacks;                   // [n_models] the block has a FIXED_NONE
    struct model_scratch {
        __int128 sum; // of logprob over the document
        uint64_t n;   // tokens that it is of
    } * models;       // [n_models]
    struct pair_scratch {
        int64_t sum;         // of gap
        __int128 difference; // sum of the unclamped one
        uint64_t n;          // tokens that have one
        struct hits_best best[2];
    } * pairs;      // [n_pairs]
    int64_t *least; // [n_pairs][2], worths
    double **exact; // [n_models] of [exact_cap], of the picks
    size_t exact_cap;
    int64_t **gaps; // [n_pairs][gaps_cap], of the document, or FIXED_NONE; where there are
                    // hypotheses
    size_t gaps_cap;
    uint64_t *next;      // [bits_words(n_hypotheses)] those that predict the next token
    uint64_t *models_of; // [n_pairs][bits_words(n_models)] a pair's models
    size_t *pairs_of;    // [n_pairs] pairs by their last model
    size_t *pairs_begin; // [n_models + 1] where a model's begin there
    bool *fill;          // [n_models] which models fill_block() fills
};

/* Notes the ids[n] as tokens that the tally has numbers of: tally_clear() looks at these alone. */
void tally_touch(struct tally *t, const uint32_t *ids, size_t n);

/* Appends what begins the bytes of every tally of this shape. */
int tally_save_shape(const struct tally_shape *shape, struct buf *out, struct err *err);

/* A document's labels: its counts, and where the gaps of the pairs stand, gaps[n_pairs][n], 0 at
 * skipped tokens; n_tokens: those that are counted. */
void tally_add_labels(struct tally *t, struct tally_domain *domain, const struct tally_doc *doc,
                      size_t n_tokens, int64_t *const *gaps);
void tally_hypotheses_merge(struct tally_hypothesis *to, const struct tally_hypothesis *from,
                            size_t n);
void tally_ledger_merge(struct tally_ledger *to, const struct tally_ledger *from, size_t n);

size_t tally_domains_max(const struct tally_shape *shape);

/* A domain of no documents, named by name[len] (len 0: NULL).  ERR_NOMEM, *d then {0}. */
int tally_domain_new(struct tally_domain *d, const struct tally_shape *shape, const char *name,
                     size_t len, struct err *err);
void tally_domain_free(struct tally_domain *d); // {0} is allowed

/* Ascending by (hash, name). */
int tally_domain_order(const struct tally_domain *a, const struct tally_domain *b);

/* The domain that counts documents of this name (NULL: none): a new one, or t->other.  *out is
 * valid until the next call. */
int tally_domain_get(struct tally *t, const char *name, struct tally_domain **out, struct err *err);

void tally_domains_clear(struct tally *t);
int tally_domains_merge(struct tally *to, const struct tally *from, struct err *err);

#endif
