/*
 * candidates_ref.h - candidates the slow way: counts of raw ids in dense tables, and of them every
 * sum of Kneser-Ney written out, over the whole vocabulary
 *
 * Nothing is shared with model/ but what a rule, a funnel and a candidate are.
 */
#ifndef GAPSCOPE_TESTS_REF_CANDIDATES_REF_H
#define GAPSCOPE_TESTS_REF_CANDIDATES_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/counts/candidates.h"
#include "tests/kit/planted_text.h"

struct ref_corpus {
    uint32_t d_vocab;
    size_t n_docs;
    const struct planted_doc *docs; // [n_docs], a BOS before each
};

struct ref_trigram {
    uint32_t a, b, c;
    double count;
};

struct candidates_ref {
    uint32_t v;
    size_t n_trigrams;
    struct ref_trigram *trigrams; // each once
    double tokens;
    double *words, *before;                   // [v]; before: different tokens before it
    double *bigrams, *before_pair, *skips[4]; // [v][v]
    double d_bigram[3], d_trigram[3], d_pair[3], d_word[3], d_skip[4][3];
};

void candidates_ref_count(struct candidates_ref *s, const struct ref_corpus *c);
void candidates_ref_free(struct candidates_ref *s);

/* Is a trigram a candidate?  Counts it in the funnel's stages, but for 'trigrams' and 'kept'; *out
 * is then all but its fillers, its worth not rounded. */
bool candidates_ref_judge(const struct candidates_ref *s, const struct ref_trigram *t,
                          const struct candidates_rule *rule, struct candidates_funnel *funnel,
                          struct candidate *out);

#endif
