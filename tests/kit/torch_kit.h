/*
 * torch_kit.h - what the tests of torch's files share: archives, pickles, and how a file is refused
 */
#ifndef GAPSCOPE_TESTS_KIT_TORCH_KIT_H
#define GAPSCOPE_TESTS_KIT_TORCH_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"

/* --- archives -------------------------------------------------------------------------------- */

struct zip_part {
    const char *name;
    const void *data;
    size_t len;
};

enum { WITHOUT_ZIP64, WITH_ZIP64 };

/* An archive and the places of its records. */
struct archive {
    struct buf bytes;
    size_t local[8], central[8], end64, locator, end;
};

static inline void put(struct buf *b, size_t n_bytes, uint64_t value)
{
    for (size_t i = 0; i < n_bytes; i++, value >>= 8) {
        const char c = (char)value;
        assert_int_equal(buf_append(b, &c, 1, NULL), 0);
    }
}

static inline void put_fields(struct buf *b, const unsigned char *widths, const uint64_t *values,
                              size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(b, widths[i], values[i]);
    }
}

/* Makes an archive that zip_open() reads; with zip64, all sizes and offsets are in the wide fields
 * alone. */
static inline void make_archive(struct archive *a, const struct zip_part *parts, size_t n,
                                int zip64)
{
    *a = (struct archive){0};
    struct buf *b = &a->bytes;
    for (size_t i = 0; i < n; i++) {
        a->local[i] = b->len;
        put_fields(b, (unsigned char[]){4, 2, 2, 2, 4, 4, 4, 4, 2, 2},
                   (uint64_t[]){0x04034b50, 20, 0, 0, 0, 0, 0, 0, strlen(parts[i].name), 3}, 10);
        buf_append(b, parts[i].name, strlen(parts[i].name), NULL);
        buf_append(b, "pad", 3, NULL);
        buf_append(b, parts[i].data, parts[i].len, NULL);
    }
    const size_t from = b->len;
    for (size_t i = 0; i < n; i++) {
        const uint64_t len = parts[i].len, at = a->local[i];
        const uint32_t crc = (uint32_t)crc32_z(0, parts[i].data, len);
        a->central[i] = b->len;
        put_fields(b, (unsigned char[]){4, 2, 2, 2, 2, 4, 4, 4, 4, 2},
                   (uint64_t[]){0x02014b50, 20, 20, 0, 0, 0, crc, zip64 ? UINT32_MAX : len,
                                zip64 ? UINT32_MAX : len, strlen(parts[i].name)},
                   10);
        put_fields(b, (unsigned char[]){2, 2, 2, 2, 4, 4},
                   (uint64_t[]){zip64 ? 32 : 0, 0, 0, 0, 0, zip64 ? UINT32_MAX : at}, 6);
        buf_append(b, parts[i].name, strlen(parts[i].name), NULL);
        if (zip64) {
            put_fields(b, (unsigned char[]){2, 2, 0, 2, 2, 8, 8, 8},
                       (uint64_t[]){0x4246, 0, 0, 1, 24, len, len, at}, 8);
        }
    }
    const size_t size = b->len - from;
    if (zip64) {
        a->end64 = b->len;
        put_fields(b, (unsigned char[]){4, 8, 2, 2, 4, 4, 8, 8, 8, 8},
                   (uint64_t[]){0x06064b50, 44, 45, 45, 0, 0, n, n, size, from}, 10);
        a->locator = b->len;
        put_fields(b, (unsigned char[]){4, 4, 8, 4}, (uint64_t[]){0x07064b50, 0, a->end64, 1}, 4);
    }
    a->end = b->len;
    put_fields(b, (unsigned char[]){4, 2, 2, 2, 2, 4, 4, 2},
               (uint64_t[]){0x06054b50, 0, 0, zip64 ? UINT16_MAX : n, zip64 ? UINT16_MAX : n,
                            zip64 ? UINT32_MAX : size, zip64 ? UINT32_MAX : from, 0},
               8);
}

/* --- pickles --------------------------------------------------------------------------------- */

#define P(text) text, sizeof text - 1
#define TEXT_w                                                                                     \
    "\x8c\x01"                                                                                     \
    "w"
#define FLOATS "ctorch\nFloatStorage\n"
#define PERSISTENT(class, key, n)                                                                  \
    "(\x8c\x07"                                                                                    \
    "storage" class key "\x8c\x03"                                                                 \
                        "cpu" n "tQ"
#define STORAGE                                                                                    \
    PERSISTENT(FLOATS,                                                                             \
               "\x8c\x01"                                                                          \
               "0",                                                                                \
               "K\x04")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define VIEW(storage, offset, sizes, strides)                                                      \
    REBUILD "(" storage offset sizes strides "\x89"                                                \
            "ccollections\nOrderedDict\n)RtR"
#define TENSOR VIEW(STORAGE, "K\0", "K\x04\x85", "K\x01\x85")
#define DICT(items) "\x80\x02}(" items "u."

/* Four floats: 1, -0.0, the least subnormal, and a NaN with a payload. */
static const unsigned char floats[16] = {0, 0, 0x80, 0x3f, 0, 0, 0,    0x80,
                                         1, 0, 0,    0,    1, 2, 0x83, 0x7f};

static inline int parse_exact(struct tensorfile **f, const void *bytes, size_t len, struct err *err,
                              void **block)
{
    *block = mem_new(len, 1);
    assert_non_null(*block);
    memcpy(*block, bytes, len);
    return tensorfile_parse(f, *block, len, err);
}

static inline void assert_refused(const void *bytes, size_t len, enum err_code code,
                                  const char *msg, size_t i)
{
    struct tensorfile *f = NULL;
    struct err err = {0};
    void *block;
    const int rc = parse_exact(&f, bytes, len, &err, &block);
    if (rc != (int)code || !strstr(err.msg, msg)) {
        print_error("case %zu: %d \"%s\" instead of %d \"%s\"\n", i, rc, err.msg, code, msg);
    }
    assert_int_equal(rc, code);
    assert_non_null(strstr(err.msg, msg));
    assert_null(f);
    free(block);
}

#endif
