/*
 * logprob.h - from a row of logits to log-probs, entropy and the most likely tokens
 *
 * Log-probs are natural logarithms of the softmax over all d_vocab logits, in nats.  Sums are in
 * f64, so that the error of a result is that of its logits.
 */
#ifndef GAPSCOPE_MODEL_PASS_LOGPROB_H
#define GAPSCOPE_MODEL_PASS_LOGPROB_H

#include <stddef.h>
#include <stdint.h>

/* ln sum exp(logits[0..n)), n > 0.  ln P(token) is logits[token] - this. */
double logprob_log_sum_exp(const float *logits, size_t n);

/* -sum p ln p of the softmax, in nats; log_sum_exp as above. */
double logprob_entropy(const float *logits, size_t n, double log_sum_exp);

/* The k most likely ids, most likely first, of equal logits the lower id first, into top[k].
 * Returns how many: the lesser of k and n. */
size_t logprob_top(const float *logits, size_t n, size_t k, uint32_t *top);

#endif
