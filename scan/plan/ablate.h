/*
 * ablate.h - scan --ablate: a changed model for each component, and its pair changed:whole
 *
 *     ablate_expand (the lineup grows) -> ablate_describe (models and pairs of the run)
 */
#ifndef GAPSCOPE_SCAN_PLAN_ABLATE_H
#define GAPSCOPE_SCAN_PLAN_ABLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

#define ABLATE_HITS 20 // kept of a pair and side, where nothing else is asked for

/* The options as they were given; NULL: not given. */
struct ablate_options {
    struct arg_list what;                 // "heads", "MODEL:mlps", ...
    const char *verb, *share, *reference; // reference: a text for means
    size_t hits;
    bool depth; // --depth, which has the same share
};

// clang-format off

/* Rows in a command's table, and their group. */
#define ABLATE_ARGS(options)                                                                       \
    ARGS_GROUP("changed models"),                                                                  \
    {"ablate", 0, ARG_LIST, &(options)->what, "[M:]heads|mlps|all",                                \
     "also M, or each model, with one head or MLP after the other\n"                               \
     "replaced: what is lost without it"},                                                         \
    {"ablation", 0, ARG_STRING, &(options)->verb, "zero|mean|resample",                            \
     "replaced by zero (if not given), by its mean, or by its\n"                                   \
     "value in another window"},                                                                   \
    {"ablate-share", 0, ARG_STRING, &(options)->share, "a/b|auto",                                 \
     "on a/b of the documents; auto (if not given): so many that\n"                                \
     "it takes about as long as the rest"},                                                        \
    {"ablate-hits", 0, ARG_SIZE, &(options)->hits, "N",                                            \
     "places kept per component where it helps or hurts most, 20\n"                                \
     "if not given"},                                                                              \
    {"reference", 0, ARG_STRING, &(options)->reference, "FILE",                                    \
     "the text whose means replace values; the corpus' first unit\n"                               \
     "if not given"}

// clang-format on

/* What is made of them. */
struct ablate {
    size_t n_named;    // models of the lineup before it grew
    size_t *whole;     // [lineup->n - n_named] whose components they are
    uint32_t take, of; // their share of the documents; 0, 0: all
    size_t hits;
};

/*
 * Appends the changed models to the lineup.  bytes: the corpus' size.  *out, {0} before, is ended by
 * ablate_free() in any case.
 *
 * The share is also that of --depth, with or without changed models.  auto is the largest 1/2^k that takes no longer than the scan without ablation, both
 * judged by the models' sizes, but no k by which less than 1 MiB of the corpus' bytes is left: so it
 * is the same in all parts of a run.
 *
 * Errors: ERR_USAGE (no such model, component, verb, share; nothing to ablate; one option without
 * --ablate), ERR_NOMEM.
 */
int ablate_expand(struct ablate *out, struct lineup *l, const struct ablate_options *o,
                  uint64_t bytes, struct err *err);
void ablate_free(struct ablate *a); // {0} is allowed

/* Marks the run's models, and appends the pairs.  Errors: ERR_USAGE (too many), ERR_NOMEM. */
int ablate_describe(const struct ablate *a, struct run *run, struct err *err);

#endif
