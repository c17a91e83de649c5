/*
 * precision_check.h - how exactly each model scores: as asked for, where the corpus' first unit bears it
 * out
 *
 * Every precision promises how far off f32 its log-probs are.  The first unit is scored both ways;
 * where a model misses the promise, the next better precision is tried.  The outcome depends on
 * corpus, models, settings and kernels alone, so the parts of a run agree.
 */
#ifndef GAPSCOPE_SCAN_WORK_PRECISION_CHECK_H
#define GAPSCOPE_SCAN_WORK_PRECISION_CHECK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pass/engine.h"
#include "scan/load/layout.h"

/* "exact", "default", "fast" */
const char *precision_name(enum precision p);

/* NULL: 'none'.  Errors: ERR_USAGE. */
int precision_parse(enum precision *out, const char *text, enum precision none, struct err *err);

/* --kernels: the table of this name, NULL: the best.  Errors: ERR_USAGE (there is none, or this
 * machine cannot run it). */
int precision_kernels(const struct kern **out, const char *name, struct err *err);

/* A bound on the error, in nats: what a hit's choice counts on. */
double precision_epsilon(enum precision p);

#define PRECISION_TOKENS ((size_t)1 << 16)

/* What was seen of a model. */
struct precision_check {
    enum precision asked, used;
    uint64_t tokens; // compared; 0: none, and 'used' is as asked
    double mean, bias, p99,
        most; // of |error|, of the error (scored less f32), nats; those of 'used'
};

/*
 * Makes the engine of a model and checks it on the layout's windows (of a unit that is one very
 * long document, on evenly spaced ones of PRECISION_TOKENS tokens), with n_threads threads.  stop:
 * engine_score()'s; once it is set, the check says what was asked for.  Errors: ERR_NOMEM; *out is
 * then NULL.
 */
int precision_choose(struct engine **out, struct precision_check *check, const struct model *model,
                     const struct kern *kern, enum precision asked, const struct layout *layout,
                     size_t n_threads, const atomic_int *stop, struct err *err);

/* "used": the precision that text of precision_to_json() says; asked, where it says none. */
enum precision precision_from_json(const char *text, enum precision asked);

/* As text for 'meta', one JSON object; free() it.  NULL: no memory. */
char *precision_to_json(const struct precision_check *check);

#endif
