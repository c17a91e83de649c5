/*
 * Tensors of torch's dtypes that are not read, such as 8-bit floats and complex numbers: they are
 * listed, with their places checked, and do not make the other tensors unreadable.
 */
#include "tests/kit/torch_kit.h"

#define KEY(digit) "\x8c\x01" digit
#define UNTYPED PERSISTENT("ctorch.storage\nUntypedStorage\n", KEY("1"), "K\x10")
#define COMPLEX PERSISTENT("ctorch\nComplexFloatStorage\n", KEY("1"), "K\x02")
#define VIEW3(storage, offset, sizes, strides, dtype)                                              \
    "ctorch._utils\n_rebuild_tensor_v3\n(" storage offset sizes strides "\x89"                     \
    "ccollections\nOrderedDict\n)R" dtype "tR"
#define F8 "ctorch\nfloat8_e4m3fn\n"
#define U16 "ctorch\nuint16\n"
#define TEXT_v                                                                                     \
    "\x8c\x01"                                                                                     \
    "v"
#define PARAMETER(tensor) "ctorch._utils\n_rebuild_parameter\n" tensor "\x89}\x87R"
#define WITH(tensor) P(DICT(TEXT_w TENSOR TEXT_v tensor))

static void make(struct archive *a, const char *pickle, size_t len)
{
    make_archive(a,
                 (struct zip_part[]){{"m/data.pkl", pickle, len},
                                     {"m/data/0", floats, 16},
                                     {"m/data/1", "0123456789abcdef", 16}},
                 3, WITHOUT_ZIP64);
}

static void tensors_of_other_dtypes_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t len;
        const char *dtype, *shape, *bytes;
    } cases[] = {
        {WITH(VIEW3(UNTYPED, "K\0", "K\x10\x85", "K\x01\x85", F8)), "float8_e4m3fn", "[16]",
         "0123456789abcdef"},
        {WITH(VIEW3(UNTYPED, "K\x04", "K\x02K\x03\x86", "K\x03K\x01\x86", F8)), "float8_e4m3fn",
         "[2, 3]", "456789"},
        {WITH(VIEW3(UNTYPED, "K\x02", "K\x03\x85", "K\x02\x85", U16)), "uint16", "[3]",
         "456789abcd"},
        {WITH(PARAMETER(VIEW3(UNTYPED, "K\0", "K\x02\x85", "K\x01\x85", F8))), "float8_e4m3fn",
         "[2]", "01"},
        {WITH(VIEW(COMPLEX, "K\x01", "K\x01\x85", "K\x01\x85")), "complex64", "[1]", "89abcdef"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive a;
        struct tensorfile *f = NULL;
        struct err err = {0};
        make(&a, cases[i].pickle, cases[i].len);
        tensorfile_parse(&f, a.bytes.data, a.bytes.len, &err);
        assert_string_equal(err.msg, "");
        const struct tensor *t = tensorfile_find(f, "v"), *w = tensorfile_find(f, "w");
        assert_string_equal(tensor_dtype_name(t), cases[i].dtype);
        assert_string_equal(tensor_shape_text(t).text, cases[i].shape);
        assert_int_equal(t->unread_bytes, strlen(cases[i].bytes));
        assert_memory_equal(t->data, cases[i].bytes, t->unread_bytes);
        assert_int_equal(tensor_is_read(t, &err), ERR_UNSUPPORTED);
        assert_non_null(strstr(err.msg, cases[i].dtype));
        assert_int_equal(tensor_is_read(w, NULL), 0);
        assert_true(tensor_value(w, 0) == 1);
        tensorfile_close(f);
        buf_free(&a.bytes);
    }
}

static void their_places_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t len;
        const char *msg;
    } cases[] = {
        {WITH(VIEW3(UNTYPED, "K\0", "K\x11\x85", "K\x01\x85", F8)),
         "\"v\": shape [17] from element 0 reaches outside of storage 1 of 16 elements"},
        {WITH(VIEW3(UNTYPED, "K\x01", "K\x08\x85", "K\x01\x85", U16)),
         "\"v\": shape [8] from element 1 reaches outside of storage 1 of 8 elements"},
        {WITH(VIEW(COMPLEX, "K\x01", "K\x02\x85", "K\x01\x85")), "storage 1 of 2 elements"},
        {WITH(VIEW(UNTYPED, "K\0", "K\x01\x85", "K\x01\x85")),
         "its dtype does not go with storage"},
        {WITH(VIEW3(UNTYPED, "K\0", "K\x01\x85", "K\x01\x85", "N")), "its dtype does not go with"},
        {WITH(VIEW3(UNTYPED, "K\0", "K\x01\x85", "K\x01\x85", FLOATS)), "does not go with storage"},
        {WITH(VIEW3(STORAGE, "K\0", "K\x01\x85", "K\x01\x85", F8)), "does not go with storage 0"},
        {WITH(VIEW3(COMPLEX, "K\0", "K\x01\x85", "K\x01\x85", F8)), "does not go with storage 1"},
        {WITH(VIEW3(UNTYPED, "K\0", "K\x01\x85", "K\x01\x85", "")), "_rebuild_tensor_v3"},
        {WITH(F8), "\"v\": is a class, not a tensor"},
        {WITH(PARAMETER(PARAMETER(TENSOR))), "not the arguments of _rebuild_parameter"},
        {WITH(F8 ")R"), "calls torch.float8_e4m3fn"},
        {WITH("ctorch.storage\nUntypedStorage\n)R"), "calls torch.storage.UntypedStorage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive a;
        struct tensorfile *f = NULL;
        struct err err = {0};
        make(&a, cases[i].pickle, cases[i].len);
        assert_int_not_equal(tensorfile_parse(&f, a.bytes.data, a.bytes.len, &err), 0);
        if (!strstr(err.msg, cases[i].msg)) {
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.msg, cases[i].msg);
        }
        buf_free(&a.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_other_dtypes_are_listed),
        cmocka_unit_test(their_places_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
