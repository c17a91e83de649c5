/*
 * candidates.h - trigrams (A, B) -> C that bigrams and skip-bigrams do not explain
 *
 *     ngrams_open -> candidates_find -> items -> candidates_free
 *
 * Where a neuron is called for that sees B behind A, since neither says much alone.  P as in
 * countmodel.h, nothing left out.  All trigrams of a file go through these stages:
 *
 *     frequent      c(A,B,C) >= rule.count; none of A, B, C is among 'never'
 *     predictable   of these, P3(C|A,B) >= rule.high
 *     by_bigram     explained, of these: P2(C|B) > rule.low
 *     by_skip       of the rest: Pd(C|A) > rule.low, at one of the four kinds of distance
 *     by_added      of the rest: Pa(C|A,B) > rule.low
 *     candidates    what is left
 *     kept          of these the rule.most that are worth most
 *
 * One bar for all three: nothing simpler than the trigram gives C more than rule.low.  Pa is the
 * bigram and the skip-bigram together, their logits added as attention adds what it reads of A to
 * what it knows of B; so a trigram to which A and B give a part each is not taken for one that
 * needs both at once.  A softer bar, as Pa > P3 / 2, would call unexplained what adding nearly
 * says: of the demo's corpus, of 1835 that no single one explains (rule 10, 0.5, 0.1), Pa > 0.1
 * takes away 1460, Pa > P3 / 2 takes 780, Pa >= 0.5 takes 602; 228 it says better than P3 does.  It
 * is the sum that the counts give, each of weight 1: not the best that could be fitted.
 *
 *     worth = c(A,B,C) ln(P3 / max(P2, Pd, Pa))
 *
 * in nats: what the trigram wins over the best of the others, all its places together; rounded to a
 * whole number of 2^-20.  Order: worth descending, then (a, b, c) ascending.  It is total, and all
 * of it depends on the counts alone, not on how they were made.
 *
 * Fillers stand in for A, or for B, in minimal pairs: tokens about as frequent that do not say C,
 * too.  Tokens that are counted and are none of A, B, C nor never stand in the order of (count,
 * id). From A's place among them outwards, that comes first whose count is nearer in ratio; of two
 * as near, the one below.  Of the first 64 those qualify of which (filler, B, C), or (A, filler,
 * C), is not in the file; the CANDIDATE_FILLERS with the least hash of (a, b, c, A or B, filler)
 * are taken, least first: a sample.  Where fewer qualify it is the first 128, 256, ... 1024, and
 * then what there is.  In a file with a min_count of 2, a filler's trigram may have been seen once.
 *
 * Time: of a file of 89.6 million tokens (vocabulary 50 k, 7.0 million trigrams of which 608 000
 * are frequent; rule 10, 0.5, 0.1), 3.4 s on one core at 2.6 GHz, nine tenths of it for the Pa of
 * 48 000; of the demo's 1.1 million, 0.06 s (tests/bench/bench_candidates.c).  Memory: rule.most
 * candidates, 17 bytes a word.
 *
 * Threads: nothing is shared but the open file, which is only read.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_CANDIDATES_H
#define GAPSCOPE_MODEL_COUNTS_CANDIDATES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams.h"

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
