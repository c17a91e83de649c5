/*
 * golden_pass.h - the reference forward pass against a model's golden.json
 */
#ifndef GAPSCOPE_TESTS_KIT_GOLDEN_PASS_H
#define GAPSCOPE_TESTS_KIT_GOLDEN_PASS_H

#include <math.h>

#include "model/load/model.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/kit/golden.h"

// The contract is 1e-4 nats, and 1e-4 of an activation's scale.  The errors found are ten times
// smaller, and the test requires that, so that a loss of precision shows.
#define MAX_NATS 1e-5
#define MAX_NATS_UNSCALED 2e-5 // where attention scores, not divided by anything, are large
#define MAX_RELATIVE 1e-5

struct golden_seen {
    size_t n, d_mlp;
    size_t layer, head, neuron; // those to compare
    enum site site;
    float values[96];
    bool found;
};

static inline void see_neuron(void *context, size_t layer, enum site site, const float *acts,
                              size_t n, size_t d_mlp)
{
    struct golden_seen *seen = context;
    if (layer == seen->layer && site == seen->site) {
        assert_true(seen->neuron < d_mlp && n <= 96);
        for (size_t i = 0; i < n; i++) {
            seen->values[i] = acts[i * d_mlp + seen->neuron];
        }
        seen->found = true;
    }
}

static inline void see_pattern(void *context, size_t layer, size_t head, const float *pattern,
                               size_t n)
{
    struct golden_seen *seen = context;
    if (layer == seen->layer && head == seen->head) {
        memcpy(seen->values, pattern + (n - 1) * n, n * sizeof *seen->values);
        seen->found = true;
    }
}

/* Largest |values[i] - golden[i]| beyond the rounding of golden values to 7 decimals. */
static inline double worst(const float *values, struct json_object *golden, size_t n)
{
    double most = 0;
    assert_int_equal(json_object_array_length(golden), n);
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)values[i] - golden_number(golden, i)) - 0.51e-7;
        assert_false(isnan(d));
        most = d > most ? d : most;
    }
    return most;
}

/* Largest |golden[i]|, at least 1e-3: the scale that an error is relative to. */
static inline double scale(struct json_object *golden)
{
    double most = 1e-3;
    for (size_t i = 0; i < json_object_array_length(golden); i++) {
        const double a = fabs(golden_number(golden, i));
        most = a > most ? a : most;
    }
    return most;
}

static inline void check_neurons(struct forward *f, const uint32_t *ids, size_t n,
                                 struct json_object *neurons, double *most)
{
    json_object_object_foreach(neurons, name, sites)
    {
        for (enum site site = SITE_PRE; site <= SITE_POST; site++) {
            struct json_object *golden = json_member(sites, site_name(site));
            struct golden_seen seen = {.site = site};
            assert_int_equal(sscanf(name, "L%zuN%zu", &seen.layer, &seen.neuron), 2);
            const struct forward_hooks hooks = {.context = &seen, .neurons = see_neuron};
            forward_run(f, ids, n, &hooks);
            assert_int_equal(seen.found, golden != NULL); // mid is there for SoLU only
            if (golden) {
                const double d = worst(seen.values, golden, n) / scale(golden);
                *most = d > *most ? d : *most;
            }
        }
    }
}

static inline void check_patterns(struct forward *f, const uint32_t *ids, size_t n,
                                  struct json_object *patterns, double *most)
{
    json_object_object_foreach(patterns, name, golden)
    {
        struct golden_seen seen = {0};
        assert_int_equal(sscanf(name, "L%zuH%zu", &seen.layer, &seen.head), 2);
        const struct forward_hooks hooks = {.context = &seen, .pattern = see_pattern};
        forward_run(f, ids, n, &hooks);
        assert_true(seen.found);
        const double d = worst(seen.values, golden, n);
        *most = d > *most ? d : *most;
    }
}

static inline void check_top10(struct json_object *top10, const float *logits, size_t d_vocab,
                               double *most_nats)
{
    for (size_t t = 0; t < json_object_array_length(top10); t++) {
        struct json_object *one = json_object_array_get_idx(top10, t);
        const size_t pos = (size_t)json_object_get_int64(json_member(one, "pos"));
        struct json_object *ids = json_member(one, "ids"), *logprobs = json_member(one, "logprob");
        const float *row = logits + pos * d_vocab;
        const double lse = logprob_log_sum_exp(row, d_vocab);
        uint32_t top[10];
        assert_int_equal(logprob_top(row, d_vocab, 10, top), 10);
        for (size_t k = 0; k < 10; k++) {
            assert_int_equal(top[k], (uint32_t)golden_number(ids, k));
            const double d = fabs((double)row[top[k]] - lse - golden_number(logprobs, k));
            *most_nats = d > *most_nats ? d : *most_nats;
        }
    }
}

static inline void check_document(struct forward *f, const struct config *c,
                                  struct json_object *doc, double most[3])
{
    struct json_object *list = json_member(doc, "ids");
    const size_t n = json_object_array_length(list);
    uint32_t ids[96];
    assert_true(n >= 2 && n <= 96);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)golden_number(list, i);
    }

    forward_run(f, ids, n, NULL);
    struct json_object *resid = json_member(doc, "resid_final");
    const float *last = forward_resid_final(f) + (n - 1) * c->d_model;
    const double resid_error = worst(last, resid, c->d_model) / scale(resid);
    most[2] = resid_error > most[2] ? resid_error : most[2];

    float *logits = malloc(n * c->d_vocab * sizeof *logits);
    forward_logits(f, 0, n, logits);
    double mean = 0;
    for (size_t i = 0; i < n; i++) {
        const float *row = logits + i * c->d_vocab;
        const double lse = logprob_log_sum_exp(row, c->d_vocab);
        const double entropy = logprob_entropy(row, c->d_vocab, lse);
        double d = fabs(entropy - golden_number(json_member(doc, "entropy"), i));
        most[0] = d > most[0] ? d : most[0];
        if (i + 1 < n) {
            const double logprob = (double)row[ids[i + 1]] - lse;
            d = fabs(logprob - golden_number(json_member(doc, "logprob"), i));
            most[0] = d > most[0] ? d : most[0];
            mean += logprob / (double)(n - 1);
        }
    }
    assert_true(fabs(mean - json_object_get_double(json_member(doc, "mean_logprob"))) <
                (c->attn_scale == 1 ? MAX_NATS_UNSCALED : MAX_NATS));
    check_top10(json_member(doc, "top10"), logits, c->d_vocab, &most[0]);
    free(logits);

    if (json_member(doc, "neurons")) {
        check_neurons(f, ids, n, json_member(doc, "neurons"), &most[1]);
    } else {
        assert_true(c->attn_only);
    }
    check_patterns(f, ids, n, json_member(doc, "pattern_last_row"), &most[2]);
}

/* The reference pass of the model in a folder against its golden.json. */
static inline void golden_pass_check(const char *name, const char *dir)
{
    char path[300];
    snprintf(path, sizeof path, "%s/golden.json", dir);
    struct json_object *golden = golden_json(path);
    struct json_object *documents = json_member(golden, "documents");
    struct model *m = NULL;
    struct forward *f = NULL;
    struct err err = {0};
    if (model_load(&m, name, dir, &err) || forward_new(&f, m, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(m->n_unused, 0);
    double most[3] = {0}; // log-probs and entropy; activations; patterns and residual
    assert_true(json_object_array_length(documents) >= 3);
    for (size_t i = 0; i < json_object_array_length(documents); i++) {
        check_document(f, &m->config, json_object_array_get_idx(documents, i), most);
    }
    printf(
        "%-18s largest error: %.1e nats; activations %.1e, patterns and residual %.1e of scale\n",
        name, most[0], most[1], most[2]);
    assert_true(most[0] < (m->config.attn_scale == 1 ? MAX_NATS_UNSCALED : MAX_NATS));
    assert_true(most[1] < MAX_RELATIVE);
    assert_true(most[2] < MAX_RELATIVE);
    forward_free(f);
    model_free(m);
    json_object_put(golden);
}

#endif
