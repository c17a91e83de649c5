/*
 * run_neurons.h - the sample's run with neurons of models 1 and 2, layers of 32 and of 5, 5, and two
 * hypotheses
 */
#ifndef GAPSCOPE_TESTS_KIT_RUN_NEURONS_H
#define GAPSCOPE_TESTS_KIT_RUN_NEURONS_H

#include "tests/kit/run_sample.h"

/* The caller ends it with run_free(). */
static inline struct run sample_run_neurons(void)
{
    struct run r = sample_run();
    free(r.models[1].site);
    free(r.models[2].site);
    r.models[1].site = strdup("post");
    r.models[2].site = strdup("mid");
    r.models[2].n_layers = 2;
    r.models[2].d_mlp = 5;
    r.n_hypotheses = 2;
    r.hypotheses = calloc(2, sizeof *r.hypotheses);
    r.hypotheses[0] = (struct run_hypothesis){
        .name = strdup("digit"), .kind = strdup("regex"), .spec = strdup("{}")};
    r.hypotheses[1] = (struct run_hypothesis){
        .name = strdup("the"), .kind = strdup("tokens"), .spec = strdup("[1]")};
    return r;
}

#endif
