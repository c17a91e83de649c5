/*
 * neurons_ref.h - what a whole of neurons must hold, computed slowly from all tokens at once
 * (for test_neurons.c)
 */
#ifndef GAPSCOPE_TESTS_REF_NEURONS_REF_H
#define GAPSCOPE_TESTS_REF_NEURONS_REF_H

#include "tests/kit/neurons_kit.h"

void neurons_ref_expect(const struct kit *k, const struct neurons *whole);

#endif
