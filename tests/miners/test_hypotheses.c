/*
 * The file of hypotheses: how it is read and how its mistakes are reported.
 */
#include "tests/kit/miners_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/mem.h"

/* A tokenizer whose tokens are letters: 'a' is 0, 'b' is 1, ... */
static uint32_t letter_id(const void *context, const char *text, size_t len)
{
    assert_string_equal(context, "letters");
    return len == 1 && text[0] >= 'a' && text[0] <= 'z' ? (uint32_t)(text[0] - 'a') : UINT32_MAX;
}

static const struct hypotheses_options letters = {.token_id = letter_id, .context = "letters"};

static int parse(struct hypotheses *h, const char *yaml, struct err *err)
{
    return hypotheses_parse(h, yaml, strlen(yaml), "h.yaml", "", &letters, err);
}

static void a_file_becomes_miners_in_its_order(void **state)
{
    (void)state;
    static const char yaml[] = "# what neurons may stand for\n"
                               "hypotheses:\n"
                               "  - name: base64\n"
                               "    regex: '[A-Za-z0-9+/]{20,}={0,2}'\n"
                               "  - name: day\n"
                               "    regex: \"(?<d>\\\\d\\\\d)\\u00e9\"\n"
                               "    mark: d\n"
                               "  - {regex: '#', prefix: true, name: causal}\n"
                               "  - name: A.b_c-9\n"
                               "    tokens: [a, 'b', \"c\"]\n"
                               "  - name: ids\n"
                               "    ids:\n"
                               "      - 7\n"
                               "      - 0\n"
                               "  - {name: off, regex: a, prefix: false, mark: next}\n"
                               "  - {name: on, regex: a, prefix: true, mark: all}\n";
    static const struct {
        const char *name, *kind, *spec;
    } expected[] = {
        {"base64", "regex", "{\"mark\":\"all\",\"regex\":\"[A-Za-z0-9+/]{20,}={0,2}\"}"},
        {"day", "regex", "{\"mark\":\"d\",\"regex\":\"(?<d>\\\\d\\\\d)\xc3\xa9\"}"},
        {"causal", "regex", "{\"prefix\":true,\"regex\":\"#\"}"},
        {"A.b_c-9", "tokens", "{\"tokens\":[\"a\",\"b\",\"c\"]}"},
        {"ids", "tokens", "{\"ids\":[7,0]}"},
        {"off", "regex", "{\"mark\":\"next\",\"regex\":\"a\"}"},
        {"on", "regex", "{\"prefix\":true,\"regex\":\"a\"}"},
    };
    struct hypotheses h = {0};
    struct err err = {0};
    if (parse(&h, yaml, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(h.n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < h.n; i++) {
        assert_string_equal(h.items[i].name, expected[i].name);
        assert_string_equal(h.items[i].kind->name, expected[i].kind);
        assert_string_equal(h.items[i].spec, expected[i].spec);
    }
    hypotheses_free(&h);
}

/* It is part of the spec, whose keys stay sorted, and of no label. */
static void what_is_predicted_belongs_to_the_spec(void **state)
{
    (void)state;
    static const char yaml[] = "hypotheses:\n"
                               "- {name: a, regex: 'x,y', predicts: this}\n"
                               "- {name: b, regex: 'x,y', predicts: next}\n"
                               "- {name: c, regex: '(?<g>x)', mark: g, predicts: next}\n"
                               "- {name: d, regex: x, prefix: true, predicts: next}\n"
                               "- {name: e, tokens: [a], predicts: next}\n"
                               "- {name: f, ids: [7], predicts: next}\n"
                               "- {name: g, code: seen_before, predicts: next}\n"
                               "- {name: h, exec: [cat, '}'], predicts: next}\n"
                               "- {name: j, tokens: [[a, b], [c]], after: 2, predicts: next}\n"
                               "- {name: k, ids: [[7, 3], 9], after: 1, predicts: next}\n"
                               "- {name: l, all: [{any: [{ids: [1]}, {regex: x}]}, {code: url}],"
                               " predicts: next}\n"
                               "- {name: i, code: seen_before}\n";
    static const char *const specs[] = {
        "{\"mark\":\"all\",\"regex\":\"x,y\"}",
        "{\"mark\":\"all\",\"predicts\":\"next\",\"regex\":\"x,y\"}",
        "{\"mark\":\"g\",\"predicts\":\"next\",\"regex\":\"(?<g>x)\"}",
        "{\"predicts\":\"next\",\"prefix\":true,\"regex\":\"x\"}",
        "{\"predicts\":\"next\",\"tokens\":[\"a\"]}",
        "{\"ids\":[7],\"predicts\":\"next\"}",
        "{\"code\":\"seen_before\",\"predicts\":\"next\"}",
        "{\"exec\":[\"cat\",\"}\"],\"predicts\":\"next\"}",
        "{\"after\":2,\"predicts\":\"next\",\"tokens\":[[\"a\",\"b\"],\"c\"]}",
        "{\"after\":1,\"ids\":[[3,7],9],\"predicts\":\"next\"}",
        ("{\"all\":[{\"any\":[{\"ids\":[1]},{\"mark\":\"all\",\"regex\":\"x\"}]},"
         "{\"code\":\"url\"}],\"predicts\":\"next\"}"),
        "{\"code\":\"seen_before\"}",
    };
    struct hypotheses h = {0};
    struct err err = {0};
    if (parse(&h, yaml, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(h.n, sizeof specs / sizeof *specs);
    for (size_t i = 0; i < h.n; i++) {
        assert_string_equal(h.items[i].spec, specs[i]);
        assert_int_equal(h.items[i].predicts_next, i > 0 && i + 1 < h.n);
    }
    hypotheses_free(&h);
}

/* Files and their messages. */
static const struct {
    const char *yaml, *message;
} mistakes[] = {
    {"", "line 1, column 1: expected 'hypotheses:' at the top"},
    {"# nothing\n", "line 1, column 1: expected 'hypotheses:' at the top"},
    {"\n- a\n", "line 2, column 1: expected 'hypotheses:' at the top"},
    {"hypothesis:\n", "line 1, column 1: unknown key hypothesis; did you mean hypotheses?"},
    {"hypotheses:\n", "line 1, column 12: expected a list of hypotheses, each with '- name: ..'"},
    {"hypotheses: []\n",
     "line 1, column 13: expected a list of hypotheses, each with '- name: ..'"},
    {"hypotheses:\n- {name: a, ids: [1]}\nhypotheses:\n",
     "line 3, column 1: a second 'hypotheses:'"},
    {"hypotheses:\n- base64\n",
     "line 2, column 3: a text where a hypothesis should be, as {name: .., regex: ..}"},
    {"hypotheses:\n- name: a\n  regx: b\n",
     "line 3, column 3: unknown key regx; did you mean regex?"},
    {"hypotheses:\n- name: a\n  colour: b\n", "line 3, column 3: unknown key colour"},
    {"hypotheses:\n- name: a\n  [x]: b\n", "line 3, column 3: a list where a key should be"},
    {"hypotheses:\n- name: a\n  regex: b\n  regex: c\n",
     "line 4, column 3: a second regex in one hypothesis"},
    {"hypotheses:\n- regex: b\n", "line 2, column 3: a hypothesis without name"},
    {"hypotheses:\n- name: a b\n  regex: b\n",
     "line 2, column 9: the name 'a b': expected 1 to 64 of A-Z a-z 0-9 . _ -"},
    {"hypotheses:\n- {name: '', regex: b}\n",
     "line 2, column 10: the name '': expected 1 to 64 of A-Z a-z 0-9 . _ -"},
    {"hypotheses:\n- {name: \"a\\0b\", regex: b}\n",
     "line 2, column 10: name holds a NUL character"},
    {"hypotheses:\n- {name: [a], regex: b}\n",
     "line 2, column 10: name is a list; expected a text (in quotes where it begins with [)"},
    {"hypotheses:\n- {name: a, ids: [1]}\n- {name: a, ids: [2]}\n",
     "line 3, column 10: a second hypothesis named a; names must differ"},
    {"hypotheses:\n- name: a\n",
     "line 2, column 3: nothing to label by: expected regex, tokens, ids, code, plugin, "
     "exec, all or any"},
    {"hypotheses:\n- {name: a, regex: b, ids: [1]}\n",
     "line 2, column 28: ids beside regex; a hypothesis is one of them"},
    {"hypotheses:\n- {name: a, regex: b, after: 1}\n",
     "line 2, column 30: after goes with tokens or ids, not with regex"},
    {"hypotheses:\n- {name: a, ids: [1], after: 257}\n",
     "line 2, column 30: after (in tokens): expected a whole number from 0 to 256"},
    {"hypotheses:\n- {name: a, all: []}\n",
     "line 2, column 18: all: expected a list of 1 to 256 values, as [a, b]"},
    {"hypotheses:\n- {name: a, any: [{ids: [1]}, {name: b, ids: [1]}]}\n",
     "line 2, column 38: name belongs to the hypothesis, not to a rule within it"},
    {"hypotheses:\n- {name: a, all: [{ids: [1]}, {regex: '('}]}\n",
     "line 2, column 39: missing closing parenthesis, at the end of the pattern"},
    {"hypotheses:\n- {name: a, ids: [1], mark: all}\n",
     "line 2, column 29: mark goes with regex, not with ids"},
    {"hypotheses:\n- {name: a, ids: [1], prefix: true}\n",
     "line 2, column 31: prefix goes with regex, not with ids"},
    {"hypotheses:\n- {name: a, regex: b, timeout: 3}\n",
     "line 2, column 32: timeout goes with exec, not with regex"},
    {"hypotheses:\n- {name: a, regex: [a-z]}\n",
     "line 2, column 20: regex is a list; expected a text (in quotes where it begins with [)"},
    {"hypotheses:\n- {name: a, regex: {}}\n",
     "line 2, column 20: regex is a map; expected a text (in quotes where it begins with {)"},
    {"hypotheses:\n- name: a\n  regex:\n",
     "line 3, column 9: the pattern is empty, and a match never is"},
    {"hypotheses:\n- {name: a, regex: '(b'}\n",
     "line 2, column 20: missing closing parenthesis, at the end of the pattern"},
    {"hypotheses:\n- {name: a, regex: b, mark: most}\n",
     "line 2, column 29: mark most: all, first, last, next or a named group; the pattern names "
     "none"},
    {"hypotheses:\n- {name: a, regex: b, mark: last, prefix: true}\n",
     "line 2, column 29: mark last with prefix: true; there the token at whose end a match "
     "ends is labelled"},
    {"hypotheses:\n- {name: a, regex: b, prefix: yes}\n",
     "line 2, column 31: prefix: expected true or false"},
    {"hypotheses:\n- name: a\n  tokens: [a,\n    bc]\n",
     "line 4, column 5: 'bc' is not a single token of this tokenizer (mind the space in "
     "front); gapscope tokenize shows how a text is cut"},
    {"hypotheses:\n- {name: a, ids: [1], predicts: both}\n",
     "line 2, column 33: predicts: expected this (the labelled token's own log-prob) or next "
     "(that of the token after it)"},
    {"hypotheses:\n- {name: a, ids: [1], predicts: [next]}\n",
     "line 2, column 33: predicts: expected this (the labelled token's own log-prob) or next "
     "(that of the token after it)"},
    {"hypotheses:\n- {name: a, tokens: a}\n",
     "line 2, column 21: tokens: expected a list of 1 to 256 values, as [a, b]"},
    {"hypotheses:\n- {name: a, tokens: []}\n",
     "line 2, column 21: tokens: expected a list of 1 to 256 values, as [a, b]"},
    {"hypotheses:\n- {name: a, tokens: [[[a]]]}\n",
     "line 2, column 23: a list; expected the text of a token"},
    {"hypotheses:\n- {name: a, ids: [1, x]}\n",
     "line 2, column 22: an id: expected a whole number from 0 to 4294967294"},
    {"hypotheses:\n- {name: a, ids: [-1]}\n",
     "line 2, column 19: an id: expected a whole number from 0 to 4294967294"},
    {"hypotheses:\n- {name: a, ids: [99999999999999999999]}\n",
     "line 2, column 19: an id: expected a whole number from 0 to 4294967294"},
    {"hypotheses:\n- {name: a, exec: [sh], timeout: 0}\n",
     "line 2, column 34: timeout (in seconds): expected a whole number from 1 to 86400"},
    {"hypotheses:\n- {name: a, exec: sh}\n",
     "line 2, column 19: exec: expected a list of 1 to 256 values, as [a, b]"},
    {"hypotheses:\n- {name: a, code: [b]}\n",
     "line 2, column 19: code is a list; expected a text (in quotes where it begins with [)"},
    // not our YAML
    {"hypotheses: &x\n", "line 1, column 13: anchors (&name) are not supported"},
    {"hypotheses: *x\n", "line 1, column 13: aliases (*name) are not supported; a text that "
                         "begins with * needs quotes"},
    {"hypotheses: !!seq []\n", "line 1, column 13: tags (!name) are not supported"},
    {"hypotheses:\n- {name: a, ids: [1]}\n---\nhypotheses:\n",
     "line 3, column 1: a second YAML document; expected one"},
    {"[[[[[[[[[[[[[[[[[[[[", "line 1, column 17: nested too deep"},
    // no YAML
    {"hypotheses: [a\n", "line 2, column 1: did not find expected ',' or ']', while parsing a "
                         "flow sequence that began in line 1"},
    {"hypotheses:\n\t- a\n", "line 2, column 1: found character that cannot start any token"},
    {"hypotheses:\n- {name: \xc3\xa9 \xff}\n", "line 2, column 12: invalid leading UTF-8 octet"},
    {"hypotheses:\n- \"a\n", "line 3, column 1: found unexpected end of stream, while scanning "
                             "a quoted scalar that began in line 2"},
};

static void what_is_wrong_is_told_with_line_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct hypotheses h = {0};
        struct err err = {0};
        char expected[1024];
        snprintf(expected, sizeof expected, "h.yaml: %s", mistakes[i].message);
        if (!parse(&h, mistakes[i].yaml, &err)) {
            fail_msg("%s is taken", mistakes[i].yaml);
        }
        assert_string_equal(err.msg, expected);
        assert_int_equal(h.n, 0);
        hypotheses_free(&h);
    }
}

static void an_unknown_code_miner_is_refused_with_its_place(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    struct err err = {0};
    assert_int_not_equal(parse(&h, "hypotheses:\n- {name: a, code: nosuchminer}\n", &err), 0);
    static const char begin[] = "h.yaml: line 2, column 19: no code miner nosuchminer; ";
    assert_memory_equal(err.msg, begin, sizeof begin - 1);
    hypotheses_free(&h);
}

static void a_bad_file_leaves_what_was_there(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    struct err err = {0};
    assert_int_equal(parse(&h, "hypotheses: [{name: a, regex: b}]", &err), 0);
    assert_int_not_equal(
        parse(&h, "hypotheses: [{name: b, regex: b}, {name: c, regex: '['}]", &err), 0);
    assert_int_equal(h.n, 1);
    assert_int_not_equal(parse(&h, "hypotheses: [{name: a, regex: b}]", &err), 0);
    assert_int_not_equal(hypotheses_add_regex(&h, "a=b", &err), 0);
    assert_string_equal(err.msg, "--regex a=b: a second hypothesis named a; names must differ");
    assert_int_equal(h.n, 1);
    assert_int_equal(parse(&h, "hypotheses: [{name: b, regex: b}]", &err), 0);
    assert_int_equal(h.n, 2);
    hypotheses_free(&h);
}

static void a_regex_on_the_command_line_is_a_hypothesis(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"abc", "--regex abc: expected NAME=PATTERN, as in --regex 'number=[0-9]+'"},
        {"=b", "--regex =b: the name '': expected 1 to 64 of A-Z a-z 0-9 . _ -"},
        {"c=(", "--regex c=(: missing closing parenthesis, at the end of the pattern"},
        {"c=", "--regex c=: the pattern is empty, and a match never is"},
        {"c=\xff",
         "--regex c=\\xFF: UTF-8 error: illegal byte (0xfe or 0xff), at character 1 of the "
         "pattern, before \\xFF"},
    };
    struct hypotheses h = {0};
    struct err err = {0};
    assert_int_equal(hypotheses_add_regex(&h, "a=b=c", &err), 0);
    assert_string_equal(h.items[0].name, "a");
    assert_string_equal(h.items[0].spec, "{\"mark\":\"all\",\"regex\":\"b=c\"}");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hypotheses_add_regex(&h, bad[i].text, &err), ERR_USAGE);
        assert_string_equal(err.msg, bad[i].message);
    }
    assert_int_equal(h.n, 1);
    hypotheses_free(&h);
}

static void sequences_label_the_last_token_of_each_occurrence(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {"hypotheses: [{name: s, tokens: [a]}]", "11101001"},
        {"hypotheses: [{name: s, tokens: [a, a]}]", "01100000"}, // overlapping
        {"hypotheses: [{name: s, tokens: [a, b, a]}]", "00001000"},
        {"hypotheses: [{name: s, ids: [1, 0]}]", "00001000"},
        {"hypotheses: [{name: s, ids: [2, 0]}]", "00000001"},
        {"hypotheses: [{name: s, ids: [0, 0, 0, 1, 0, 1, 2, 0]}]", "00000001"},
        {"hypotheses: [{name: s, ids: [0, 0, 0, 1, 0, 1, 2, 0, 0]}]", "00000000"},
        {"hypotheses: [{name: s, ids: [9]}]", "00000000"},
        // sets of tokens; the token after; what all label, and any
        {"hypotheses: [{name: s, tokens: [[b, c]]}]", "00010110"},
        {"hypotheses: [{name: s, ids: [[2, 1], 0]}]", "00001001"},
        {"hypotheses: [{name: s, tokens: [b], after: 1}]", "00001010"},
        {"hypotheses: [{name: s, ids: [[2]], after: 2}]", "00000000"},
        {"hypotheses: [{name: s, ids: [0], after: 2}]", "00111010"},
        {"hypotheses: [{name: s, all: [{ids: [0]}, {ids: [1], after: 1}]}]", "00001000"},
        {"hypotheses: [{name: s, any: [{ids: [2]}, {all: [{ids: [0, 0]}]}]}]", "01100010"},
    };
    uint32_t ids[] = {0, 0, 0, 1, 0, 1, 2, 0};
    const struct tokens doc = {.ids = ids, .n = 8, .cap = 8}; // ids without text
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hypotheses h = {0};
        struct labeller *l;
        assert_int_equal(parse(&h, cases[i].yaml, NULL), 0);
        assert_null(hypotheses_needing_text(&h));
        assert_int_equal(labeller_new(&l, &h, NULL), 0);
        char *labels = kit_label(l, 0, &doc);
        assert_string_equal(labels, cases[i].expected);
        free(labels);
        labeller_free(l);
        hypotheses_free(&h);
    }
}

static void what_needs_text_is_known(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    assert_int_equal(
        parse(&h, "hypotheses: [{name: s, ids: [1]}, {name: r, regex: a}, {name: q, regex: a}]",
              NULL),
        0);
    assert_ptr_equal(hypotheses_needing_text(&h), &h.items[1]);
    hypotheses_free(&h);

    struct err err = {0};
    static const char yaml[] = "hypotheses: [{name: s, tokens: [a]}]";
    assert_int_not_equal(hypotheses_parse(&h, yaml, strlen(yaml), "h.yaml", "", NULL, &err), 0);
    assert_string_equal(err.msg, "h.yaml: line 1, column 33: there is no tokenizer to look tokens "
                                 "up in; give ids");
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    struct err err = {0};
    struct buf yaml = {0};
    buf_printf(&yaml, NULL, "hypotheses:\n");
    for (int i = 0; i <= HYPOTHESES_MAX; i++) {
        buf_printf(&yaml, NULL, "- {name: n%d, ids: [%d]}\n", i, i);
    }
    assert_int_not_equal(parse(&h, yaml.data, &err), 0);
    assert_string_equal(err.msg, "h.yaml: line 1026, column 10: more than 1024 hypotheses");
    assert_int_equal(h.n, 0);

    yaml.len = 0;
    buf_printf(&yaml, NULL, "hypotheses: [");
    for (int i = 0; i < 1 << 17; i++) {
        buf_printf(&yaml, NULL, "1,");
    }
    assert_int_not_equal(parse(&h, yaml.data, &err), 0);
    assert_non_null(strstr(err.msg, "too many values in one file"));

    assert_int_equal(
        hypotheses_parse(&h, yaml.data, ((size_t)4 << 20) + 1, "h.yaml", "", NULL, &err),
        ERR_LIMIT);
    buf_free(&yaml);
    hypotheses_free(&h);
}

static void a_file_is_loaded_with_its_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/gapscope-test-XXXXXX", path[64], tool[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/h.yaml", folder);
    snprintf(tool, sizeof tool, "%s/tool", folder);
    FILE *f = fopen(path, "w");
    fputs("hypotheses:\n- {name: a, exec: [./tool]}\n", f);
    fclose(f);
    struct hypotheses h = {0};
    struct err err = {0};
    char expected[200];
    assert_int_not_equal(hypotheses_load(&h, path, NULL, &err), 0);
    snprintf(expected, sizeof expected,
             "%s: line 2, column 19: ./tool: not a program that can be run", path);
    assert_string_equal(err.msg, expected);
    f = fopen(tool, "w");
    fclose(f);
    chmod(tool, 0700);
    assert_int_equal(hypotheses_load(&h, path, NULL, &err), 0);
    assert_int_equal(h.n, 1);
    hypotheses_free(&h);
    unlink(path);
    unlink(tool);
    rmdir(folder);
    assert_int_equal(hypotheses_load(&h, path, NULL, &err), ERR_NOT_FOUND);
}

#define N_THREADS 4
#define N_DOCS 300

static const char *const shared_docs[] = {"ab|c a|b", "aaa|aaaa|b", "a| |b|c|\xc3|\xa9", "", "xyz"};

static void *label_docs(void *hypotheses)
{
    const struct hypotheses *h = hypotheses;
    const size_t n = sizeof shared_docs / sizeof *shared_docs;
    struct labeller *l;
    struct buf all = {0};
    assert_int_equal(labeller_new(&l, h, NULL), 0);
    for (size_t k = 0; k < N_DOCS; k++) {
        struct tokens t;
        kit_doc(&t, shared_docs[k % n]);
        for (size_t i = 0; i < h->n; i++) {
            char *labels = kit_label(l, i, &t);
            buf_printf(&all, NULL, "%s ", labels);
            free(labels);
        }
        kit_free(&t);
    }
    labeller_free(l);
    return all.data;
}

static void threads_share_what_is_compiled(void **state)
{
    (void)state;
    struct hypotheses h = {0};
    pthread_t threads[N_THREADS];
    void *texts[N_THREADS];
    assert_int_equal(parse(&h,
                           "hypotheses:\n- {name: a, regex: 'a+b?'}\n"
                           "- {name: b, regex: '\\w+', prefix: true}\n- {name: c, tokens: [b]}\n"
                           "- {name: d, regex: '(?<x>b)|(?<=(?<y>.))c', mark: y}\n",
                           NULL),
                     0);
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, label_docs, &h), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], &texts[i]);
    }
    char *expected = label_docs(&h);
    assert_memory_equal(expected, "111 111 010 100 ", 16); // of the first
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_string_equal(texts[i], expected);
        free(texts[i]);
    }
    free(expected);
    hypotheses_free(&h);
}

static void a_mark_takes_spans_in_any_order(void **state)
{
    (void)state;
    struct tokens t;
    uint8_t labels[5] = {0};
    size_t at = 0;
    kit_doc(&t, "ab|cd|e|fg|h");
    miner_mark(labels, &t, &at, 5, 6, MARK_ALL);
    miner_mark(labels, &t, &at, 1, 2, MARK_ALL);
    miner_mark(labels, &t, &at, 7, 7, MARK_ALL); // holds no byte
    miner_mark(labels, &t, &at, 7, 8, MARK_NEXT);
    miner_mark(labels, &t, &at, 2, 3, MARK_NEXT);
    static const uint8_t expected[5] = {1, 0, 1, 1, 0};
    assert_memory_equal(labels, expected, 5);
    kit_free(&t);
    kit_doc(&t, "");
    at = 0;
    miner_mark(labels, &t, &at, 0, 0, MARK_ALL);
    kit_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_becomes_miners_in_its_order),
        cmocka_unit_test(what_is_predicted_belongs_to_the_spec),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
        cmocka_unit_test(an_unknown_code_miner_is_refused_with_its_place),
        cmocka_unit_test(a_bad_file_leaves_what_was_there),
        cmocka_unit_test(a_regex_on_the_command_line_is_a_hypothesis),
        cmocka_unit_test(sequences_label_the_last_token_of_each_occurrence),
        cmocka_unit_test(what_needs_text_is_known),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_file_is_loaded_with_its_folder),
        cmocka_unit_test(threads_share_what_is_compiled),
        cmocka_unit_test(a_mark_takes_spans_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
