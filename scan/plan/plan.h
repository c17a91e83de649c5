/*
 * plan.h - the options of a scan, and the run that they ask for
 */
#ifndef GAPSCOPE_SCAN_PLAN_PLAN_H
#define GAPSCOPE_SCAN_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/shards.h"
#include "model/pass/precision.h"
#include "out/results/run.h"
#include "scan/cli/args.h"
#include "scan/cli/task.h"
#include "scan/load/layout.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"
#include "scan/plan/ablate.h"
#include "scan/plan/neuron_plan.h"
#include "scan/plan/skip_choice.h"
#include "scan/plan/trigram_choice.h"

/* The options as they were given; NULL or 0: not given. */
struct scan_options {
    struct arg_list models, pairs;
    struct input_options input;
    struct neuron_plan_options neurons;
    struct trigram_choice_options trigrams;
    struct skip_choice_options skips;
    struct ablate_options ablate;
    struct task_options task;
    const char *tokenizer, *output, *domain, *floor, *part, *checkpoint, *packing, *precision,
        *record, *kernels, *compare_share, *status, *scratch;
    size_t threads, top, max_tokens, restarts;
    size_t documents_most; // SCAN_NOT_GIVEN: not given
    bool documents;
    bool force, dry_run, allow_not_finite, compare_changed;
    bool no_heads, compose;
    const char *compose_share;
    int argc; // the whole command
    char **argv;
};

#define SCAN_NOT_GIVEN SIZE_MAX

// clang-format off

/* Rows in a command's table. */
#define COMPARE_ARGS(options)                                                                      \
    {"compare-share", 0, ARG_STRING, &(options)->compare_share, "a/b",                             \
     "of a/b of the documents also compare the whole distributions\n"                              \
     "of each pair: KL, same most likely token; 1/16 if not given,\n"                              \
     "0 or none: of none"},                                                                        \
    {"compare-changed", 0, ARG_FLAG, &(options)->compare_changed, NULL,                            \
     "compare those of changed models, too, but for --ablate"}

#define HEADS_ARGS(options)                                                                        \
    {"no-heads", 0, ARG_FLAG, &(options)->no_heads, NULL,                                          \
     "do not look at attention heads: where they look, and what\n"                                 \
     "they write"},                                                                                \
    {"compose", 0, ARG_FLAG, &(options)->compose, NULL,                                            \
     "also what each head's queries, keys and values are made of:\n"                               \
     "embeddings, earlier heads, MLPs"},                                                           \
    {"compose-share", 0, ARG_STRING, &(options)->compose_share, "a/b",                             \
     "with --compose: on a/b of the documents; 1/16 if not given"},                                   \
    {"depth", 0, ARG_FLAG, &(options)->ablate.depth, NULL,                                                \
     "also each attention-only model with paths through at most\n"                                 \
     "0, 1, ... heads kept, on --ablate-share of the documents"}

#define SCAN_TASK_ARGS(options)                                                                    \
    TASK_ARGS(&(options)->task),                                                                   \
    {"restarts", 0, ARG_SIZE, &(options)->restarts, "N",                                           \
     "exit with 1 after N restarts in a row that finished no unit"},                               \
    {"status", 0, ARG_STRING, &(options)->status, "FILE",                                          \
     "append a line of JSON every 10 seconds: how far it is, gaps,\n"                              \
     "best neurons"},                                                                              \
    {"scratch", 0, ARG_STRING, &(options)->scratch, "DIR",                                         \
     "write in this folder of a local disk, and copy run.db to its\n"                              \
     "place at every checkpoint"}

/* Of struct scan_options, before the command is read. */
#define SCAN_DEFAULTS                                                                              \
    .top = 1000, .neurons = {.examples = 20, .token_means = NEURON_PLAN_NOT_GIVEN},                \
    .ablate.hits = ABLATE_HITS, .documents_most = SCAN_NOT_GIVEN

/* Rows in a command's table. */
#define DOCUMENTS_ARGS(options)                                                                    \
    {"documents", 0, ARG_FLAG, &(options)->documents, NULL,                                        \
     "also keep each document: its tokens, mean log-probs and mean\n"                              \
     "gaps; gapscope top --documents lists them"},                                                 \
    {"documents-most", 0, ARG_SIZE, &(options)->documents_most, "N",                               \
     "of more than N keep those whose text has the lowest hash;\n"                                 \
     "1000000 if not given"}

// clang-format on

#define SCAN_COMPARE_SHARE "1/16" // of the documents, where nothing else is asked for

/* Is a run's model made of counts?  Its act_fn says so. */
bool describe_is_counts(const struct run_model *m);

enum packing scan_packing(const struct scan_options *o);

/*
 * Fills *run, and *results with its collectors' shapes, both {0} before, which run_free() and
 * results_free() end in any case (the results first); *neurons, and *choice, {0} before, which
 * neuron_plan_free() and trigram_choice_free() end; *skips, {0} before.
 * Errors: ERR_USAGE, ERR_NOMEM, pairs_parse()'s, neuron_plan_describe()'s,
 * trigram_choice_describe()'s, skip_choice_describe()'s, ablate_describe()'s.
 */
int plan_make(struct run *run, struct results *results, struct neuron_plan *neurons,
              struct trigram_choice *choice, struct skip_choice *skips,
              const struct scan_options *o, const struct lineup *l, const struct ablate *ablate,
              const struct shards *shards, enum precision asked, struct err *err);

#endif
