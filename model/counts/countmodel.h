/*
 * countmodel.h - counts as models: ln P of every token of a document, given the tokens before it
 *
 *     ngrams_open -> countmodel_init (shared) -> countmodel_ctx_new (a thread)
 *       -> countmodel_ctx_document, countmodel_ctx_score, countmodel_ctx_look -> ...
 *
 * The models are modified, interpolated Kneser-Ney (Chen and Goodman 1999, section 3).  'total'
 * tokens follow a context; a token seen c times among them gives D(c) of its count to the shorter
 * context,
 *
 *     step(c; context, lower) = (c - D(c) + (D1 n1 + D2 n2 + D3 n3) lower) / total
 *
 * where n1, n2, n3 are the numbers of different tokens behind the context that were seen once,
 * twice and more often, and D(1), D(2), D(3 or more) follow from how many n-grams in all were seen
 * 1, 2, 3, 4 times.  N(*x) is the number of different tokens before x:
 *
 *     P1(C)      = step(N(*C);   N(* .),   1 / d_vocab)
 *     P2(C|B)    = step(c(B,C);  (B, .),   P1(C))                    :2
 *     P3(C|A,B)  = step(c(A,B,C); (A, B, .), step(N(*BC); N(*B .), P1(C)))     :3
 *     Pd(C|A)    = step(cd(A,C); (A, . at d), P0(C)),  P0(C) = (c(C) + 1) / (tokens + d_vocab)
 *
 * Behind a context that was never seen, P is that of the shorter context.  If only one token is
 * before C (BOS, or the first id of a window), P3 is P2.  The context does not go beyond the
 * window.
 *
 * :skip is the greatest of P2 and Pd, d = 2 ... 16, and :oracle the greatest of these and P3, *for
 * the true token*.  They choose with hindsight, so they are not distributions (they sum to more
 * than 1) but bounds on what a mixture of such predictors could give.
 *
 * Pa combines what A and B say when neither knows of the other.  It is a product of experts, that
 * is, a sum of logits:
 *
 *     Pa(C|A,B) = P2(C|B) Pd(C|A) / P0(C), d = 2, divided by its sum over all C
 *
 * By Bayes' rule this is P(C|A,B) if A and B are independent given C.  The divisor is then how
 * often C occurs at all: that is P0, to which Pd backs off, and not P1, which counts the different
 * tokens before C.
 *
 * Leave one out.  If a document is itself in the counts, everything that it added is taken away:
 * its own n-grams from every count c and from all totals, and from N(*C), N(*BC) and n1, n2, n3
 * whatever is then no longer seen, or seen less often.  Since counts are exact, this is exact: P is
 * that of the other documents' counts, except that D1, D2, D3 stay those of all documents.  With a
 * min_count of 2, a count that the file leaves out is taken as 1 if the document has the n-gram.
 *
 * With a min_count of 2, D(1) of the file's tables is 1: n-grams left out give all of their count
 * to the shorter context, and P still sums to 1.
 *
 * Threads: a model is shared, a ctx belongs to one thread.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_COUNTMODEL_H
#define GAPSCOPE_MODEL_COUNTS_COUNTMODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams.h"

enum count_order { COUNT_BIGRAM, COUNT_TRIGRAM, COUNT_SKIP, COUNT_ORACLE };

/* Reads "2", "3", "skip" or "oracle"; false: another word. */
bool count_order_parse(const char *word, enum count_order *out);
const char *count_order_name(enum count_order order);

/* Whether P is a distribution. */
static inline bool count_order_sums(enum count_order order)
{
    return order == COUNT_BIGRAM || order == COUNT_TRIGRAM;
}

struct countmodel {
    const struct ngrams *ngrams;
    enum count_order order;
    double discounts[NGRAMS_COFC][3]; // D1, D2, D3 of each set of counts-of-counts
    struct ngrams_context left;       // N(* .), the context of P1
};

/* ngrams must outlive the model, which holds no memory of its own. */
void countmodel_init(struct countmodel *m, const struct ngrams *ngrams, enum count_order order);

struct countmodel_ctx;

int countmodel_ctx_new(struct countmodel_ctx **out, const struct countmodel *m,
                       struct err *err);            // ERR_NOMEM
void countmodel_ctx_free(struct countmodel_ctx *r); // NULL is allowed

/* A window: 'first' and ids[0 ... i) come before token i. */
struct count_text {
    uint32_t first;
    const uint32_t *ids; // all below d_vocab
};

/* From now on leaves out the document first, ids[n], to which the scored windows belong; NULL:
 * leaves nothing out.  Errors: ERR_NOMEM. */
int countmodel_ctx_document(struct countmodel_ctx *r, uint32_t first, const uint32_t *ids, size_t n,
                            struct err *err);

/* ln P of token i. */
double countmodel_ctx_score(const struct countmodel_ctx *r, const struct count_text *t, size_t i);

/* ln P of another id, below d_vocab, in place of token i.  Only for :2 and :3. */
double countmodel_ctx_score_id(const struct countmodel_ctx *r, const struct count_text *t, size_t i,
                               uint32_t id);

/* P2(c|b), P3(c|a,b), Pd(c|a) at a distance of the kind 'skip', and Pa(c|a,b), for ids below
 * d_vocab.  If a document is left out, the ctx's order must include this P; COUNT_ORACLE includes
 * all.  The result is >= 0 and never NaN; with a corrupt file it may be more than 1.
 * countmodel_ctx_added() goes through all tokens behind a and b: at most 2 d_vocab entries. */
double countmodel_ctx_p2(const struct countmodel_ctx *r, uint32_t b, uint32_t c);
double countmodel_ctx_p3(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c);
double countmodel_ctx_pd(const struct countmodel_ctx *r, unsigned skip, uint32_t a, uint32_t c);
double countmodel_ctx_added(const struct countmodel_ctx *r, uint32_t a, uint32_t b, uint32_t c);

/* p[d_vocab] becomes P of every token in place of token i.  Only for :2 and :3. */
void countmodel_ctx_look(const struct countmodel_ctx *r, const struct count_text *t, size_t i,
                         double *p);

#endif
