/*
 * Torch's zip archives are read, with and without zip64; broken ones are refused.
 */
#include "tests/kit/torch_kit.h"

#include <unistd.h>

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
        make_archive(&a, (struct zip_part[]){GOOD_PARTS, {"m/byteorder", "little", 6}}, 3, zip64);
        assert_good(&a);
        a.bytes.data[a.end + 20] = 22; // a comment that looks like an empty archive's end
        put(&a.bytes, 4, 0x06054b50);
        put(&a.bytes, 17, 0);
        put(&a.bytes, 1, 'c');
        assert_good(&a);
        buf_free(&a.bytes);
    }
}

enum { LOCAL, CENTRAL, END64, LOCATOR, END };

/* A change: 'value' in n_bytes at an offset from a record. */
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

/* Changes of an archive and their messages. */
static const struct {
    int zip64;
    struct patch patch[2];
    enum err_code code;
    const char *msg;
} broken[] = {
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
    {0, {{CENTRAL, 1, 28, 2, 999}}, ERR_FORMAT, "an entry reaches beyond the central directory"},
    {0, {{CENTRAL, 0, 46, 1, 0xff}}, ERR_FORMAT, "byte 223: an entry's name is not UTF-8"},
    {0, {{CENTRAL, 0, 46, 1, 0}}, ERR_FORMAT, "an entry's name is not UTF-8"},
    {0, {{CENTRAL, 0, 46, 1, 'n'}}, ERR_FORMAT, "\"n/data/0\" has another name in its local"},
    {0, {{LOCAL, 0, 26, 2, 7}}, ERR_FORMAT, "\"m/data/0\" has another name in its local"},
    {0, {{LOCAL, 1, 0, 4, 0}}, ERR_FORMAT, "\"m/data.pkl\": no local header at byte 57"},
    {0, {{CENTRAL, 0, 42, 4, 1 << 30}}, ERR_FORMAT, "no local header at byte 1073741824"},
    {0, {{LOCAL, 1, 28, 2, 9999}}, ERR_FORMAT, "\"m/data.pkl\": 123 bytes from byte 57 on reach"},
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

static void broken_zips_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct archive a;
        make_archive(&a, (struct zip_part[]){GOOD_PARTS}, 2, broken[i].zip64);
        apply(&a, &broken[i].patch[0]);
        if (broken[i].patch[1].n_bytes) {
            apply(&a, &broken[i].patch[1]);
        }
        assert_refused(a.bytes.data, a.bytes.len, broken[i].code, broken[i].msg, i);
        buf_free(&a.bytes);
    }
}

static void a_crc_of_zero_is_none(void **state)
{
    (void)state;
    struct archive a;
    make_archive(&a, (struct zip_part[]){GOOD_PARTS}, 2, WITHOUT_ZIP64);
    apply(&a, &(struct patch){CENTRAL, 0, 16, 4, 0});
    assert_good(&a);
    buf_free(&a.bytes);
}

static void archives_with_other_entries_than_torch_writes_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct zip_part parts[4];
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

/* A transposed view of 1.5 million elements, whose pages are released many times while it is read:
 * the values must not depend on that. */
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
                 (struct zip_part[]){{"m/data.pkl", pickle, sizeof pickle - 1},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zip_is_read_with_and_without_zip64_and_with_a_comment),
        cmocka_unit_test(broken_zips_are_refused),
        cmocka_unit_test(a_crc_of_zero_is_none),
        cmocka_unit_test(archives_with_other_entries_than_torch_writes_are_refused),
        cmocka_unit_test(a_large_view_is_read_in_the_order_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
