/* Property: any bytes as saved answers are refused, or loaded, and then saved as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/answers/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run_hypothesis hypotheses[] = {{.predicts_next = true},
                                          {.answers_itself = true},
                                          {.name = NULL},
                                          {.n_answers = 2, .answers = {1, 2}}};
    const struct run run = {.n_models = 2, .hypotheses = hypotheses, .n_hypotheses = 4};
    struct answers_shape *shape;
    struct answers *a = NULL, *sum = NULL;
    struct buf again = {0};
    check(answers_shape_new(&shape, &run, NULL) == 0 && shape->n_rows == 3 && shape->asks);
    check(answers_new(&a, shape, NULL) == 0 && answers_new(&sum, shape, NULL) == 0);
    uint8_t *exact = malloc(size ? size : 1);
    check(exact != NULL);
    if (size > 0) {
        memcpy(exact, data, size);
    }
    const int rc = answers_load(a, exact, size, NULL);
    check(rc == 0 || rc == ERR_FORMAT);
    if (rc == 0) {
        check(answers_save(a, &again, NULL) == 0);
        check(again.len == size && memcmp(again.data, exact, size) == 0);
        answers_merge(sum, a);
        again.len = 0;
        check(answers_save(sum, &again, NULL) == 0); // whatever the sums are, they wrap
    }
    buf_free(&again);
    free(exact);
    answers_free(a);
    answers_free(sum);
    answers_shape_free(shape);
    return 0;
}
