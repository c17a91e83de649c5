/*
 * circuits.h - what single heads do, from weights alone: OV and QK circuits, the direct path
 *
 * Every function gives values for all tokens of the vocabulary, so that a caller lists the greatest.
 * Raw and folded are those of folded.h; e[t] is what the heads of the layer read of token t, p[i] of
 * position i.
 *
 *     OV       e[s] W_V W_O W_U              what attending to token s adds to each logit
 *     direct   W_E[s] W_U                    what the token itself adds: bigrams
 *     QK       e[a] W_Q W_K^T e[b]           how much query token a looks for key token b
 *              and with p[i], p[j] in place of e[a], e[b]; times config_attn_scale()
 *
 * without biases, the norms' scales taken as 1 (Elhage et al., "A Mathematical Framework for
 * Transformer Circuits", 2021).  In layers behind the first they are those of the direct path from
 * the embedding; what other heads write comes on top.  Rotary positions turn queries and keys: there
 * QK without positions is the score that a token gives to one at its own place, and W_pos is absent.
 *
 * Threads: any; what is given is only read.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_CIRCUITS_H
#define GAPSCOPE_MODEL_EXPLAIN_CIRCUITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

struct circuits_head {
    size_t layer, index;
    bool folded;
};

/* out[d_vocab]: what attending to token s with this head, or the token itself by the direct path,
 * adds to the logits; folded less the vocabulary's mean.  Errors: ERR_NOMEM. */
int circuits_ov(const struct model *m, const struct circuits_head *h, uint32_t s, double *out,
                struct err *err);
int circuits_direct(const struct model *m, bool folded, uint32_t s, double *out, struct err *err);

/* out[d_vocab]: the attention score that query token a gives to each key token; of either, the
 * product of tokens without positions.  Errors: ERR_NOMEM. */
int circuits_keys(const struct model *m, const struct circuits_head *h, uint32_t a, double *out,
                  struct err *err);

/* out[d_vocab]: the score that query token a at position i gives to each token at position j <= i
 * where the residual stream is nothing but embeddings: W_E + W_pos behind ln1 in full, with all
 * biases, before the mask.  In the first layer it is the model's own.  Errors: ERR_NOMEM. */
int circuits_keys_at(const struct model *m, const struct circuits_head *h, uint32_t a, size_t i,
                     size_t j, double *out, struct err *err);

/* The four products of query (token a, position i) and key (token b, position j), the query's part
 * first: t a token, p a position.  Errors: ERR_NOMEM; ERR_UNSUPPORTED (rotary positions, which are no
 * term). */
struct circuits_terms {
    double tt, tp, pt, pp;
};
int circuits_terms(const struct model *m, const struct circuits_head *h, uint32_t a, size_t i,
                   uint32_t b, size_t j, struct circuits_terms *out, struct err *err);

/*
 * Where a head looks by positions alone: its attention in a window whose tokens are all the mean
 * of the vocabulary's embeddings, with ln1's scale that of the mean variance over the vocabulary,
 * its weights and all biases.  Means over queries i = 1..n-1 of the attention to i - 1, i and 0.
 */
struct circuits_positions {
    double previous, self, first;
    size_t distance; // i - j of the greatest mean attention among the queries that have such a j,
    double at_distance; // and that mean
};
int circuits_positions(const struct model *m, size_t layer, size_t head, size_t n,
                       struct circuits_positions *out, struct err *err);

/* sizes[d_vocab]: |e[s] W_V W_O|, folded as it is written, or |W_K W_Q^T e[a]|: how much a head
 * writes for a source, looks for anything as a query.  Errors: ERR_NOMEM. */
int circuits_source_sizes(const struct model *m, const struct circuits_head *h, double *sizes,
                          struct err *err);
int circuits_query_sizes(const struct model *m, const struct circuits_head *h, double *sizes,
                         struct err *err);

/* sizes[d_vocab]: |W_E[s]|, folded as it is written: how much the direct path says. */
int circuits_direct_sizes(const struct model *m, bool folded, double *sizes, struct err *err);

/* The n tokens of the greatest values[d_vocab] (least: of the least) into ids[n], the first the most
 * extreme, of equal ones the lower id; not those that leave_out[d_vocab] (NULL: none) names.
 * Returns how many there are. */
size_t circuits_extremes(const double *values, size_t d_vocab, bool least, const bool *leave_out,
                         uint32_t *ids, size_t n);

#endif
