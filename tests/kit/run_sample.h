/*
 * run_sample.h - a small run for tests: three models of ten tokens, two pairs, two shards, and
 * units of one document each
 */
#ifndef GAPSCOPE_TESTS_KIT_RUN_SAMPLE_H
#define GAPSCOPE_TESTS_KIT_RUN_SAMPLE_H

#include <stdlib.h>
#include <string.h>

#include "out/results/collector.h"
#include "out/results/gaps/gaps_collector.h"
#include "tests/kit/tally_whole.h"

/* The caller ends it with run_free().  Nothing is done, nothing is known of units. */
static inline struct run sample_run(void)
{
    static const char *const names[] = {"base", "one", "two"};
    static const char *const paths[] = {"/models/base", "/models/one", "/models/two"};
    static const char *const tokens[] = {"<|EOS|>", " the", "a", "\xe2\x82", "\n",
                                         "e",       "f",    "g", "h",        "i"};
    struct run r = {.n_models = 3, .n_shards = 2, .n_pairs = 2, .n_reasons = 2};
    r.models = calloc(3, sizeof *r.models);
    for (size_t i = 0; i < 3; i++) {
        r.models[i] = (struct run_model){.name = strdup(names[i]),
                                         .path = strdup(paths[i]),
                                         .act_fn = strdup(i == 0 ? "none" : "gelu"),
                                         .site = strdup(""),
                                         .n_layers = 1,
                                         .d_model = 8,
                                         .n_heads = 2,
                                         .d_mlp = i == 0 ? 0 : 32,
                                         .d_vocab = 10 + i,
                                         .n_ctx = 6 + i,
                                         .weights_hash = 0xab + i};
    }
    r.shards = calloc(2, sizeof *r.shards);
    r.shards[0] = (struct run_shard){
        .name = strdup("a.jsonl"), .path = strdup("/data/a.jsonl"), .bytes = 100, .hash = 1};
    r.shards[1] = (struct run_shard){.name = strdup("b.jsonl"),
                                     .path = strdup("/data/b.jsonl"),
                                     .bytes = 200,
                                     .hash = UINT64_MAX};
    r.pairs = calloc(2, sizeof *r.pairs);
    r.pairs[0] = (struct run_pair){.base = 0, .n_others = 1, .others = {1}};
    r.pairs[1] = (struct run_pair){.base = 0, .n_others = 2, .others = {1, 2}};
    r.floor = -6;
    r.top = 4;
    r.settings = strdup("{\"field\":\"text\"}");
    r.reasons = calloc(2, sizeof *r.reasons);
    r.reasons[0] = strdup("bad_json");
    r.reasons[1] = strdup("too_long");
    for (size_t i = 0; i < 10; i++) {
        run_add_token(&r, tokens[i], strlen(tokens[i]), NULL);
    }
    return r;
}

/* What a new run has found, nothing yet, in *r, which is {0} before; results_free() ends it, before
 * the run.  Returns its tally. */
static inline struct tally *sample_results(struct results *r, struct run *run)
{
    if (results_new(r, run, NULL) || results_new_wholes(r, NULL)) {
        abort();
    }
    return results_whole(r, &gaps_collector);
}

#define SAMPLE_UNITS 12

/* Adds unit 'unit' of the sample's SAMPLE_UNITS to the run and its tally. */
static inline void sample_add_unit(struct run *r, struct tally *t, uint64_t unit)
{
    static const char *const domains[] = {NULL, "news", "code"};
    const uint32_t ids[] = {(uint32_t)(1 + unit % 9), 2, (uint32_t)(unit % 5)};
    const uint32_t ends[] = {4, 5, 6}, pos[] = {1, 2, 3};
    double values[3][3];
    for (size_t m = 0; m < 3; m++) {
        for (size_t i = 0; i < 3; i++) {
            values[m][i] = -0.25 - (double)((unit * 7 + i * 5 + m * (3 + unit)) % 29) / 4;
        }
    }
    const double *const logprob[] = {values[0], values[1], values[2]};
    const struct tally_doc doc = {.shard = (uint32_t)(unit % 2),
                                  .number = unit,
                                  .domain = domains[unit % 3],
                                  .text = " thea\n",
                                  .text_len = 6,
                                  .n = 3,
                                  .ids = ids,
                                  .ends = ends,
                                  .pos = pos,
                                  .logprob = logprob};
    tally_add_whole(t, &doc, NULL, NULL, NULL);
    if (unit % 4 == 0) {
        tally_add_reject(t, doc.shard, 1, unit + 1, unit * 10, "a line of 2 GiB");
    }
    t->shards[doc.shard].units_done++;
    run_set_done(r, unit, NULL);
}

#endif
