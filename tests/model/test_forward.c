/*
 * The reference forward pass against TransformerLens in float64 (tests/golden/models/README.md):
 * 11 architectures, random weights, three documents each.
 */
#include "tests/kit/golden_pass.h"

#include <math.h>

#include "model/load/model.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"

static void check_model(const char *name)
{
    char dir[256];
    snprintf(dir, sizeof dir, "tests/golden/models/%s", name);
    golden_pass_check(name, dir);
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
