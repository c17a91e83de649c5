#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/utf8.h"
#include "model/tokenizer/pretokenize.h"
#include "tests/ref/words_ref.h"

/* Puts the words of text, each ended by a '|', into out[size]. */
static const char *cut(const char *text, bool digits, char *out, size_t size)
{
    size_t n = 0;
    const size_t len = strlen(text);
    for (size_t at = 0, word; at < len; at += word) {
        word = pretokenize_word(text + at, len - at, digits);
        assert_in_range(word, 1, len - at);
        assert_true(n + word + 2 < size);
        memcpy(out + n, text + at, word);
        n += word;
        out[n++] = '|';
    }
    out[n] = '\0';
    return out;
}

static void words_are_those_of_the_pattern(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words, *words_of_digits;
    } cases[] = {
        {"", "", ""},
        {"Hello world!", "Hello| world|!|", "Hello| world|!|"},
        {"don't we'll I'M it'sx", "don|'t| we|'ll| I|'|M| it|'s|x|",
         "don|'t| we|'ll| I|'|M| it|'s|x|"},
        {"'re've'd'm'", "'re|'ve|'d|'m|'|", "'re|'ve|'d|'m|'|"},
        {" 's", " '|s|", " '|s|"},
        {"!'s", "!'|s|", "!'|s|"},
        {"'l 'r", "'|l| '|r|", "'|l| '|r|"},
        {"a  b", "a| | b|", "a| | b|"},
        {"a \t b", "a| \t| b|", "a| \t| b|"},
        {"a\t\tb", "a|\t|\t|b|", "a|\t|\t|b|"},
        {"a\n", "a|\n|", "a|\n|"},
        {"a  ", "a|  |", "a|  |"},
        {"\n\n x", "\n\n| x|", "\n\n| x|"},
        {"12 345", "12| 345|", "1|2| |3|4|5|"},
        {"a  1", "a| | 1|", "a|  |1|"},
        {"1  ", "1|  |", "1|  |"},
        {"x2y", "x|2|y|", "x|2|y|"},
        {"a\u00a0b", "a|\u00a0|b|", "a|\u00a0|b|"},
        {"a \u3000b", "a| |\u3000|b|", "a| |\u3000|b|"},
        {" \u00e9t\u00e9 \u65e5\u672c", " \u00e9t\u00e9| \u65e5\u672c|",
         " \u00e9t\u00e9| \u65e5\u672c|"},
        {"e\u0301x", "e|\u0301|x|", "e|\u0301|x|"}, // a mark is neither letter nor space
        {"\u00bd\u00b2 \u2167", "\u00bd\u00b2| \u2167|", "\u00bd|\u00b2| |\u2167|"},
        {"\U0001f600!", "\U0001f600!|", "\U0001f600!|"},
        // Only Digits takes Unicode 17's digits for numbers.
        {"\U00011de0\U00011de1 \U00016ff4", "\U00011de0\U00011de1| \U00016ff4|",
         "\U00011de0|\U00011de1| |\U00016ff4|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[200];
        assert_string_equal(cut(cases[i].text, false, out, sizeof out), cases[i].words);
        assert_string_equal(cut(cases[i].text, true, out, sizeof out), cases[i].words_of_digits);
    }
}

// "a" joins letters only, "1" numbers, "." others, and a space joins all of them.
static void every_code_point_has_the_class_of_the_golden_table(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code == ' ' || (code >= 0xd800 && code < 0xe000)) {
            continue;
        }
        char text[8] = " ";
        const size_t len = 1 + utf8_encode(code, text + 1);
        char tail[8] = {text[1], text[2], text[3], text[4]};
        tail[len - 1] = 'a';
        const bool glues = pretokenize_word(text, len, false) == len;
        const bool is_letter = pretokenize_word(tail, len, false) == len;
        tail[len - 1] = '1';
        const bool is_number = pretokenize_word(tail, len, false) == len;
        tail[len - 1] = '.';
        const bool is_other = pretokenize_word(tail, len, false) == len;
        const char class = words_ref_class(code);
        if (is_letter != (class == 'L') || is_number != (class == 'N') ||
            is_other != (class == 'O') || !glues) {
            fail_msg("U+%04X is not of the class %c", (unsigned)code, class);
        }
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static bool is_newer_number(uint32_t code) // see pretokenize.c; the golden table has none
{
    return (code >= 0x11de0 && code <= 0x11de9) || (code >= 0x16ff4 && code <= 0x16ff6);
}

static uint32_t random_code(uint32_t *seed)
{
    static const char common[] = "   \n\t's'll're't.,!aZ09_-";
    static const uint32_t odd[] = {0x85,   0xa0,   0x2003, 0x3000,  0x200b,  0x301, 0xe9,
                                   0x6f22, 0x0660, 0x00bd, 0x1f600, 0x11de0, 0x130, 0x1c};
    switch (next_random(seed) % 4) {
    case 0:
        return odd[next_random(seed) % (sizeof odd / sizeof *odd)];
    case 1: {
        const uint32_t code = next_random(seed) % 0x20000;
        return code >= 0xd800 && code < 0xe000 ? 'x' : code;
    }
    default:
        return (unsigned char)common[next_random(seed) % (sizeof common - 1)];
    }
}

static void random_texts_are_cut_as_a_regex_engine_cuts_them(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        const bool digits = round % 2;
        char text[400];
        size_t len = 0, ends[400];
        for (uint32_t n = next_random(&seed) % 60; n > 0; n--) {
            const uint32_t code = random_code(&seed);
            len += utf8_encode(digits && is_newer_number(code) ? 'x' : code, text + len);
        }
        const size_t n_words = words_ref(text, len, digits, ends);
        size_t at = 0;
        for (size_t i = 0; i < n_words; i++) {
            at += pretokenize_word(text + at, len - at, digits);
            if (at != ends[i]) {
                fail_msg("round %d: word %zu ends at %zu, not %zu", round, i, at, ends[i]);
            }
        }
        assert_int_equal(at, len);
    }
}

static void random_texts_are_cut_by_the_pattern_of_gpt4_too(void **state)
{
    (void)state;
    uint32_t seed = 2;
    for (int round = 0; round < 10000; round++) {
        const size_t most_digits = round % 2 ? 3 : 1;
        char text[400];
        size_t len = 0, ends[400];
        for (uint32_t n = next_random(&seed) % 60; n > 0; n--) {
            const uint32_t odd = next_random(&seed) % 16;
            len += utf8_encode(odd == 0   ? 0x17f
                               : odd == 1 ? '\r'
                               : odd == 2 ? (uint32_t) "VLSTDEM'"[next_random(&seed) % 8]
                                          : random_code(&seed),
                               text + len);
        }
        const size_t n_words = words_ref_gpt4(text, len, most_digits, ends);
        size_t at = 0;
        for (size_t i = 0; i < n_words; i++) {
            at += pretokenize_gpt4(text + at, len - at, most_digits);
            if (at != ends[i]) {
                fail_msg("round %d: word %zu ends at %zu, not %zu", round, i, at, ends[i]);
            }
        }
        assert_int_equal(at, len);
    }
}

int main(void)
{
    pretokenize_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_pattern),
        cmocka_unit_test(every_code_point_has_the_class_of_the_golden_table),
        cmocka_unit_test(random_texts_are_cut_as_a_regex_engine_cuts_them),
        cmocka_unit_test(random_texts_are_cut_by_the_pattern_of_gpt4_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
