/*
 * neuron and hypo as people run them, on a run.db whose tables the tests write
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

static int set_up(void **state)
{
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    setenv("GAPSCOPE", GAPSCOPE_PROGRAM, 1);
    if (kit_make_folder(state)) {
        return -1;
    }
    view_run_write("run.db", view_rows);
    return 0;
}

// --- what is looked at ---------------------------------------------------------------------------

/* The command must end well and say 'wanted'. */
static void expect(const char *command, const char *wanted)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 || !strstr(r.out.data, wanted)) {
        print_message("wanted: %s\n", wanted);
        fail_msg("%s\nstatus %d\n%s%s", command, r.status, r.out.data, r.err.data);
    }
    kit_ran_free(&r);
}

static void expect_not(const char *command, const char *unwanted)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 || r.out.len == 0 || strstr(r.out.data, unwanted)) {
        fail_msg("%s\nstatus %d\n%s%s\nunwanted: %s", command, r.status, r.out.data, r.err.data,
                 unwanted);
    }
    kit_ran_free(&r);
}

/* value["key"][i]["key2"] */
static struct json_object *at(struct json_object *value, const char *key, size_t i,
                              const char *key2)
{
    struct json_object *list = json_member(value, key);
    assert_true(json_object_is_type(list, json_type_array));
    assert_true(i < json_object_array_length(list));
    return json_member(json_object_array_get_idx(list, i), key2);
}

static size_t length(struct json_object *value, const char *key)
{
    struct json_object *list = json_member(value, key);
    assert_true(json_object_is_type(list, json_type_array));
    return json_object_array_length(list);
}

// --- tests ---------------------------------------------------------------------------------------

static void a_neurons_page_has_all_that_is_known_of_it(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "one:L0N5: layer 0, neuron 5 of 32, site post\n1111 tokens; finished 20",
        "mean +0.2500, sd 1.5000, min -0.4000, max +5.0000, above 0 on 12.50 %\n"
        "skewness 2.75, kurtosis 12.50\nleft out everywhere: 2 tokens where it is not finite\n",
        // a column a bin; 10, 1000, 0, 100, 0, 0, 1 tokens
        "\n      1000 + #     \n           | # :   \n           | # #   \n           |+# #   \n"
        "           |## #  :\n",
        "  tokens labelled base64 (91), and their share of all tokens at that activation\n",
        "     100 % +   #  #\n           +-+-----\n             0\n",
        "\n  ·the    +1.500  ␊       -2.000  \\xE2\\x82   +0.500",
        "\n  a       +1.000  ",
        "\n  base64            51    11.1%           0.400  0.910  0.750   0.625  0.500  0.500  "
        "0.900  0.500\n"
        "  digits            51    11.1%  0.350 +- 0.004 ",
        "top 4 examples: base64 covers 2, then digits 1 more; 1 by none\n"
        "  left out as too broad: seen (60 % of all tokens; examples: 1)\n",
        " the strongest\n   +5.000  1:7:40          thea^8[␊]ef^5\n   +4.500  0:3:30         [a] "
        "the\n",
        "   +3.500  0:6:1          [g]\n   +2.500  0:8:1          [i]\n at random\n", // one of each
        " the[a]\n the lowest\n   -0.400  0:10:1         [a]e^7\n",
        "  shards: 1 b.jsonl, 0 a.jsonl\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        expect("gapscope neuron $T/run.db one:L0N5", wanted[i]);
    }
    expect("gapscope neuron $T/run.db L0N5 --examples 2", " 0:7:1          [h]\n");
    expect("gapscope neuron $T/run.db L0N5 --all", " 0:7:1          [h]\n");
    expect_not("gapscope neuron $T/run.db L0N5 --examples 1", "[a] the");
    expect_not("gapscope neuron $T/run.db L0N5 -n 1", "\n  digits ");
    expect("gapscope neuron $T/run.db L0N5 -o $T/page; cat $T/page", "one:L0N5: layer 0");
}

static void a_neurons_page_for_programs_has_every_number(void **state)
{
    (void)state;
    struct json_object *page = view_run_json("gapscope neuron $T/run.db L0N5 --json");
    assert_string_equal(json_object_get_string(json_member(page, "model")), "one");
    assert_string_equal(json_object_get_string(json_member(page, "neuron")), "L0N5");
    assert_int_equal(json_object_get_int64(json_member(page, "n")), 1111);
    int64_t n = 0, labelled = 0;
    for (size_t i = 0; i < length(page, "histogram"); i++) {
        n += json_object_get_int64(at(page, "histogram", i, "n"));
        labelled += json_object_get_int64(at(page, "histogram", i, "labelled"));
    }
    assert_int_equal(length(page, "histogram"), 4);
    assert_int_equal(n, 1111);
    assert_int_equal(labelled, 91);
    assert_null(at(page, "histogram", 3, "hi")); // open
    assert_int_equal(length(page, "scores"), 9);
    assert_int_equal(length(page, "effects"), 4);
    assert_int_equal(length(page, "examples"), 9);
    assert_string_equal(json_object_to_json_string_ext(at(page, "examples", 0, "texts"), 0),
                        "[\" the\",\"a\",\"\\n\",\"e\",\"f\"]");
    struct json_object *cover = json_member(page, "cover");
    assert_int_equal(json_object_get_int64(json_member(cover, "by_none")), 1);
    assert_int_equal(length(cover, "steps"), 2);
    assert_string_equal(json_object_get_string(at(cover, "broad", 0, "name")), "seen");
    json_object_put(page);
}

static void the_list_of_hypotheses_has_the_ledger_and_what_is_unexplained(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "hypotheses on 1200 tokens; finished 20",
        "\n  base64      regex        12     4    1.00%        1  one:L0N5     51           0.400  0.910  "
        "0.750"
        "   0.625\n",
        "\n  seen        code        720    11    60.0%        0  one:L0N5 ",
        "the gap of base:one: mean ",
        " nats per token on 36 tokens\nother pairs (--pair): base:one+two\n",
        "\n  base64         12   +0.5000  0.0100  +0.1250   25.0%       25.0%    30.0%        "
        "30.0%\n",
        "\n  digits         24   -0.5000  0.0100  +0.2500  -12.5%      -6.25%    10.0%        "
        "5.00%\n",
        "\n  (unexplained)                                              81.2%                 "
        "65.0%\n",
        "  predicts next: the gap is that of the token after the labelled one in its window, ",
        "and n counts those: digits;",
        "no hypothesis labels, of the 4 kept\n\n   2  gap +",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        expect("COLUMNS=120 gapscope hypo $T/run.db", wanted[i]);
    }
    expect(
        "COLUMNS=200 gapscope hypo $T/run.db",
        "  fewer than 5 documents have a token that these label, so their gaps say little of other"
        " texts: digits (3)\n");
    expect("gapscope hypo $T/run.db | grep -c '^ *[0-9]*  gap '", "1\n");
    expect(
        "COLUMNS=120 gapscope hypo $T/run.db -n 1",
        "(unexplained)                                              81.2%                 65.0%\n"
        "  the 1 of the greatest share of the gap; -n 2 shows all\n");
    expect_not("gapscope hypo $T/run.db -n 1", "\n  digits         24");
    kit_expect(0, NULL, "cp $T/run.db $T/shares.db");
    view_run_change("shares.db", "UPDATE hypothesis_gap SET share_of_gap = 0.5 WHERE hypothesis ="
                                 " (SELECT id FROM hypothesis WHERE name = 'digits')");
    expect("COLUMNS=120 gapscope hypo $T/shares.db -n 1", " 50.0%      -6.25%    10.0%");
    expect_not("gapscope hypo $T/shares.db -n 1", "\n  base64         12   +0.5");
    expect("gapscope hypo $T/run.db --pair base:one+two", "no gap is accounted for yet\n");
    struct json_object *list = view_run_json("gapscope hypo $T/run.db --json");
    assert_int_equal(length(list, "hypotheses"), 3);
    assert_int_equal(length(list, "ledger"), 2);
    assert_true(json_object_get_double(json_member(list, "unexplained_gap")) == 0.8125);
    assert_int_equal(length(list, "unexplained_hits"), 1);
    json_object_put(list);
}

static void a_hypothesis_page_has_its_neurons_and_where_they_fail(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "base64 (regex)\n",
        "\n  {\"regex\":\"[a-z]  +\"}\n", // as it is: its blanks mean something
        "labels 12 of 1200 tokens, in 4 documents; gave up on 1 more, left out\n"
        "predicts this: gaps are those of the labelled token\n"
        "prevalence 1.00%, dev half 11.1% of 461, test half 11.1% of 461\nfinished 20",
        "domains, by prevalence (2 of 2)\n",
        "\n  one:L0N5  dev   461        51     4    11.1%  0.800  0.9100  0.0012      0.500  0.750 "
        "  "
        "0.625  0.500  0.438  0.06250  0.500  0.900  0.500\n  one:L0N5  test  461",
        "\n  one:L0N5  all   461        51     4    11.1%  0.600",
        "\n  one:L0N6  test  461        51     4    11.1%  0.250",
        "  labelled (51)\n       400 +      \n           |  +   \n           |  #   \n"
        "           |  #  :\n",
        "  the rest (410)\n       400 +#     \n           |#     \n           |# +   \n"
        "           |# #   \n",
        "     100 % +  #  #\n           ++-^---\n            0\n"
        "  ^ the threshold, 0.5, frozen on the dev half\n",
        " fires without a label, the strongest first\n   +2.500  1:2:8          ‹a^9e›f[g]‹h›\n",
        " labelled, but silent, the weakest first\n   -0.200  0:2:8          a‹[e]›\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        expect("COLUMNS=160 gapscope hypo $T/run.db base64", wanted[i]);
    }
    expect_not("gapscope hypo $T/run.db base64", "one:L0N6  dev");
    expect("gapscope hypo $T/run.db base64 --all", "one:L0N6  dev");
    expect_not("gapscope hypo $T/run.db base64 -n 1", "one:L0N6");
    expect("gapscope hypo $T/run.db base64 --neuron L0N6",
           "\none:L0N6: no histogram of the test half");
    expect("gapscope hypo $T/run.db base64 --neuron L0N6",
           "one:L0N6: no counterexamples are kept\n");
    struct json_object *page = view_run_json("gapscope hypo $T/run.db base64 --json");
    assert_int_equal(length(page, "neurons"), 6);
    assert_int_equal(length(page, "domains"), 2);
    assert_int_equal(length(page, "counterexamples"), 2);
    assert_int_equal(json_object_get_int64(at(page, "histogram_test", 1, "labelled")), 50);
    assert_int_equal(json_object_get_int64(at(page, "histogram_dev", 0, "rest")), 600);
    json_object_put(page);
}

static void what_is_not_there_is_said_with_what_is(void **state)
{
    (void)state;
    kit_expect(1, "has no L0N32: one has 1 layer of 32 neurons, L0N0 to L0N31",
               "gapscope neuron $T/run.db one:L0N32");
    kit_expect(1, "has no L1N0: one has 1 layer", "gapscope neuron $T/run.db L1N0");
    kit_expect(1, "has no neurons of a model base; it has those of one",
               "gapscope neuron $T/run.db base:L0N5");
    kit_expect(1, "knows nothing of L0N9 yet", "gapscope neuron $T/run.db L0N9");
    static const char *const words[] = {"L0", "N5", "L0N5x", "l0n5", "L-1N5", "L0N 5", "one:", ""};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        kit_expect(2, "expected a neuron as NAME:L0N424", "gapscope neuron $T/run.db '%s'",
                   words[i]);
    }
    kit_expect(2, "expected always, never or auto", "gapscope neuron $T/run.db L0N5 --color x");
    kit_expect(2, "usage", "gapscope neuron $T/run.db");
    kit_expect(1, "No such file", "gapscope neuron $T/none.db L0N5");
    kit_expect(1, "has no hypothesis base; it has base64, digits, seen",
               "gapscope hypo $T/run.db base");
    kit_expect(1, "the hypothesis was not tested on L0N7",
               "gapscope hypo $T/run.db base64 --neuron L0N7");
    kit_expect(1, "has no pair x:y; it has base:one, base:one+two",
               "gapscope hypo $T/run.db --pair x:y");
    kit_expect(2, "--pair goes with", "gapscope hypo $T/run.db base64 --pair x:y");
    kit_expect(2, "--neuron needs the name", "gapscope hypo $T/run.db --neuron L0N5");
    kit_expect(1, "No space left", "gapscope hypo $T/run.db >/dev/full");
}

static void a_run_without_neurons_or_hypotheses_says_how_to_get_them(void **state)
{
    (void)state;
    view_run_write("bare.db", "");
    kit_expect(1, "keeps no neurons: a scan keeps those of every model that has an MLP",
               "gapscope neuron $T/bare.db L0N5");
    kit_expect(1, "was scanned without hypotheses: scan --hypotheses FILE.yaml",
               "gapscope hypo $T/bare.db");
    view_run_write("alone.db", view_rows); // neurons without hypotheses
    view_run_change("alone.db", "DELETE FROM hypothesis; DELETE FROM score; DELETE FROM split_hist;"
                                "DELETE FROM effect; DELETE FROM token");
    expect("gapscope neuron $T/alone.db L0N5", "1000 + #");
    expect("gapscope neuron $T/alone.db L0N5", " <1><2>^8[<4>]<5><6>^5\n"); // a scan of ids
    expect_not("gapscope neuron $T/alone.db L0N5", "top 4 examples");
    expect_not("gapscope neuron $T/alone.db L0N5", "raised and lowered");
    view_run_change("alone.db", "UPDATE model SET site = 'post' WHERE name = 'two'");
    kit_expect(1, "has neurons of one, two; say of which", "gapscope neuron $T/alone.db L0N5");
}

/* Values that are not finite come from weights that overflow. */
static void what_drives_a_neuron_is_listed_where_it_is_a_number(void **state)
{
    (void)state;
    expect("gapscope neuron $T/run.db L0N5", "driven by");
    view_run_write("drive.db", view_rows);
    view_run_change("drive.db", "UPDATE effect SET value = NULL WHERE kind = 'input_top'");
    kit_expect(0, NULL,
               "gapscope neuron $T/drive.db L0N5 | grep -A1 'driven by' | grep 'none  *none *$'");
    view_run_change("drive.db", "INSERT INTO effect VALUES(1, 0, 5, 'input_bottom', 1, 4, -9e999),"
                                "(1, 0, 5, 'input_bottom', 2, 3, -0.25)");
    kit_expect(0, NULL,
               "gapscope neuron $T/drive.db L0N5 | grep -A1 'driven by' | grep 'none .* -0.250$'");
    // a neuron that nothing drives, in a model of which it is known what drives neurons
    view_run_change("drive.db", "UPDATE effect SET idx = 6 WHERE kind LIKE 'input%'");
    kit_expect(0, NULL,
               "gapscope neuron $T/drive.db L0N5 | grep -A1 'driven by' | grep 'none  *none *$'");
}

static void colours_come_where_they_are_wanted(void **state)
{
    (void)state;
    expect("gapscope neuron $T/run.db L0N5 --color always",
           " the\x1b[0;38;5;16;48;5;208ma\x1b[0;1m[\x1b[0;1;38;5;16;48;5;202m␊\x1b[0;1m]\x1b[0me"
           "\x1b[0;38;5;16;48;5;215mf\x1b[0m\n");
    expect("gapscope neuron $T/run.db L0N5 --color always", // blue, of the least activation
           "\x1b[0;1m[\x1b[0;1;38;5;16;48;5;75ma\x1b[0;1m]\x1b[0;38;5;16;48;5;111me\x1b[0m\n");
    expect("gapscope hypo $T/run.db base64 --color always", // a and e are labelled
           "\x1b[0;4;38;5;16;48;5;222ma\x1b[0;4me\x1b[0mf\x1b[0;1m[");
    expect("gapscope top $T/run.db --color always", "\x1b[1;4m");
    static const struct {
        const char *environment;
        bool colours;
    } cases[] = {{"TERM=xterm", true},
                 {"TERM=dumb", false},
                 {"TERM=", false},
                 {"TERM=xterm NO_COLOR=1", false},
                 {"TERM=xterm NO_COLOR=", true}};
    static const char *const pages[] = {"neuron $T/run.db L0N5", "hypo $T/run.db base64",
                                        "top $T/run.db"};
    for (size_t k = 0; k < sizeof pages / sizeof *pages; k++) {
        char command[256];
        snprintf(command, sizeof command, "gapscope %s", pages[k]);
        expect_not(command, "\x1b"); // a pipe or a file
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            snprintf(
                command, sizeof command,
                "export T; script -qec \"stty cols 100; %s '$GAPSCOPE' %s\" /dev/null </dev/null",
                cases[i].environment, pages[k]);
            (cases[i].colours ? expect : expect_not)(command, "\x1b");
        }
    }
}

/* Columns of a line without its escape sequences; all characters in these runs are of one. */
static size_t columns(const char *line, size_t len)
{
    size_t n = 0, used;
    for (size_t i = 0; i < len; i += used, n++) {
        if (line[i] == '\x1b') {
            used = strcspn(line + i, "m") + 1;
            n--;
        } else {
            utf8_decode(line + i, len - i, &used);
        }
    }
    return n;
}

static void lines_are_as_wide_as_the_terminal_at_most(void **state)
{
    (void)state;
    view_run_write("wide.db", view_rows);
    view_run_change(
        "wide.db",
        "WITH RECURSIVE many(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM many WHERE k < 63)"
        " UPDATE example SET token_index = 40, tokens = (SELECT json_group_array(k % 10) FROM "
        "many),"
        " activations = (SELECT json_group_array(k * 0.07) FROM many);"
        "UPDATE counterexample SET token_index = 40, labelled = '[38,39,40,50]',"
        " tokens = (SELECT tokens FROM example LIMIT 1),"
        " activations = (SELECT activations FROM example LIMIT 1);"
        "UPDATE hypothesis SET name = name || '-with-quite-a-long-name-that-is-still-allowed';"
        "WITH RECURSIVE many(k) AS (SELECT 8 UNION ALL SELECT k + 1 FROM many WHERE k < 199)"
        " INSERT INTO bin SELECT k, k, k + 1 FROM many;"
        "UPDATE neuron SET hist = (SELECT json_group_array(json_array(id, id * id)) FROM bin)");
    static const char *const pages[] = {
        "neuron $T/wide.db L0N5", "neuron $T/wide.db L0N5 --color always", "hypo $T/wide.db",
        "hypo $T/wide.db base64-with-quite-a-long-name-that-is-still-allowed",
        "hypo $T/wide.db base64-with-quite-a-long-name-that-is-still-allowed --color always"};
    static const size_t widths[] = {80, 100, 140};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            struct kit_ran r = {0};
            size_t widest = 0;
            kit_run(&r, "COLUMNS=%zu gapscope %s", widths[k], pages[i]);
            assert_int_equal(r.status, 0);
            for (const char *line = r.out.data; *line; line += strcspn(line, "\n") + 1) {
                const size_t n = columns(line, strcspn(line, "\n"));
                widest = n > widest ? n : widest;
                if (n > widths[k]) {
                    fail_msg("%s: %zu columns of %zu: %.*s", pages[i], n, widths[k],
                             (int)strcspn(line, "\n"), line);
                }
            }
            assert_true(widest + 8 > widths[k]); // and they use it
            kit_ran_free(&r);
        }
    }
}

static void nothing_of_a_run_drives_the_terminal(void **state)
{
    (void)state;
    // an escape, an 8-bit one, a carriage return, a line end, a right-to-left override
#define HOSTILE "char(27) || '[2J' || char(155) || '31m' || char(13, 10, 8238, 8295)"
    view_run_write("hostile.db", view_rows);
    view_run_change("hostile.db",
                    "UPDATE token SET text = " HOSTILE ";"
                    "UPDATE hypothesis SET name = id || " HOSTILE ", kind = " HOSTILE
                    ", spec = json_quote(" HOSTILE ");"
                    "UPDATE model SET name = " HOSTILE " || name, site = " HOSTILE " WHERE id = 1;"
                    "UPDATE shard SET name = " HOSTILE ";"
                    "UPDATE domain SET name = " HOSTILE ";"
                    "UPDATE hit SET token_text = " HOSTILE ", before = " HOSTILE
                    ", after = " HOSTILE ", detail = '{\"hypotheses\":[]}';"
                    "UPDATE meta SET value = " HOSTILE " WHERE key = 'finished'");
    static const char *const commands[] = {
        "gapscope neuron $T/hostile.db L0N5",
        "gapscope neuron $T/hostile.db L0N5 --all --json",
        "gapscope hypo $T/hostile.db",
        "gapscope hypo $T/hostile.db --json",
        ("gapscope hypo $T/hostile.db \"$(printf "
         "'0\\033[2J\\302\\23331m\\r\\n\\342\\200\\256\\342\\201\\247')\""),
        "gapscope top $T/hostile.db"};
    static const char *const driving[] = {"\x1b", "\xc2\x9b", "\r", "\xe2\x80\xae", "\xe2\x81\xa7"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const bool json = strstr(commands[i], "--json"); // which has no need to hide the last ones
        for (size_t k = 0; k < sizeof driving / sizeof *driving; k++) {
            if (!json || driving[k][1] == '\0') {
                expect_not(commands[i], driving[k]);
            }
        }
        if (!json) {
            expect(commands[i], "␛[2J�31m␍␊��");
        } else {
            json_object_put(view_run_json(commands[i]));
        }
    }
}

static void a_damaged_column_is_shown_as_such_and_never_crashes(void **state)
{
    (void)state;
    static const struct {
        const char *table, *column;
    } columns_of[] = {
        {"neuron", "hist"},
        {"neuron", "max"},
        {"neuron", "n"},
        {"example", "tokens"},
        {"example", "activations"},
        {"example", "labels"},
        {"example", "token_index"},
        {"example", "kind"},
        {"counterexample", "tokens"},
        {"counterexample", "activations"},
        {"counterexample", "labelled"},
        {"counterexample", "token_index"},
        {"split_hist", "labelled"},
        {"split_hist", "rest"},
        {"score", "threshold"},
        {"score", "prevalence"},
        {"score", "average_precision"},
        {"hypothesis", "spec"},
        {"hypothesis", "tokens_seen"},
        {"hypothesis_gap", "share_beyond_earlier"},
        {"effect", "token"},
        {"effect", "value"},
        {"bin", "lo"},
        {"bin", "hi"},
        {"hit", "detail"},
        {"pair", "others"},
        {"model", "n_layers"},
        {"model", "d_mlp"},
    };
    static const char *const commands[] = {"gapscope neuron $T/bad.db L0N5 --json",
                                           "gapscope hypo $T/bad.db --json",
                                           "gapscope hypo $T/bad.db base64 --json"};
    for (size_t i = 0; i < sizeof columns_of / sizeof *columns_of; i++) {
        view_run_write("bad.db", view_rows);
        for (size_t k = 0; k < VIEW_RUN_DAMAGES; k++) {
            const char *sql =
                view_run_damage("bad.db", columns_of[i].table, columns_of[i].column, k);
            for (size_t c = 0; c < sizeof commands / sizeof *commands; c++) {
                json_object_put(view_run_json(commands[c]));
            }
            struct kit_ran r = {0};
            kit_run(&r, "well() { gapscope \"$@\" || test $? = 1; }; well neuron $T/bad.db L0N5 &&"
                        " well hypo $T/bad.db && well hypo $T/bad.db base64 --color always");
            if (r.status != 0) {
                fail_msg("%s: status %d: %s", sql, r.status, r.err.data);
            }
            kit_ran_free(&r);
        }
        assert_int_equal(remove(kit_path("bad.db")), 0);
    }
    view_run_write("bad.db", view_rows);
    view_run_change("bad.db", "UPDATE example SET tokens = '[1,'");
    expect("gapscope neuron $T/bad.db L0N5", "+5.000  1:7:40         (its text cannot be read)\n");
    view_run_change("bad.db", "DROP TABLE example");
    kit_expect(1, "its table \"example\" is missing", "gapscope neuron $T/bad.db L0N5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_neurons_page_has_all_that_is_known_of_it),
        cmocka_unit_test(a_neurons_page_for_programs_has_every_number),
        cmocka_unit_test(the_list_of_hypotheses_has_the_ledger_and_what_is_unexplained),
        cmocka_unit_test(a_hypothesis_page_has_its_neurons_and_where_they_fail),
        cmocka_unit_test(what_is_not_there_is_said_with_what_is),
        cmocka_unit_test(a_run_without_neurons_or_hypotheses_says_how_to_get_them),
        cmocka_unit_test(what_drives_a_neuron_is_listed_where_it_is_a_number),
        cmocka_unit_test(colours_come_where_they_are_wanted),
        cmocka_unit_test(lines_are_as_wide_as_the_terminal_at_most),
        cmocka_unit_test(nothing_of_a_run_drives_the_terminal),
        cmocka_unit_test(a_damaged_column_is_shown_as_such_and_never_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
