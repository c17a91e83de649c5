/*
 * The reference forward pass against TransformerLens in float64 (tests/golden/models/README.md):
 * 11 architectures, random weights, three documents each.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "model/load/model.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"

// The contract is 1e-4 nats, and 1e-4 of an activation's scale.  The errors found are ten times
// smaller, and the test requires that, so that a loss of precision shows.
#define MAX_NATS 1e-5
#define MAX_RELATIVE 1e-5

struct seen {
    size_t n, d_mlp;
    size_t layer, head, neuron; // those to compare
    enum site site;
    float values[96];
    bool found;
};

static void see_neuron(void *context, size_t layer, enum site site, const float *acts, size_t n,
                       size_t d_mlp)
{
    struct seen *seen = context;
    if (layer == seen->layer && site == seen->site) {
        assert_true(seen->neuron < d_mlp && n <= 96);
        for (size_t i = 0; i < n; i++) {
            seen->values[i] = acts[i * d_mlp + seen->neuron];
        }
        seen->found = true;
    }
}

static void see_pattern(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    struct seen *seen = context;
    if (layer == seen->layer && head == seen->head) {
        memcpy(seen->values, pattern + (n - 1) * n, n * sizeof *seen->values);
        seen->found = true;
    }
}

/* Largest |values[i] - golden[i]| beyond the rounding of golden values to 7 decimals. */
static double worst(const float *values, struct json_object *golden, size_t n)
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
static double scale(struct json_object *golden)
{
    double most = 1e-3;
    for (size_t i = 0; i < json_object_array_length(golden); i++) {
        const double a = fabs(golden_number(golden, i));
        most = a > most ? a : most;
    }
    return most;
}

static void check_neurons(struct forward *f, const uint32_t *ids, size_t n,
                          struct json_object *neurons, double *most)
{
    json_object_object_foreach(neurons, name, sites)
    {
        for (enum site site = SITE_PRE; site <= SITE_POST; site++) {
            struct json_object *golden = json_member(sites, site_name(site));
            struct seen seen = {.site = site};
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

static void check_patterns(struct forward *f, const uint32_t *ids, size_t n,
                           struct json_object *patterns, double *most)
{
    json_object_object_foreach(patterns, name, golden)
    {
        struct seen seen = {0};
        assert_int_equal(sscanf(name, "L%zuH%zu", &seen.layer, &seen.head), 2);
        const struct forward_hooks hooks = {.context = &seen, .pattern = see_pattern};
        forward_run(f, ids, n, &hooks);
        assert_true(seen.found);
        const double d = worst(seen.values, golden, n);
        *most = d > *most ? d : *most;
    }
}

static void check_top10(struct json_object *top10, const float *logits, size_t d_vocab,
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

static void check_document(struct forward *f, const struct config *c, struct json_object *doc,
                           double most[3])
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
    assert_true(fabs(mean - json_object_get_double(json_member(doc, "mean_logprob"))) < MAX_NATS);
    check_top10(json_member(doc, "top10"), logits, c->d_vocab, &most[0]);
    free(logits);

    if (json_member(doc, "neurons")) {
        check_neurons(f, ids, n, json_member(doc, "neurons"), &most[1]);
    } else {
        assert_true(c->attn_only);
    }
    check_patterns(f, ids, n, json_member(doc, "pattern_last_row"), &most[2]);
}

static void check_model(const char *name)
{
    char dir[256], path[300];
    snprintf(dir, sizeof dir, "tests/golden/models/%s", name);
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
    assert_true(most[0] < MAX_NATS);
    assert_true(most[1] < MAX_RELATIVE);
    assert_true(most[2] < MAX_RELATIVE);
    forward_free(f);
    model_free(m);
    json_object_put(golden);
}

#define MODEL_TEST(test, name)                                                                     \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        check_model(name);                                                                         \
    }
MODEL_TEST(attn_only_1l_is_as_in_transformer_lens, "attn-only-1l")
MODEL_TEST(attn_only_2l_shortformer_without_norm_too, "attn-only-2l-demo")
MODEL_TEST(attn_only_3l_too, "attn-only-3l")
MODEL_TEST(gelu_1l_too, "gelu-1l")
MODEL_TEST(gelu_2l_stored_as_f16_too, "gelu-2l")
MODEL_TEST(redwood_shortformer_too, "redwood_attn_2l")
MODEL_TEST(solu_1l_too, "solu-1l")
MODEL_TEST(solu_4l_too, "solu-4l")
MODEL_TEST(old_solu_1l_with_final_rms_too, "SoLU_1L_v9_old")
MODEL_TEST(old_solu_4l_LNPre_too, "SoLU_4L_v11_old")
MODEL_TEST(old_solu_8l_with_straight_weights_too, "SoLU_8L_v21_old")

static void a_run_leaves_nothing_behind_for_the_next(void **state)
{
    (void)state;
    struct model *m = NULL;
    struct forward *f = NULL;
    assert_int_equal(model_load(&m, "m", "tests/golden/models/solu-1l", NULL), 0);
    assert_int_equal(forward_new(&f, m, NULL), 0);
    const uint32_t ids[] = {0, 5, 6, 7, 8, 9}, other[] = {0, 400, 3, 99};
    float first[512], again[512];
    forward_run(f, ids, 6, NULL);
    forward_logits(f, 5, 1, first);
    forward_run(f, other, 4, NULL);
    forward_logits(f, 0, 1, again);
    forward_run(f, ids, 6, NULL);
    forward_logits(f, 5, 1, again);
    assert_memory_equal(first, again, sizeof first);
    forward_free(f);
    model_free(m);
}

// The results at a position do not depend, to the last bit, on later tokens, nor on how many rows
// are requested at once.
static void the_future_changes_nothing(void **state)
{
    (void)state;
    struct model *m = NULL;
    struct forward *f = NULL;
    assert_int_equal(model_load(&m, "m", "tests/golden/models/gelu-2l", NULL), 0);
    assert_int_equal(forward_new(&f, m, NULL), 0);
    uint32_t ids[40];
    for (uint32_t i = 0; i < 40; i++) {
        ids[i] = i * 37 % 512;
    }
    float *all = malloc(40 * 512 * sizeof *all), one[512];
    forward_run(f, ids, 40, NULL);
    forward_logits(f, 0, 40, all);
    for (size_t n = 1; n <= 40; n += 3) {
        forward_run(f, ids, n, NULL);
        forward_logits(f, n - 1, 1, one);
        assert_memory_equal(one, all + (n - 1) * 512, sizeof one);
    }
    free(all);
    forward_free(f);
    model_free(m);
}

static void top_tokens_come_in_order_and_ties_by_id(void **state)
{
    (void)state;
    const float logits[] = {1, 3, 2, 3, -1, 3, 0};
    uint32_t top[7];
    assert_int_equal(logprob_top(logits, 7, 4, top), 4);
    const uint32_t first4[] = {1, 3, 5, 2};
    assert_memory_equal(top, first4, sizeof first4);
    assert_int_equal(logprob_top(logits, 7, 99, top), 7);
    const uint32_t all[] = {1, 3, 5, 2, 0, 6, 4};
    assert_memory_equal(top, all, sizeof all);
    assert_int_equal(logprob_top(logits, 7, 0, top), 0);
}

static void log_sum_exp_and_entropy_hold_for_extreme_logits(void **state)
{
    (void)state;
    const float equal[] = {1000, 1000, 1000, 1000};
    double lse = logprob_log_sum_exp(equal, 4);
    assert_true(fabs(lse - 1001.3862943611199) < 1e-12);
    assert_true(fabs(logprob_entropy(equal, 4, lse) - 1.3862943611198906) < 1e-12);
    const float sure[] = {-1000, 0, -1000};
    lse = logprob_log_sum_exp(sure, 3);
    assert_true(lse == 0);
    assert_true(logprob_entropy(sure, 3, lse) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attn_only_1l_is_as_in_transformer_lens),
        cmocka_unit_test(attn_only_2l_shortformer_without_norm_too),
        cmocka_unit_test(attn_only_3l_too),
        cmocka_unit_test(gelu_1l_too),
        cmocka_unit_test(gelu_2l_stored_as_f16_too),
        cmocka_unit_test(redwood_shortformer_too),
        cmocka_unit_test(solu_1l_too),
        cmocka_unit_test(solu_4l_too),
        cmocka_unit_test(old_solu_1l_with_final_rms_too),
        cmocka_unit_test(old_solu_4l_LNPre_too),
        cmocka_unit_test(old_solu_8l_with_straight_weights_too),
        cmocka_unit_test(a_run_leaves_nothing_behind_for_the_next),
        cmocka_unit_test(the_future_changes_nothing),
        cmocka_unit_test(top_tokens_come_in_order_and_ties_by_id),
        cmocka_unit_test(log_sum_exp_and_entropy_hold_for_extreme_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
