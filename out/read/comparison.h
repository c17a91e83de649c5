/*
 * comparison.h - the distributions of a pair's models side by side: what tables compare... hold
 */
#ifndef GAPSCOPE_OUT_READ_COMPARISON_H
#define GAPSCOPE_OUT_READ_COMPARISON_H

#include "out/read/row.h"

struct comparison_row {
    struct text share, left_out; // left_out.null: the pair is compared
    int64_t docs, tokens, n_not_finite;
    double mean_kl, se_kl, share_same_top, se_same_top, mean_p_difference, se_p_difference;
};
extern const struct row_kind comparison_kind;

struct comparison_percentile {
    int64_t percentile;
    double lo, hi; // it is within these
};
extern const struct row_kind comparison_percentile_kind;

/* That of a kind of token, a domain, or a hypothesis. */
struct comparison_part {
    struct text name; // null: of documents without a domain
    int64_t docs, tokens;
    double mean_kl, se_kl, share_same_top, mean_p_difference;
};
extern const struct row_kind comparison_part_kind;

struct comparison {
    struct comparison_row row;
    bool any; // the run has compared distributions, or says why not: row is set
    struct comparison_percentile *percentiles; // [n_percentiles]
    struct comparison_part *kinds, *domains, *hypotheses;
    size_t n_percentiles, n_kinds, n_domains, n_hypotheses; // of parts: those of the greatest KL
};

/* Of a pair, with up to 'most' kinds of tokens, domains and hypotheses.  comparison_free() ends *c, {0} before, in any
 * case. */
int comparison_read(struct comparison *c, struct reader *r, int64_t pair, size_t most);
void comparison_free(struct comparison *c);

#endif
