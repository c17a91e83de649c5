#include "model/pass/logprob.h"

#include <math.h>
#include <stdbool.h>

double logprob_log_sum_exp(const float *logits, size_t n)
{
    float max = logits[0];
    for (size_t i = 1; i < n; i++) {
        max = logits[i] > max ? logits[i] : max;
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += exp((double)logits[i] - (double)max);
    }
    return (double)max + log(sum);
}

double logprob_entropy(const float *logits, size_t n, double log_sum_exp)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double logprob = (double)logits[i] - log_sum_exp;
        sum -= exp(logprob) * logprob;
    }
    return sum;
}

/* Whether id a comes before id b. */
static bool before(const float *logits, uint32_t a, uint32_t b)
{
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
}

static void swap(uint32_t *a, uint32_t *b)
{
    const uint32_t old = *a;
    *a = *b;
    *b = old;
}

/* Restores heap[0..n), whose root is the last in order, from 'at' downwards. */
static void sift_down(const float *logits, uint32_t *heap, size_t n, size_t at)
{
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++) {
            if (before(logits, heap[last], heap[child])) {
                last = child;
            }
        }
        if (last == at) {
            return;
        }
        swap(&heap[at], &heap[last]);
        at = last;
    }
}

size_t logprob_top(const float *logits, size_t n, size_t k, uint32_t *top)
{
    k = k < n ? k : n;
    if (k == 0) {
        return 0;
    }
    for (size_t i = 0; i < k; i++) {
        top[i] = (uint32_t)i;
    }
    for (size_t i = k / 2; i-- > 0;) {
        sift_down(logits, top, k, i);
    }
    for (size_t i = k; i < n; i++) {
        if (before(logits, (uint32_t)i, top[0])) {
            top[0] = (uint32_t)i;
            sift_down(logits, top, k, 0);
        }
    }
    for (size_t i = k; i-- > 1;) { // heap sort: the last in order goes to the end
        swap(&top[0], &top[i]);
        sift_down(logits, top, i, 0);
    }
    return k;
}
