/*
 * plain.h - the part of cmocka that a test of the kernels uses, where cmocka is not: tests/model/arm
 */
#ifndef GAPSCOPE_TESTS_KIT_PLAIN_H
#define GAPSCOPE_TESTS_KIT_PLAIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define fail_msg(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))
#define assert_true(x) ((x) ? (void)0 : fail_msg("%s:%d: not so: %s", __FILE__, __LINE__, #x))
#define assert_false(x) assert_true(!(x))
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(test)                                                                     \
    {                                                                                              \
#test, test                                                                                \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    plain_run(tests, sizeof(tests) / sizeof *(tests))

static int plain_run(const struct CMUnitTest *tests, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tests[i].run(NULL);
        printf("%s: OK\n", tests[i].name);
    }
    return 0;
}

#endif
