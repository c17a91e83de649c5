/*
 * countmodel.h - counts as models: ln P of every token of a document, from what stands before it
 *
 *     ngrams_open -> countmodel_init (shared) -> countmodel_ctx_new (a thread)
 *       -> countmodel_ctx_document, countmodel_ctx_score, countmodel_ctx_look -> ...
 *
 * Kneser-Ney, modified and interpolated (Chen and Goodman 1999, section 3): of the 'total' tokens
 * behind a context, one seen c times gives D(c) of its count to the shorter context,
 *
 *     step(c; context, lower) = (c - D(c) + (D1 n1 + D2 n2 + D3 n3) lower) / total
 *
 * where n1, n2, n3 of the context's different tokens were seen once, twice, more often, and
 * D(1), D(2), D(3 or more) come from how many in all were seen 1, 2, 3, 4 times.  With N(*x) the
 * number of different tokens before x:
 *
 *     P1(C)      = step(N(*C);   N(* .),   1 / d_vocab)
 *     P2(C|B)    = step(c(B,C);  (B, .),   P1(C))                    :2
 *     P3(C|A,B)  = step(c(A,B,C); (A, B, .), step(N(*BC); N(*B .), P1(C)))     :3
 *     Pd(C|A)    = step(cd(A,C); (A, . at d), P0(C)),  P0(C) = (c(C) + 1) / (tokens + d_vocab)
 *
 * Behind a context that was never seen all is the shorter one's.  Where only one token stands
 * before C (BOS, or the first id of a window), P3 is P2.  The context is what the window holds.
 *
 * :skip is the greatest of P2 and Pd, d = 2 ... 16, and :oracle that of P3, too, *for the true
 * token*: they choose with hindsight, so they are no distributions (they sum to more than 1) but
 * bounds on what a mixture of such predictors could say.
 *
 * What A and B say where neither knows of the other is a product of experts, that is, a sum of
 * logits:
 *
 *     Pa(C|A,B) = P2(C|B) Pd(C|A) / P0(C), d = 2, over its sum over all C
 *
 * By Bayes' rule it is P(C|A,B) where A and B are independent given C.  What is divided by is then
 * how often C is there in all: that is P0, which Pd stands on, and not P1, which says behind how
 * many different tokens C is.
 *
 * Leave one out.  Of a document that is itself in the counts, all that it adds is taken away: its
 * own n-grams from every count c; from N(*C), N(*BC) and n1, n2, n3 what then is no longer seen, or
 * less often; from all totals.  Counts being exact, so is this: P is that of the other documents'
 * counts, but for D1, D2, D3, which stay those of all.  With a min_count of 2, a count that was
 * left out is taken to be 1 where the document has the n-gram.
 *
 * With a min_count of 2, D(1) of its tables is 1: what was left out gives all to the shorter
 * context, and P still sums to 1.
 *
 * Threads: a model is shared, a run belongs to one thread.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_COUNTMODEL_H
#define GAPSCOPE_MODEL_COUNTS_COUNTMODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams.h"

enum count_order { COUNT_BIGRAM, COUNT_TRIGRAM, COUNT_SKIP, COUNT_ORACLE };

/* "2", "3", "skip", "oracle"; false: another word. */
bool count_order_parse(const char *word, enum count_order *out);
const char *count_order_name(enum count_order order);

/* Is P a distribution? */
static inline bool count_order_sums(enum count_order order)
{
    return order == COUNT_BIGRAM || order == COUNT_TRIGRAM;
}

struct countmodel {
    const struct ngrams *ngrams;
    enum count_order order;
    double discounts[NGRAMS_COFC][3]; // D1, D2, D3 of each set of counts-of-counts
    struct ngrams_context left;       // N(* .): what P1 stands on
};

/* ngrams outlive it.  It holds no memory. */
void countmodel_init(struct countmodel *m, const struct ngrams *ngrams, enum count_order order);

struct countmodel_ctx;

int countmodel_ctx_new(struct countmodel_ctx **out, const struct countmodel *m,
                       struct err *err);            // ERR_NOMEM
void countmodel_ctx_free(struct countmodel_ctx *r); // NULL is allowed

/* A window: before token i stand ids[0 ... i), and first before all. */
struct count_text {
    uint32_t first;
    const uint32_t *ids; // all below d_vocab
};

/* What is scored from now on is of the document first, ids[n], which is left out; NULL: nothing is.
 * Errors: ERR_NOMEM. */
int countmodel_ctx_document(struct countmodel_ctx *r, uint32_t first, const uint32_t *ids, size_t n,
                            struct err *err);

/* ln P of token i. */
double countmodel_ctx_score(const struct countmodel_ctx *r, const struct count_text *t, size_t i);

/* Of ids below d_vocab: P2(c|b), P3(c|a,b), Pd(c|a) at a distance of the kind 'skip',
 * Pa(c|a,b). For what is left out the order must be one that knows of it: COUNT_ORACLE does of
 * all.  >= 0, and never NaN; of a file that lies it may be more than 1.  countmodel_ctx_added() goes
 * through all that stands behind a and b: at most 2 d_vocab entries. */
double countmodel_ctx_p2(const struct countmodel_ctx *r, uint32_t b, uint32_t c);
double countmodel_ctx_p3(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c);
double countmodel_ctx_pd(const struct countmodel_ctx *r, unsigned skip, uint32_t a, uint32_t c);
double countmodel_ctx_added(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c);

/* p[d_vocab]: P of every token in place of token i.  Of :2 and :3 alone. */
void countmodel_ctx_look(const struct countmodel_ctx *r, const struct count_text *t, size_t i,
                         double *p);

#endif
