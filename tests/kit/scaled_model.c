#include "tests/kit/scaled_model.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"

#define FROM "model/demo/gelu-1l"
#define NEURON 7

static void copy(const char *dir, const char *name)
{
    char from[512], to[512], bytes[4096];
    snprintf(from, sizeof from, FROM "/%s", name);
    snprintf(to, sizeof to, "%s/%s", dir, name);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;) {
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* values[n] of a tensor that has shape[0] rows. */
static void scale(const struct tensor *t, float *values, enum scaled what, float factor)
{
    const size_t width = t->n_dims == 2 ? t->shape[1] : 1;
    if (what == SCALED_UNEMBED && strcmp(t->name, "unembed.W_U") == 0) {
        for (size_t i = 0; i < t->n; i++) {
            values[i] *= factor;
        }
    } else if (what == SCALED_NEURON && strcmp(t->name, "blocks.0.mlp.W_in") == 0) {
        float most = 0;
        for (size_t i = 0; i < t->shape[0]; i++) {
            most = fmaxf(most, fabsf(values[i * width + NEURON]));
        }
        for (size_t i = 0; i < t->shape[0]; i++) {
            values[i * width + NEURON] *= factor / most;
        }
    } else if (what == SCALED_NEURON && strcmp(t->name, "blocks.0.mlp.W_out") == 0) {
        memset(values + NEURON * width, 0, width * sizeof *values);
    }
}

void scaled_write(const char *dir, enum scaled what, float factor)
{
    struct tensorfile *f = NULL;
    struct buf header = {0}, data = {0};
    char path[512];
    mkdir(dir, 0777);
    copy(dir, "config.json");
    copy(dir, "tokenizer.json");
    assert_int_equal(tensorfile_open(&f, FROM "/model_final.pth", NULL), 0);
    for (size_t k = 0; k < tensorfile_n(f); k++) {
        const struct tensor *t = tensorfile_at(f, k);
        if (strstr(t->name, ".mask") || strstr(t->name, ".IGNORE")) {
            continue;
        }
        float *values = mem_new(t->n, sizeof *values);
        assert_non_null(values);
        tensor_read_f32(f, t, values);
        scale(t, values, what, factor);
        buf_printf(&header, NULL, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu",
                   data.len > 0 ? ',' : '{', t->name, t->shape[0]);
        for (size_t i = 1; i < t->n_dims; i++) {
            buf_printf(&header, NULL, ",%zu", t->shape[i]);
        }
        buf_printf(&header, NULL, "],\"data_offsets\":[%zu,%zu]}", data.len,
                   data.len + t->n * sizeof *values);
        assert_int_equal(buf_append(&data, values, t->n * sizeof *values, NULL), 0);
        free(values);
    }
    tensorfile_close(f);
    assert_int_equal(buf_printf(&header, NULL, "}"), 0);
    const uint64_t len = header.len;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(&len, sizeof len, 1, out), 1);
    assert_int_equal(fwrite(header.data, 1, header.len, out), header.len);
    assert_int_equal(fwrite(data.data, 1, data.len, out), data.len);
    assert_int_equal(fclose(out), 0);
    buf_free(&header);
    buf_free(&data);
}
