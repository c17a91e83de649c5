/*
 * Words in messages: names that may be meant, and words that can be pasted into a shell
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/nearest.h"
#include "corpora/base/shell_quote.h"

static void the_three_nearest_names_are_offered(void **state)
{
    (void)state;
    static const char *const names[] = {"base64", "base32", "hex",      "base16", "html-tag-name",
                                        "base64", "digits", "base64-1", "css",    "email-address"};
    static const struct {
        const char *word, *text;
    } cases[] = {
        {"base65", "; did you mean base64, base32 or base16?"}, // base64 once
        {"base64-2", "; did you mean base64-1, base64 or base32?"},
        {"digit", "; did you mean digits?"},
        {"hx", "; did you mean hex?"},
        {"email", "; did you mean email-address?"}, // it is in the name
        {"frobnicate", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct nearest near =
            nearest_names(cases[i].word, "", names, sizeof names / sizeof *names);
        assert_string_equal(near.text, cases[i].text);
    }
    assert_string_equal(nearest_names("hexx", "--", names, 3).text, "; did you mean --hex?");
    assert_string_equal(nearest_names("hex", "--", NULL, 0).text, "");
    char longest[3][64]; // names of more bytes are never near
    const char *of_longest[3];
    for (size_t i = 0; i < 3; i++) {
        memset(longest[i], 'a', 63);
        longest[i][62] = (char)('a' + i);
        longest[i][63] = '\0';
        of_longest[i] = longest[i];
    }
    const struct nearest near = nearest_names(longest[0], "--", of_longest, 3);
    assert_int_equal(near.text[strlen(near.text) - 1], '?');
}

/* What a shell makes of the quoted word is the word. */
static void a_quoted_word_is_the_word(void **state)
{
    (void)state;
    static const struct {
        const char *word, *quoted;
    } cases[] = {
        {"run.db", "run.db"},
        {"/a/b-c_d=e:f,g@h%i+1", "/a/b-c_d=e:f,g@h%i+1"},
        {"", "''"},
        {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},
        {"'", "''\\'''"},
        {"$HOME;`x`\"*?\\~!#&|<>(){}[]", "'$HOME;`x`\"*?\\~!#&|<>(){}[]'"},
        {"caf\xc3\xa9", "'caf\xc3\xa9'"},
        {"a\nb'\\\x1b[31m\x7f", "$'a\\x0Ab\\'\\\\\\x1B[31m\\x7F'"},
        {"\xff"
         "1",
         "$'\\xFF1'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *quoted = shell_quoted(cases[i].word), command[200], said[100] = "";
        assert_string_equal(quoted, cases[i].quoted);
        snprintf(command, sizeof command, "exec bash -c \"$(cat <<'END'\nprintf %%s %s\nEND\n)\"",
                 quoted);
        FILE *shell = popen(command, "r");
        assert_non_null(shell);
        said[fread(said, 1, sizeof said - 1, shell)] = '\0';
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(said, cases[i].word);
        free(quoted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_nearest_names_are_offered),
        cmocka_unit_test(a_quoted_word_is_the_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
