/*
 * neuron_plan.h - the neurons and hypotheses of a scan, and what is kept of each
 */
#ifndef GAPSCOPE_SCAN_PLAN_NEURON_PLAN_H
#define GAPSCOPE_SCAN_PLAN_NEURON_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "miners/hypotheses.h"
#include "model/load/model.h"
#include "out/results/gaps/tally.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/load/hypothesis_args.h"
#include "scan/load/lineup.h"

#define NEURON_PLAN_NOT_GIVEN SIZE_MAX
#define NEURON_PLAN_TOKEN_MEANS 4096 // tokens, where nothing else is asked for

struct neuron_plan_options {
    struct hypothesis_args_options labelling;
    struct arg_list watches; // --watch MODEL:L0N424=HYPOTHESIS
    const char *site;        // --site
    const char *histograms;  // --histograms all|top N
    size_t examples;         // --examples
    size_t token_means;      // --token-means; NEURON_PLAN_NOT_GIVEN: not given
    bool no_neurons;
};

// clang-format off

/* Their rows in a command's table. */
#define NEURON_PLAN_ARGS(options)                                                                  \
    HYPOTHESIS_ARGS(&(options)->labelling),                                                        \
    {"watch", 0, ARG_LIST, &(options)->watches, "M:L0N5=NAME",                                     \
     "keep every counterexample of this neuron and hypothesis;\nseveral may be given"},            \
    {"site", 0, ARG_STRING, &(options)->site, "pre|mid|post",                                      \
     "where neurons are read (mid: SoLU before its norm); mid for\nSoLU, else post if not given"},    \
    {"examples", 0, ARG_SIZE, &(options)->examples, "N",                                           \
     "strongest places shown of a neuron; 20 if not given"},                                       \
    {"histograms", 0, ARG_STRING, &(options)->histograms, "H",                                     \
     "all (if not given), or 'top N': only the N neurons that\n"                                   \
     "correlate best with a hypothesis on the first unit have\n"                                   \
     "histograms of its labels, which saves memory"},                                              \
    {"token-means", 0, ARG_SIZE, &(options)->token_means, "N",                                     \
     "each neuron's mean at the N most frequent tokens (of counts,\n"                              \
     "else of the first unit); 4096 if not given, 0: none"},                                       \
    {"no-neurons", 0, ARG_FLAG, &(options)->no_neurons, NULL, "keep nothing of neurons"}

// clang-format on

struct neuron_plan {
    struct hypotheses hypotheses;
    size_t
        *first_layers; // [n_models] of models, their first among the run's; SIZE_MAX: none are kept
};

/*
 * Fills *s, {0} before (packing: "docs" or "rows"), which neuron_plan_free() ends in any case, and the run's hypotheses and the
 * sites of its models, and joins the neurons to its results; the run has its models.
 * Errors: hypothesis_args_load()'s, model_site()'s; ERR_USAGE (a watch that names nothing, numbers
 * out of range), ERR_NOMEM.
 */
int neuron_plan_describe(struct neuron_plan *s, struct run *run, struct results *results,
                         const struct neuron_plan_options *o, const char *packing,
                         const struct lineup *lineup, struct err *err);
void neuron_plan_free(struct neuron_plan *s); // {0} is allowed

#endif
