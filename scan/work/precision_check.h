/*
 * precision_check.h - the precision in which each model scores: the one asked for, if the corpus'
 * first unit confirms its promise
 *
 * The first unit is scored in the precision and in f32; where a model's errors exceed the promise
 * (model/pass/precision.h), the next better precision is used.  The outcome depends on corpus,
 * models, settings and kernels alone, so the parts of a run agree.
 */
#ifndef GAPSCOPE_SCAN_WORK_PRECISION_CHECK_H
#define GAPSCOPE_SCAN_WORK_PRECISION_CHECK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pass/engine.h"
#include "model/pass/precision.h"
#include "scan/load/layout.h"

// Their errors say enough of a unit of 65,536: PRECISION_CHECK_TOKENS of them, and an eighth of the
// time that f32 takes for all.
#define PRECISION_CHECK_TOKENS ((size_t)1 << 13)

/* The check of a model, in the precision that is used. */
struct precision_check {
    enum precision asked, used;
    uint64_t tokens;        // compared; 0: none, and 'used' is as asked
    double mean, p99, most; // of |error|, nats
    double bias;            // mean of the error, scored less f32, nats
};

/*
 * Makes the engine of a model and checks it on evenly spaced windows of the layout with n_threads
 * threads, on about PRECISION_CHECK_TOKENS tokens in all.  'stop' is
 * engine_score()'s; once it is set, the result is the precision asked for.  Errors: ERR_NOMEM; *out
 * is then NULL.
 */
int precision_check_choose(struct engine **out, struct precision_check *check,
                           const struct model *model, const struct kern *kern, enum precision asked,
                           const struct layout *layout, size_t n_threads, const atomic_int *stop,
                           struct err *err);

/* The precision that 'text', of precision_check_to_json(), names as used; 'asked' if it names none.
 * */
enum precision precision_check_from_json(const char *text, enum precision asked);

/* The check as text for 'meta', one JSON object; free() it.  NULL: no memory. */
char *precision_check_to_json(const struct precision_check *check);

#endif
