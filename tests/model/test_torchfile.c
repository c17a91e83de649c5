/*
 * Pickles that do not describe a dict of tensors are refused; legacy files are read or refused.
 */
#include "tests/kit/torch_kit.h"

static void assert_refused_pickle(const char *pickle, size_t len, enum err_code code,
                                  const char *msg, size_t i)
{
    struct archive a;
    make_archive(&a, (struct zip_part[]){{"m/data.pkl", pickle, len}, {"m/data/0", floats, 16}}, 2,
                 WITHOUT_ZIP64);
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
        {P(HEAD DICT(TEXT_w TENSOR) KEYS("N") DATA), ERR_FORMAT,
         "a storage's key that is not a num"},
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
        cmocka_unit_test(broken_legacy_files_are_refused),
        cmocka_unit_test(legacy_files_of_both_protocols_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
