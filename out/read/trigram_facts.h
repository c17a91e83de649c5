/*
 * trigram_facts.h - what a run found out about its trigrams, in sentences
 *
 * A trigram " ice" " cream" -> " sundae" has a context of two tokens, A and B, and a token that
 * follows, C.  `gapscope trigrams` and the report's page say the same because they ask here.  What
 * the run does not know (a NULL, a damaged number) is left out of a sentence, never made up.
 */
#ifndef GAPSCOPE_OUT_READ_TRIGRAM_FACTS_H
#define GAPSCOPE_OUT_READ_TRIGRAM_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "out/read/reader.h"
#include "out/read/trigram_page.h"

/* Value of meta's key 'trigrams', and what stands beside it.  A count that is not known is -1, a
 * real NaN. */
struct trigram_run {
    struct json_object *json; // as it stands, or NULL: damaged
    const char *file;         // of the counts, belongs to json; "" where it is not known
    int64_t rule_count, rule_test;
    double rule_high, rule_low, rule_gap;
    int64_t docs;             // that a trigram must be in, to beat the base and be tested
    double interaction, sure; // nats, standard errors: less than these is no interaction
    int64_t trigrams, frequent, predictable; // of the counts; count >= rule; P(C|A,B) >= high
    int64_t bigram, skip, added; // counts explain: by a bigram, by a skip-bigram, by both added
    int64_t candidates, kept;    // what is left; of it in the run
    int64_t tested;              // what meta says; -1: not yet
    uint64_t n_tested;           // what the rows of table 'trigram' say
    bool finished;               // the scan
};

/* How many trigrams there are.  A run of an older version has no table of them. */
int64_t trigram_count(struct reader *r);

/* trigram_run_free() ends *run, {0} before, in any case. */
int trigram_run_read(struct trigram_run *run, struct reader *r);
void trigram_run_free(struct trigram_run *run);

/* From this gap on a trigram beats the base: the rule's; 0 where that is not known. */
double trigram_gap_least(const struct trigram_run *r);

/* Documents that a trigram must be in to beat the base; 0 where that is not known: a run of an
 * older version. */
uint64_t trigram_docs_least(const struct trigram_run *r);

/* Digits behind the point: 'least', and one more for each power of ten from 0.1 down that 'most',
 * the largest of some numbers, is below: activations of SoLU are small. */
int trigram_digits(double most, int least);

// --- sentences: appended to *out with a NUL behind; ERR_NOMEM

/* "counts.ngrams has 1234 trigrams, 456 of them 10 times or more. ..."; "" where all is unknown. */
int trigram_funnel_words(struct buf *out, const struct trigram_run *r, struct err *err);

/* How many of them were tested. */
int trigram_tested_words(struct buf *out, const struct trigram_run *r, struct err *err);

/* "its minimal pairs were not run, since it stands in fewer than 2 documents": why a trigram was
 * not tested; gap: the mean one of the run's first pair. */
int trigram_untested_words(struct buf *out, const struct trigram_run *r, uint64_t docs, double gap,
                           struct err *err);

/* "AND-like: L0N123 fires 2.31 at A B, ...": what is found in one model. */
int trigram_verdict_words(struct buf *out, const struct trigram_model *m, struct err *err);

/* A warning to stand behind how many documents a trigram is in; "" where they are enough. */
const char *trigram_few(uint64_t docs);

/* The verdicts there are; NULL ends the list. */
extern const char *const trigram_verdicts[];

#endif
