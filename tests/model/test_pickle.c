#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/mem.h"
#include "model/weights/pickle.h"

// A pickle with its length; "\x8c\x01" "a" is the text "a".
#define P(text) text, sizeof text - 1
#define A                                                                                          \
    "\x8c\x01"                                                                                     \
    "a"
#define B                                                                                          \
    "\x8c\x01"                                                                                     \
    "b"
#define ORDERED_DICT "ccollections\nOrderedDict\n"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"

/* Reads the pickle from a block of its exact size, so that AddressSanitizer sees a read beyond
 * it. */
static int read_exact(struct pickle *p, const char *bytes, size_t len, struct err *err,
                      unsigned char **block)
{
    *block = mem_new(len, 1);
    assert_non_null(*block);
    memcpy(*block, bytes, len);
    return pickle_read(p, *block, len, err);
}

/* Pickles and their messages. */
static const struct {
    const char *bytes;
    size_t len;
    enum err_code code;
    const char *msg;
} refused[] = {
    {P(""), ERR_TRUNCATED, "the pickle ends after 0 bytes without STOP"},
    {P("\x80\x02}"), ERR_TRUNCATED, "the pickle ends after 3 bytes without STOP"},
    {P("."), ERR_FORMAT, "byte 0: STOP: 0 values and 0 marks are left"},
    {P("NN."), ERR_FORMAT, "byte 2: STOP: 2 values and 0 marks are left"},
    {P("N(."), ERR_FORMAT, "byte 2: STOP: 1 values and 1 marks are left"},
    {P("\x80\x01N."), ERR_UNSUPPORTED, "byte 0: PROTO: protocol 1"},
    {P("\x80\x06N."), ERR_UNSUPPORTED, "byte 0: PROTO: protocol 6"},
    {P("\x80"), ERR_TRUNCATED, "byte 0: PROTO: takes 1 bytes, 0 are left"},
    {P("\xff."), ERR_FORMAT, "byte 0: 0xff is not an opcode of a pickle"},
    // globals
    {P("cos\nsystem\n."), ERR_UNSUPPORTED, "byte 0: GLOBAL: os.system is not part"},
    {P("c__builtin__\neval\n."), ERR_UNSUPPORTED, "GLOBAL: __builtin__.eval is not part"},
    {P("ctorch\nFloatStorageX\n."), ERR_UNSUPPORTED, "torch.FloatStorageX is not part"},
    {P("ctorch\nFloatStorag\n."), ERR_UNSUPPORTED, "torch.FloatStorag is not part"},
    {P("ctorch\n\n."), ERR_UNSUPPORTED, "GLOBAL: torch. is not part"},
    {P("ctorch\nFloatStorage"), ERR_TRUNCATED, "byte 0: GLOBAL: a name without an end"},
    {P("ctorch"), ERR_TRUNCATED, "byte 0: GLOBAL: a name without an end"},
    {P("\x8c\x02os\x8c\x06system\x93."), ERR_UNSUPPORTED, "byte 12: STACK_GLOBAL: os.system"},
    {P("NN\x93."), ERR_FORMAT, "byte 2: STACK_GLOBAL: its names are None and None"},
    // opcodes that torch.save never writes for a dict of tensors
    {P("N0."), ERR_UNSUPPORTED, "byte 1: POP: torch.save writes no such opcode"},
    {P("N2."), ERR_UNSUPPORTED, "byte 1: DUP: "},
    {P("(ios\nsystem\n."), ERR_UNSUPPORTED, "byte 1: INST: "},
    {P("(o."), ERR_UNSUPPORTED, "byte 1: OBJ: "},
    {P("))\x81."), ERR_UNSUPPORTED, "byte 2: NEWOBJ: "},
    {P(")))\x92."), ERR_UNSUPPORTED, "byte 3: NEWOBJ_EX: "},
    {P("P0\n."), ERR_UNSUPPORTED, "byte 0: PERSID: "},
    {P("\x82\x01."), ERR_UNSUPPORTED, "byte 0: EXT1: "},
    {P("S'a'\n."), ERR_UNSUPPORTED, "byte 0: STRING: "},
    {P("I1\n."), ERR_UNSUPPORTED, "byte 0: INT: "},
    {P("\x8b\x01\0\0\0\x01."), ERR_UNSUPPORTED, "byte 0: LONG4: "},
    {P("\x8f."), ERR_UNSUPPORTED, "byte 0: EMPTY_SET: "},
    {P("\x97."), ERR_UNSUPPORTED, "byte 0: NEXT_BUFFER: "},
    // the stack
    {P("R."), ERR_FORMAT, "byte 0: REDUCE: takes 2 values from a stack of 0"},
    {P("N\x86."), ERR_FORMAT, "byte 1: TUPLE2: takes 2 values from a stack of 1"},
    {P("NN(\x85."), ERR_FORMAT, "byte 3: TUPLE1: takes 1 values from a stack of 0"},
    {P("t."), ERR_FORMAT, "byte 0: TUPLE: no MARK is set"},
    {P("}u."), ERR_FORMAT, "byte 1: SETITEMS: no MARK is set"},
    {P("(NNu."), ERR_FORMAT, "byte 3: SETITEMS: nothing to add to"},
    {P("}((NNu."), ERR_FORMAT, "byte 5: SETITEMS: nothing to add to"},
    {P("(Ne."), ERR_FORMAT, "byte 2: APPENDS: nothing to add to"},
    {P("}(Nu."), ERR_FORMAT, "byte 3: SETITEMS: a key without a value"},
    {P("](NNu."), ERR_FORMAT, "byte 4: SETITEMS: sets items of a list"},
    {P("}Na."), ERR_FORMAT, "byte 2: APPEND: appends to a dict"},
    {P("}Ns."), ERR_FORMAT, "byte 2: SETITEM: takes 3 values from a stack of 2"},
    {P("Na."), ERR_FORMAT, "byte 1: APPEND: takes 2 values from a stack of 1"},
    {P("NQ."), ERR_FORMAT, "byte 1: BINPERSID: the id is None"},
    {P("]}b."), ERR_UNSUPPORTED, "byte 2: BUILD: gives a dict to a list"},
    {P("}]b."), ERR_UNSUPPORTED, "byte 2: BUILD: gives a list to a dict"},
    // calls
    {P("N)R."), ERR_FORMAT, "byte 2: REDUCE: calls None with a tuple"},
    {P(ORDERED_DICT "]R."), ERR_FORMAT, "byte 26: REDUCE: calls a class with a list"},
    {P(ORDERED_DICT "N\x85R."), ERR_UNSUPPORTED, "an OrderedDict that is made with arguments"},
    {P("ctorch\nFloatStorage\n)R."), ERR_UNSUPPORTED, "REDUCE: calls torch.FloatStorage"},
    // the memo
    {P("h\0."), ERR_FORMAT, "byte 0: BINGET: memo entry 0 was never put"},
    {P("j\xff\xff\xff\xff."), ERR_FORMAT, "LONG_BINGET: memo entry 4294967295 was never put"},
    {P("Nr\xff\xff\xff\x7f."), ERR_FORMAT, "LONG_BINPUT: memo entry 2147483647 at byte 1"},
    {P("q\0."), ERR_FORMAT, "byte 0: BINPUT: takes 1 values from a stack of 0"},
    // lengths
    {P("X\x05\0\0\0"
       "abc"),
     ERR_TRUNCATED, "byte 0: BINUNICODE: takes 5 bytes, 3 are left"},
    {P("X\xff\xff\xff\xff"
       "abc"),
     ERR_TRUNCATED, "takes 4294967295 bytes, 3 are left"},
    {P("X\x05\0"), ERR_TRUNCATED, "byte 0: BINUNICODE: takes 4 bytes, 2 are left"},
    {P("\x8c\x02"
       "a"),
     ERR_TRUNCATED, "byte 0: SHORT_BINUNICODE: takes 2 bytes, 1 are left"},
    {P("\x8a\x09"
       "123456789."),
     ERR_UNSUPPORTED, "byte 0: LONG1: a number of 9 bytes"},
    {P("\x8a\x08"
       "1234567"),
     ERR_TRUNCATED, "byte 0: LONG1: takes 8 bytes, 7 are left"},
    {P("G1234567"), ERR_TRUNCATED, "byte 0: BINFLOAT: takes 8 bytes, 7 are left"},
    {P("\x95\x03\0\0\0\0\0\0\0N."), ERR_TRUNCATED, "byte 0: FRAME: the frame reaches outside"},
    {P("\x95\xff\xff\xff\xff\xff\xff\xff\xffN."), ERR_TRUNCATED, "FRAME: the frame reaches"},
};

static void refused_pickles_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct pickle p;
        struct err err = {0};
        unsigned char *block;
        const int rc = read_exact(&p, refused[i].bytes, refused[i].len, &err, &block);
        if (rc != (int)refused[i].code || !strstr(err.msg, refused[i].msg)) {
            print_error("case %zu: %d \"%s\" instead of %d \"%s\"\n", i, rc, err.msg,
                        refused[i].code, refused[i].msg);
        }
        assert_int_equal(rc, refused[i].code);
        assert_non_null(strstr(err.msg, refused[i].msg));
        assert_null(p.root);
        free(block);
    }
}

static void numbers_of_all_widths_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int64_t value;
    } cases[] = {
        {P("K\xff."), 255},
        {P("M\xff\xff."), 65535},
        {P("J\xff\xff\xff\xff."), -1},
        {P("J\0\0\0\x80."), INT32_MIN},
        {P("J\x01\x02\x03\x04."), 0x04030201},
        {P("\x8a\0."), 0},
        {P("\x8a\x01\xff."), -1},
        {P("\x8a\x02\xff\0."), 255},
        {P("\x8a\x05\0\0\0\0\x01."), INT64_C(1) << 32},
        {P("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), INT64_MAX},
        {P("\x8a\x08\0\0\0\0\0\0\0\x80."), INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pickle p;
        unsigned char *block;
        assert_int_equal(read_exact(&p, cases[i].bytes, cases[i].len, NULL, &block), 0);
        assert_int_equal(p.root->kind, PICKLE_INT);
        assert_true(p.root->integer == cases[i].value);
        assert_int_equal(p.used, cases[i].len);
        pickle_free(&p);
        free(block);
    }
}

static void items_of_a_dict_keep_their_order_and_both_of_equal_keys(void **state)
{
    (void)state;
    static const char bytes[] =
        "\x80\x02" ORDERED_DICT ")R(" B "K\x01" A "K\x02u" B "K\x03s}b. rest";
    struct pickle p;
    assert_int_equal(pickle_read(&p, (const unsigned char *)bytes, sizeof bytes - 1, NULL), 0);
    assert_int_equal(p.used, sizeof bytes - 1 - 5);
    assert_int_equal(p.root->kind, PICKLE_DICT);
    static const char names[] = "bab";
    int n = 0;
    for (const struct pickle_item *i = p.root->first; i; i = i->next, n++) {
        assert_int_equal(i->key->kind, PICKLE_TEXT);
        assert_int_equal(i->key->text_len, 1);
        assert_int_equal(i->key->text[0], names[n]);
        assert_int_equal(i->value->integer, n + 1);
    }
    assert_int_equal(n, 3);
    pickle_free(&p);
}

static void calls_and_storages_are_told_not_done(void **state)
{
    (void)state;
    // Protocol 4, with a frame, MEMOIZE and BINGET; a list of one call on a persistent id, twice.
    static const char bytes[] = "\x80\x04\x95\x2e\0\0\0\0\0\0\0]\x94("
                                "\x8c\x0ctorch._utils\x8c\x12_rebuild_tensor_v2\x93"
                                "\x94)Q\x85\x94Rh\x01N\x85Re.";
    struct pickle p;
    struct err err = {0};
    const int rc = pickle_read(&p, (const unsigned char *)bytes, sizeof bytes - 1, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    assert_int_equal(p.root->kind, PICKLE_LIST);
    const struct pickle_value *call = p.root->first->value;
    assert_int_equal(call->kind, PICKLE_CALL);
    assert_int_equal(call->global, PICKLE_REBUILD_TENSOR);
    assert_int_equal(call->args->n_items, 1);
    assert_int_equal(call->args->items[0]->kind, PICKLE_PERSISTENT);
    assert_int_equal(call->args->items[0]->number, 0);
    assert_int_equal(call->args->items[0]->args->n_items, 0);
    assert_int_equal(p.n_persistents, 1);
    assert_ptr_equal(p.persistents->first->value, call->args->items[0]);
    assert_int_equal(p.root->first->next->value->args->items[0]->kind, PICKLE_NONE);
    pickle_free(&p);
}

static void a_list_may_hold_itself(void **state)
{
    (void)state;
    struct pickle p;
    assert_int_equal(pickle_read(&p, (const unsigned char *)"]q\0h\0a.", 7, NULL), 0);
    assert_ptr_equal(p.root->first->value, p.root);
    pickle_free(&p);
}

/* n copies of the byte c. */
static unsigned char *repeat(char c, size_t n)
{
    unsigned char *bytes = mem_new(n, 1);
    assert_non_null(bytes);
    memset(bytes, c, n);
    return bytes;
}

static void memory_is_bounded(void **state)
{
    (void)state;
    static const char fillers[] = "}(";
    const size_t n = (size_t)40 << 20;
    for (size_t i = 0; i < sizeof fillers - 1; i++) {
        unsigned char *bytes = repeat(fillers[i], n);
        struct pickle p;
        struct err err = {0};
        assert_int_equal(pickle_read(&p, bytes, n, &err), ERR_LIMIT);
        assert_non_null(strstr(err.msg, "the pickle needs more than 256 MiB of memory"));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_pickles_say_why),
        cmocka_unit_test(numbers_of_all_widths_are_read),
        cmocka_unit_test(items_of_a_dict_keep_their_order_and_both_of_equal_keys),
        cmocka_unit_test(calls_and_storages_are_told_not_done),
        cmocka_unit_test(a_list_may_hold_itself),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
