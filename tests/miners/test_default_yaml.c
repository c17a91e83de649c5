#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "miners/labeller.h"
#include "model/tokenizer/tokenizer.h"

#define GPL "/usr/share/common-licenses/GPL-3" // on every Debian machine
#define PYTHON "model/tokenizer/pretokenize_table.py"
#define C "corpora/base/utf8.c"

/* A text, in a file or alone (NULL): every token that begins within « » is labelled, and no token
 * that is outside of them. */
static const struct row {
    const char *name, *file, *marked;
} rows[] = {
    {"base64", NULL, "key: «c2VjcmV0IG1lc3NhZ2U=» and so on"},
    {"hex", NULL, "md5 «d41d8cd98f00b204e9800998ecf8427e» is"},
    {"url", GPL, "Inc. <«https://fsf.org/»>\n Everyone"},
    {"email", NULL, "write to <«ann.lee@example.org»> now"},
    {"path", NULL, "in «/usr/share/doc/x» and «src/main.c» but 1/2 and and/or"},
    {"path", PYTHON,
     "    «model/tokenizer/pretokenize_table.py» «tests/golden/tokenizers/bytelevel_classes.tsv» "
     ">"},
    {"version", GPL, "LICENSE\n                       Version «3», 29"},
    {"version", NULL, "from «v1.2» to «5.36.0» not 1.5"},
    {"date", GPL, "Version 3, «29 June 2007»\n\n Copyright"},
    {"year", GPL, " Copyright (C) «2007» Free"},
    {"decimal-fraction", NULL, "pi is 3.«14159» or"},
    {"number-3plus", NULL, "x = 12«34.56» + y"},
    {"number-2", NULL, "x = 1«2»34.56 + y"},
    {"number-first", GPL, "Version «3», «2»9 June"},
    {"copyright", GPL,
     "\n« Copyright (C) 2007 Free Software Foundation, Inc. <https://fsf.org/>»\n Everyone"},
    {"licence-word", GPL, "This« License» explicitly affirms"},
    {"licence-word", GPL, "there is no« warranty» for"},
    {"month-weekday", GPL, " 29« June» 2007"},
    {"import-line", PYTHON, "\n«import sys»\n\nNAMES"},
    {"import-line", C, "\n«#include <stdbool.h>»\n«#include <string.h>»\n"},
    {"in-docstring", PYTHON,
     "«Writes model/tokenizer/pretokenize_table.h from the class of every code point.\n»"},
    {"in-comment", NULL, "import os\ndef f(x):\n    y = 1 « # why it is so»\n    return y\n"},
    {"in-string", PYTHON, "print«(\"\\n#endif»\")"},
    {"c-comment", C, "«// The second byte's range»"},
    {"self", NULL, "    return« self».x +« self».y\n"},
    {"def-name", PYTHON, "\n\ndef« main»():\n    runs"},
    {"statement-keyword", PYTHON, "\n       « for» line in lines:"},
    {"call", PYTHON, "               « print»(line)"},
    {"attribute", PYTHON, "with open(sys.«argv»[1]"},
    {"line-end-colon", PYTHON, "for line in lines«:»\n"},
    {"operator", PYTHON, "len(line)« +» 1"},
    {"html-tag-name", NULL, "<«p» class=\"a\">one <«b»>two</«b»></«p»>\n"},
    {"list-bullet", GPL, "\n « 0.» Definitions.\n"},
    {"snake-case", NULL, "the« snake_case» name"},
    {"camel-case", NULL, "a« camelCase» name"},
    {"all-caps", GPL, "« GNU GENERAL PUBLIC LICENSE»\n"},
    {"capitalised-mid", GPL, "The GNU« General Public License» is"},
    {"non-latin", NULL, "it says «привет» there"},
    {"blank-line", GPL, "June 2007«\n\n» Copyright"},
    {"newline", GPL, "fsf.org/>«\n» Everyone"},
    {"indent-3plus", NULL, "a\n    b\n        c\n«           » d\n"},
    {"indent-2", NULL, "a\n    b\n«       » c\n            d\n"},
    {"indent-1", NULL, "a\n«   » b\n        c\n            d\n"},
    {"indent-less", NULL, "if x:\n    y()\n«def» f():\n    z()\n"},
    {"line-first", NULL, "«The» old\n«man» and\n«the» sea\n"},
    {"open-bracket", PYTHON, "with open«(»sys.argv«[»1]"},
    {"close-bracket", PYTHON, "open(sys.argv[1«]»,"},
    {"open-quote", NULL, "he said« \"»yes\" to it"},
    {"in-quotes", NULL, "he said« \"yes to it»\" and"},
    {"bracket-depth-3plus", NULL, "f(a, g(b,« [c + d»]) , e)"},
    {"in-parens", NULL, "f«(a, b» ) = c"},
    {"abbreviation", NULL, "fruit,« e.g.» an apple"},
    {"contraction", NULL, "you«'re» right"},
    {"negation", GPL, "but changing it is« not» allowed"},
    {"pronoun", NULL, "when« they» saw« him» there"},
    {"article", NULL, "« the» man and« a» dog"},
    {"after-the", NULL, "see the« man» and the« man» here"},
    {"repeat-long", NULL, " a b c d e f g h i a b c d e f g« h i»"},
    {"repeat-end", NULL, " x y z w; x y z« a»"},
    {"repeat-ngram", NULL, " x y z w, x y« z w»"},
    {"induction-next", NULL, " x y z w, x« y z w»"},
    {"other-tokenisation", NULL, "the man («man»)"},
    {"word-inside", NULL, "the un«be»"},
    {"sentence-end", GPL, "it is not allowed«.»\n"},
    {"comma", GPL, "Version 3«,» 29"},
    {"colon-semicolon", PYTHON, "for line in lines«:»\n"},
    {"several-followers", NULL, " a b a c a« d»"},
    {"seen-before", NULL, " a b c« a b»"},
    // more.yaml
    {"base64-text", NULL, "key: «c2VjcmV0IG1lc3NhZ2U=» and"},
    {"base64-png", NULL, "key: «iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ» and"},
    {"base64-jpeg", NULL, "key: «/9j/4AAQSkZJRgABAQAAAQABAAA=» and"},
    {"base64-gzip", NULL, "key: «H4sIAAAAAAACA8tIzcnJV8hAkACAiPnlEQAAAA==» and"},
    {"base64-der", NULL, "key: «MBkCAQUEFEV8dp852GRBmcDlvbz7yFs3zpHL» and"},
    {"base64-random", NULL, "key: «sjNcAfvunjWrPArGGcYpN7/jyvU383/7» and"},
    {"hash", NULL, "md5 «d41d8cd98f00b204e9800998ecf8427e» is"},
    {"uuid", NULL, "id «123e4567-e89b-12d3-a456-426614174000» is"},
    {"cve", NULL, "see «CVE-2021-44228» there"},
    {"ip-address", NULL, "at «127.0.0.1» but 1.2.3 and 1.2.3.4.5"},
    {"time", NULL, "at «13:12» today"},
    {"currency-percent", NULL, "it costs «$12.50» or «10 %» of 20 and $1"},
    {"roman-numeral", NULL, "Louis« XIV» and I and XXX"},
    {"no-break-space", NULL, "a«\xc2\xa0»b c"},
    {"ruler", NULL, "a\n«======»\nb --"},
    {"stack-trace", NULL,
     "x\n«Traceback (most recent call last):»\n«  File \"a.py\", line 3, in f»\n    g()\n"},
    {"sigil-variable", NULL, "my« $name» =« @list»; %d"},
    {"escape", NULL, "print(\"a«\\n»\", \"«%s»\")"},
    {"pod", NULL, "x\n\n«=head1 NAME»\n\ny"},
    {"latex-command", NULL, "see« \\alpha» + \\{"},
    {"c-string", NULL, "#include <a>\nputs«(\"hello world»\");\n"},
    {"html-comment", NULL, "<html><!--« why so »--><p>x</p>"},
    {"html-attribute", NULL, "<p« class»=\"a\">x</p>"},
    {"html-value", NULL, "<p class=\"«a»\">x</p>"},
    {"html-text", NULL, "<p>«some text»</p>"},
    {"markdown-heading", NULL, "x\n\n«## The heading»\n\ny"},
    {"code-fence", NULL, "x\n«```python»\ny\n«```»\n"},
    {"quoted-email", NULL, "he said:\n«> Hello you»\nyes"},
    {"in-square", NULL, "x«[a, b» ] = c"},
    {"in-braces", NULL, "x« { a, b» } = c"},
    {"bracket-depth-2", NULL, "f(a, g«(b, c» ), e)"},
    {"bracket-depth-1", NULL, "f«(a, b» ) = c"},
    {"close-quote", NULL, "he said \"yes«\"» to it"},
    {"indent-more", NULL, "if x:\n   « y»()\nz()\n"},
    {"indent", NULL, "a\n«   » b\n"},
    {"after-newline", NULL, "a\n«b» c\n«d»"},
    {"accented", NULL, "the caf«é» was"},
    {"cyrillic", NULL, "it says «привет» αβ"},
    {"greek", NULL, "it says «αβγ» привет"},
    {"cjk", NULL, "it says «中文», 12"},
    {"arabic", NULL, "it says «العربية» 12"},
    {"hebrew", NULL, "it says «עברית» 12"},
    {"question", NULL, "So it is.« Is it not so?» Yes."},
    {"sentence-first", NULL, "it is so.« Then» he"},
    {"possessive", NULL, "the man«'s» dog"},
    {"preposition", NULL, "man« of» the sea"},
    {"conjunction", NULL, "man« and» the sea"},
    {"auxiliary", NULL, "it« is» so"},
    {"hyphen", NULL, "a well«-»known man"},
    {"word-start", NULL, "« a»1« b»2"},
    {"number", NULL, "a «1», «2» b"},
    {"first-occurrence", NULL, "« a b» a b« c»"},
};

static struct tokenizer *tokenizer;
static struct encoder *encoder;

static int set_up(void **state)
{
    (void)state;
    struct err err = {0};
    if (tokenizer_load(&tokenizer, "model/demo/gelu-1l/tokenizer.json", &err)) {
        fail_msg("%s", err.msg);
    }
    encoder = encoder_new(tokenizer);
    return encoder ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    encoder_free(encoder);
    tokenizer_free(tokenizer);
    return 0;
}

static void load(struct hypotheses *h)
{
    const struct hypotheses_options none = {0};
    struct err err = {0};
    if (hypotheses_load(h, "miners/default.yaml", &none, &err) ||
        hypotheses_load(h, "miners/more.yaml", &none, &err)) {
        fail_msg("%s", err.msg);
    }
}

static size_t number_of(const struct hypotheses *h, const char *name)
{
    size_t i = 0;
    while (i < h->n && strcmp(h->items[i].name, name) != 0) {
        i++;
    }
    if (i == h->n) {
        fail_msg("there is no hypothesis %s", name);
    }
    return i;
}

static void default_hypotheses_load_and_are_64(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    const struct hypotheses_options none = {0};
    assert_int_equal(hypotheses_load(&h, "miners/default.yaml", &none, NULL), 0);
    assert_int_equal(h.n, 64); // 320 MiB of histograms per layer of 2048 neurons
    hypotheses_free(&h);
}

static void every_hypothesis_has_an_example(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    load(&h);
    for (size_t i = 0; i < h.n; i++) {
        bool has = false;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            has |= strcmp(rows[k].name, h.items[i].name) == 0 && strstr(rows[k].marked, "«");
        }
        if (!has) {
            fail_msg("%s has no example", h.items[i].name);
        }
    }
    hypotheses_free(&h);
}

/* The text of a row without its marks, and for each byte whether it is within them. */
static void unmark(const char *marked, struct buf *text, struct buf *within)
{
    char in = 0;
    for (; *marked; marked++) {
        if (strncmp(marked, "«", 2) == 0 || strncmp(marked, "»", 2) == 0) {
            in = strncmp(marked, "«", 2) == 0;
            marked++;
            continue;
        }
        assert_int_equal(buf_append(text, marked, 1, NULL), 0);
        assert_int_equal(buf_append(within, &in, 1, NULL), 0);
    }
}

/* The number of tokens of doc->text[at, at + within->len) with a wrong label; prints them. */
static size_t n_wrong(const struct row *row, const struct tokens *doc, const uint8_t *label,
                      size_t at, const struct buf *within)
{
    size_t n = 0;
    for (size_t i = 0; i < doc->n; i++) {
        const size_t from = i ? doc->ends[i - 1] : 0, to = doc->ends[i];
        if (from < at || to > at + within->len) {
            continue;
        }
        const bool begins = within->data[from - at];
        const bool any = memchr(within->data + from - at, 1, to - from) != NULL;
        if ((begins && !label[i]) || (!any && label[i])) {
            print_error("%s: %s\n  the token \"%.*s\" at byte %zu is%s labelled\n", row->name,
                        row->marked, (int)(to - from), doc->text + from, from - at,
                        label[i] ? "" : " not");
            n++;
        }
    }
    return n;
}

static size_t check(struct labeller *l, const struct hypotheses *h, const struct row *row)
{
    struct buf text = {0}, within = {0}, file = {0};
    unmark(row->marked, &text, &within);
    size_t at = 0;
    if (row->file) {
        struct err err = {0};
        if (file_read(row->file, SIZE_MAX, &file, &err)) {
            fail_msg("%s", err.msg);
        }
        const char *found = memmem(file.data, file.len, text.data, text.len);
        if (!found) {
            fail_msg("%s: %s is not in %s", row->name, row->marked, row->file);
        }
        at = (size_t)(found - file.data);
    }
    const struct buf *whole = row->file ? &file : &text;
    struct tokens doc = {0};
    assert_int_equal(encode(encoder, whole->data, whole->len, SPECIAL_PLAIN, &doc, NULL), 0);
    uint8_t *label = mem_zero(doc.n, 1);
    assert_non_null(label);
    enum miner_verdict verdict;
    assert_int_equal(labeller_run(l, number_of(h, row->name), &doc, label, &verdict, NULL), 0);
    assert_int_equal(verdict, MINER_DONE);
    const size_t n = n_wrong(row, &doc, label, at, &within);
    free(label);
    tokens_free(&doc);
    buf_free(&text);
    buf_free(&within);
    buf_free(&file);
    return n;
}

static void hypotheses_label_what_they_say(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    struct labeller *l;
    load(&h);
    assert_int_equal(labeller_new(&l, &h, NULL), 0);
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        n += check(l, &h, &rows[i]);
    }
    assert_int_equal(n, 0);
    labeller_free(l);
    hypotheses_free(&h);
}

static void no_hypothesis_gives_up_on_real_texts(void **state)
{
    (void)state;
    static const char *const files[] = {GPL,
                                        PYTHON,
                                        C,
                                        "README.md",
                                        "scan/demo",
                                        "model/tokenizer/pretokenize_table.h",
                                        "scan/work/worker.c"};
    struct hypotheses h = {0};
    struct labeller *l;
    load(&h);
    assert_int_equal(labeller_new(&l, &h, NULL), 0);
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        struct buf file = {0};
        struct tokens doc = {0};
        assert_int_equal(file_read(files[k], SIZE_MAX, &file, NULL), 0);
        assert_int_equal(encode(encoder, file.data, file.len, SPECIAL_PLAIN, &doc, NULL), 0);
        uint8_t *label = mem_zero(doc.n, 1);
        assert_non_null(label);
        for (size_t i = 0; i < h.n; i++) {
            enum miner_verdict verdict;
            assert_int_equal(labeller_run(l, i, &doc, label, &verdict, NULL), 0);
            if (verdict != MINER_DONE) {
                fail_msg("%s gave up on %s", h.items[i].name, files[k]);
            }
        }
        free(label);
        tokens_free(&doc);
        buf_free(&file);
    }
    labeller_free(l);
    hypotheses_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_hypotheses_load_and_are_64),
        cmocka_unit_test(every_hypothesis_has_an_example),
        cmocka_unit_test(hypotheses_label_what_they_say),
        cmocka_unit_test(no_hypothesis_gives_up_on_real_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
