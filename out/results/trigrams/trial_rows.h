/*
 * trial_rows.h - what was found when trigrams were tested on models, as rows of run.db
 *
 * Tests come after the scan: they are made of its results and of the models, and of nothing else.
 * Pairs of tokens in the order of trigrams.h's cells; NaN: not known.
 */
#ifndef GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIAL_ROWS_H
#define GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIAL_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/results/trigrams/trigrams.h"
#include "out/sql/sql.h"

/* A neuron that was looked at closely. */
struct trigram_neuron {
    uint32_t layer, index;
    const char *kind;             // a constant
    double corpus[TRIGRAM_CELLS]; // mean activations at B in the corpus
    double corpus_interaction;
    double pairs[TRIGRAM_CELLS]; // and in minimal pairs
    double interaction, se;
    double direct, written, share;
    double ablated, ablated_se, ablated_elsewhere; // changes of ln P(C), nats
};

/* What a model makes of a trigram. */
struct trigram_test {
    uint32_t trigram, model;
    uint64_t contexts, pairs;
    double lp[TRIGRAM_CELLS], interaction, se; // ln P(C), nats
    const char *verdict;                       // a constant
    size_t named;                   // the neuron that it names, of neurons; SIZE_MAX: none
    uint64_t half;                  // neurons that write half of it; 0: none
    struct trigram_neuron *neurons; // [n_neurons], in the order of their ranks
    size_t n_neurons;
};

/* Writes tests[n] in place of all there were.  Errors: sql.h's. */
int trial_rows_write(const struct sql *s, const struct trigram_test *tests, size_t n,
                     struct err *err);

#endif
