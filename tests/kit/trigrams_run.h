/*
 * trigrams_run.h - the run of run_sample.h with two trigrams and two documents that have them
 */
#ifndef GAPSCOPE_TESTS_KIT_TRIGRAMS_RUN_H
#define GAPSCOPE_TESTS_KIT_TRIGRAMS_RUN_H

#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/results/gaps/tally.h"
#include "out/results/trigrams/trigrams.h"

struct whole {
    struct run run;
    struct results results;
    struct tally *tally; // the results', as this:
    struct trigrams *trigrams;
};

/* The sample's, with odd texts and names, neurons of model 1 (two layers of 3), two trigrams. */
void whole_begin(struct whole *w);

/* Sets tally and trigrams from results. */
void whole_find(struct whole *w);

void whole_end(struct whole *w);

void add_first(struct whole *w);

void add_second(struct whole *w);

#endif
