/*
 * thrift.h - reads the compact protocol of Thrift, in which Parquet writes its headers
 *
 *     struct thrift t = {.at = bytes, .end = bytes + len};
 *     struct thrift_field f = {0};
 *     while (thrift_next(&t, &f)) {
 *         switch (f.id) {
 *         case 3: n = thrift_int(&t, &f); break;
 *         default: thrift_skip(&t, &f);
 *         }
 *     }
 *     if (t.why) ...
 *
 * The bytes are foreign: every length is compared with what is left.  The first error stays in
 * t.why; from then on every function returns 0, and a field or a list ends at once.  Structs and
 * lists that are skipped may be nested THRIFT_DEPTH deep.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_THRIFT_H
#define GAPSCOPE_CORPORA_PARQUET_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define THRIFT_DEPTH 32

enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE, // in a list: a boolean, which takes one byte
    THRIFT_I8,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
};

struct thrift {
    const unsigned char *at, *end; // the bytes that are left; they belong to the caller
    const char *why;               // what is wrong; NULL: nothing
};

/* A field of a struct: {0} before the first one. */
struct thrift_field {
    int id;
    enum thrift_type type;
};

/* Goes to the next field of a struct.  False: the struct has ended, or t->why is set. */
bool thrift_next(struct thrift *t, struct thrift_field *f);

/* The value of the field, which must be of that kind. */
int64_t thrift_int(struct thrift *t, const struct thrift_field *f);
bool thrift_bool(struct thrift *t, const struct thrift_field *f);

/* Its bytes point into those of t. */
size_t thrift_binary(struct thrift *t, const struct thrift_field *f, const char **bytes);

/* Whether the field is a struct, whose fields come next. */
bool thrift_struct(struct thrift *t, const struct thrift_field *f);

/* The number of items of the field, a list of 'type', which come next. */
size_t thrift_list(struct thrift *t, const struct thrift_field *f, enum thrift_type type);

/* Passes over the field's value. */
void thrift_skip(struct thrift *t, const struct thrift_field *f);

#endif
