/*
 * compare_token.h - all logits of two models at one token
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_TOKEN_H
#define GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_TOKEN_H

#include "out/results/compare/compare.h"

/* What is needed of a model's logits x[n] beside them. */
struct compare_logits {
    const float *x;    // [n], or log-probs
    const float *exps; // [n] exp(x - most)
    float most;
    uint32_t top; // the least id that has it
    double sum;   // of exps
};

/* Fills *out and its exps[n], which the caller gives; n > 0.  Logits that are not finite give sums
 * that are not. */
void compare_logits_of(struct compare_logits *out, const float *x, size_t n, float *exps);

/* The token whose true id is 'id', of which both models have n logits.  other->exps is not read. */
struct compare_value compare_token(const struct compare_logits *base,
                                   const struct compare_logits *other, size_t n, uint32_t id);

#endif
