/*
 * test_collectors.h - two statistics that join a scan by a line each
 */
#ifndef GAPSCOPE_TESTS_COLLECTORS_TEST_COLLECTORS_H
#define GAPSCOPE_TESTS_COLLECTORS_TEST_COLLECTORS_H

#include "out/results/collector.h"

extern const struct collector_kind token_pairs_collector;
extern const struct collector_kind two_models_collector;

#endif
