#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <cmocka.h>

#include "corpora/base/utf8.h"
#include "model/tokenizer/normalize.h"

// Expected values: the reference library's normalizer NFC (tokenizers 0.23.2).
static void texts_become_what_the_reference_makes_of_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *nfc; // NULL: already in NFC
    } cases[] = {
        {"", NULL},
        {"plain text, all of it ASCII, and long", NULL},
        {"\u00e9t\u00e9 \u6f22\u5b57 \uac01 \U0001f600 \u1ec7", NULL},
        {"e\u0301", "\u00e9"},
        {"xe\u0301y e\u0301", "x\u00e9y \u00e9"},
        {"\u00e9\u0323", "\u1eb9\u0301"},
        {"q\u0323\u0307", NULL},
        {"q\u0307\u0323", "q\u0323\u0307"},
        {"\u0301", NULL},
        {"\u0340", "\u0300"},
        {"\u212b", "\u00c5"},
        {"\u0958", "\u0915\u093c"},
        {"\u0344", "\u0308\u0301"},
        {"\u0f73", "\u0f71\u0f72"},
        {"\U0001d160", "\U0001d158\U0001d165\U0001d16e"},
        {"\U0002f800", "\u4e3d"},
        {"\u1100\u1161", "\uac00"},
        {"\u1100\u1161\u11a8", "\uac01"},
        {"\uac00\u11a8", "\uac01"},
        {"\uac01\u11a8", NULL},
        {"\u09c7\u09be", "\u09cb"},
        // Newer than Unicode 9: marks do not move across them, and nothing composes with them.
        {"a\u1df6\u0323", NULL},
        {"a\u0323\u1df6", "\u1ea1\u1df6"},
        {"\u1df6\u0301\u0323", "\u1df6\u0323\u0301"},
        {"\U0001e4ee\u0300", NULL},
        {"a\u0301\U0001e08f\u0323", "\u00e1\U0001e08f\u0323"},
        {"\U00011935\U00011930", NULL},
        {"\U00011938", NULL},
    };
    struct normalize_work work = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text, *want = cases[i].nfc;
        struct buf out = {0};
        size_t copied = 0;
        assert_int_equal(normalize_nfc(&work, text, 0, strlen(text), &copied, &out, NULL), 0);
        if ((copied != 0) != (want != NULL) || (want && copied != strlen(text)) ||
            (want && (out.len != strlen(want) || memcmp(out.data, want, out.len) != 0))) {
            fail_msg("case %zu, \"%s\" becomes \"%.*s\"", i, text, (int)out.len, out.data);
        }
        buf_free(&out);
    }
    normalize_work_free(&work);
}

static void a_piece_is_normalised_by_itself_and_takes_what_was_not_copied_along(void **state)
{
    (void)state;
    static const char text[] = "aaaa<e\u0301>\u0301bb";
    struct normalize_work work = {0};
    struct buf out = {0};
    size_t copied = 0;
    assert_int_equal(normalize_nfc(&work, text, 0, 5, &copied, &out, NULL), 0);
    assert_int_equal(copied, 0);
    assert_int_equal(normalize_nfc(&work, text, 5, 8, &copied, &out, NULL), 0);
    assert_int_equal(copied, 8);
    assert_int_equal(out.len, 7);
    assert_memory_equal(out.data, "aaaa<\u00e9", 7);
    // The mark after '>' is a piece's beginning here and does not compose with what is before.
    assert_int_equal(normalize_nfc(&work, text, 9, 13, &copied, &out, NULL), 0);
    assert_int_equal(copied, 8);
    buf_free(&out);
    normalize_work_free(&work);
}

static void the_golden_marks_neither_move_nor_let_others_pass(void **state)
{
    (void)state;
    FILE *f = fopen("tests/golden/tokenizers/nfc_unassigned_marks.txt", "r");
    assert_non_null(f);
    char line[200];
    unsigned code, class, n = 0;
    struct normalize_work work = {0};
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%x %u", &code, &class) != 2) {
            continue;
        }
        char text[16] = "q\u0345"; // class 240: above all of them
        size_t len = strlen(text), copied = 0;
        len += utf8_encode(code, text + len);
        len += utf8_encode(0x334, text + len); // class 1: below all of them
        struct buf out = {0};
        assert_int_equal(normalize_nfc(&work, text, 0, len, &copied, &out, NULL), 0);
        if (copied != 0) {
            fail_msg("U+%04X moves", code);
        }
        n++;
    }
    fclose(f);
    normalize_work_free(&work);
    assert_int_equal(n, 98);
}

// The list of newer characters in normalize.c is complete for utf8proc 2.8, which knows Unicode 15.
// These are the numbers of its marks, canonical decompositions, and characters that compose with
// one before them: if a newer utf8proc has more, the list must grow.
static void utf8proc_knows_no_marks_that_are_not_accounted_for(void **state)
{
    (void)state;
    unsigned marks = 0, with_parts = 0, seconds = 0;
    for (int32_t code = 0; code < 0x110000; code++) {
        const utf8proc_property_t *p = utf8proc_get_property(code);
        marks += p->combining_class != 0;
        with_parts += p->decomp_seqindex != UINT16_MAX && p->decomp_type == 0;
        seconds += p->comb_index != UINT16_MAX && p->comb_index >= 0x8000;
    }
    assert_int_equal(marks, 922);
    assert_int_equal(with_parts, 2061);
    assert_int_equal(seconds, 69);
}

static void megabytes_of_marks_are_sorted_in_no_time(void **state)
{
    (void)state;
    const size_t n = 500000;
    struct buf text = {0}, out = {0};
    assert_int_equal(buf_append(&text, "q", 1, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(buf_append(&text, i % 2 ? "\u0323" : "\u0301", 2, NULL), 0);
    }
    struct normalize_work work = {0};
    size_t copied = 0;
    assert_int_equal(normalize_nfc(&work, text.data, 0, text.len, &copied, &out, NULL), 0);
    assert_int_equal(copied, text.len);
    assert_int_equal(out.len, text.len);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(out.data + 1 + 2 * i, i < n / 2 ? "\u0323" : "\u0301", 2);
    }
    buf_free(&text);
    buf_free(&out);
    normalize_work_free(&work);
}

int main(void)
{
    normalize_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_what_the_reference_makes_of_them),
        cmocka_unit_test(a_piece_is_normalised_by_itself_and_takes_what_was_not_copied_along),
        cmocka_unit_test(the_golden_marks_neither_move_nor_let_others_pass),
        cmocka_unit_test(utf8proc_knows_no_marks_that_are_not_accounted_for),
        cmocka_unit_test(megabytes_of_marks_are_sorted_in_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
