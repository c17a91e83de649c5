/*
 * The list of out/collectors.c, and the two statistics of the tests: a line each.
 */
#include "out/results/answers/answers_collector.h"
#include "out/results/classes/classes_collector.h"
#include "out/results/collector.h"
#include "out/results/compare/compare_collector.h"
#include "out/results/composition/composition_collector.h"
#include "out/results/depth/depth_collector.h"
#include "out/results/documents/documents.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/heads/heads_collector.h"
#include "out/results/means/means.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/record/record_collector.h"
#include "out/results/skips/skips_collector.h"
#include "out/results/token_means/token_means_collector.h"
#include "out/results/trigrams/trigrams_collector.h"
#include "tests/collectors/test_collectors.h"

const struct collector_kind *const collector_kinds[] = {
    &neurons_collector,
    &trigrams_collector,
    &gaps_collector,
    &classes_collector,
    &compare_collector,
    &answers_collector,
    &means_collector,
    &token_means_collector,
    &documents_collector,
    &heads_collector,
    &skips_collector,
    &composition_collector,
    &depth_collector,
    &record_collector,
    &token_pairs_collector,
    &two_models_collector,
    NULL,
};
