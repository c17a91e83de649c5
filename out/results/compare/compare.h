/*
 * compare.h - two models' distributions of the next token side by side, on a share of documents
 *
 * At every token of the share, a pair base:other has, from all logits of both in f32:
 *
 *     KL           sum over the vocabulary of P_base ln(P_base / P_other), nats
 *     difference   P_other - P_base of the true token
 *     same         whether both find the same token most likely; of equal logits the lower id
 *
 * Where one of them is no finite number the token is counted as such, and is in nothing else.
 * Pairs of which one model does not say all probabilities, or that have several others, are left
 * out, and so are pairs whose vocabularies differ in size, and those of changed models
 * unless they are asked for; where such a one says nothing, nothing is compared.
 *
 * doc_share.h says which documents are in the share.
 *
 * What is kept are whole numbers (fixed.h), histograms, and the domains whose names hash lowest, as
 * in tally.h: so compare_merge() is associative and commutative.
 *
 * Threads: a shape is shared; a compare belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_H
#define GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_H

#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "corpora/base/token_kind.h"
#include "out/results/fixed.h"
#include "out/results/run.h"

#define COMPARE_BINS 2048        // of differences from -1 to 1
#define COMPARE_DOMAINS_MAX 4096 // as many as a tally keeps
#define COMPARE_SHARE_MAX UINT32_C(1000000000)

struct compare_share {
    uint32_t take, of; // take documents of 'of'; 0: none
    bool changed;      // pairs of changed models are compared, too
};

enum compare_pair_kind {
    COMPARE_PAIR,           // it is compared
    COMPARE_SEVERAL_OTHERS, // these and the next are left out
    COMPARE_PART_OF_COUNTS, // skip-bigrams, oracle: not all probabilities
    COMPARE_OTHER_SIZE,     // of the vocabulary
    COMPARE_CHANGED,        // one of them is a changed model, and these are not asked for
};

/* Why a pair is left out, for people; NULL: it is not. */
const char *compare_pair_reason(enum compare_pair_kind kind);

struct compare_pair {
    enum compare_pair_kind kind;
    uint32_t base, other; // of one that is compared
    size_t d_vocab;
};

/* Made of a run and a share; what it points to is its own. */
struct compare_shape {
    struct compare_share share;
    size_t n_models, n_pairs, n_hypotheses;
    struct compare_pair *pairs; // [n_pairs]
    bool *next;                 // [n_hypotheses] it predicts the next token
    unsigned char *kinds;       // [n_kinds] of tokens, by id; the rest have no text
    size_t n_kinds;             // 0: of a run of ids
    size_t d_vocab;             // the greatest of a compared pair; 0: none is compared
};

/* Errors: ERR_NOMEM. */
int compare_shape_new(struct compare_shape **out, const struct run *run,
                      const struct compare_share *share, struct err *err);
void compare_shape_free(struct compare_shape *s); // NULL is allowed

/* Over the same tokens. */
struct compare_sums {
    struct moments kl, difference, same;
};

struct compare_pair_sums {
    struct compare_sums all;
    uint64_t n_not_finite;           // tokens left out for it
    uint64_t hist[COMPARE_BINS];     // of differences: bin i begins at i / 1024 - 1
    struct compare_sums *hypotheses; // [n_hypotheses] at their labels, as the ledger takes them
    struct compare_sums kinds[TOKEN_KINDS];
};

struct compare_domain {
    char *name;                 // "": of documents without one
    uint64_t hash;              // XXH64 of it, seed 0
    struct compare_sums *pairs; // [n_pairs]
};

struct compare {
    const struct compare_shape *shape;
    struct compare_pair_sums *pairs; // [n_pairs]
    struct compare_domain *domains;  // [n_domains], ascending by (hash, name)
    size_t n_domains, domains_cap;
    struct compare_domain other; // the rest, summed; no name
};

int compare_new(struct compare **out, const struct compare_shape *shape, struct err *err);
void compare_free(struct compare *c);  // NULL is allowed
void compare_clear(struct compare *c); // as new

/* Adds 'from', of the same shape.  Errors: ERR_NOMEM, 'to' is then fit for compare_free() alone. */
int compare_merge(struct compare *to, const struct compare *from, struct err *err);

// In place of KL: a model says nothing of the token, which is counted nowhere.
#define COMPARE_NOTHING (FIXED_NONE + 1)

/* A token, in whole numbers of 2^-20. */
struct compare_value {
    int64_t kl;         // FIXED_NONE: one of the three is not finite; COMPARE_NOTHING
    int32_t difference; // from -FIXED_ONE to FIXED_ONE
    bool same;
};

/* What hypothesis h labels in a document; its places, as tally_place() takes them, in order. */
struct compare_labels {
    const uint32_t *at; // [n] indices in compare_doc.values, only such as are below its n
    size_t n;
    bool gave_up;
};

struct compare_doc {
    const char *domain;                 // NULL: none
    const unsigned char *kinds;         // [n] of the true tokens; NULL: not known
    const struct compare_value *values; // [n_pairs][n]; of a pair that is not compared: anything
    size_t n;
    const struct compare_labels *labels; // [n_hypotheses]
};

/* Errors: ERR_NOMEM, *c is then fit for compare_clear() and compare_free(). */
int compare_add(struct compare *c, const struct compare_doc *doc, struct err *err);

/* The bin below whose upper edge at least the share 'percent' of a pair's tokens lie, and no bin
 * before it; COMPARE_BINS: there are no tokens. */
size_t compare_percentile(const struct compare_pair_sums *p, unsigned percent);

/* A bin's lower edge. */
double compare_edge(size_t bin);

/* As bytes, the same for equal ones; and back into a new one of the same shape, which any bytes may
 * be given.  Errors: ERR_NOMEM, ERR_FORMAT (not such bytes; *c is then fit for compare_free()). */
int compare_save(const struct compare *c, struct buf *out, struct err *err);
int compare_load(struct compare *c, const void *bytes, size_t len, struct err *err);

#endif
