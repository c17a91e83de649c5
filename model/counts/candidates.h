/*
 * candidates.h - trigrams (A, B) -> C that bigrams and skip-bigrams do not explain
 *
 *     ngrams_open -> candidates_find -> items -> candidates_free
 *
 * A model may need a neuron for them that sees B behind A, since neither predicts much alone.  P is
 * that of countmodel.h without leaving anything out.  All trigrams of a file go through these
 * stages:
 *
 *     frequent      c(A,B,C) >= rule.count, and none of A, B, C is in 'never'
 *     predictable   frequent, and P3(C|A,B) >= rule.high
 *     by_bigram     predictable, but explained by the bigram: P2(C|B) > rule.low
 *     by_skip       not by_bigram, but Pd(C|A) > rule.low at one of the four kinds of distance
 *     by_added      neither of these, but Pa(C|A,B) > rule.low
 *     candidates    predictable, and none of these three
 *     kept          the rule.most candidates with the greatest worth
 *
 * The bar is the same for all three: nothing simpler than the trigram gives C more than rule.low.
 * Pa is the bigram and the skip-bigram together: their logits are added, as attention adds what it
 * reads of A to what it knows of B.  So a trigram to which A and B each contribute a part is not
 * mistaken for one that needs both at once.  A softer bar, such as Pa > P3 / 2, would call trigrams
 * unexplained that the sum nearly predicts.  In the demo's corpus 1835 trigrams are explained by
 * neither alone (rule 10, 0.5, 0.1): Pa > 0.1 removes 1460 of them, Pa > P3 / 2 removes 780,
 * Pa >= 0.5 removes 602; 228 have Pa > P3.  Pa is the sum that the counts give, each with weight 1,
 * not the best sum that could be fitted.
 *
 *     worth = c(A,B,C) ln(P3 / max(P2, Pd, Pa))
 *
 * in nats: what the trigram gains over the best of the others at all its places together, rounded
 * to a multiple of 2^-20.  The order is worth descending, then (a, b, c) ascending.  It is total
 * and depends on the counts alone, not on how they were made.
 *
 * Fillers replace A, or B, in minimal pairs: tokens of similar frequency that do not predict C.
 * All tokens that are counted and are not A, B, C or in 'never' are sorted by (count, id).  The
 * search goes outwards from A's place: the token whose count is nearer in ratio comes first, and of
 * two equally near ones the lower.  Of the first 64, those qualify whose (filler, B, C), or (A,
 * filler, C), is not in the file.  The CANDIDATE_FILLERS with the lowest hash of (a, b, c, A or B,
 * filler) are taken in ascending order of hash, which makes them a sample.  If fewer qualify, the
 * first 128, 256, ... 1024 are searched, and then all that qualify are taken.  In a file with a
 * min_count of 2, a filler's trigram may have been seen once.
 *
 * Time: a file of 89.6 million tokens (vocabulary 50 k, 7.0 million trigrams of which 608 000 are
 * frequent; rule 10, 0.5, 0.1) takes 3.4 s on one core at 2.6 GHz, nine tenths of it for the Pa of
 * 48 000 trigrams; the demo's 1.1 million tokens take 0.06 s (tests/bench/bench_candidates.c).
 * Memory: rule.most candidates, and 17 bytes per word.
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

/* never[n_never]: ids that no candidate and no filler may have, such as BOS and EOS; ids outside
 * the vocabulary are allowed.  stop (or NULL) is checked every few milliseconds: once it is not 0,
 * the contents of *out are useless.  Errors: ERR_USAGE (a rule out of range), ERR_NOMEM, ERR_FORMAT
 * (the table of trigrams cannot be read to its end); *out is then empty. */
int candidates_find(struct candidates *out, const struct ngrams *n,
                    const struct candidates_rule *rule, const uint32_t *never, size_t n_never,
                    const atomic_int *stop, struct err *err);

void candidates_free(struct candidates *c); // empty is allowed

#endif
