/*
 * fuzz_tensors.h - what must hold of any bytes that are read as a weight file
 */
#ifndef GAPSCOPE_TESTS_FUZZ_TENSORS_H
#define GAPSCOPE_TESTS_FUZZ_TENSORS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "model/weights/tensorfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* Repeated elements make tensors of any size out of few bytes: larger ones are only sampled. */
#define MAX_ELEMENTS ((size_t)1 << 16)

static void check_tensor(const struct tensorfile *f, const struct tensor *t, const uint8_t *data,
                         size_t size)
{
    check(utf8_valid_prefix(t->name, strlen(t->name)) == strlen(t->name));
    check(tensorfile_find(f, t->name) == t);
    check(t->n_dims <= TENSOR_MAX_DIMS);
    check(t->data >= data && t->data <= data + size);
    size_t n = 1, last = 0;
    for (size_t i = 0; i < t->n_dims; i++) {
        n *= t->shape[i];
        last += (t->shape[i] - 1) * t->stride[i];
    }
    check(n == t->n);
    if (n == 0) {
        return;
    }
    if (t->dtype == DTYPE_UNREAD) {
        check(t->unread_bytes <= (size_t)(data + size - t->data));
        check(tensor_is_read(t, NULL) == ERR_UNSUPPORTED);
        return;
    }
    check((last + 1) * dtype_bytes(t->dtype) <= (size_t)(data + size - t->data));
    (void)tensor_value(t, 0);
    (void)tensor_value(t, n - 1);
    if (n <= MAX_ELEMENTS) {
        float *values = malloc(n * sizeof *values);
        check(values != NULL);
        tensor_read_f32(f, t, values);
        const float first = (float)tensor_value(t, n - 1);
        check(memcmp(&first, &values[n - 1], sizeof first) == 0 || first != first);
        free(values);
    }
}

static void check_file(const uint8_t *data, size_t size)
{
    struct tensorfile *f = NULL;
    struct err err = {0};
    const int rc = tensorfile_parse(&f, data, size, &err);
    if (rc) {
        check(rc == (int)err.code && err.msg[0] && !f);
        check(utf8_valid_prefix(err.msg, strlen(err.msg)) == strlen(err.msg));
        return;
    }
    for (size_t i = 0; i < tensorfile_n(f) && i < 100; i++) {
        check_tensor(f, tensorfile_at(f, i), data, size);
    }
    tensorfile_close(f);
}

#endif
