/* Of which kind a token is: by its text alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/token_kind.h"
#include "out/text/printable.h"

#define SPACED "word after a space, "
#define PIECE "piece or word without a space, "

static void a_kind_is_told_by_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kind;
    } cases[] = {
        {"<|endoftext|>", "special token"},
        {"<||>", "special token"},
        {"<|>", "punctuation and signs"},
        {"<|a\n|>", "mixed"},
        {"\\xE2\\x82", "part of a character"},
        {"\\x9", "mixed"},
        {"\n", "line end"},
        {"  \t\r\n  ", "line end"},
        {"\v\n", "spaces"},
        {"    ", "spaces"},
        {"\xc2\xa0\xe3\x80\x80", "spaces"},
        {"12", "digits"},
        {" 7", "digits"},
        {"\xd9\xa3", "digits"}, // U+0663
        {" the", SPACED "small letters"},
        {"\nthe", SPACED "small letters"},
        {" The", SPACED "Capital"},
        {" A", SPACED "Capital"},
        {" AB", "CAPITALS"},
        {"ABC", "CAPITALS"},
        {"the", PIECE "small letters"},
        {"The", PIECE "Capital"},
        {"T", PIECE "Capital"},
        {"tHe", "letters of mixed case"},
        {" iPhone", "letters of mixed case"},
        {"\xc3\xa9t\xc3\xa9", "letters beyond a to z"},
        {" e\xcc\x81", "letters beyond a to z"}, // a mark
        {"\xe4\xb8\xad", "letters beyond a to z"},
        {"):", "punctuation and signs"},
        {" +=\n", "punctuation and signs"},
        {". .", "mixed"},
        {"'s", "mixed"},
        {"a b", "mixed"},
        {"the ", "mixed"},
        {"a1", "mixed"},
        {"\xc2\xb2", "mixed"}, // a digit that is no decimal one
        {"\xff", "mixed"},
        {"\x01", "mixed"},
        {"", "mixed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *kind = token_kind_name(token_kind(cases[i].text));
        if (strcmp(kind, cases[i].kind) != 0) {
            fail_msg("\"%s\" is of kind %s, not %s", cases[i].text, kind, cases[i].kind);
        }
    }
}

static void tokens_of_white_space_look_different(void **state)
{
    (void)state;
    static const struct {
        const char *text, *label;
    } cases[] = {
        {"", ""},         {"the", "the"},         {" the", "·the"}, {"    ", "····"},
        {"     ", "·×5"}, {"\n       ", "\n·×7"}, {"a  b", "a··b"}, {"\t", "\t"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *label = token_label(cases[i].text);
        assert_string_equal(label, cases[i].label);
        free(label);
    }
    assert_int_equal(show_visible('\t'), 0x2192);
    assert_int_equal(show_visible('\n'), 0x240a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_is_told_by_the_text),
        cmocka_unit_test(tokens_of_white_space_look_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
