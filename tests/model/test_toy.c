/*
 * The trainer of model/demo/train: its gradient is that of its loss (in f64, against differences).
 */
#include "tests/kit/golden.h"

#include <math.h>
#include <stdlib.h>

#include "model/demo/train/toy.h"

static void check(size_t n_layers, enum toy_act act)
{
    enum { C = 5 };
    static const uint16_t ids[C] = {0, 3, 3, 6, 1}, next[C] = {3, 3, 6, 1, 4};
    const struct toy_sizes size = {
        .n_layers = n_layers, .d_model = 6, .n_heads = 2, .d_vocab = 7, .n_ctx = C, .act = act};
    struct toy *t = toy_new(&size, 12345);
    assert_non_null(t);
    struct toy_work *w = toy_work_new(t), *other = toy_work_new(t);
    assert_true(w && other);
    uint64_t seed = 99; // biases are not 0 and norm weights not 1, which would hide errors in terms
    for (size_t i = 0; i < t->n; i++) {
        t->w[i] += 0.2 * (toy_random(&seed) - 0.5);
    }
    toy_sequence(t, w, ids, next, true, 0.5);
    for (size_t i = 0; i < t->n; i++) {
        const double was = t->w[i], h = 1e-5;
        t->w[i] = was + h;
        const double above = toy_sequence(t, other, ids, next, false, 1);
        t->w[i] = was - h;
        const double below = toy_sequence(t, other, ids, next, false, 1);
        t->w[i] = was;
        const double wanted = 0.5 * (above - below) / (2 * h);
        if (!(fabs(w->grad[i] - wanted) <= 1e-7 * (1 + fabs(wanted)))) {
            size_t p = 0;
            while (t->params[p].at + t->params[p].n <= i) {
                p++;
            }
            fail_msg("%s[%zu]: %.9g, by differences %.9g", t->params[p].name, i - t->params[p].at,
                     w->grad[i], wanted);
        }
    }
    toy_work_free(w);
    toy_work_free(other);
    toy_free(t);
}

static void the_gradient_of_attention_is_that_of_its_loss(void **state)
{
    (void)state;
    check(1, TOY_NONE);
    check(3, TOY_NONE);
}

static void the_gradient_of_gelu_is_that_of_its_loss(void **state)
{
    (void)state;
    check(2, TOY_GELU);
}

static void the_gradient_of_solu_is_that_of_its_loss(void **state)
{
    (void)state;
    check(2, TOY_SOLU);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_of_attention_is_that_of_its_loss),
        cmocka_unit_test(the_gradient_of_gelu_is_that_of_its_loss),
        cmocka_unit_test(the_gradient_of_solu_is_that_of_its_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
