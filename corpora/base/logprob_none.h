/*
 * logprob_none.h - a log-prob of which a model says nothing
 *
 * A changed model says nothing of a token where it has no window to resample from, or where its
 * document is not in its share.  Such a log-prob is a NaN of its own, which is kept apart from the
 * NaN of a model whose numbers overflow: nothing counts it.
 */
#ifndef GAPSCOPE_CORPORA_BASE_LOGPROB_NONE_H
#define GAPSCOPE_CORPORA_BASE_LOGPROB_NONE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// A quiet NaN; its low bits are those of "none".
#define LOGPROB_NONE_BITS UINT64_C(0x7ff800006e6f6e65)

static inline double logprob_none(void)
{
    const uint64_t bits = LOGPROB_NONE_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline bool logprob_is_none(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == LOGPROB_NONE_BITS;
}

#endif
