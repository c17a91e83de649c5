#include "model/weights/tensor.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "corpora/base/mem.h"

// Files hold little-endian numbers, which are copied into variables as they are.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "needs a little-endian machine");

/* Pages are released after this many bytes, since each release costs a system call. */
#define GIVE_BACK_BYTES ((size_t)1 << 20)

const char *dtype_name(enum dtype dtype)
{
    static const char *const names[] = {
#define X(name, text, size) [name] = text,
        DTYPES(X)
#undef X
    };
    return names[dtype];
}

size_t dtype_bytes(enum dtype dtype)
{
    static const unsigned char sizes[] = {
#define X(name, text, size) [name] = size,
        DTYPES(X)
#undef X
    };
    return sizes[dtype];
}

const char *tensor_dtype_name(const struct tensor *t)
{
    return t->dtype == DTYPE_UNREAD ? t->unread : dtype_name(t->dtype);
}

size_t tensor_bytes(const struct tensor *t)
{
    return t->dtype == DTYPE_UNREAD ? t->unread_bytes : t->n * dtype_bytes(t->dtype);
}

int tensor_is_read(const struct tensor *t, struct err *err)
{
    return t->dtype != DTYPE_UNREAD
               ? 0
               : err_set(err, ERR_UNSUPPORTED,
                         "dtype %s is not read: convert it to float32, float16 or bfloat16",
                         t->unread);
}

int tensor_count(struct tensor *t, struct err *err)
{
    size_t n = 1, bytes;
    bool fits = true;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->shape[i] == 0) {
            t->n = 0;
            return 0;
        }
        fits = fits && mem_mul(n, t->shape[i], &n);
    }
    if (!fits || !mem_mul(n, sizeof(double), &bytes)) {
        return err_set(err, ERR_FORMAT, "shape %s has more elements than memory has bytes",
                       tensor_shape_text(t).text);
    }
    t->n = n;
    return 0;
}

struct tensor_text tensor_shape_text(const struct tensor *t)
{
    struct tensor_text s = {"["};
    size_t at = 1;
    for (size_t i = 0; i < t->n_dims; i++) {
        at += (size_t)snprintf(s.text + at, sizeof s.text - at, "%s%zu", i ? ", " : "",
                               t->shape[i]); // at most 22 bytes, 8 times
    }
    snprintf(s.text + at, sizeof s.text - at, "]");
    return s;
}

/* --- one element ----------------------------------------------------------------------------- */

static float f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f, fraction = h & 0x3ff;
    if (exponent == 0 && fraction != 0) {
        // A subnormal, fraction * 2^-24, is a normal number of the wider format.
        const uint32_t shift = (uint32_t)__builtin_clz(fraction) - 21; // its top bit to bit 10
        fraction = fraction << shift & 0x3ff;
        exponent = 1 - shift + 112;
    } else if (exponent == 0x1f) {
        exponent = 0xff;
    } else if (exponent != 0) {
        exponent += 127 - 15;
    }
    const uint32_t bits = sign | exponent << 23 | fraction << 13;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float bf16_to_f32(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Each does dst[i * dst_stride] = the number at src + i * step, for i < n. */
#define DEFINE_CONVERT(name, type, value)                                                          \
    static void name(float *dst, size_t dst_stride, const unsigned char *src, size_t step,         \
                     size_t n)                                                                     \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            type x;                                                                                \
            memcpy(&x, src + i * step, sizeof x);                                                  \
            dst[i * dst_stride] = value;                                                           \
        }                                                                                          \
    }
DEFINE_CONVERT(convert_f32, float, x)
DEFINE_CONVERT(convert_f16, uint16_t, f16_to_f32(x))
DEFINE_CONVERT(convert_bf16, uint16_t, bf16_to_f32(x))
DEFINE_CONVERT(convert_f64, double, (float)x)
DEFINE_CONVERT(convert_i64, int64_t, (float)x)
DEFINE_CONVERT(convert_i32, int32_t, (float)x)
DEFINE_CONVERT(convert_i16, int16_t, (float)x)
DEFINE_CONVERT(convert_i8, int8_t, (float)x)
DEFINE_CONVERT(convert_u8, uint8_t, (float)x)
DEFINE_CONVERT(convert_bool, uint8_t, x != 0 ? 1.0f : 0.0f)

typedef void convert_fn(float *dst, size_t dst_stride, const unsigned char *src, size_t step,
                        size_t n);

static convert_fn *const converts[] = {
    [DTYPE_F32] = convert_f32,   [DTYPE_F16] = convert_f16, [DTYPE_BF16] = convert_bf16,
    [DTYPE_F64] = convert_f64,   [DTYPE_I64] = convert_i64, [DTYPE_I32] = convert_i32,
    [DTYPE_I16] = convert_i16,   [DTYPE_I8] = convert_i8,   [DTYPE_U8] = convert_u8,
    [DTYPE_BOOL] = convert_bool, [DTYPE_UNREAD] = NULL,
};

/* Element i in row-major order. */
static const unsigned char *element(const struct tensor *t, size_t i)
{
    size_t at = 0;
    for (size_t d = t->n_dims; d-- > 0; i /= t->shape[d]) {
        at += i % t->shape[d] * t->stride[d];
    }
    return t->data + at * dtype_bytes(t->dtype);
}

int64_t tensor_integer(const struct tensor *t, size_t i)
{
    if (t->dtype != DTYPE_I64) {
        return (int64_t)tensor_value(t, i); // at most 32 bits, which a double holds
    }
    int64_t x;
    memcpy(&x, element(t, i), sizeof x);
    return x;
}

double tensor_value(const struct tensor *t, size_t i)
{
    assert(t->dtype != DTYPE_UNREAD);
    const unsigned char *p = element(t, i);
    switch (t->dtype) {
    case DTYPE_F64: {
        double x;
        memcpy(&x, p, sizeof x);
        return x;
    }
    case DTYPE_I64: {
        int64_t x;
        memcpy(&x, p, sizeof x);
        return (double)x;
    }
    case DTYPE_I32: {
        int32_t x;
        memcpy(&x, p, sizeof x);
        return x;
    }
    default: { // those that a float holds exactly
        float x;
        converts[t->dtype](&x, 1, p, 0, 1);
        return (double)x;
    }
    }
}

/* --- all elements ---------------------------------------------------------------------------- */

/* One of the nested loops through a tensor's data. */
struct loop {
    size_t n;
    size_t step;       // bytes in the file
    size_t dst_stride; // elements in the result
};

/* Makes the loops that visit t's elements in the order of the file, outermost first; returns their
 * number (1 to TENSOR_MAX_DIMS).  Dimensions that are contiguous become one. */
static size_t plan(const struct tensor *t, struct loop loops[TENSOR_MAX_DIMS])
{
    const size_t size = dtype_bytes(t->dtype);
    size_t n_loops = 0, dst_stride = t->n;
    for (size_t d = 0; d < t->n_dims; d++) {
        dst_stride /= t->shape[d];
        const struct loop loop = {t->shape[d], t->stride[d] * size, dst_stride};
        struct loop *outer = n_loops ? &loops[n_loops - 1] : NULL;
        if (loop.n == 1) {
            continue;
        }
        if (outer && outer->step == loop.n * loop.step) {
            *outer = (struct loop){outer->n * loop.n, loop.step, dst_stride};
        } else {
            loops[n_loops++] = loop;
        }
    }
    if (n_loops == 0) {
        loops[n_loops++] = (struct loop){1, size, 1};
    }
    for (size_t i = 1; i < n_loops; i++) { // by falling step; equal ones keep their order
        const struct loop loop = loops[i];
        size_t at = i;
        for (; at > 0 && loops[at - 1].step < loop.step; at--) {
            loops[at] = loops[at - 1];
        }
        loops[at] = loop;
    }
    return n_loops;
}

/* The part of the file that was read and released. */
struct reader {
    const struct file_map *map; // or NULL
    size_t given_back;          // the map is released up to this byte
};

static void give_back(struct reader *r, const unsigned char *upto, size_t at_least)
{
    if (!r->map || !r->map->data) {
        return;
    }
    const size_t to = (size_t)(upto - r->map->data);
    if (to > r->given_back && to - r->given_back >= at_least) {
        file_map_done_with(r->map, r->given_back, to);
        r->given_back = to;
    }
}

static void walk(struct reader *r, const struct loop *loops, size_t n_loops, convert_fn *convert,
                 float *dst, const unsigned char *src)
{
    const struct loop *loop = loops;
    if (n_loops > 1) {
        for (size_t i = 0; i < loop->n; i++) {
            walk(r, loops + 1, n_loops - 1, convert, dst + i * loop->dst_stride,
                 src + i * loop->step);
        }
        return;
    }
    const size_t most = loop->step ? GIVE_BACK_BYTES / loop->step + 1 : loop->n;
    for (size_t i = 0; i < loop->n; i += most) {
        const size_t n = loop->n - i < most ? loop->n - i : most;
        convert(dst + i * loop->dst_stride, loop->dst_stride, src + i * loop->step, loop->step, n);
        give_back(r, src + (i + n - 1) * loop->step, GIVE_BACK_BYTES);
    }
}

void tensor_to_f32(const struct tensor *t, float *dst, const struct file_map *map)
{
    assert(t->dtype != DTYPE_UNREAD);
    if (t->n == 0) {
        return;
    }
    struct loop loops[TENSOR_MAX_DIMS];
    const size_t n_loops = plan(t, loops);
    struct reader r = {.map = map};
    if (map && map->data) {
        r.given_back = (size_t)(t->data - map->data);
    }
    const unsigned char *end = t->data + dtype_bytes(t->dtype);
    for (size_t i = 0; i < n_loops; i++) {
        end += (loops[i].n - 1) * loops[i].step;
    }
    if (t->dtype == DTYPE_F32 && n_loops == 1 && loops[0].step == sizeof *dst) {
        // Like convert_f32(), but with memcpy(): most of a model is contiguous f32.
        const size_t most = GIVE_BACK_BYTES / sizeof *dst;
        for (size_t i = 0; i < t->n; i += most) {
            const size_t n = t->n - i < most ? t->n - i : most;
            memcpy(dst + i, t->data + i * sizeof *dst, n * sizeof *dst);
            give_back(&r, t->data + (i + n) * sizeof *dst, 0);
        }
    } else {
        walk(&r, loops, n_loops, converts[t->dtype], dst, t->data);
    }
    give_back(&r, end, 0);
}
