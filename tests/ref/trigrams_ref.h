/*
 * trigrams_ref.h - what a whole of trigrams must hold, computed slowly from all tokens at once
 * (for test_trigrams.c)
 */
#ifndef GAPSCOPE_TESTS_REF_TRIGRAMS_REF_H
#define GAPSCOPE_TESTS_REF_TRIGRAMS_REF_H

#include "tests/kit/trigrams_kit.h"

void trigrams_ref_expect(const struct world *w, const struct trigrams *t);

#endif
