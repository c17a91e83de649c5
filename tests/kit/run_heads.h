/*
 * run_heads.h - the sample's run with heads of models 0 (attention-only) and 1, and two hypotheses
 */
#ifndef GAPSCOPE_TESTS_KIT_RUN_HEADS_H
#define GAPSCOPE_TESTS_KIT_RUN_HEADS_H

#include "out/results/composition/composition_collector.h"
#include "out/results/depth/depth_collector.h"
#include "out/results/heads/heads_collector.h"
#include "tests/kit/run_neurons.h"

/* The caller ends it with run_free(). */
static inline struct run sample_run_heads(void)
{
    struct run r = sample_run_neurons();
    for (size_t i = 0; i < 2; i++) {
        r.models[i].components = calloc(2, sizeof *r.models[i].components);
        r.models[i].components[0] = strdup("embed");
        r.models[i].components[1] = strdup("pos_embed");
        r.models[i].n_components = 2;
    }
    return r;
}

/* What is asked of heads, of what their inputs are made of, of depths. */
static inline void run_heads_shapes(const struct run *r, void *shapes[3])
{
    struct heads_shape *heads;
    struct composition_shape *composition;
    struct depth_shape *depth;
    if (heads_shape_new(&heads, r, 3, NULL) || composition_shape_new(&composition, r, 1, 4, NULL) ||
        depth_shape_new(&depth, r, 1, 4, NULL)) {
        abort();
    }
    shapes[0] = heads;
    shapes[1] = composition;
    shapes[2] = depth;
}

#endif
