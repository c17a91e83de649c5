/*
 * precision.h - the precisions of a forward pass: their names, and how far off f32 each may be
 *
 *     exact     f32 throughout
 *     default   every log-prob within 0.001 nats
 *     fast      0.002 nats on average, 0.01 for 99 % of tokens, 0.05 at most
 */
#ifndef GAPSCOPE_MODEL_PASS_PRECISION_H
#define GAPSCOPE_MODEL_PASS_PRECISION_H

#include "corpora/base/err.h"
#include "model/kernels/kern.h"

/* exact: f32 throughout, the reference.
 * default: f32 layers, s16 unembedding; what has p > 0.01 in f32.
 * fast: s16 layers, rotated s8 unembedding; what has p > 0.003 in f32. */
enum precision { PRECISION_EXACT, PRECISION_DEFAULT, PRECISION_FAST };

/* What a precision promises: bounds of |error| of log-probs against f32, in nats. */
struct precision_promise {
    double mean, p99, most;
};

/* "exact", "default", "fast" */
const char *precision_name(enum precision p);

struct precision_promise precision_promise(enum precision p);

/* The bound on the error of every log-prob, in nats: the choice of hits relies on it. */
double precision_epsilon(enum precision p);

/* The precision of this name, as --precision gives it; NULL: 'none'.  Errors: ERR_USAGE. */
int precision_parse(enum precision *out, const char *text, enum precision none, struct err *err);

/* The table of kernels of this name, as --kernels gives it; NULL: the best.  Errors: ERR_USAGE
 * (unknown, or this machine cannot run it). */
int precision_kernels(const struct kern **out, const char *name, struct err *err);

#endif
