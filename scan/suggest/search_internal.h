/*
 * search_internal.h - what search.c and the makers of its terms share
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_SEARCH_INTERNAL_H
#define GAPSCOPE_SCAN_SUGGEST_SEARCH_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "scan/suggest/rules.h"
#include "scan/suggest/sample.h"

#define TERMS_MOST 256
#define PARTNERS 8   // terms that are tried together with every other one
#define SET_MOST 32  // tokens of a set
#define TEXTS_MOST 4 // texts before a token
// F1 that two rules at once have more than the best one alone, at least: a sample of some hundred
// tokens favours what is narrow
#define BETTER_BOTH 0.15
#define BETTER 0.05 // F1 that a further term adds, at least

struct term {
    struct buf yaml; // its rule
    uint64_t *bits;  // [n_words] tokens of the sample that it labels
    double places;   // of the corpus that it labels, at least; 0: not known
    double most;     // of these where it fires, at most; INFINITY: not known
};

struct gain {
    double tp, fp, f1; // weights, of all terms so far with one more
    double known;      // of fp: what counts of the corpus say
    double lost;       // of tp: what the sample has more than the corpus can have
    size_t docs;       // of tokens where it fires that no term before labels
};

struct search {
    const struct sample *s;
    struct rules *rules;
    size_t n_words; // of bits of the sample's tokens
    uint64_t *fires, *covered, *spare;
    double n_fires, known, lost;
    double fires_mean;  // of the activation where it fires
    struct term *terms; // [TERMS_MOST]: n_rules rules, then those of the current step
    size_t n_rules, n_terms;
    struct term best, both;
    struct gain best_gain, last;
    uint64_t *bits; // of all these
    uint8_t *seen;  // [s->n_docs]
};

/* The documents of the tokens in bits. */
size_t search_docs(const struct search *x, const uint64_t *bits);

struct gain search_gain(const struct search *x, const struct term *t);

/* Appends sets of tokens that stand there, one before, two before; within: of the tokens in these
 * bits alone, NULL: of all. */
int search_add_sets(struct search *x, const uint64_t *within, struct err *err);

/* Appends short texts that stand before tokens where it fires. */
int search_add_texts(struct search *x, struct err *err);

#endif
