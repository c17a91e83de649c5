/*
 * logprob.h - log-probs, entropy and the most likely tokens of a row of logits
 *
 * Log-probs are natural logarithms of the softmax over all d_vocab logits, in nats.  Sums are in
 * f64, so that the only error of a result is that of its logits.
 */
#ifndef GAPSCOPE_MODEL_PASS_LOGPROB_H
#define GAPSCOPE_MODEL_PASS_LOGPROB_H

#include <stddef.h>
#include <stdint.h>

/* ln sum exp(logits[0..n)), n > 0.  ln P(token) is logits[token] minus this. */
double logprob_log_sum_exp(const float *logits, size_t n);

/* -sum p ln p of the softmax, in nats; log_sum_exp as above. */
double logprob_entropy(const float *logits, size_t n, double log_sum_exp);

/* Puts the k most likely ids into top[k], most likely first, and the lower id first if logits are
 * equal.  Returns their number, which is the lesser of k and n. */
size_t logprob_top(const float *logits, size_t n, size_t k, uint32_t *top);

#endif
