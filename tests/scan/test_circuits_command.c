/*
 * gapscope circuits as people run it: its numbers against TransformerLens, what it prints, what it
 * refuses.
 */
#include "tests/kit/golden_circuits.h"

#include <math.h>

#include "out/text/printable.h"
#include "tests/kit/shell.h"

/* The only model of what the command prints with --json; *whole is the caller's. */
static struct json_object *circuits_of(struct json_object **whole, const char *arguments)
{
    struct ran r = {0};
    char command[512];
    snprintf(command, sizeof command, "gapscope circuits --json %s", arguments);
    run(&r, command);
    if (r.status != 0 || r.err.len > 0) {
        fail_msg("%s: %d, %s", command, r.status, r.err.data);
    }
    *whole = golden_parse(r.out.data);
    ran_free(&r);
    struct json_object *models = json_member(*whole, "models");
    assert_int_equal(json_object_array_length(models), 1);
    return json_object_array_get_idx(models, 0);
}

static const char *text_of(struct json_object *object, const char *key)
{
    return json_object_get_string(json_member(object, key));
}

static double number_of(struct json_object *object, const char *key)
{
    assert_non_null(json_member(object, key));
    return json_object_get_double(json_member(object, key));
}

// --- TransformerLens ----------------------------------------------------------------------------

static void expect_list(struct json_object *list, struct json_object *golden)
{
    const size_t n = json_object_array_length(golden);
    assert_true(json_object_array_length(list) >= n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *got = json_object_array_get_idx(list, i);
        struct json_object *pair = json_object_array_get_idx(golden, i);
        assert_true(number_of(got, "id") == golden_number(pair, 0));
        assert_true(fabs(number_of(got, "value") - golden_number(pair, 1)) < 1e-6);
    }
}

static void tokens_are_those_of_transformer_lens(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(0);
    struct json_object *golden = json_member(g.json, "circuits_1l"), *whole;
    struct json_object *sources = json_member(golden, "source_tokens");
    char arguments[256];
    snprintf(arguments, sizeof arguments,
             "--model tests/golden/models/attn-only-1l --ids --source %d --source %d --query 162",
             (int)golden_number(sources, 0), (int)golden_number(sources, 1));
    struct json_object *model = circuits_of(&whole, arguments);
    struct json_object *ov = json_member(model, "ov"), *qk = json_member(model, "qk");
    struct json_object *direct = json_member(model, "direct");
    assert_int_equal(json_object_array_length(ov), 2 * 4);
    assert_int_equal(json_object_array_length(qk), 4);
    assert_int_equal(json_object_array_length(direct), 2);
    for (size_t i = 0; i < 8; i++) { // source by source, head by head
        struct json_object *row = json_object_array_get_idx(ov, i);
        struct json_object *own = json_member(json_member(golden, "ov"), text_of(row, "head"));
        struct json_object *folded = json_member(row, "folded");
        expect_list(json_member(json_member(row, "raw"), "greatest"),
                    json_object_array_get_idx(json_member(own, "raw"), i / 4));
        expect_list(json_member(folded, "greatest"),
                    json_object_array_get_idx(json_member(own, "folded"), i / 4));
        expect_list(json_member(folded, "least"),
                    json_object_array_get_idx(json_member(own, "folded_bottom"), i / 4));
        assert_true(fabs(number_of(folded, "own") -
                         golden_number(json_member(own, "folded_own_token"), i / 4)) < 1e-6);
        assert_null(json_member(json_member(row, "source"), "text"));
    }
    for (size_t i = 0; i < 2; i++) {
        struct json_object *row = json_object_array_get_idx(direct, i);
        struct json_object *own = json_member(golden, "direct");
        expect_list(json_member(json_member(row, "raw"), "greatest"),
                    json_object_array_get_idx(json_member(own, "raw"), i));
        expect_list(json_member(json_member(row, "folded"), "greatest"),
                    json_object_array_get_idx(json_member(own, "folded"), i));
    }
    json_object_put(whole);
    golden_circuits_end(&g);
}

static void scores_are_those_of_transformer_lens(void **state)
{
    (void)state;
    struct golden_circuits g = golden_circuits_load(12); // trained attn-only-2l
    struct json_object *golden = json_member(g.json, "composition"), *whole;
    struct json_object *model = circuits_of(&whole, "--model model/demo/attn-only-2l");
    struct json_object *composition = json_member(model, "composition");
    assert_true(number_of(composition, "pairs") == 16);
    assert_true(fabs(number_of(composition, "random_rms") - 1 / sqrt(128)) < 1e-12);
    for (size_t mode = 0; mode < 3; mode++) {
        const char *const names[] = {"Q", "K", "V"};
        struct json_object *pairs = json_member(composition, names[mode]);
        struct json_object *scores = json_member(json_member(golden, names[mode]), "score");
        assert_int_equal(json_object_array_length(pairs), 16);
        for (size_t i = 0; i < 16; i++) {
            struct json_object *pair = json_object_array_get_idx(pairs, i);
            struct json_object *raw = json_member(pair, "raw");
            int from, to;
            assert_int_equal(sscanf(text_of(pair, "from"), "L0H%d", &from), 1);
            assert_int_equal(sscanf(text_of(pair, "to"), "L1H%d", &to), 1);
            const double score =
                golden_number(json_object_array_get_idx(scores, (size_t)from), (size_t)to + 4);
            assert_true(fabs(number_of(raw, "score") - score) < 1e-8);
            assert_true(fabs(number_of(raw, "z") -
                             (number_of(raw, "score") - number_of(raw, "random_mean")) /
                                 number_of(raw, "random_sd")) < 1e-9);
        }
    }
    struct json_object *heads = json_member(model, "heads");
    assert_int_equal(json_object_array_length(heads), 8);
    json_object_put(whole);
    golden_circuits_end(&g);
}

static void one_head_has_its_own_pairs_and_tokens(void **state)
{
    (void)state;
    struct json_object *whole, *model;
    model = circuits_of(&whole, "--model tests/golden/models/attn-only-3l --ids --head L1H2 -n 3");
    struct json_object *keys = json_member(json_member(model, "composition"), "K");
    assert_int_equal(json_object_array_length(json_member(model, "heads")), 1);
    assert_int_equal(json_object_array_length(keys), 8); // from four heads, to four
    for (size_t i = 0; i < 8; i++) {
        struct json_object *pair = json_object_array_get_idx(keys, i);
        assert_true(strcmp(text_of(pair, "from"), "L1H2") == 0 ||
                    strcmp(text_of(pair, "to"), "L1H2") == 0);
    }
    struct json_object *ov = json_member(model, "ov"), *qk = json_member(model, "qk");
    assert_int_equal(json_object_array_length(ov), 5);
    assert_int_equal(json_object_array_length(qk), 5);
    assert_int_equal(json_object_array_length(json_member(model, "direct")), 0);
    for (size_t i = 0; i < 5; i++) {
        struct json_object *row = json_object_array_get_idx(qk, i);
        struct json_object *at = json_member(row, "at_positions");
        assert_string_equal(text_of(row, "head"), "L1H2");
        assert_true(number_of(at, "query") == 10 && number_of(at, "key") == 9);
        assert_int_equal(json_object_array_length(json_member(at, "greatest")), 3);
    }
    json_object_put(whole);
}

// --- for people ---------------------------------------------------------------------------------

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    static const size_t widths[] = {60, 100, 200};
    struct ran r = {0};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "COLUMNS=%zu gapscope circuits --model model/demo/attn-only-2l --head L1H2 "
                 "--source ' the' --query . -n 6",
                 widths[i]);
        run(&r, command);
        assert_int_equal(r.status, 0);
        assert_null(strchr(r.out.data, '\x1b'));
        for (char *line = strtok(r.out.data, "\n"); line; line = strtok(NULL, "\n")) {
            if (show_width(line) > widths[i]) {
                fail_msg("%zu columns: %s", widths[i], line);
            }
        }
    }
    ran_free(&r);
}

static void people_are_told_what_is_what(void **state)
{
    (void)state;
    struct ran r = {0};
    run(&r, "gapscope circuits --model model/demo/attn-only-2l --model model/demo/gelu-1l -n 2");
    assert_int_equal(r.status, 0);
    const char *const said[] = {"\nattn-only-2l\n  2 layers of 4 heads",
                                "folded unless it says raw",
                                "K-composition",
                                "2 of 16 pairs",
                                "the direct path",
                                "\ngelu-1l\n  1 layer of 4 heads",
                                "one layer: no head reads"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (!strstr(r.out.data, said[i])) {
            fail_msg("nothing says: %s", said[i]);
        }
    }
    run(&r, "gapscope circuits --model model/demo/gelu-1l --head L0H1 --source ' the'");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.data, "L0H1 attends to \xc2\xb7the\n    itself "));
    assert_null(strstr(r.out.data, "QK:"));
    ran_free(&r);
}

#define CIRCUITS "gapscope circuits --model model/demo/attn-only-2l"

static void what_cannot_be_shown_is_refused_by_name(void **state)
{
    (void)state;
    const struct shell_case cases[] = {
        {"gapscope circuits", 2, "--model is missing", ""},
        {CIRCUITS "@zero.L0H1", 2, "circuits takes no changed model", ""},
        {CIRCUITS " --head L2H0", 2, "--head L2H0: attn-only-2l has layers 0 to 1, heads 0 to 3",
         ""},
        {CIRCUITS " --head 3", 2, "expected L<layer>H<index>, e.g. L1H3", ""},
        {CIRCUITS " --source ' the cat'", 2, "expected one token (mind the space", ""},
        {CIRCUITS " --source ''", 2, "0 tokens", ""},
        {CIRCUITS " --query '\xff'", 2, "not UTF-8", ""},
        {CIRCUITS " --ids --query 4096", 2, "a token is a number from 0 to 4095", ""},
        {CIRCUITS " --ids --query ' the'", 2, "a token is a number", ""},
        {CIRCUITS " LICENSE", 2, "", ""},
        {"gapscope circuits --model tests/golden/models/attn-only-1l", 1, "tokenizer", ""},
        {CIRCUITS " --ids --query 7 --top 0 --json >/dev/null", 0, NULL, ""},
    };
    check_cases(cases, sizeof cases / sizeof *cases);
    struct ran r = {0};
    run(&r, "gapscope count -o $T/c.ngrams --model model/demo/attn-only-2l LICENSE");
    assert_int_equal(r.status, 0);
    run(&r, CIRCUITS " --model $T/c.ngrams:2");
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err.data, "is made of counts: there are no weights to look into"));
    ran_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_transformer_lens),
        cmocka_unit_test(scores_are_those_of_transformer_lens),
        cmocka_unit_test(one_head_has_its_own_pairs_and_tokens),
        cmocka_unit_test(lines_fit_the_terminal),
        cmocka_unit_test(people_are_told_what_is_what),
        cmocka_unit_test(what_cannot_be_shown_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
