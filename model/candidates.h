/*
 * candidates.h - trigrams (A, B) -> C that bigrams and skip-bigrams do not explain
 *
 *     ngrams_open -> candidates_find -> items -> candidates_free
 *
 * What a neuron could be for, and an attention-only layer not: to see B behind A, where neither
 * alone says much.  P as in countmodel.h, nothing left out.  Of the trigrams of a file, in the
 * order of the funnel, each stage of what the stage before left:
 *
 *     frequent      c(A,B,C) >= rule.count; none of A, B, C is among 'never'
 *     predictable   P3(C|A,B) >= rule.high
 *     by_bigram     explained: P2(C|B) > rule.low
 *     by_skip       explained: Pd(C|A) > rule.low at a distance of any of the four kinds
 *     by_added      explained: Padded(C|A,B) > rule.low
 *     candidates    what is left
 *     kept          of them the rule.most of the greatest worth
 *
 * One bar for all three: whatever is simpler than the trigram may say at most rule.low.  Padded is
 * the bigram and the skip-bigram both, their logits added, as a layer of attention adds what B and
 * A write; so a trigram of which A and B each give a part is not taken for one that needs both.  It
 * is the sum as the counts have it, of weight 1 each: not the best that could be fitted.
 *
 *     worth = c(A,B,C) ln(P3 / max(P2, Pd, Padded))
 *
 * nats that the trigram wins over what explains it best, all its places together, rounded to a
 * whole number of 2^-20.  Order: worth descending, then (a, b, c) ascending.  That is total, and
 * all before it is of counts alone: the same counts give the same candidates, however they were
 * made.
 *
 * Fillers stand in for A, or for B, in minimal pairs: tokens about as frequent that are not known
 * to say C, too.  All tokens with a count that are none of A, B, C, nor never, stand in the order
 * of (count, id); from A's place among them outwards the one whose count is nearer in ratio comes
 * first, of two equally near the one below.  Of the first 64 those qualify of which (filler, B, C),
 * or (A, filler, C), is not in the file; the CANDIDATE_FILLERS with the least hash of (a, b, c,
 * which, filler) are taken, least first.  Where fewer qualify, it is the first 128, ... 1024, and
 * then what there is.
 *
 * Files with a min_count of 2: a filler's trigram may have been seen once.
 *
 * Memory: rule.most candidates at most, and 13 bytes a word.
 *
 * Threads: nothing is shared but the open file.
 */
#ifndef GAPSCOPE_MODEL_CANDIDATES_H
#define GAPSCOPE_MODEL_CANDIDATES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ngrams.h"
#include "scan/base/err.h"

#define CANDIDATE_FILLERS 8

struct candidates_rule {
    uint64_t count; // at least 2
    double high;    // 0 <= low < high <= 1
    double low;
    size_t most;
};

struct candidate {
    uint32_t a, b, c;
    uint64_t count;    // of (A, B, C)
    uint64_t count_ab; // of (A, B), followed by something
    uint64_t count_bc;
    uint64_t count_b; // of B, followed by something
    uint64_t count_c;
    double p, p_bigram, p_skip[NGRAMS_SKIPS], p_added; // in [0, 1]
    double worth;                                      // nats
    uint32_t n_fillers[2];                             // for A, for B
    uint32_t fillers[2][CANDIDATE_FILLERS];
};

struct candidates {
    struct candidate *items; // [n] in their order
    size_t n;
    struct candidates_funnel {
        uint64_t trigrams; // entries of the table
        uint64_t frequent, predictable, by_bigram, by_skip, by_added, candidates, kept;
    } funnel;
};

/* never[n_never]: ids that no candidate and no filler has, as BOS and EOS; those that the
 * vocabulary has not are no error.  stop (or NULL) is looked at every few milliseconds: once it is
 * not 0, what *out holds is worth nothing.  Errors: ERR_USAGE (a rule out of range), ERR_NOMEM,
 * ERR_FORMAT (the table of trigrams cannot be read to its end); *out is then empty. */
int candidates_find(struct candidates *out, const struct ngrams *n,
                    const struct candidates_rule *rule, const uint32_t *never, size_t n_never,
                    const atomic_int *stop, struct err *err);

void candidates_free(struct candidates *c); // empty is allowed

#endif
