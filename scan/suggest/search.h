/*
 * search.h - the rule that tells best where a neuron fires, of a sample of tokens
 *
 * A term is a rule (rules.h), a set of tokens that stand there, one before or two before, a short
 * text that stands before it, or two of these at once.  Greedy: the term of the greatest F1, then
 * the one that adds most to it, up to 'terms' of them, each by tokens of at least SEARCH_DOCS
 * documents that no term before it labels.  This is done for several thresholds of "it fires"; the
 * greatest F1 decides, the first threshold where they are equal.
 *
 * F1 counts weights (sample.h).  What a sample of some hundred tokens cannot see, the counts of the
 * corpus correct: a term labels at least as many tokens as are known to be of it.
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_SEARCH_H
#define GAPSCOPE_SCAN_SUGGEST_SEARCH_H

#include "corpora/base/mem.h"
#include "scan/suggest/rules.h"
#include "scan/suggest/sample.h"

#define SEARCH_DOCS 5       // documents that a term rests on, at least
#define SEARCH_F1_LEAST 0.1 // less is no suggestion
#define SEARCH_TERMS_MOST 16

struct suggestion {
    struct buf yaml;              // "regex: '\d'", "any: [{..}, {..}]"; empty: there is none
    double threshold;             // of the activation: it fires from there on
    double precision, recall, f1; // estimated
    size_t n_labelled, n_docs;    // tokens of the sample that it labels, and their documents
};

/* suggestion_free() ends *out, {0} before, in any case.  Errors: ERR_NOMEM. */
int search_suggest(struct suggestion *out, struct rules *rules, const struct sample *s,
                   size_t terms, struct err *err);
void suggestion_free(struct suggestion *s);

#endif
