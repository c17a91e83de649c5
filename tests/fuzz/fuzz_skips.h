/*
 * fuzz_skips.h - the skip-trigrams whose sums are read from any bytes
 */
#ifndef GAPSCOPE_TESTS_FUZZ_SKIPS_H
#define GAPSCOPE_TESTS_FUZZ_SKIPS_H

#include <stdlib.h>

#include "out/results/skips/skip_sums.h"
#include "tests/kit/run_neurons.h"

/* Two that cross, and one alone; the caller ends it with skip_shape_free(). */
static inline struct skip_shape *fuzz_skip_shape(const struct run *run)
{
    static const struct skip items[] = {
        {0, 1, 2, 3, 0.5, 4.0}, {0, 1, 3, 2, 0.5, 3.0}, {1, 2, 1, 1, 0.25, 2.0}};
    static const struct skip_a as[] = {{1, 2, {2, 3}}, {2, 1, {1}}};
    const struct skip_source source = {.tokens = 9, .vocabulary = 4, .frequent = 3, .scale = 1.5};
    struct skip_shape *s = NULL;
    if (skip_shape_new(&s, run, 0, NULL) || skip_shape_choose(s, &source, items, 3, as, 2, NULL)) {
        abort();
    }
    return s;
}

#endif
