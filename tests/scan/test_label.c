/*
 * gapscope label as people run it
 */
#include "tests/kit/shell.h"

#define GELU "model/demo/gelu-1l"
#define LABEL "gapscope label --model " GELU " "

static void labels_stand_beside_the_tokens(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf 'ice cream' | " LABEL "--regex ice=ice --regex 'end=m$' -", 0, NULL,
         "{\"doc\":0,\"labels\":{\"ice\":[1,0,0],\"end\":[0,0,1]}}\n"},
        {"printf '{\"text\":\"\"}\\n{\"txt\":1}\\n{\"text\":\"ice\"}\\n' | " LABEL "--regex i=i - "
         "2>/dev/null",
         0, NULL, "{\"doc\":0,\"labels\":{\"i\":[]}}\n{\"doc\":2,\"labels\":{\"i\":[1]}}\n"},
        {"printf '{\"t\":\"ice\"}' | " LABEL "--field t --regex i=i - -o $T/out && cat $T/out", 0,
         NULL, "{\"doc\":0,\"labels\":{\"i\":[1]}}\n"},
        {"printf 'a<|endoftext|>b' | " LABEL "--special --regex 's=\\|' -", 0, NULL,
         "{\"doc\":0,\"labels\":{\"s\":[0,1,0]}}\n"},
        {"printf 'ice' | gapscope label --tokenizer " GELU "/tokenizer.json --regex i=i -", 0, NULL,
         "{\"doc\":0,\"labels\":{\"i\":[1]}}\n"},
    };
    CHECK_CASES(cases);
}

/* The text becomes NFC, a pattern stays as it was typed: \u00e9, and e with U+0301. */
static void a_pattern_that_normalising_would_change_is_named(void **state)
{
    (void)state;
#define TYPED_NFC "caf\xc3\xa9"
#define TYPED_NFD "cafe\xcc\x81"
    static const struct shell_case cases[] = {
        {"printf '" TYPED_NFD " ' | " LABEL "--regex 'nfd=" TYPED_NFD "' --regex 'ok=e' - "
         "2>&1 >/dev/null | grep -c 'hypothesis nfd: .* normalised it is .*" TYPED_NFC "'",
         0, NULL, "1\n"},
        {"printf '" TYPED_NFD " ' | " LABEL "--regex 'nfc=" TYPED_NFC "' --regex 'ok=[e\\x{301}]' "
         "- 2>&1 >/dev/null | wc -l",
         0, NULL, "0\n"},
        {"printf '" TYPED_NFD "' | " LABEL "--regex 'nfc=" TYPED_NFC "' - | grep -c '0[,]*[]]'", 1,
         NULL, "0\n"},
        {"printf '" TYPED_NFD "' | " LABEL "--regex 'nfd=" TYPED_NFD "' - 2>/dev/null | grep -c 1,",
         1, NULL, "0\n"},
    };
    CHECK_CASES(cases);
}

static void files_and_patterns_go_together_in_order(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf 'hypotheses:\\n- {name: seq, tokens: [ice, \" c\"]}\\n"
         "- {name: ids, ids: [987]}\\n' > $T/a.yaml",
         0, NULL, ""},
        {"printf 'hypotheses:\\n- {name: past, regex: c, prefix: true}\\n' > $T/b.yaml", 0, NULL,
         ""},
        {"printf 'ice cream' | " LABEL
         "--regex r=r --hypotheses $T/b.yaml --hypotheses $T/a.yaml -",
         0, NULL,
         "{\"doc\":0,\"labels\":{\"past\":[0,1,0],\"seq\":[0,1,0],\"ids\":[0,0,1],"
         "\"r\":[0,0,1]}}\n"},
        {"printf 'ice cream' | " LABEL "--regex past=r --hypotheses $T/b.yaml -", 2,
         "--regex past=r: a second hypothesis named past; names must differ", ""},
    };
    CHECK_CASES(cases);
}

static void a_document_that_was_given_up_has_no_labels(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf '{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}\\n"
         "{\"text\":\"aa\"}\\n' | " LABEL "--regex 'bad=(a+)+$' --regex 'good=!' - > $T/out",
         0, "bad gave up on doc 0: it reached its limit of steps", ""},
        {"head -n 1 $T/out | grep -c '\"bad\":null,.*\"aborted\":\\[\"bad\"\\]'", 0, NULL, "1\n"},
        {"tail -n 1 $T/out | grep -c aborted", 1, NULL, "0\n"},
        {"printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! | " LABEL
         "--regex 'bad=(a+)+$' --show 3 -",
         0, "bad gave up on doc 0",
         "bad: 0 of 0 tokens (0 %) in 0 of 0 docs (0 %); gave up on 1 more\n"},
        {"printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! | " LABEL
         "--regex 'bad=(a+)+$' - 2>&1 >$T/out | head -n 1",
         0, NULL, "gapscope label: bad gave up on doc 0: it reached its limit of steps\n"},
        {"echo \"hypotheses: [{name: p, exec: [sh, -c, 'while read x; do echo nope; done']}]\" "
         ">$T/p.yaml; printf '{\"text\":\"aa\"}\n{\"text\":\"bb\"}\n' | " LABEL
         "--hypotheses $T/p.yaml - 2>&1 >$T/out | grep -c 'p gave up on doc [01]: its answer is "
         "not "
         "JSON'",
         0, NULL, "1\n"},
    };
    CHECK_CASES(cases);
}

static void show_brackets_what_is_labelled(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf 'ice cream' | " LABEL "--regex 'cream= cream' --regex x=x --show 5 -", 0, NULL,
         "cream: 2 of 3 tokens (66.7 %) in 1 of 1 doc (100 %)\n"
         "  doc 0      ice[ cream]\n"
         "x: 0 of 3 tokens (0 %) in 0 of 1 doc (0 %)\n"},
        {"for i in 1 2 3; do printf '{\"text\":\"ice\"}\\n'; done | " LABEL
         "--regex i=c --show 2 -",
         0, NULL,
         "i: 3 of 3 tokens (100 %) in 3 of 3 docs (100 %)\n"
         "  doc 0      [ice]\n"
         "  doc 1      [ice]\n"},
        {"printf '{\"text\":\"a\\\\u0000\\\\u001b[1m\\\\nice\"}\\n' | " LABEL
         "--regex i=ice --show 1 - | tail -n 1",
         0, NULL, "  doc 0      a?\xe2\x90\x9b[1m\xe2\x90\x8a[ice]\n"},
        {LABEL "--regex 'w=[A-Z]{3,}' --show 1 LICENSE | tail -n 1", 0, NULL,
         "  doc 0      [MIT] License\xe2\x90\x8a\xe2\x90\x8a"
         "Copyright (c) 2026 The gapscope "
         "authors\xe2\x90\x8a\xe2\x90\x8aPermission is hereby granted, free\n"},
    };
    CHECK_CASES(cases);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"gapscope label --model " GELU " LICENSE", 2,
         "nothing to label by: give --hypotheses, --regex or --battery", ""},
        {"gapscope label --regex a=b LICENSE", 2, "--tokenizer FILE or --model M", ""},
        {LABEL "--regex 'a=(' LICENSE", 2,
         "gapscope label: --regex a=(: missing closing parenthesis, at the end of the pattern", ""},
        {LABEL "--hypotheses $T/none.yaml LICENSE", 1, "none.yaml: No such file", ""},
        {"printf 'hypotheses:\\n- name: a\\n  regex: \"[\"\\n' > $T/bad.yaml", 0, NULL, ""},
        {LABEL "--hypotheses $T/bad.yaml LICENSE", 1,
         "/bad.yaml: line 3, column 10: missing terminating ] for character class, at the end of "
         "the pattern",
         ""},
        {"printf 'hypotheses:\\n- {name: a, tokens: [\" ice cream\"]}\\n' > $T/bad.yaml", 0, NULL,
         ""},
        {LABEL "--hypotheses $T/bad.yaml LICENSE", 1,
         "/bad.yaml: line 2, column 22: ' ice cream' is not a single token", ""},
        {LABEL "--regex a=b $T/none", 1, "none: No such file", ""},
        {LABEL "--regx a=b LICENSE", 2, "did you mean --regex?", ""},
        {"printf '{\"text\":\"a\"}\\n{\"x\":1}\\n' | " LABEL "--strict --regex a=b - >/dev/null", 1,
         "skipped: no_text_field", ""},
    };
    CHECK_CASES(cases);
}

static void programs_label_too(void **state)
{
    (void)state;
    static const struct shell_case cases[] = {
        {"printf 'hypotheses:\\n- {name: sh, exec: [sh, mine.sh]}\\n' > $T/p.yaml; "
         "printf 'while read -r line; do echo \"{\\\\\"labels\\\\\":[0,1,0]}\"; done' > $T/mine.sh",
         0, NULL, ""},
        {"printf 'ice cream' | " LABEL "--hypotheses $T/p.yaml -", 0, NULL,
         "{\"doc\":0,\"labels\":{\"sh\":[0,1,0]}}\n"},
        {"printf 'echo a message >&2; exit 7' > $T/mine.sh; for i in 1 2 3 4 5 6; do printf "
         "'{\"text\":\"ice\"}\\n'; done | " LABEL "--hypotheses $T/p.yaml - >$T/out",
         1,
         "doc 4: hypothesis sh: sh: no proper answer to 5 documents in a row; to the last: it "
         "ended "
         "with status 7",
         ""},
        {"wc -l < $T/out", 0, NULL, "4\n"},
        {"printf 'sleep 1000' > $T/mine.sh; { printf ice | timeout -s TERM 1 '" GAPSCOPE_PROGRAM
         "' label --model " GELU " --hypotheses $T/p.yaml - ; } 2>/dev/null; sleep 0.3; "
         "pgrep -f $T/mine.sh | wc -l",
         0, NULL, "0\n"},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_stand_beside_the_tokens),
        cmocka_unit_test(a_pattern_that_normalising_would_change_is_named),
        cmocka_unit_test(files_and_patterns_go_together_in_order),
        cmocka_unit_test(a_document_that_was_given_up_has_no_labels),
        cmocka_unit_test(show_brackets_what_is_labelled),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(programs_label_too),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
