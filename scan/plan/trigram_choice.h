/*
 * trigram_choice.h - the trigrams of a scan: chosen from counts before it begins
 *
 * The choice is part of a run's identity: its settings hold the hash of the counts and the rule.
 */
#ifndef GAPSCOPE_SCAN_PLAN_TRIGRAM_CHOICE_H
#define GAPSCOPE_SCAN_PLAN_TRIGRAM_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/candidates.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

struct trigram_choice_options {
    const char *counts; // --trigrams FILE.ngrams; NULL: none are looked for
    const char *rule;   // --trigram-rule
};

// clang-format off

/* Their rows in a command's table. */
#define TRIGRAM_CHOICE_ARGS(options)                                                               \
    {"trigrams", 0, ARG_STRING, &(options)->counts, "FILE.ngrams",                                 \
     "look for trigrams (A, B) -> C of these counts that neither a\nbigram nor a skip-bigram "     \
     "explains, and for their neurons"},                                                           \
    {"trigram-rule", 0, ARG_STRING, &(options)->rule, "RULE",                                      \
     "which, any of count=10,high=0.5,low=0.1,gap=0.5,most=500,\n"                                 \
     "test=100: seen 'count' times or more; P(C|A,B) at least\n"                                   \
     "'high'; P(C|B), P(C|A ...) and both added at most 'low';\n"                                  \
     "'most' of them.  On the models 'test' of those whose mean\n"                                 \
     "gap is at least 'gap' are tested"}

// clang-format on

struct trigram_choice_rule {
    struct candidates_rule counts;
    double gap;  // nats: only trigrams with at least this mean gap of the first pair are tested
    size_t test; // at most this many are tested
};

/* A trigram must occur in this many documents to beat the base and be tested. */
#define TRIGRAM_CHOICE_DOCS 2

struct trigram_choice {
    struct trigram_choice_rule rule;
    char *settings; // JSON: all that the choice depends on; NULL: no trigrams are looked for
    char *meta;     // JSON, for people: file, rule, funnel, thresholds of the trials
    struct candidates_funnel funnel;
};

/* Parses "count=10,low=0.1".  A value that is not named is the default of --trigram-rule's help; so
 * are all for NULL.  Errors: ERR_USAGE. */
int trigram_choice_rule_parse(struct trigram_choice_rule *out, const char *text, struct err *err);

/* The rule of a run, from its settings.  Errors: ERR_FORMAT. */
int trigram_choice_rule_of(struct trigram_choice_rule *out, const struct run *run, struct err *err);

/*
 * Joins the trigrams (none where none is left) to the run's results, and fills *out, {0} before,
 * which trigram_choice_free() ends; the run has its models, with sites, and its pairs.
 * skips_special: no trigram has a special token (BOS and EOS are in none anyway).
 * Errors: ERR_USAGE, ngrams_open()'s, ERR_MISMATCH (counts of a part, or of another tokenizer),
 * candidates_find()'s, trigrams_shape_of()'s.
 */
int trigram_choice_describe(struct trigram_choice *out, struct results *results,
                            const struct run *run, const struct trigram_choice_options *o,
                            const struct lineup *l, bool skips_special, struct err *err);
void trigram_choice_free(struct trigram_choice *c); // {0} is allowed

/* Prints what was chosen on standard error. */
void trigram_choice_print(const struct trigram_choice *c);

#endif
