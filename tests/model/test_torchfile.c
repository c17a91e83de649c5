#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"

/* --- archives -------------------------------------------------------------------------------- */

struct unit_neurons {
    const char *name;
    const void *data;
    size_t len;
};

enum { WITHOUT_ZIP64, WITH_ZIP64 };

/* An archive and where its records lie. */
struct archive {
    struct buf bytes;
    size_t local[8], central[8], end64, locator, end;
};

static void put(struct buf *b, size_t n_bytes, uint64_t value)
{
    for (size_t i = 0; i < n_bytes; i++, value >>= 8) {
        const char c = (char)value;
        assert_int_equal(buf_append(b, &c, 1, NULL), 0);
    }
}

static void put_fields(struct buf *b, const unsigned char *widths, const uint64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(b, widths[i], values[i]);
    }
}

/* As zip_open() reads it; with zip64, all sizes and offsets are in the wide fields alone. */
static void make_archive(struct archive *a, const struct unit_neurons *parts, size_t n, int zip64)
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

static int parse_exact(struct tensorfile **f, const void *bytes, size_t len, struct err *err,
                       void **block)
{
    *block = mem_new(len, 1);
    assert_non_null(*block);
    memcpy(*block, bytes, len);
    return tensorfile_parse(f, *block, len, err);
}

static void assert_refused(const void *bytes, size_t len, enum err_code code, const char *msg,
                           size_t i)
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

static void assert_refused_pickle(const char *pickle, size_t len, enum err_code code,
                                  const char *msg, size_t i)
{
    struct archive a;
    make_archive(&a, (struct unit_neurons[]){{"m/data.pkl", pickle, len}, {"m/data/0", floats, 16}},
                 2, WITHOUT_ZIP64);
    assert_refused(a.bytes.data, a.bytes.len, code, msg, i);
    buf_free(&a.bytes);
}

static void what_is_no_dict_of_tensors_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t len;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {P(TENSOR "."), ERR_UNSUPPORTED, "holds a tensor, not a dict of tensors"},
        {P("]" TENSOR "a."), ERR_UNSUPPORTED, "holds a list, not a dict of tensors"},
        {P("K\x01."), ERR_UNSUPPORTED, "holds a number, not a dict of tensors"},
        {P(DICT("\x8c\x05"
                "epochK\x03")),
         ERR_UNSUPPORTED, "\"epoch\": is a number, not a tensor"},
        {P(DICT("\x8c\x05"
                "modelN")),
         ERR_UNSUPPORTED, "\"model\": is None, not a tensor"},
        {P(DICT("\x8c\x05"
                "model}")),
         ERR_UNSUPPORTED, "\"model\": is a dict, not a tensor"},
        {P(DICT("K\x01" TENSOR)), ERR_UNSUPPORTED, "key 0 of the dict is a number"},
        {P(DICT(TEXT_w TENSOR TEXT_w TENSOR)), ERR_FORMAT, "two tensors are named \"w\""},
        {P(DICT("\x8c\x02\xc3(" TENSOR)), ERR_FORMAT, "tensor 0: its name is not valid UTF-8"},
        {P(DICT("\x8c\x02"
                "a\0" TENSOR)),
         ERR_UNSUPPORTED, "tensor 0: a NUL byte in its name"},
        {P(DICT(TEXT_w STORAGE)), ERR_UNSUPPORTED, "\"w\": is a storage, not a tensor"},
        {P(DICT(TEXT_w TENSOR) "rest"), ERR_FORMAT, "m/data.pkl: byte 123: 4 bytes after"},
        {P(DICT(TEXT_w REBUILD "N\x85R")), ERR_FORMAT, "not the arguments of _rebuild_tensor_v2"},
        {P(DICT(TEXT_w REBUILD "(NNNNNNtR")), ERR_FORMAT, "not the arguments of _rebuild_tensor"},
        {P(DICT(TEXT_w "ctorch._utils\n_rebuild_parameter\nN\x89}\x87R")), ERR_FORMAT,
         "\"w\": not the arguments of _rebuild_parameter"},
        {P(DICT(TEXT_w "ctorch._utils\n_rebuild_parameter\n)R")), ERR_FORMAT,
         "\"w\": not the arguments of _rebuild_parameter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused_pickle(cases[i].pickle, cases[i].len, cases[i].code, cases[i].msg, i);
    }
}

static void views_outside_of_their_storage_are_refused(void **state)
{
    (void)state;
#define W(offset, sizes, strides) DICT(TEXT_w VIEW(STORAGE, offset, sizes, strides))
#define LONG_2_62 "\x8a\x08\0\0\0\0\0\0\0\x40"
    static const struct {
        const char *pickle;
        size_t len;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {P(W("K\0", "K\x05\x85", "K\x01\x85")), ERR_FORMAT,
         "\"w\": shape [5] from element 0 reaches outside of storage 0 of 4 elements"},
        {P(W("K\x01", "K\x04\x85", "K\x01\x85")), ERR_FORMAT, "from element 1 reaches outside"},
        {P(W("K\0", "K\x02K\x02\x86", "K\x03K\x01\x86")), ERR_FORMAT,
         "shape [2, 2] from element 0"},
        {P(W("K\x04", ")", ")")), ERR_FORMAT, "shape [] from element 4 reaches outside"},
        {P(W("K\x05", "K\0\x85", "K\x01\x85")), ERR_FORMAT, "shape [0] from element 5 reaches"},
        {P(W("K\0", "K\x05\x85", LONG_2_62 "\x85")), ERR_FORMAT,
         "shape [5] from element 0 reaches"},
        {P(W("K\0", "K\x03K\x03\x86", LONG_2_62 LONG_2_62 "\x86")), ERR_FORMAT,
         "shape [3, 3] from"},
        {P(W(LONG_2_62, "K\x05\x85", LONG_2_62 "\x85")), ERR_FORMAT, "reaches outside"},
        {P(W("K\0", LONG_2_62 "K\x04\x86", "K\0K\0\x86")), ERR_FORMAT, "more elements than memory"},
        {P(W("J\xff\xff\xff\xff", ")", ")")), ERR_FORMAT, "its storage offset is not a whole"},
        {P(W("N", ")", ")")), ERR_FORMAT, "its storage offset is not a whole number from 0"},
        {P(W("K\0", "J\xff\xff\xff\xff\x85", "K\x01\x85")), ERR_FORMAT, "its sizes are not whole"},
        {P(W("K\0", "\x88\x85", "K\x01\x85")), ERR_FORMAT, "its sizes are not whole numbers"},
        {P(W("K\0", "]", "]")), ERR_FORMAT, "its sizes are not whole numbers from 0"},
        {P(W("K\0", "K\x04\x85", "J\xff\xff\xff\xff\x85")), ERR_FORMAT, "its strides are not a"},
        {P(W("K\0", "K\x04\x85", ")")), ERR_FORMAT,
         "its strides are not a whole number from 0 for"},
        {P(W("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", ")")), ERR_UNSUPPORTED,
         "\"w\": 9 dimensions; at most 8 are read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused_pickle(cases[i].pickle, cases[i].len, cases[i].code, cases[i].msg, i);
    }
}

static void storages_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *id; // the persistent id's tuple
        size_t len;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {P(")"), ERR_UNSUPPORTED, "a persistent id that is not a storage"},
        {P("(\x8c\x06"
           "moduleNNNNt"),
         ERR_UNSUPPORTED, "a persistent id that is not a storage"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0Nt"),
         ERR_FORMAT, "a storage of 4 items"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0NK\x04NNt"),
         ERR_FORMAT, "of 7 items"},
        {P("(\x8c\x07"
           "storageN\x8c\x01"
           "0NK\x04t"),
         ERR_FORMAT, "storage 0 is of no known class"},
        {P("(\x8c\x07"
           "storageccollections\nOrderedDict\n\x8c\x01"
           "0NK\x04t"),
         ERR_FORMAT, "storage 0 is of no known class"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x04"
           "../0NK\x04t"),
         ERR_FORMAT, "a storage's key is \"../0\"; expected digits"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\0NK\x04t"),
         ERR_FORMAT, "key is \"\"; expected digits"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x15"
           "000000000000000000000NK\x04t"),
         ERR_FORMAT, "key is \"000000000000000000000\"; expected digits"},
        {P("(\x8c\x07"
           "storage" FLOATS "K\0NK\x04t"),
         ERR_FORMAT, "key is \"\"; expected digits"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "1NK\x04t"),
         ERR_FORMAT, "no entry \"m/data/1\""},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0NK\x05t"),
         ERR_FORMAT, "entry \"m/data/0\": 5 elements of float32 in 16 bytes"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0NJ\xff\xff\xff\xfft"),
         ERR_FORMAT, "storage 0 has no possible size"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0N" LONG_2_62 "t"),
         ERR_FORMAT, "storage 0 has no possible size"},
        {P("(\x8c\x07"
           "storage" FLOATS "\x8c\x01"
           "0NK\x04"
           ")t"),
         ERR_UNSUPPORTED, "storage 0 is a view of another"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf pickle = {0};
        buf_append(&pickle, "]", 1, NULL);
        buf_append(&pickle, cases[i].id, cases[i].len, NULL);
        buf_append(&pickle, "Qa.", 3, NULL);
        assert_refused_pickle(pickle.data, pickle.len, cases[i].code, cases[i].msg, i);
        buf_free(&pickle);
    }
}

/* --- zip ------------------------------------------------------------------------------------- */

static const char good_pickle[] = DICT(TEXT_w TENSOR);
#define GOOD_PARTS                                                                                 \
    {"m/data/0", floats, 16},                                                                      \
    {                                                                                              \
        "m/data.pkl", good_pickle, sizeof good_pickle - 1                                          \
    }

static void assert_good(const struct archive *a)
{
    struct tensorfile *f = NULL;
    struct err err = {0};
    void *block;
    const int rc = parse_exact(&f, a->bytes.data, a->bytes.len, &err, &block);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    assert_string_equal(tensorfile_format(f), "torch zip");
    const struct tensor *t = tensorfile_find(f, "w");
    assert_int_equal(t->n, 4);
    float values[4];
    tensor_read_f32(f, t, values);
    assert_memory_equal(values, floats, 16);
    tensorfile_close(f);
    free(block);
}

static void a_zip_is_read_with_and_without_zip64_and_with_a_comment(void **state)
{
    (void)state;
    for (int zip64 = WITHOUT_ZIP64; zip64 <= WITH_ZIP64; zip64++) {
        struct archive a;
        make_archive(&a, (struct unit_neurons[]){GOOD_PARTS, {"m/byteorder", "little", 6}}, 3,
                     zip64);
        assert_good(&a);
        a.bytes.data[a.end + 20] = 22; // a comment, that looks like an empty archive's end
        put(&a.bytes, 4, 0x06054b50);
        put(&a.bytes, 17, 0);
        put(&a.bytes, 1, 'c');
        assert_good(&a);
        buf_free(&a.bytes);
    }
}

enum { LOCAL, CENTRAL, END64, LOCATOR, END };

/* 'value' in n_bytes at the offset from a record. */
struct patch {
    int record;
    size_t number, offset, n_bytes;
    uint64_t value;
};

static void apply(struct archive *a, const struct patch *p)
{
    size_t at = p->offset;
    switch (p->record) {
    case LOCAL:
        at += a->local[p->number];
        break;
    case CENTRAL:
        at += a->central[p->number];
        break;
    case END64:
        at += a->end64;
        break;
    case LOCATOR:
        at += a->locator;
        break;
    case END:
        at += a->end;
        break;
    }
    struct buf field = {0};
    put(&field, p->n_bytes, p->value);
    assert_true(at + field.len <= a->bytes.len);
    memcpy(a->bytes.data + at, field.data, field.len);
    buf_free(&field);
}

static void broken_zips_are_refused(void **state)
{
    (void)state;
    static const struct {
        int zip64;
        struct patch patch[2];
        enum err_code code;
        const char *msg;
    } cases[] = {
        {0, {{CENTRAL, 0, 8, 2, 1}}, ERR_UNSUPPORTED, "entry \"m/data/0\" is encrypted"},
        {0, {{CENTRAL, 0, 10, 2, 8}}, ERR_UNSUPPORTED, "\"m/data/0\" is compressed (method 8)"},
        {0, {{CENTRAL, 0, 16, 4, 1}}, ERR_CORRUPT, "\"m/data/0\" does not match its CRC"},
        {0, {{CENTRAL, 1, 16, 4, 1}}, ERR_CORRUPT, "\"m/data.pkl\" does not match its CRC"},
        {0, {{LOCAL, 0, 41, 1, 9}}, ERR_CORRUPT, "\"m/data/0\" does not match its CRC"},
        {0,
         {{LOCAL, 1, 43, 1, '0'}},
         ERR_UNSUPPORTED,
         "m/data.pkl (damaged: it does not match its CRC): byte 0: POP: "},
        {0, {{CENTRAL, 0, 0, 4, 0}}, ERR_FORMAT, "byte 223: not an entry of the central directory"},
        {0,
         {{CENTRAL, 1, 28, 2, 999}},
         ERR_FORMAT,
         "an entry reaches beyond the central directory"},
        {0, {{CENTRAL, 0, 46, 1, 0xff}}, ERR_FORMAT, "byte 223: an entry's name is not UTF-8"},
        {0, {{CENTRAL, 0, 46, 1, 0}}, ERR_FORMAT, "an entry's name is not UTF-8"},
        {0, {{CENTRAL, 0, 46, 1, 'n'}}, ERR_FORMAT, "\"n/data/0\" has another name in its local"},
        {0, {{LOCAL, 0, 26, 2, 7}}, ERR_FORMAT, "\"m/data/0\" has another name in its local"},
        {0, {{LOCAL, 1, 0, 4, 0}}, ERR_FORMAT, "\"m/data.pkl\": no local header at byte 57"},
        {0, {{CENTRAL, 0, 42, 4, 1 << 30}}, ERR_FORMAT, "no local header at byte 1073741824"},
        {0,
         {{LOCAL, 1, 28, 2, 9999}},
         ERR_FORMAT,
         "\"m/data.pkl\": 123 bytes from byte 57 on reach"},
        {0, {{CENTRAL, 0, 20, 4, 17}}, ERR_FORMAT, "is stored, but its sizes differ"},
        {0, {{CENTRAL, 0, 34, 2, 1}}, ERR_FORMAT, "is stored, but its sizes differ"},
        {0,
         {{CENTRAL, 0, 20, 4, 17}, {CENTRAL, 0, 24, 4, 17}},
         ERR_FORMAT,
         "entries \"m/data/0\" and \"m/data.pkl\" overlap"},
        {0,
         {{CENTRAL, 0, 20, 4, 999}, {CENTRAL, 0, 24, 4, 999}},
         ERR_FORMAT,
         "entry \"m/data/0\": 999 bytes from byte 0 on reach outside"},
        {0,
         {{CENTRAL, 0, 20, 4, UINT32_MAX}, {CENTRAL, 0, 24, 4, UINT32_MAX}},
         ERR_FORMAT,
         "entry \"m/data/0\": malformed extra field"},
        {0, {{END, 0, 4, 2, 1}}, ERR_UNSUPPORTED, "a zip archive in several parts"},
        {0, {{END, 0, 8, 2, 1}}, ERR_UNSUPPORTED, "a zip archive in several parts"},
        {0, {{END, 0, 8, 4, 0x10001}}, ERR_FORMAT, "the central directory holds more than its 1"},
        {0, {{END, 0, 8, 4, 0x30003}}, ERR_FORMAT, "3 entries in a central directory of 110 bytes"},
        {0, {{END, 0, 16, 4, 999}}, ERR_FORMAT, "the central directory lies outside the file"},
        {0, {{END, 0, 12, 4, 999}}, ERR_FORMAT, "the central directory lies outside the file"},
        {0, {{END, 0, 20, 2, 1}}, ERR_TRUNCATED, "no end of central directory"},
        {1, {{LOCATOR, 0, 8, 8, 9999}}, ERR_FORMAT, "points at no zip64 record"},
        {1, {{LOCATOR, 0, 8, 8, 0}}, ERR_FORMAT, "points at no zip64 record"},
        {1, {{LOCATOR, 0, 8, 8, UINT64_MAX}}, ERR_FORMAT, "points at no zip64 record"},
        {1, {{END64, 0, 32, 8, 3}}, ERR_UNSUPPORTED, "a zip archive in several parts"},
        {1, {{END64, 0, 16, 4, 1}}, ERR_UNSUPPORTED, "a zip archive in several parts"},
        {1, {{END64, 0, 40, 8, UINT64_MAX}}, ERR_FORMAT, "the central directory lies outside"},
        {1, {{END64, 0, 48, 8, UINT64_MAX}}, ERR_FORMAT, "the central directory lies outside"},
        {1, {{END, 0, 16, 4, 5}}, ERR_FORMAT, "the end of central directory and its zip64 record"},
        {1, {{CENTRAL, 0, 60, 2, 16}}, ERR_FORMAT, "malformed extra field"},
        {1, {{CENTRAL, 0, 60, 2, 999}}, ERR_FORMAT, "malformed extra field"},
        {1, {{CENTRAL, 0, 58, 2, 2}}, ERR_FORMAT, "malformed extra field"},
        {1, {{CENTRAL, 0, 78, 8, UINT64_MAX}}, ERR_FORMAT, "no local header at byte 1844674407370"},
        {1,
         {{CENTRAL, 0, 62, 8, UINT64_MAX}, {CENTRAL, 0, 70, 8, UINT64_MAX}},
         ERR_FORMAT,
         "entry \"m/data/0\": 18446744073709551615 bytes from byte 0 on reach outside"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive a;
        make_archive(&a, (struct unit_neurons[]){GOOD_PARTS}, 2, cases[i].zip64);
        apply(&a, &cases[i].patch[0]);
        if (cases[i].patch[1].n_bytes) {
            apply(&a, &cases[i].patch[1]);
        }
        assert_refused(a.bytes.data, a.bytes.len, cases[i].code, cases[i].msg, i);
        buf_free(&a.bytes);
    }
}

static void a_crc_of_zero_is_none(void **state)
{
    (void)state;
    struct archive a;
    make_archive(&a, (struct unit_neurons[]){GOOD_PARTS}, 2, WITHOUT_ZIP64);
    apply(&a, &(struct patch){CENTRAL, 0, 16, 4, 0});
    assert_good(&a);
    buf_free(&a.bytes);
}

static void archives_with_other_entries_than_torch_writes_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct unit_neurons parts[4];
        size_t n;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {{{"a.txt", "x", 1}}, 1, ERR_FORMAT, "a zip archive without a data.pkl: not a torch file"},
        {{{"data.pkl", "N.", 2}}, 1, ERR_FORMAT, "a zip archive without a data.pkl"},
        {{{"/data.pkl", "N.", 2}}, 1, ERR_FORMAT, "a zip archive without a data.pkl"},
        {{{"a/b/data.pkl", "N.", 2}}, 1, ERR_FORMAT, "a zip archive without a data.pkl"},
        {{GOOD_PARTS, {"n/data.pkl", "N.", 2}},
         3,
         ERR_FORMAT,
         "both \"m/data.pkl\" and \"n/data.pkl\" are there"},
        {{GOOD_PARTS, {"m/data/0", floats, 16}},
         3,
         ERR_FORMAT,
         "two entries are named \"m/data/0\""},
        {{GOOD_PARTS, {"m/byteorder", "big", 3}}, 3, ERR_UNSUPPORTED, "byte order \"big\"; only"},
        {{GOOD_PARTS, {"m/byteorder", "", 0}}, 3, ERR_UNSUPPORTED, "byte order \"\"; only"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive a;
        make_archive(&a, cases[i].parts, cases[i].n, WITH_ZIP64);
        assert_refused(a.bytes.data, a.bytes.len, cases[i].code, cases[i].msg, i);
        buf_free(&a.bytes);
    }
}

/* A transposed view of 1.5 million elements, whose pages are given back many times while it is
 * read: the values must not depend on that. */
static void a_large_view_is_read_in_the_order_of_the_file(void **state)
{
    (void)state;
    enum { ROWS = 3000, COLUMNS = 500, N = ROWS * COLUMNS };
    static const char pickle[] =
        DICT(TEXT_w VIEW(PERSISTENT(FLOATS,
                                    "\x8c\x01"
                                    "0",
                                    "J\x60\xe3\x16\0"),
                         "K\0", "M\xb8\x0bM\xf4\x01\x86", "K\x01M\xb8\x0b\x86"));
    float *values = mem_new(N, sizeof *values);
    float *read = mem_new(N, sizeof *read);
    assert_true(values && read);
    for (int i = 0; i < N; i++) {
        values[i] = (float)i;
    }
    struct archive a;
    make_archive(&a,
                 (struct unit_neurons[]){{"m/data.pkl", pickle, sizeof pickle - 1},
                                         {"m/data/0", values, N * sizeof *values}},
                 2, WITH_ZIP64);
    char path[] = "/tmp/gapscope-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, a.bytes.data, a.bytes.len), a.bytes.len);
    close(fd);

    struct tensorfile *f = NULL;
    struct err err = {0};
    const int rc = tensorfile_open(&f, path, &err);
    unlink(path);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    const struct tensor *t = tensorfile_at(f, 0);
    assert_int_equal(t->shape[0], ROWS);
    assert_int_equal(t->shape[1], COLUMNS);
    tensor_read_f32(f, t, read);
    for (int i = 0; i < N; i++) {
        assert_true(read[i] == (float)(i % COLUMNS * ROWS + i / COLUMNS));
    }
    tensorfile_close(f);
    buf_free(&a.bytes);
    free(values);
    free(read);
}

/* --- legacy ---------------------------------------------------------------------------------- */

#define MAGIC "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define MAGIC4 "\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define PROTOCOL "\x80\x02M\xe9\x03."
#define WRITER "\x80\x02}\x8c\x0dlittle_endian\x88s."
#define KEYS(keys) "\x80\x02](" keys "e."
#define KEY_0                                                                                      \
    "\x8c\x01"                                                                                     \
    "0"
#define DATA                                                                                       \
    "\x04\0\0\0\0\0\0\0"                                                                           \
    "1234"                                                                                         \
    "1234"                                                                                         \
    "1234"                                                                                         \
    "1234"
#define HEAD MAGIC PROTOCOL WRITER
#define TWO_CLASSES                                                                                \
    TEXT_w TENSOR "\x8c\x01"                                                                       \
                  "v" VIEW(PERSISTENT("ctorch\nHalfStorage\n", KEY_0, "K\x04"), "K\0",             \
                           "K\x04\x85", "K\x01\x85")

static void broken_legacy_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {P("\x80\x02N."), ERR_FORMAT, "a pickle, but not one that torch.save wrote"},
        {P(MAGIC), ERR_TRUNCATED,
         "the pickle of the protocol, from byte 15: the pickle ends after"},
        {P(MAGIC "\x80\x02M\xea\x03." WRITER), ERR_UNSUPPORTED, "of another protocol than 1001"},
        {P(MAGIC PROTOCOL "\x80\x02}\x8c\x0dlittle_endian\x89s."), ERR_UNSUPPORTED,
         "not written by a little-endian machine"},
        {P(MAGIC PROTOCOL "}."), ERR_UNSUPPORTED, "not written by a little-endian machine"},
        {P(MAGIC PROTOCOL "]."), ERR_UNSUPPORTED, "not written by a little-endian machine"},
        {P(HEAD "cos\nsystem\n."), ERR_UNSUPPORTED,
         "the pickle of the tensors, from byte 42: byte 0: GLOBAL: os.system is not part"},
        {P(HEAD DICT(TEXT_w TENSOR) "N." DATA), ERR_FORMAT, "the storages' keys are None"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS("N") DATA), ERR_FORMAT, "a storage's key that is not a num"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS("") ""), ERR_FORMAT,
         "storage 0 is not in the list of keys"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0 KEY_0) DATA DATA), ERR_FORMAT, "0 is listed twice"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0 "\x8c\x01"
                                               "1") DATA DATA),
         ERR_FORMAT, "storage 1 belongs to no tensor"},
        {P(HEAD DICT(TWO_CLASSES) KEYS(KEY_0) DATA), ERR_FORMAT,
         "storage 0 has two sizes or class"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0) "\x05\0\0\0\0\0\0\0"
                                                "12341234123412341234"),
         ERR_FORMAT, "storage 0 has 5 elements, not 4"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0) "\x04\0\0"), ERR_TRUNCATED,
         "the file ends before storage 0"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0) "\x04\0\0\0\0\0\0\0"
                                                "12341234"),
         ERR_TRUNCATED, "storage 0 has 16 bytes, of which 8 are there"},
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0) DATA "x"), ERR_FORMAT, "1 bytes after the last"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(cases[i].bytes, cases[i].len, cases[i].code, cases[i].msg, i);
    }
}

static void legacy_files_of_both_protocols_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {P(HEAD DICT(TEXT_w TENSOR) KEYS(KEY_0) DATA)},
        {P(MAGIC4 PROTOCOL WRITER DICT(TEXT_w TENSOR) KEYS(KEY_0) DATA)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensorfile *f = NULL;
        struct err err = {0};
        void *block;
        const int rc = parse_exact(&f, cases[i].bytes, cases[i].len, &err, &block);
        assert_string_equal(err.msg, "");
        assert_int_equal(rc, 0);
        assert_string_equal(tensorfile_format(f), "torch legacy");
        assert_memory_equal(tensorfile_find(f, "w")->data, "1234123412341234", 16);
        tensorfile_close(f);
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_dict_of_tensors_is_refused),
        cmocka_unit_test(views_outside_of_their_storage_are_refused),
        cmocka_unit_test(storages_that_are_none_are_refused),
        cmocka_unit_test(a_zip_is_read_with_and_without_zip64_and_with_a_comment),
        cmocka_unit_test(broken_zips_are_refused),
        cmocka_unit_test(a_crc_of_zero_is_none),
        cmocka_unit_test(archives_with_other_entries_than_torch_writes_are_refused),
        cmocka_unit_test(a_large_view_is_read_in_the_order_of_the_file),
        cmocka_unit_test(broken_legacy_files_are_refused),
        cmocka_unit_test(legacy_files_of_both_protocols_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
