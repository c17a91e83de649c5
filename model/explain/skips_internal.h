/*
 * skips_internal.h - what the files of skips share
 *
 *     skips.c        looks at all pairs of tokens, and chooses
 *     skips_head.c   a head's queries, keys and what it writes, of all tokens
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_SKIPS_INTERNAL_H
#define GAPSCOPE_MODEL_EXPLAIN_SKIPS_INTERNAL_H

#include "model/explain/skips.h"
#include "model/pass/product.h"

/* Tokens that stand in the text, ascending, and those of them that may be A, B or C. */
struct skips_tokens {
    uint32_t *ids;   // [n]
    float *ln_share; // [n]
    size_t n;
    uint32_t *frequent; // [n_frequent] indices of ids
    size_t n_frequent;
};

/* What heads read, of all tokens. */
struct skips_reads {
    const struct engine *engine;
    const struct skips_tokens *tokens;
    double scale; // of the final norm
    float *x;     // [n + 1][d_model] behind the first norm; the last is BOS
    float *pos;   // [2][d_model] added for queries and keys: of tokens, of BOS
    bool bos;     // there is one
    size_t d_model, d_head;
};

/* One head. */
struct skips_head {
    float *q; // [n_frequent][d_head] times the scale of scores
    float *k; // [n + 1][d_head]; the last is BOS
    float *v; // [n_frequent][d_head] without b_V
    float *u; // [d_head][n_frequent] logits that each direction of v writes, less their mean
};

/* *out is {0} before; skips_reads_free() ends it in any case.  Errors: ERR_NOMEM, as below. */
int skips_reads_new(struct skips_reads *out, const struct engine *e, const struct skips_tokens *t,
                    const struct skips_rule *rule, const struct skips_text *text, struct err *err);
void skips_reads_free(struct skips_reads *r);

/* Room for a head; *out is {0} before, skips_head_free() ends it in any case. */
int skips_head_new(struct skips_head *out, const struct skips_reads *r, struct err *err);
void skips_head_free(struct skips_head *h);

/* Computes head 'head' of layer 0. */
int skips_head_make(struct skips_head *h, const struct skips_reads *r, size_t head,
                    struct err *err);

#endif
