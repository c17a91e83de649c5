/*
 * skip_choice.h - the options of a scan for skip-trigrams, and what a run is asked for by them
 *
 * The skip-trigrams themselves are found before the first unit (scan/work/choose_skips.h).  The
 * rule is part of a run's settings.
 */
#ifndef GAPSCOPE_SCAN_PLAN_SKIP_CHOICE_H
#define GAPSCOPE_SCAN_PLAN_SKIP_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/explain/skips.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

struct skip_choice_options {
    bool skips, copies;
    const char *rule; // --skip-rule
};

// clang-format off

/* Their rows in a command's table. */
#define SKIP_CHOICE_ARGS(options)                                                                  \
    {"skips", 0, ARG_FLAG, &(options)->skips, NULL,                                                \
     "look for skip-trigrams A ... B -> C of the first base, which\n"                             \
     "must be attention-only, and for bugs where two cross"},                                      \
    {"skip-rule", 0, ARG_STRING, &(options)->rule, "RULE",                                         \
     "any of most=500,window=64,frequent=1e-6: the 'most'\n"                                       \
     "strongest in a window of so many tokens, of tokens that\n"                                   \
     "make at least 'frequent' of the counts, else of the first\nunit"},                           \
    {"skip-copies", 0, ARG_FLAG, &(options)->copies, NULL,                                         \
     "also skip-trigrams whose C is A itself"}

// clang-format on

struct skip_choice {
    bool given;
    uint32_t base; // model of the run
    struct skips_rule rule;
};

/* Parses "most=100,window=32", and adds what is not named: window 64, or the n_ctx where it is
 * less.  Errors: ERR_USAGE. */
int skip_choice_rule_parse(struct skips_rule *out, const char *text, size_t n_ctx, struct err *err);

/*
 * Joins a shape to the results of a run, which has its models and pairs, where --skips is given,
 * and says on standard error whose heads they are if the base has more layers.
 * Errors: ERR_USAGE (an option without --skips; a rule; a base that is counts, changed, or has an
 * MLP), ERR_NOMEM.
 */
int skip_choice_describe(struct skip_choice *out, struct results *results, const struct run *run,
                         const struct skip_choice_options *o, const struct lineup *l,
                         struct err *err);

/* Appends the rule to the run's settings, if there is one. */
void skip_choice_json(struct jsonout *j, const struct skip_choice *c);

#endif
