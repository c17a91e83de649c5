/*
 * small_run.h - the run of run_sample.h with a few neurons and hypotheses, and its tables in
 * a run.db
 */
#ifndef GAPSCOPE_TESTS_KIT_SMALL_RUN_H
#define GAPSCOPE_TESTS_KIT_SMALL_RUN_H

#include "out/results/neurons/neurons.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/run.h"

/* A run, what it asks of its neurons, and the shape of these. */
struct small {
    struct run run;
    struct neurons_watch watches[2];
    struct neurons_ask ask;
    struct neurons_shape *neurons;
};

/* The sample's, with neurons of models 1 (a layer of 2) and 2 (two layers of 3). */
struct small small_run(size_t n_hypotheses, uint32_t examples);

void small_free(struct small *r);

void watch(struct small *r, uint32_t layer, uint32_t neuron, uint32_t hypothesis);

/* A checkpoint into 'path', which may have one. */
void write_tables(const struct small *r, struct neurons *n);

#endif
