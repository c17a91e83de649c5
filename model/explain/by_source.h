/*
 * by_source.h - direct logit attribution of a head, split by the positions that it comes from
 *
 * A head's output at position p is a sum over source positions j of P[p,j] v[j] W_O, v with its bias
 * b_V.  With the final norm's scale held fixed, each adds its part to a token's logit less the
 * vocabulary's mean, or to the difference of two tokens' logits; the parts sum to the head's component
 * of attribution.h.
 *
 * Threads: any; what is given is only read.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_BY_SOURCE_H
#define GAPSCOPE_MODEL_EXPLAIN_BY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

#define BY_SOURCE_MEAN UINT32_MAX // in place of 'other': the mean over the vocabulary

/* A head at position 'at' of a window, and the tokens whose logits are looked at after it. */
struct by_source {
    const uint32_t *ids; // [n], n <= n_ctx, each below d_vocab
    size_t n;
    size_t layer, head, at; // at < n
    uint32_t token, other;  // logit(token) less logit(other), or less the mean of all
};

/* parts[at + 1]; attention[at + 1] (or NULL) becomes P[at,j].  Errors: ERR_NOMEM. */
int by_source_find(const struct model *m, const struct by_source *s, double *parts,
                   double *attention, struct err *err);

#endif
