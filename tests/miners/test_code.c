#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "tests/kit/code_kit.h"

static void names_are_in_order_and_found(void **state)
{
    (void)state;
    size_t n = 0;
    for (; code_at(n); n++) {
        const struct code_miner *m = code_at(n);
        assert_true(n == 0 || strcmp(code_at(n - 1)->name, m->name) < 0);
        assert_ptr_equal(code_named(m->name), m);
        assert_true(strlen(m->help) > 10 && !strchr(m->help, '\n'));
    }
    assert_true(n > 60);
    assert_null(code_at(n + 1));
    assert_null(code_named("no_such_miner"));
    assert_null(code_named(""));
}

/* The name in a row of a table, "| `name` | ...", which is then ended by a NUL; or NULL. */
static char *row_name(char *line)
{
    char *end = strncmp(line, "| `", 3) == 0 ? strchr(line + 3, '`') : NULL;
    if (end) {
        *end = '\0';
    }
    return end ? line + 3 : NULL;
}

static void every_miner_has_its_row_in_builtin_md(void **state)
{
    (void)state;
    struct buf text = {0};
    assert_int_equal(file_read("miners/builtin.md", SIZE_MAX, &text, NULL), 0);
    assert_int_equal(buf_append(&text, "", 1, NULL), 0);
    bool has_row[256] = {false};
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
        const char *name = row_name(line);
        if (name && !code_named(name)) {
            fail_msg("miners/builtin.md describes %s, which is not there", name);
        }
        if (name) {
            const size_t i = (size_t)(code_named(name) - code_at(0));
            assert_true(i < 256);
            if (has_row[i]) {
                fail_msg("miners/builtin.md describes %s twice", name);
            }
            has_row[i] = true;
        }
    }
    for (size_t i = 0; code_at(i); i++) {
        if (!has_row[i]) {
            fail_msg("miners/builtin.md does not describe %s", code_at(i)->name);
        }
    }
    buf_free(&text);
}

// Pieces of texts that miners know, whole and cut off; « has two bytes, between which tokens may
// end.
static const char *const odd[] = {
    "",
    "\n",
    " ",
    "\t\n\n  \r\n",
    "0",
    "a",
    "\"",
    "'",
    "«",
    "“",
    "<",
    "<!--",
    "<!DOCTYPE html><p a=\"b",
    "<?xml?><a b='</a>",
    "#!python\n'''",
    "#!python\nx = 'a\\",
    "def f():\n  r\"\"\"a\\",
    "#include <x\n\"\\",
    "#include <x\n/*",
    "#include <x\n//",
    "c2VjcmV0IG1lc3NhZ2U=",
    "sjNcAfvunjWrPArGGcYpN7/jyvU383/7=",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    "123e4567-e89b-12d3-a456-426614174000",
    "-",
    "@",
    "a@",
    "a@b.",
    "http://",
    "www.",
    "2020-11-2",
    "31 December 20",
    "December",
    "1:",
    "1,234.5e",
    "0x",
    ".5",
    "é",
    "中文",
    "e\xcc\x81",
    ">",
    "> a\n>",
    "(((",
    ")))",
    "([{}])",
    "a_",
    "aB",
    ", B",
};

static size_t odd_text(size_t i, char text[4096])
{
    const size_t n = sizeof odd / sizeof *odd;
    const char *a = odd[i % n], *b = odd[i / n % n];
    return (size_t)snprintf(text, 4096, "%s%s", a, i < n ? "" : b);
}

static void broken_texts_in_all_tokenisations_are_labelled(void **state)
{
    (void)state;
    const size_t n = sizeof odd / sizeof *odd;
    static const size_t steps[] = {1, 2, 3, 4096};
    for (size_t i = 0; i < n + n * n; i++) {
        char text[4096];
        const size_t len = odd_text(i, text);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            struct code_doc d;
            code_doc_steps(&d, text, len, steps[k]);
            for (size_t m = 0; code_at(m); m++) {
                free(code_label(code_at(m)->name, &d.tokens));
            }
            code_doc_free(&d);
        }
    }
}

static void a_document_without_tokens_may_have_no_text(void **state)
{
    (void)state;
    const struct tokens none = {0};
    for (size_t m = 0; code_at(m); m++) {
        struct code_scratch scratch = {0};
        assert_int_equal(code_at(m)->label(&none, NULL, &scratch, NULL), 0);
        code_scratch_free(&scratch);
    }
}

enum { LONG = 256 * 1024 };

// A beginning, and a text that is repeated after it.  A miner that searches too far ahead or back
// each time would take minutes, and the test would time out.
static const char *const long_texts[][2] = {
    {"", "a"},
    {"", " "},
    {"", "\n"},
    {"", "1"},
    {"", "1,"},
    {"", "1."},
    {"", ",111"},
    {"", "-"},
    {"", "aaaaaaaa-"},
    {"", "a@"},
    {"", "a."},
    {"a@", "a."},
    {"", "a://"},
    {"", "aa://a,"},
    {"", "www.a"},
    {"", "("},
    {"", "([{"},
    {"", "(a) "},
    {"", "\""},
    {"", "\n \n"},
    {"", "\n  a"},
    {"", "> a\n"},
    {"", "aB1+"},
    {"", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"},
    {"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"},
    {"", "1:11:"},
    {"", "1/1/"},
    {"", "May 1 "},
    {"", "é"},
    {"", "中"},
    {"a", "\xcc\x81"},
    {"#!python\n", "'\\\n"},
    {"#!python\n", "\\'\\\n"},
    {"#!python\n", "'''\\"},
    {"#!python\n", "\"' #"},
    {"import os\n", "import a\n"},
    {"", "from a b"},
    {"#include <a\n", "'\\\n"},
    {"#include <a\n", "`"},
    {"#include <a\n", "/*/"},
    {"<html>", "<"},
    {"<html>", "<a x=\""},
    {"<html>", "<a x=\" "},
    {"<html>", "<a x=\" <b y='"},
    {"<html>", "<a x=\"<b y=\" x=\" "},
    {"<html>", "<a b "},
    {"<html>", "<!--"},
    {"<html>", "<!a"},
    {"<html>", "</a"},
    {"<html>", "<script>"},
    {"<html>", "a</b>"},
    {"<html><a ", "b=\"<\" "},
};

static void long_documents_come_to_an_end(void **state)
{
    (void)state;
    char *text = malloc(LONG);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof long_texts / sizeof *long_texts; i++) {
        size_t len = (size_t)snprintf(text, LONG, "%s", long_texts[i][0]);
        const size_t n = strlen(long_texts[i][1]);
        for (; len + n <= LONG; len += n) {
            memcpy(text + len, long_texts[i][1], n);
        }
        struct code_doc d;
        code_doc_steps(&d, text, len, i % 3 ? 3 : LONG);
        uint8_t *label = mem_zero(d.tokens.n, 1);
        assert_non_null(label);
        for (size_t m = 0; code_at(m); m++) {
            struct code_scratch scratch = {0};
            assert_int_equal(code_at(m)->label(&d.tokens, label, &scratch, NULL), 0);
            code_scratch_free(&scratch);
        }
        free(label);
        code_doc_free(&d);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_order_and_found),
        cmocka_unit_test(every_miner_has_its_row_in_builtin_md),
        cmocka_unit_test(broken_texts_in_all_tokenisations_are_labelled),
        cmocka_unit_test(a_document_without_tokens_may_have_no_text),
        cmocka_unit_test(long_documents_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
