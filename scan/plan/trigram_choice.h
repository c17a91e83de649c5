/*
 * trigram_choice.h - the trigrams of a scan: chosen from counts before it begins
 *
 * Which they are is part of what a run is: its settings hold the hash of the counts and the rule.
 */
#ifndef GAPSCOPE_SCAN_PLAN_TRIGRAM_CHOICE_H
#define GAPSCOPE_SCAN_PLAN_TRIGRAM_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/candidates.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

struct trigram_choice_options {
    const char *counts; // --trigrams FILE.ngrams; NULL: none are looked for
    const char *rule;   // --trigram-rule
};

// clang-format off

/* Their lines in a command's table. */
#define TRIGRAM_CHOICE_ARGS(options)                                                                       \
    {"trigrams", 0, ARG_STRING, &(options)->counts, "FILE.ngrams",                                 \
     "look for trigrams (A, B) -> C of these counts that neither a\nbigram nor a skip-bigram "     \
     "explains, and for their neurons"},                                                           \
    {"trigram-rule", 0, ARG_STRING, &(options)->rule, "RULE",                                      \
     "which, any of count=10,high=0.5,low=0.1,gap=0.5,most=500,\ntest=100: seen 'count' times; "   \
     "P(C|A,B) from 'high';\nP(C|B), P(C|A ...) and both added to 'low'; at most 'most'.\nTried "  \
     "on the models: up to 'test' with a mean gap from 'gap'"}

// clang-format on

struct trigram_choice_rule {
    struct candidates_rule counts;
    double gap;  // nats: the least mean gap of the first pair of what is tested
    size_t test; // so many at most
};

/* Documents that a trigram must be in, to beat the base and be tested. */
#define TRIGRAM_CHOICE_DOCS 2

struct trigram_choice {
    struct trigram_choice_rule rule;
    char *settings; // JSON, of all that the choice depends on; NULL: no trigrams are looked for
    char *meta;     // JSON, for people: file, rule, funnel, thresholds of the trials
    struct candidates_funnel funnel;
};

/* "count=10,low=0.1": what is not named is as in --trigram-rule's help, as for NULL.  Errors:
 * ERR_USAGE. */
int trigram_choice_rule_parse(struct trigram_choice_rule *out, const char *text, struct err *err);

/* The rule that a run was made by, from its settings.  Errors: ERR_FORMAT. */
int trigram_choice_rule_of(struct trigram_choice_rule *out, const struct run *run, struct err *err);

/*
 * Sets run->trigrams (NULL stays where none is left) and *out, {0} before, which trigram_choice_free()
 * ends; the run has its models, pairs and neurons.  Errors: ERR_USAGE, ngrams_open()'s,
 * ERR_MISMATCH (counts of a part, or of another tokenizer), candidates_find()'s,
 * run_shape_trigrams()'s.
 */
int trigram_choice_describe(struct trigram_choice *out, struct run *run,
                            const struct trigram_choice_options *o, const struct lineup *l,
                            struct err *err);
void trigram_choice_free(struct trigram_choice *c); // {0} is allowed

/* Says what was chosen, to standard error. */
void trigram_choice_print(const struct trigram_choice *c);

#endif
