#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "model/weights/tensorfile.h"

#define GOLDEN "tests/golden/weights/"

/* --- golden files ---------------------------------------------------------------------------- */

static struct buf read_golden(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    struct buf bytes = {0};
    struct err err = {0};
    assert_int_equal(file_read(path, 1 << 20, &bytes, &err), 0);
    return bytes;
}

/* The offset in bytes of element i (row-major) in the storage, by counting. */
static size_t place(const struct tensor *t, size_t i)
{
    size_t index[TENSOR_MAX_DIMS] = {0}, at = 0;
    for (; i > 0; i--) {
        for (size_t d = t->n_dims; d-- > 0;) {
            if (++index[d] < t->shape[d]) {
                break;
            }
            index[d] = 0;
        }
    }
    for (size_t d = 0; d < t->n_dims; d++) {
        at += index[d] * t->stride[d];
    }
    return at * dtype_bytes(t->dtype);
}

static void assert_sizes(struct json_object *expected, const size_t *sizes, size_t n)
{
    if (!expected) {
        return;
    }
    assert_int_equal(json_object_array_length(expected), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(json_object_get_int64(json_object_array_get_idx(expected, i)), sizes[i]);
    }
}

/* Each checks that the expectation holds and returns the number of values compared. */
static size_t check_raw(const struct tensor *t, const char *hex)
{
    const size_t size = dtype_bytes(t->dtype);
    assert_int_equal(strlen(hex), 2 * t->n * size);
    for (size_t i = 0; i < t->n; i++) {
        const unsigned char *p = t->data + place(t, i);
        for (size_t k = 0; k < size; k++, hex += 2) {
            char byte[3];
            snprintf(byte, sizeof byte, "%02x", p[k]);
            assert_memory_equal(byte, hex, 2);
        }
    }
    return t->n;
}

static size_t check_values(const struct tensor *t, const float *read, struct json_object *list)
{
    const size_t n = json_object_array_length(list);
    size_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *value = json_object_array_get_idx(list, i);
        if (!value) { // a NaN or an infinity, which JSON does not have: check_raw() compares it
            assert_false(isfinite(read[i]));
            continue;
        }
        const float wanted = (float)json_object_get_double(value);
        assert_memory_equal(&read[i], &wanted, sizeof wanted);
        const float one = (float)tensor_value(t, i);
        assert_memory_equal(&one, &wanted, sizeof wanted);
        seen++;
    }
    return seen;
}

static size_t check_tensor(const struct tensorfile *f, const struct tensor *t,
                           struct json_object *expected)
{
    const char *dtype = NULL, *raw = NULL;
    json_member_string(expected, "dtype", &dtype, NULL);
    json_member_string(expected, "raw_le_hex", &raw, NULL);
    assert_string_equal(dtype_name(t->dtype), dtype ? dtype : dtype_name(t->dtype));
    assert_sizes(json_member(expected, "shape"), t->shape, t->n_dims);
    assert_sizes(json_member(expected, "stride"), t->stride, t->n_dims);

    float *read = mem_new(t->n, sizeof *read);
    assert_non_null(read);
    tensor_read_f32(f, t, read);
    size_t seen = raw ? check_raw(t, raw) : 0;
    static const char *const lists[] = {"f32", "int", "first4"};
    for (size_t i = 0; i < 3; i++) {
        struct json_object *list = json_member(expected, lists[i]);
        if (list) {
            assert_int_equal(json_object_array_length(list), i == 2 ? 4 : t->n);
            seen += check_values(t, read, list);
        }
    }
    struct json_object *sum = json_member(expected, "sum_f64");
    if (sum) {
        double total = 0;
        for (size_t i = 0; i < t->n; i++) {
            total += (double)read[i];
        }
        assert_true(fabs(total - json_object_get_double(sum)) < 1e-9);
        seen += t->n;
    }
    free(read);
    return seen;
}

static void good_files_hold_what_torch_says_bit_for_bit(void **state)
{
    (void)state;
    struct json_object *all = NULL;
    assert_int_equal(json_read_file(&all, GOLDEN "expected.json", 1 << 20, NULL), 0);
    size_t n_files = 0, n_values = 0;
    json_object_object_foreach(all, name, expected)
    {
        if (json_member(expected, "_expect")) {
            continue;
        }
        const char *same = NULL;
        json_member_string(expected, "_same_values_as", &same, NULL);
        struct json_object *tensors = same ? json_member(all, same) : expected;

        char path[256];
        snprintf(path, sizeof path, GOLDEN "%s", name);
        struct tensorfile *f = NULL;
        struct err err = {0};
        const int rc = tensorfile_open(&f, path, &err);
        assert_string_equal(err.msg, "");
        assert_int_equal(rc, 0);
        size_t n = 0;
        json_object_object_foreach(tensors, tensor_name, tensor)
        {
            if (tensor_name[0] == '_') {
                continue;
            }
            const struct tensor *t = tensorfile_at(f, n++); // in the file's order
            assert_string_equal(t->name, tensor_name);
            assert_ptr_equal(tensorfile_find(f, tensor_name), t);
            n_values += check_tensor(f, t, tensor);
        }
        assert_int_equal(tensorfile_n(f), n);
        assert_null(tensorfile_find(f, "no such tensor"));
        tensorfile_close(f);
        n_files++;
    }
    json_object_put(all);
    assert_int_equal(n_files, 13);
    assert_int_equal(n_values, 9909);
}

static void formats_are_told_by_their_first_bytes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{GOLDEN "zip_f32.pth", "torch zip"},
                                           {GOLDEN "legacy_f32.pth", "torch legacy"},
                                           {GOLDEN "st_f32.safetensors", "safetensors"}};
    for (size_t i = 0; i < 3; i++) {
        struct tensorfile *f = NULL;
        assert_int_equal(tensorfile_open(&f, cases[i][0], NULL), 0);
        assert_string_equal(tensorfile_format(f), cases[i][1]);
        tensorfile_close(f);
    }
}

static void bad_and_hostile_files_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {"bad_bigendian_imitation.pth", ERR_UNSUPPORTED, "byte order \"big\""},
        {"bad_missing_record.pth", ERR_FORMAT, "no entry \"archive/data/0\""},
        {"bad_neg_offset.pth", ERR_FORMAT,
         "\"w\": its storage offset is not a whole number from 0"},
        {"bad_neg_size.pth", ERR_FORMAT, "\"w\": its sizes are not whole numbers from 0"},
        {"bad_no_stop.pth", ERR_TRUNCATED,
         "archive/data.pkl: the pickle ends after 4 bytes without"},
        {"bad_numel_vs_record.pth", ERR_FORMAT, "65535 elements of float32 in 16 bytes"},
        {"bad_out_of_range.pth", ERR_FORMAT,
         "\"embed.W_E\": shape [127, 4] from element 0 reaches outside of storage 0 of 28 "
         "elements"},
        {"bad_overflow.pth", ERR_FORMAT, "\"w\": shape [4294967296, 4294967296] has more elements"},
        {"bad_stack_underflow.pth", ERR_FORMAT,
         "archive/data.pkl: byte 2: REDUCE: takes 2 values from a stack of 0"},
        {"bad_truncated.pth", ERR_TRUNCATED, "no end of central directory"},
        {"bad_st_dup.safetensors", ERR_FORMAT, "two tensors are named \"a\""},
        {"bad_st_header_len.safetensors", ERR_LIMIT, "a header of 4611686018427387904 bytes"},
        {"bad_st_overflow.safetensors", ERR_FORMAT, "has more elements than memory has bytes"},
        {"bad_st_overlap.safetensors", ERR_FORMAT, "the data of tensors \"a\" and \"b\" overlap"},
        {"bad_st_size.safetensors", ERR_FORMAT,
         "tensor \"a\": float32 of shape [3] takes 12 bytes, \"data_offsets\" hold 4"},
        {"hostile_eval.pth", ERR_UNSUPPORTED, "byte 2: GLOBAL: __builtin__.eval is not part of"},
        {"hostile_nested_path.pth", ERR_FORMAT, "a storage's key is \"../../etc/passwd\""},
        {"hostile_os_system.pth", ERR_UNSUPPORTED, "byte 169: GLOBAL: posix.system is not part of"},
        {"hostile_stackglobal.pth", ERR_UNSUPPORTED,
         "byte 14: STACK_GLOBAL: os.system is not part"},
        {"hostile_whole_module.pth", ERR_UNSUPPORTED,
         "byte 2: GLOBAL: torch.nn.modules.container.Sequential is not part"},
        {"zip_f32_deflated.pth", ERR_UNSUPPORTED, "\"zip_f32/data.pkl\" is compressed (method 8)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[256];
        snprintf(path, sizeof path, GOLDEN "%s", cases[i].name);
        struct tensorfile *f = NULL;
        struct err err = {0};
        const int rc = tensorfile_open(&f, path, &err);
        if (rc != (int)cases[i].code || !strstr(err.msg, cases[i].msg)) {
            print_error("%d \"%s\" instead of %d \"%s\"\n", rc, err.msg, cases[i].code,
                        cases[i].msg);
        }
        assert_int_equal(rc, cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].msg));
        assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
        assert_null(f);
    }
}

static void what_is_no_weight_file_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        enum err_code code;
        const char *msg;
    } cases[] = {
        {"", ERR_UNSUPPORTED, "is an empty file: "},
        {"P", ERR_FORMAT, "unknown format: neither a torch file nor safetensors"},
        {"some text that is no model", ERR_FORMAT, "unknown format: neither"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
         ERR_UNSUPPORTED,
         "is a pointer of Git LFS, not the file itself: it was not downloaded; run \"git lfs "
         "pull\""},
        {"<!DOCTYPE html><html>", ERR_UNSUPPORTED, "is a web page (HTML or XML)"},
        {"\x89HDF\r\n\x1a\n and so on", ERR_UNSUPPORTED, "is an HDF5 file"},
        {"GGUF\3", ERR_UNSUPPORTED, "is a GGUF file"},
        {"\x1f\x8b\x08", ERR_UNSUPPORTED, "is a gzip file: decompress it first"},
        {"\x80\x04N.", ERR_FORMAT, "a pickle, but not one that torch.save wrote"},
        {"PK\3\4", ERR_TRUNCATED, "no end of central directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensorfile *f = NULL;
        struct err err = {0};
        assert_int_equal(tensorfile_parse(&f, cases[i].bytes, strlen(cases[i].bytes), &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].msg));
    }
    struct tensorfile *f = NULL;
    struct err err = {0};
    assert_int_equal(tensorfile_open(&f, GOLDEN "none.pth", &err), ERR_NOT_FOUND);
    assert_string_equal(err.msg, GOLDEN "none.pth: No such file or directory");
    assert_int_equal(tensorfile_open(&f, GOLDEN, &err), ERR_IO);
    assert_string_equal(err.msg, GOLDEN ": is a folder");
    tensorfile_close(NULL);
}

/* --- damaged files --------------------------------------------------------------------------- */

/* The contents of a file as text: names, dtypes, shapes, values. */
static struct buf describe(const struct tensorfile *f)
{
    struct buf text = {0};
    for (size_t i = 0; i < tensorfile_n(f); i++) {
        const struct tensor *t = tensorfile_at(f, i);
        buf_printf(&text, NULL, "%s %s %s\n", t->name, tensor_dtype_name(t),
                   tensor_shape_text(t).text);
        assert_true(t->n < 1 << 20);
        if (t->dtype == DTYPE_UNREAD) {
            continue;
        }
        float *values = mem_new(t->n, sizeof *values);
        assert_non_null(values);
        tensor_read_f32(f, t, values);
        buf_append(&text, values, t->n * sizeof *values, NULL);
        free(values);
    }
    return text;
}

/* Returns 1 if the file is refused with a message, 0 if it reads like 'whole', -1 if it reads
 * differently. */
static int compare(const unsigned char *bytes, size_t len, const struct buf *whole)
{
    unsigned char *exact = mem_new(len, 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    struct tensorfile *f = NULL;
    struct err err = {0};
    int verdict = 1;
    if (tensorfile_parse(&f, exact, len, &err) == 0) {
        struct buf text = describe(f);
        verdict = text.len == whole->len && memcmp(text.data, whole->data, text.len) == 0 ? 0 : -1;
        buf_free(&text);
        tensorfile_close(f);
    } else {
        assert_int_not_equal(err.msg[0], '\0');
    }
    free(exact);
    return verdict;
}

static struct buf describe_bytes(const struct buf *bytes)
{
    struct tensorfile *f = NULL;
    assert_int_equal(tensorfile_parse(&f, bytes->data, bytes->len, NULL), 0);
    struct buf text = describe(f);
    tensorfile_close(f);
    return text;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "zip_f32.pth",
        "zip_bf16.pth",
        "zip_plain_dict.pth",
        "zip_parameter.pth",
        "legacy_f32.pth",
        "legacy_f16.pth",
        "st_f32.safetensors",
        "st_unpadded.safetensors",
        "zip_newlayout_imitation.pth",
        "st_f16.safetensors",
        "zip_module_state_dict.pth",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf bytes = read_golden(names[i]);
        struct buf whole = describe_bytes(&bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            if (compare((unsigned char *)bytes.data, len, &whole) != 1) {
                print_error("%s: %zu of %zu bytes are read\n", names[i], len, bytes.len);
                fail();
            }
        }
        assert_int_equal(compare((unsigned char *)bytes.data, bytes.len, &whole), 0);
        buf_free(&whole);
        buf_free(&bytes);
    }
}

/* Changes one byte in three ways.  A zip archive's CRCs catch every change of the data; the other
 * formats have no CRCs and must only not crash. */
static void a_changed_byte_is_survived_and_in_a_zip_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_crcs;
    } cases[] = {
        {"zip_f32.pth", true},
        {"zip_plain_dict.pth", true},
        {"zip_parameter.pth", true},
        {"legacy_f32.pth", false},
        {"zip_module_state_dict.pth", true},
        {"legacy_f16.pth", false},
        {"st_f32.safetensors", false},
        {"st_unpadded.safetensors", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bytes = read_golden(cases[i].name);
        struct buf whole = describe_bytes(&bytes);
        size_t n_refused = 0;
        for (size_t at = 0; at < bytes.len; at++) {
            static const unsigned char changes[] = {0x01, 0x80, 0xff};
            for (size_t k = 0; k < sizeof changes; k++) {
                bytes.data[at] = (char)(bytes.data[at] ^ changes[k]);
                const int verdict = compare((unsigned char *)bytes.data, bytes.len, &whole);
                if (verdict < 0 && cases[i].has_crcs) {
                    print_error("%s: byte %zu ^ %02x goes unseen\n", cases[i].name, at, changes[k]);
                    fail();
                }
                n_refused += verdict == 1;
                bytes.data[at] = (char)(bytes.data[at] ^ changes[k]);
            }
        }
        assert_true(n_refused > bytes.len / 4);
        buf_free(&whole);
        buf_free(&bytes);
    }
}

/* --- numbers --------------------------------------------------------------------------------- */

static float read_one(enum dtype dtype, const void *bytes)
{
    const struct tensor t = {.dtype = dtype, .n = 1, .data = bytes};
    float x;
    tensor_to_f32(&t, &x, NULL);
    const float one = (float)tensor_value(&t, 0);
    assert_true(one == x || (isnan(one) && isnan(x)));
    return x;
}

/* The value of a binary format of 16 bits, by its definition (IEEE 754-2008, 3.4). */
static float by_definition(unsigned bits, int exponent_bits)
{
    const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    const int fraction = bits & ((1 << fraction_bits) - 1);
    const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    const int top = (1 << exponent_bits) - 1;
    double size = exponent == 0
                      ? ldexp(fraction, 1 - bias - fraction_bits)
                      : ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
    if (exponent == top) {
        size = fraction ? (double)NAN : (double)INFINITY;
    }
    return (float)(bits >> 15 ? -size : size);
}

static void all_16_bit_floats_are_widened_exactly(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        const unsigned char bytes[2] = {(unsigned char)bits, (unsigned char)(bits >> 8)};
        const float f16 = read_one(DTYPE_F16, bytes), bf16 = read_one(DTYPE_BF16, bytes);
        const float f16_wanted = by_definition(bits, 5), bf16_wanted = by_definition(bits, 8);
        if (isnan(f16_wanted)) {
            assert_true(isnan(f16) && !signbit(f16) == !(bits >> 15));
        } else {
            assert_memory_equal(&f16, &f16_wanted, 4);
        }
        if (isnan(bf16_wanted)) {
            assert_true(isnan(bf16) && !signbit(bf16) == !(bits >> 15));
        } else {
            assert_memory_equal(&bf16, &bf16_wanted, 4);
        }
    }
}

static void numbers_of_all_types_become_floats(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        unsigned char bytes[8]; // little-endian
        float wanted;
        double exact;
    } cases[] = {
        {DTYPE_F32, {0, 0, 0, 0x80}, -0.0f, -0.0},
        {DTYPE_F32, {1, 0, 0, 0}, 0x1p-149f, 0x1p-149},
        {DTYPE_F16, {1, 0}, 0x1p-24f, 0x1p-24},
        {DTYPE_F16, {0xff, 0x83}, -0x1.ff8p-15f, -0x1.ff8p-15},
        {DTYPE_F16, {0xff, 0x7b}, 65504, 65504},
        {DTYPE_BF16, {0x80, 0x3f}, 1, 1},
        {DTYPE_F64, {0, 0, 0, 0x10, 0, 0, 0xf0, 0x3f}, 1, 0x1.00000100000p0}, // half way: to even
        {DTYPE_F64, {1, 0, 0, 0x10, 0, 0, 0xf0, 0x3f}, 0x1.000002p0f, 0x1.0000010000001p0},
        {DTYPE_F64,
         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f},
         INFINITY,
         0x1.fffffffffffffp1023},
        {DTYPE_I64, {1, 0, 0, 1, 0, 0, 0, 0}, 16777216, 16777217}, // half way: to even
        {DTYPE_I64, {0, 0, 0, 0, 0, 0, 0, 0x80}, -0x1p63f, -0x1p63},
        {DTYPE_I64, {1, 0, 0, 0, 0, 0, 0x20, 0}, 0x1p53f, 0x1p53}, // 2^53 + 1
        {DTYPE_I32, {0xff, 0xff, 0xff, 0xff}, -1, -1},
        {DTYPE_I32, {0xff, 0xff, 0xff, 0x7f}, 0x1p31f, 2147483647},
        {DTYPE_I16, {0, 0x80}, -32768, -32768},
        {DTYPE_I8, {0x80}, -128, -128},
        {DTYPE_U8, {0xff}, 255, 255},
        {DTYPE_BOOL, {1}, 1, 1},
        {DTYPE_BOOL, {2}, 1, 1},
        {DTYPE_BOOL, {0}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float x = read_one(cases[i].dtype, cases[i].bytes);
        assert_memory_equal(&x, &cases[i].wanted, 4);
        const struct tensor t = {.dtype = cases[i].dtype, .n = 1, .data = cases[i].bytes};
        const double exact = tensor_value(&t, 0);
        assert_memory_equal(&exact, &cases[i].exact, 8);
    }
}

static void the_bits_of_a_f32_nan_are_kept(void **state)
{
    (void)state;
    static const unsigned char nan[4] = {1, 2, 0x83, 0xff}; // a signalling one, with a payload
    const struct tensor t = {.dtype = DTYPE_F32, .n = 1, .data = nan};
    float x;
    tensor_to_f32(&t, &x, NULL);
    assert_memory_equal(&x, nan, 4);
}

/* Makes views of random shapes and strides (repeated, overlapping, transposed, with holes). */
static void any_strided_view_is_read_row_major(void **state)
{
    (void)state;
    enum { BYTES = 4096 };
    unsigned char bytes[BYTES];
    uint32_t random = 12345;
    for (size_t i = 0; i < BYTES; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(random >> 24);
    }
    size_t n_checked = 0;
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525 + 1013904223;
        struct tensor t = {.dtype = random >> 28 & 1 ? DTYPE_I8 : DTYPE_I16, .data = bytes};
        t.n_dims = (random >> 16) % 6;
        size_t last = 0;
        for (size_t d = 0; d < t.n_dims; d++) {
            random = random * 1664525 + 1013904223;
            t.shape[d] = (random >> 16) % 6;
            t.stride[d] = (random >> 20) % (random >> 31 ? 7 : 100);
            last += t.shape[d] ? (t.shape[d] - 1) * t.stride[d] : 0;
        }
        if (tensor_count(&t, NULL) || (last + 1) * dtype_bytes(t.dtype) > BYTES) {
            continue;
        }
        float *read = mem_new(t.n, sizeof *read);
        assert_non_null(read);
        tensor_to_f32(&t, read, NULL);
        for (size_t i = 0; i < t.n; i++) {
            if (t.n >= 200 && i % 37) {
                continue; // place() counts from 0 each time
            }
            const unsigned char *p = bytes + place(&t, i);
            const int wanted = t.dtype == DTYPE_I8 ? (int8_t)p[0] : (int16_t)(p[0] | p[1] << 8);
            assert_true(read[i] == (float)wanted);
            assert_true(tensor_value(&t, i) == wanted);
            n_checked++;
        }
        free(read);
    }
    assert_true(n_checked > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_hold_what_torch_says_bit_for_bit),
        cmocka_unit_test(formats_are_told_by_their_first_bytes),
        cmocka_unit_test(bad_and_hostile_files_are_refused_with_their_reason),
        cmocka_unit_test(what_is_no_weight_file_is_named),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_byte_is_survived_and_in_a_zip_noticed),
        cmocka_unit_test(all_16_bit_floats_are_widened_exactly),
        cmocka_unit_test(numbers_of_all_types_become_floats),
        cmocka_unit_test(the_bits_of_a_f32_nan_are_kept),
        cmocka_unit_test(any_strided_view_is_read_row_major),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
