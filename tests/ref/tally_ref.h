/*
 * tally_ref.h - documents at random, and what a tally of them must hold, computed slowly from all
 * of them at once (for test_tally.c)
 */
#ifndef GAPSCOPE_TESTS_REF_TALLY_REF_H
#define GAPSCOPE_TESTS_REF_TALLY_REF_H

#include "out/results/gaps/tally.h"

#define REF_DOCS 90
#define REF_TOKENS 40
#define REF_MODELS 4
#define REF_VOCAB 4

struct ref_doc {
    struct tally_doc doc; // points into the rest
    char text[4 * REF_TOKENS];
    uint32_t ids[REF_TOKENS], ends[REF_TOKENS], pos[REF_TOKENS];
    double logprob[REF_MODELS][REF_TOKENS];
    const double *rows[REF_MODELS];
};

/* Few words, few values: contexts and gaps often agree. */
void ref_make(struct ref_doc docs[REF_DOCS], uint64_t seed, bool texts);

/* Compares everything in t with docs[n], by cmocka's assertions. */
void ref_expect(const struct tally *t, const struct ref_doc *docs, size_t n);

uint64_t ref_random(uint64_t *state, uint64_t below);

#endif
