#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"

/* Parses a file of this header and 'data_len' bytes of data, in a block of its exact size. */
static unsigned char *make_file(const char *header, size_t data_len, size_t *len)
{
    const size_t n = strlen(header);
    *len = 8 + n + data_len;
    unsigned char *file = mem_zero(*len, 1);
    assert_non_null(file);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)n >> 8 * i);
    }
    memcpy(file + 8, header, n);
    return file;
}

#define ENTRY(dtype, shape, from_to)                                                               \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" from_to "}"
#define A "\"a\":"
#define B "\"b\":"

/* Headers and their messages. */
static const struct {
    const char *header;
    size_t data_len;
    enum err_code code;
    const char *msg;
} broken[] = {
    {"{", 0, ERR_TRUNCATED, "header, byte 1: a tensor's name is expected"},
    {"{}", 1, ERR_FORMAT, "1 bytes follow the last tensor"},
    {"{}x", 0, ERR_FORMAT, "header, byte 2: the header's end is expected"},
    {"{,}", 0, ERR_FORMAT, "header, byte 1: a tensor's name is expected"},
    {"{a:1}", 0, ERR_FORMAT, "header, byte 1: a tensor's name is expected"},
    {"{\"a", 0, ERR_FORMAT, "header, from byte 1: line 1, column 3"},
    {"{\"a\\\"", 0, ERR_FORMAT, "header, from byte 1: line 1, column 5"},
    {"{\"a\"}", 0, ERR_FORMAT, "header, byte 4: ':' is expected"},
    {"{\"a\":", 0, ERR_FORMAT, "header, from byte 5: line 1, column 1: no JSON value"},
    {"{\"a\":{", 0, ERR_FORMAT, "header, from byte 5: line 1, column 2"},
    {"{" A ENTRY("F32", "[1]", "[0,4]"), 4, ERR_TRUNCATED, "',' or '}' is expected"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") "]", 4, ERR_FORMAT, "byte 53: ',' or '}' is expected"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") ",}", 4, ERR_FORMAT, "a tensor's name is expected"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") "," A ENTRY("F32", "[1]", "[4,8]") "}", 8, ERR_FORMAT,
     "two tensors are named \"a\""},
    {"{" A ENTRY("F32", "[1]", "[0,4]") ",\"\\u0061\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
     ERR_FORMAT, "two tensors are named \"a\""},
    {"{\"\xc3(\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, ERR_FORMAT, "name is not valid UTF-8"},
    {"{\"a\\u0000\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, ERR_UNSUPPORTED, "a NUL byte in its"},
    {"{" A "1}", 0, ERR_FORMAT, "tensor \"a\": is a number; expected an object"},
    {"{" A "null}", 0, ERR_FORMAT, "tensor \"a\": is null; expected an object"},
    {"{" A "[]}", 0, ERR_FORMAT, "tensor \"a\": is an array; expected an object"},
    // dtypes
    {"{" A ENTRY("F8_E4M3", "[2]", "[0,1]") "}", 1, ERR_FORMAT,
     "tensor \"a\": F8_E4M3 of shape [2] does not take the 1 bytes"},
    {"{" A ENTRY("F4", "[3]", "[0,1]") "}", 1, ERR_FORMAT, "F4 of shape [3] does not take the 1"},
    {"{" A ENTRY("U64", "[2]", "[0,8]") "}", 8, ERR_FORMAT, "U64 of shape [2] does not take"},
    {"{" A ENTRY("F8_E4M3", "[2]", "[0,2]") "," B ENTRY("X", "[1]", "[1,3]") "}", 3, ERR_FORMAT,
     "the data of tensors \"a\" and \"b\" overlap"},
    {"{" A ENTRY("f32", "[1]", "[0,4]") "}", 5, ERR_FORMAT, "1 bytes follow the last tensor"},
    {"{" A "{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
     "tensor \"a\": \"dtype\" is a number; expected a string"},
    {"{" A "{\"shape\":[],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "tensor \"a\": no \"dtype\""},
    // shapes
    {"{" A "{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "\"shape\" is null"},
    {"{" A ENTRY("F32", "4", "[0,4]") "}", 4, ERR_FORMAT,
     "\"shape\" is a number; expected an array"},
    {"{" A ENTRY("F32", "[-1]", "[0,4]") "}", 4, ERR_FORMAT, "tensor \"a\": a size of -1"},
    {"{" A ENTRY("F32", "[1.0]", "[0,4]") "}", 4, ERR_FORMAT, "tensor \"a\": a size of 1.0"},
    {"{" A ENTRY("F32", "[1e0]", "[0,4]") "}", 4, ERR_FORMAT, "tensor \"a\": a size of 1e0"},
    {"{" A ENTRY("F32", "[\"1\"]", "[0,4]") "}", 4, ERR_FORMAT, "tensor \"a\": a size of 1"},
    {"{" A ENTRY("F32", "[null]", "[0,4]") "}", 4, ERR_FORMAT, "tensor \"a\": a size of "},
    {"{" A ENTRY("F32", "[0,9223372036854775807]", "[0,0]") "}", 0, ERR_FORMAT,
     "tensor \"a\": a size of 9223372036854775807"},
    {"{" A ENTRY("F32", "[0,99999999999999999999]", "[0,0]") "}", 0, ERR_FORMAT, "a size of "},
    {"{" A ENTRY("U8", "[4294967296,4294967296]", "[0,0]") "}", 0, ERR_FORMAT,
     "shape [4294967296, 4294967296] has more elements than memory has bytes"},
    {"{" A ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, ERR_UNSUPPORTED,
     "tensor \"a\": 9 dimensions; at most 8 are read"},
    // places
    {"{" A "{\"dtype\":\"F32\",\"shape\":[]}}", 4, ERR_FORMAT, "\"data_offsets\" is missing"},
    {"{" A ENTRY("F32", "[]", "[0]") "}", 4, ERR_FORMAT, "\"data_offsets\" is [ 0 ]"},
    {"{" A ENTRY("F32", "[]", "[4,0]") "}", 4, ERR_FORMAT, "\"data_offsets\" is [ 4, 0 ]"},
    {"{" A ENTRY("F32", "[]", "[-4,0]") "}", 4, ERR_FORMAT, "\"data_offsets\" is [ -4, 0 ]"},
    {"{" A ENTRY("F32", "[]", "[0,4,8]") "}", 4, ERR_FORMAT, "\"data_offsets\" is [ 0, 4, 8 ]"},
    {"{" A ENTRY("F32", "[]", "[0,5]") "}", 5, ERR_FORMAT,
     "float32 of shape [] takes 4 bytes, \"data_offsets\" hold 5"},
    {"{" A ENTRY("BF16", "[3]", "[0,4]") "}", 4, ERR_FORMAT, "bfloat16 of shape [3] takes 6 byt"},
    {"{" A ENTRY("F32", "[2]", "[0,8]") "}", 7, ERR_TRUNCATED,
     "tensor \"a\": its data ends at byte 8 of 7: the file was cut short"},
    {"{" A ENTRY("F32", "[1]", "[4,8]") "}", 8, ERR_FORMAT, "bytes 0 to 3 of the data belong to"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") "," B ENTRY("F32", "[1]", "[5,9]") "}", 9, ERR_FORMAT,
     "bytes 4 to 4 of the data belong to no tensor"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") "," B ENTRY("F32", "[1]", "[3,7]") "}", 7, ERR_FORMAT,
     "the data of tensors \"a\" and \"b\" overlap"},
    {"{" A ENTRY("F32", "[2]", "[0,8]") "," B ENTRY("F32", "[0]", "[4,4]") "}", 8, ERR_FORMAT,
     "the data of tensors \"a\" and \"b\" overlap"},
    {"{" A ENTRY("F32", "[1]", "[0,4]") "}", 5, ERR_FORMAT, "1 bytes follow the last tensor"},
    // keys
    {"{" A "{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
     ERR_FORMAT, "tensor \"a\": 4 keys; expected dtype, shape and data_offsets, each once"},
    {"{" A "{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":{\"y\":1}}}", 4,
     ERR_FORMAT, "tensor \"a\": 5 keys"},
    {"{\"__metadata__\":1}", 0, ERR_FORMAT, "\"__metadata__\": is a number; expected an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, ERR_FORMAT,
     "\"__metadata__\": \"a\" is a number; expected a str"},
    {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, ERR_FORMAT, "a key occurs twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, ERR_FORMAT, "a key occurs twice"},
};

static void broken_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        size_t len;
        unsigned char *file = make_file(broken[i].header, broken[i].data_len, &len);
        struct tensorfile *f = NULL;
        struct err err = {0};
        const int rc = tensorfile_parse(&f, file, len, &err);
        if (rc != (int)broken[i].code || !strstr(err.msg, broken[i].msg)) {
            print_error("case %zu: %d \"%s\" instead of %d \"%s\"\n", i, rc, err.msg,
                        broken[i].code, broken[i].msg);
        }
        assert_int_equal(rc, broken[i].code);
        assert_non_null(strstr(err.msg, broken[i].msg));
        free(file);
    }
}

static void header_lengths_are_checked_before_use(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[16];
        enum err_code code;
        const char *msg;
    } cases[] = {
        {{9, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, ERR_TRUNCATED, "a header of 9 bytes in a file of 16"},
        {{0, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, ERR_TRUNCATED, "header, byte 0: '{' is expected"},
        {{1, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}'}, ERR_LIMIT, "a header of 100000001 bytes"},
        {{0, 0, 0, 0, 0, 0, 0, 0x80, '{', '}'}, ERR_LIMIT, "a header of 9223372036854775808 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensorfile *f = NULL;
        struct err err = {0};
        assert_int_equal(tensorfile_parse(&f, cases[i].bytes, 16, &err), cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].msg));
    }
}

static void an_endless_entry_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    struct buf header = {0};
    buf_printf(&header, NULL, "{" A "{\"shape\":[");
    for (int i = 0; i < 3000; i++) {
        buf_append(&header, "0,", 2, NULL);
    }
    buf_append(&header, "0]}}\0", 5, NULL);
    size_t len;
    unsigned char *file = make_file(header.data, 0, &len);
    struct tensorfile *f = NULL;
    struct err err = {0};
    assert_int_equal(tensorfile_parse(&f, file, len, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "tensor \"a\": its entry has 6013 bytes; at most 4096 are read");
    free(file);
    buf_free(&header);
}

static void unusual_headers_that_are_right_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_len;
        size_t n;
        const char *first; // name of the first tensor in the header's order
    } cases[] = {
        {"{}", 0, 0, NULL},
        {"{ }   ", 0, 0, NULL},
        {"{\"__metadata__\":{}}", 0, 0, NULL},
        {"{\"__metadata__\":{\"a\":\"b:c\",\"{\":\"\\\"}\"}," A ENTRY("I8", "[1]", "[0,1]") "}", 1,
         1, "a"},
        {"{ \"\" : " ENTRY("F16", "[ 1 , 1 ]", "[ 0 , 2 ]") " }\n", 2, 1, ""},
        {"{" B ENTRY("I8", "[2]", "[4,6]") "," A ENTRY("F32", "[1]", "[0,4]") "}", 6, 2, "b"},
        {"{" A ENTRY("I16", "[2]", "[0,4]") "," B ENTRY("F32", "[0,7]", "[4,4]") "}", 4, 2, "a"},
        {"{" A ENTRY("F32", "[0,9223372036854775806]", "[0,0]") "}", 0, 1, "a"},
        {"{" A ENTRY("F8_E4M3", "[2]", "[0,2]") "," B ENTRY("f32", "[]", "[2,5]") "}", 5, 2, "a"},
        {"{\"a.\\u00e9\":" ENTRY("U8", "[]", "[0,1]") "}", 1, 1, "a.\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len;
        unsigned char *file = make_file(cases[i].header, cases[i].data_len, &len);
        struct tensorfile *f = NULL;
        struct err err = {0};
        const int rc = tensorfile_parse(&f, file, len, &err);
        assert_string_equal(err.msg, "");
        assert_int_equal(rc, 0);
        assert_string_equal(tensorfile_format(f), "safetensors");
        assert_int_equal(tensorfile_n(f), cases[i].n);
        if (cases[i].n) {
            assert_string_equal(tensorfile_at(f, 0)->name, cases[i].first);
            assert_ptr_equal(tensorfile_find(f, cases[i].first), tensorfile_at(f, 0));
        }
        assert_null(tensorfile_find(f, "c"));
        tensorfile_close(f);
        free(file);
    }
}

/* The file begins with the length of its header, and that may be what other files begin with. */
static void a_length_may_look_like_another_kind_of_file(void **state)
{
    (void)state;
    static const size_t lengths[] = {
        0x8b1f,   // gzip
        0xfeff,   // UTF-16
        0xbfbbef, // a byte order mark of UTF-8
    };
    static const char entry[] = "{" A ENTRY("I8", "[1]", "[0,1]") "}";
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *header = mem_new(lengths[i] + 1, 1);
        assert_non_null(header);
        memset(header, ' ', lengths[i]);
        header[lengths[i]] = '\0';
        memcpy(header, entry, sizeof entry - 1);
        size_t len;
        unsigned char *file = make_file(header, 1, &len);
        struct tensorfile *f = NULL;
        struct err err = {0};
        tensorfile_parse(&f, file, len, &err);
        assert_string_equal(err.msg, "");
        assert_int_equal(tensorfile_n(f), 1);
        tensorfile_close(f);
        free(header);
        free(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(header_lengths_are_checked_before_use),
        cmocka_unit_test(an_endless_entry_is_refused_before_it_is_parsed),
        cmocka_unit_test(unusual_headers_that_are_right_are_read),
        cmocka_unit_test(a_length_may_look_like_another_kind_of_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
