#include "tests/kit/model_copy.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"
#include "tests/kit/golden.h"

static void read_file(struct buf *to, const char *dir, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(file_read(path, (size_t)64 << 20, to, NULL), 0);
}

static void write_file(const char *dir, const char *name, const struct buf *bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
    assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    struct buf bytes = {0};
    read_file(&bytes, from, name);
    write_file(to, name, &bytes);
    buf_free(&bytes);
}

/* Appends the tensor to a safetensors file's header and data. */
static void add(struct buf *header, struct buf *data, const struct model_copy_tensor *t)
{
    size_t n = 1;
    buf_printf(header, NULL, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[", data->len > 0 ? ',' : '{',
               t->name);
    for (size_t i = 0; i < t->n_dims; i++) {
        buf_printf(header, NULL, "%s%zu", i > 0 ? "," : "", t->shape[i]);
        n *= t->shape[i];
    }
    buf_printf(header, NULL, "],\"data_offsets\":[%zu,%zu]}", data->len,
               data->len + n * sizeof *t->values);
    assert_int_equal(buf_append(data, t->values, n * sizeof *t->values, NULL), 0);
}

void model_copy(const char *from, const char *to,
                void (*change)(struct model_copy_tensor *t, const void *context),
                const void *context)
{
    struct tensorfile *f = NULL;
    struct buf header = {0}, data = {0}, all = {0};
    char path[1024];
    mkdir(to, 0777);
    copy_file(from, to, "config.json");
    copy_file(from, to, "tokenizer.json");
    snprintf(path, sizeof path, "%s/model_final.pth", from);
    assert_int_equal(tensorfile_open(&f, path, NULL), 0);
    for (size_t k = 0; k < tensorfile_n(f); k++) {
        const struct tensor *t = tensorfile_at(f, k);
        if (strstr(t->name, ".mask") || strstr(t->name, ".IGNORE")) {
            continue;
        }
        struct model_copy_tensor copy = {.name = t->name, .n_dims = t->n_dims};
        assert_true(t->n_dims <= sizeof copy.shape / sizeof *copy.shape);
        memcpy(copy.shape, t->shape, t->n_dims * sizeof *copy.shape);
        copy.values = mem_new(t->n, sizeof *copy.values);
        assert_non_null(copy.values);
        tensor_read_f32(f, t, copy.values);
        change(&copy, context);
        add(&header, &data, &copy);
        free(copy.values);
    }
    tensorfile_close(f);
    buf_printf(&header, NULL, "}");
    const uint64_t len = header.len;
    buf_append(&all, &len, sizeof len, NULL);
    buf_append(&all, header.data, header.len, NULL);
    assert_int_equal(buf_append(&all, data.data, data.len, NULL), 0);
    write_file(to, "model.safetensors", &all);
    buf_free(&header);
    buf_free(&data);
    buf_free(&all);
}

#define D_MLP ((size_t)512) // of the models of model/demo, which have no other axis of this length

/* The first SMALL_D_MLP neurons: along the axis that numbers them. */
static void leave_few(struct model_copy_tensor *t, const void *context)
{
    (void)context;
    for (size_t axis = 0; axis < t->n_dims; axis++) {
        if (t->shape[axis] != D_MLP) {
            continue;
        }
        size_t before = 1, after = 1; // the product of the axes on either side
        for (size_t i = 0; i < t->n_dims; i++) {
            before *= i < axis ? t->shape[i] : 1;
            after *= i > axis ? t->shape[i] : 1;
        }
        for (size_t i = 1; i < before; i++) {
            memmove(t->values + i * SMALL_D_MLP * after, t->values + i * D_MLP * after,
                    SMALL_D_MLP * after * sizeof *t->values);
        }
        t->shape[axis] = SMALL_D_MLP;
    }
}

void small_models(const char *dir)
{
    static const char *const names[] = {"attn-only-1l", "gelu-1l", "solu-1l"};
    mkdir(dir, 0777);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf config = {0};
        char from[512], to[512], number[8];
        snprintf(from, sizeof from, "model/demo/%s", names[i]);
        snprintf(to, sizeof to, "%s/%s", dir, names[i]);
        model_copy(from, to, leave_few, NULL);
        read_file(&config, to, "config.json");
        assert_int_equal(buf_append(&config, "", 1, NULL), 0);
        char *at = strstr(config.data, "\"d_mlp\": 512");
        assert_non_null(at);
        snprintf(number, sizeof number, "%3zu", SMALL_D_MLP);
        memcpy(at + strlen("\"d_mlp\": "), number, 3);
        config.len--;
        write_file(to, "config.json", &config);
        buf_free(&config);
    }
}
