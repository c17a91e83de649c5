/*
 * pickle.h - reads the pickle of a state dict without executing it
 *
 * A pickle is a program for a stack machine that may call any Python function.  This machine knows
 * the opcodes and globals that torch.save writes for a dict of tensors, refuses every other with an
 * error that names it, and calls nothing: the result is a tree of values in which a call is a
 * PICKLE_CALL, for torchfile.c to read.
 *
 *     pickle_read -> look at p.root -> pickle_free
 *
 * Values are shared by reference, as in Python, so a small pickle can describe a huge or endless
 * tree: never walk it without a bound on the depth.  Reading takes time proportional to the
 * pickle's length, and at most PICKLE_MAX_MEMORY.
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_PICKLE_H
#define GAPSCOPE_MODEL_WEIGHTS_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* A tensor needs about 1 KB, so this is room for a quarter of a million tensors. */
#define PICKLE_MAX_MEMORY ((size_t)256 << 20)

/*    name                       module         global */
#define PICKLE_GLOBALS(X)                                                                          \
    X(PICKLE_ORDERED_DICT, "collections", "OrderedDict")                                           \
    X(PICKLE_REBUILD_TENSOR, "torch._utils", "_rebuild_tensor_v2")                                 \
    X(PICKLE_REBUILD_PARAMETER, "torch._utils", "_rebuild_parameter")                              \
    X(PICKLE_FLOAT_STORAGE, "torch", "FloatStorage")                                               \
    X(PICKLE_HALF_STORAGE, "torch", "HalfStorage")                                                 \
    X(PICKLE_BFLOAT16_STORAGE, "torch", "BFloat16Storage")                                         \
    X(PICKLE_DOUBLE_STORAGE, "torch", "DoubleStorage")                                             \
    X(PICKLE_BOOL_STORAGE, "torch", "BoolStorage")                                                 \
    X(PICKLE_BYTE_STORAGE, "torch", "ByteStorage")                                                 \
    X(PICKLE_CHAR_STORAGE, "torch", "CharStorage")                                                 \
    X(PICKLE_SHORT_STORAGE, "torch", "ShortStorage")                                               \
    X(PICKLE_INT_STORAGE, "torch", "IntStorage")                                                   \
    X(PICKLE_LONG_STORAGE, "torch", "LongStorage")                                                 \
    X(PICKLE_COMPLEX_FLOAT_STORAGE, "torch", "ComplexFloatStorage")                                \
    X(PICKLE_COMPLEX_DOUBLE_STORAGE, "torch", "ComplexDoubleStorage")                              \
    /* of dtypes that are newer than storages with classes of their own */                         \
    X(PICKLE_REBUILD_TENSOR_V3, "torch._utils", "_rebuild_tensor_v3")                              \
    X(PICKLE_UNTYPED_STORAGE, "torch.storage", "UntypedStorage")                                   \
    X(PICKLE_FLOAT8_E4M3FN, "torch", "float8_e4m3fn")                                              \
    X(PICKLE_FLOAT8_E5M2, "torch", "float8_e5m2")                                                  \
    X(PICKLE_FLOAT8_E4M3FNUZ, "torch", "float8_e4m3fnuz")                                          \
    X(PICKLE_FLOAT8_E5M2FNUZ, "torch", "float8_e5m2fnuz")                                          \
    X(PICKLE_FLOAT8_E8M0FNU, "torch", "float8_e8m0fnu")                                            \
    X(PICKLE_UINT16, "torch", "uint16")                                                            \
    X(PICKLE_UINT32, "torch", "uint32")                                                            \
    X(PICKLE_UINT64, "torch", "uint64")

enum pickle_global {
#define X(name, module, global) name,
    PICKLE_GLOBALS(X)
#undef X
};

/*    name               for messages */
#define PICKLE_KINDS(X)                                                                            \
    X(PICKLE_NONE, "None")                                                                         \
    X(PICKLE_BOOL, "a bool")                                                                       \
    X(PICKLE_INT, "a number")                                                                      \
    X(PICKLE_FLOAT, "a number")                                                                    \
    X(PICKLE_TEXT, "a text")                                                                       \
    X(PICKLE_TUPLE, "a tuple")                                                                     \
    X(PICKLE_LIST, "a list")                                                                       \
    X(PICKLE_DICT, "a dict")                                                                       \
    X(PICKLE_GLOBAL, "a class")                                                                    \
    X(PICKLE_CALL, "a tensor") /* every allowed call makes one */                                  \
    X(PICKLE_PERSISTENT, "a storage")

enum pickle_kind {
#define X(name, text) name,
    PICKLE_KINDS(X)
#undef X
};

struct pickle_value {
    enum pickle_kind kind;
    enum pickle_global global; // GLOBAL, and CALL: the function
    union {
        int64_t integer; // INT, and BOOL: 0 or 1
        struct {
            const char *text; // TEXT: [text_len], in the pickle, any bytes
            size_t text_len;
        };
        struct {
            struct pickle_value **items; // TUPLE: [n_items]
            size_t n_items;
        };
        struct {
            struct pickle_item *first, *last; // LIST and DICT: in the order of insertion
        };
        struct {
            const struct pickle_value *args; // CALL and PERSISTENT: a tuple
            size_t number;                   // PERSISTENT: from 0, in the order of the pickle
        };
    };
};

/* A member of a list or a dict (keys may occur again: the machine does not compare them). */
struct pickle_item {
    const struct pickle_value *key; // NULL in a list
    const struct pickle_value *value;
    struct pickle_item *next;
};

struct pickle {
    const struct pickle_value *root;
    struct pickle_value *persistents; // a LIST of all PERSISTENT values
    size_t n_persistents;
    size_t used;                 // number of bytes including STOP
    struct pickle_block *blocks; // private
    size_t memory;               // private
};

/*
 * Runs the pickle at bytes[0], which ends at its STOP, at or before len.
 * Errors: ERR_UNSUPPORTED (an opcode or global not allowed), ERR_FORMAT, ERR_TRUNCATED, ERR_LIMIT,
 * ERR_NOMEM; the message begins with the byte and the opcode.  *out is {0} then.
 */
int pickle_read(struct pickle *out, const unsigned char *bytes, size_t len, struct err *err);

void pickle_free(struct pickle *p); // {0} is allowed

const char *pickle_kind_name(enum pickle_kind kind); // "a dict"

#endif
