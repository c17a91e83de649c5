/*
 * tensor.h - a strided view of numbers in a file's bytes
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_TENSOR_H
#define GAPSCOPE_MODEL_WEIGHTS_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/file.h"

/*     name       code's name     torch's name     bytes */
#define DTYPES(X)                                                                                  \
    X(DTYPE_F32, "float32", 4)                                                                     \
    X(DTYPE_F16, "float16", 2)                                                                     \
    X(DTYPE_BF16, "bfloat16", 2)                                                                   \
    X(DTYPE_F64, "float64", 8)                                                                     \
    X(DTYPE_I64, "int64", 8)                                                                       \
    X(DTYPE_I32, "int32", 4)                                                                       \
    X(DTYPE_I16, "int16", 2)                                                                       \
    X(DTYPE_I8, "int8", 1)                                                                         \
    X(DTYPE_U8, "uint8", 1)                                                                        \
    X(DTYPE_BOOL, "bool", 1)                                                                       \
    X(DTYPE_UNREAD, "unread", 0) /* any other: the tensor is listed, its values are not read */

enum dtype {
#define X(name, text, size) name,
    DTYPES(X)
#undef X
};

const char *dtype_name(enum dtype dtype); // "float32"
size_t dtype_bytes(enum dtype dtype);

#define TENSOR_MAX_DIMS 8

struct tensor {
    const char *name; // as in the file; unique; valid UTF-8
    enum dtype dtype;
    size_t n_dims;                  // 0 is a scalar
    size_t shape[TENSOR_MAX_DIMS];  // [n_dims]
    size_t stride[TENSOR_MAX_DIMS]; // [n_dims], in elements; 0 repeats an element
    size_t n;                       // elements: the product of shape
    const unsigned char *data;      // first element, little-endian, unaligned; in the file's bytes

    // of DTYPE_UNREAD
    char unread[16];     // the file's name for the dtype, cut if it is longer
    size_t unread_bytes; // of data
};

/* The dtype's name for people: dtype_name(), or what the file calls one that is not read. */
const char *tensor_dtype_name(const struct tensor *t);

/* The number of bytes that a contiguous t has in the file. */
size_t tensor_bytes(const struct tensor *t);

/* 0 where t's values can be read, else ERR_UNSUPPORTED with the dtype and the way out.  The three
 * functions below are for such tensors only. */
int tensor_is_read(const struct tensor *t, struct err *err);

/* Sets t->n from the shape.  Errors: ERR_FORMAT if memory cannot hold n elements. */
int tensor_count(struct tensor *t, struct err *err);

/* The shape as text like "[4, 128]", cut if it is too long. */
struct tensor_text {
    char text[200];
};
struct tensor_text tensor_shape_text(const struct tensor *t);

/* Element i in row-major order, exactly (int64 beyond 2^53 rounds; a bool is 0 or 1). */
double tensor_value(const struct tensor *t, size_t i);

/* The same for a tensor of integers or bools, without rounding. */
int64_t tensor_integer(const struct tensor *t, size_t i);

/*
 * Writes t, row-major, to dst[t->n] as f32: f64 and integers are rounded to nearest, other values
 * (NaNs with their bits) are kept.  The data is read in the order of its addresses; 'map' is the
 * file that holds it, whose pages are released as they are read, or NULL.
 */
void tensor_to_f32(const struct tensor *t, float *dst, const struct file_map *map);

#endif
