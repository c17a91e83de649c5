/*
 * gapscope trigrams as people run it, on a run.db whose tables the test writes: every number here
 * is one of view_trigram_rows, or follows from them by hand
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
    setenv("COLUMNS", "600", 1); // sentences on one line
    if (kit_make_folder(state)) {
        return -1;
    }
    view_run_write("run.db", view_rows);
    view_run_change("run.db", view_trigram_rows);
    return 0;
}

static void write_run(const char *name, const char *change)
{
    view_run_write(name, view_rows);
    view_run_change(name, view_trigram_rows);
    view_run_change(name, change);
}

/* The command must end well and say 'wanted', or not. */
static void look(const char *command, const char *text, bool wanted)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 || r.out.len == 0 || (strstr(r.out.data, text) != NULL) != wanted) {
        fail_msg("%s\n%s: %s\nstatus %d\n%s%s", command, wanted ? "wanted" : "unwanted", text,
                 r.status, r.out.data, r.err.data);
    }
    kit_ran_free(&r);
}

#define LIST "gapscope trigrams $T/run.db"
#define PAGE "gapscope trigrams $T/run.db --id 0"

// --- the list ------------------------------------------------------------------------------------

static void the_list_says_what_is_left_and_who_knows_it(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "base:one: 36 tokens of 12 documents; finished 20",
        "\nc.ngrams has 9000 trigrams, 800 of them 10 times or more. 90 of those are predictable,"
        " P(C | A, B) >= 0.5. Counting alone explained 80 of 90 away, 50 by the bigram"
        " (P(C | B) > 0.1), 20 by a skip-bigram from A, 10 by both added. 10 are left; the first 6"
        " were kept.\n",
        "\nIn this corpus one beats base on 3 of 6 of them: by 0.5 nats or more on average, in 2 or"
        " more documents.\n2 were tested with minimal pairs.\n",
        "\n   1  #0  \" the\" \"a\" -> \"␊\"\n"
        "      P(C | A, B) 0.800; P(C | B) 0.050; A 5-8 before 0.030; both added 0.100; 40 of 50"
        " counted\n"
        "      12 places in 6 documents; mean ln P(C): base -3.00, one -1.00, two -0.50; gap +2.000"
        " +- 0.250, gain +24.0\n"
        "      base: no neurons: A and B together change ln P(C) by 0.00 +- 0.12 beyond what each"
        " does alone\n"
        "      one: AND-like: L0N5 fires 2.31 at A B, 0.12 at B behind others, 0.20 at others "
        "behind"
        " A, 0.02 with neither; without it ln P(C) falls by 1.92 +- 0.11 (at other places of B it"
        " falls by 0.05)\n"
        "      two: B-only: L0N7 fires 3.25 at A B, 3.00 at B behind others, 0.50 at others behind"
        " A, 0.00 with neither; without it ln P(C) stays (at other places of B it rises by 0.25)\n"
        "      1:7:40  i‹ thea›[␊]e\n",
        "\n   2  #2  \"e\" \"f\" -> \"g\"\n",
        "      one: no interaction: A and B together change ln P(C) by +0.50 +- 0.75 beyond what"
        " each does alone\n",
        "      two: spread: A and B together change ln P(C) by +3.00 +- 0.50 beyond what each does"
        " alone; missed most is L0N9; without it ln P(C) falls by 0.75 +- 0.05 (at other places of"
        " B it stays)\n",
        "\n  shards: 1 b.jsonl\n  2 of 6 trigrams: those that beat the base and were tested"
        " (--all: the others too)\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        look(LIST, wanted[i], true);
    }
    look(LIST " --all", "#4  \"h\" \"i\" -> \"a\"\n", true);
    look(LIST " --all", "\n      does not stand in this corpus\n", true);
    look(LIST " --pair base:one+two", "one+two beat base on 2 of 6 of them", true);
    look(LIST " --pair base:one+two --all", "gap +3.000 +- 0.200, gain +30.0", true);
    look(LIST " -o $T/out; cat $T/out", "#0  ", true);
}

/* The ids that a command lists, in its order. */
static void expect_ids(const char *options, const char *wanted)
{
    struct kit_ran r = {0};
    char ids[64] = "";
    size_t len = 0;
    kit_run(&r, LIST " %s", options);
    for (const char *at = r.out.data; (at = strstr(at, "  #")); at += 3) {
        len += (size_t)snprintf(ids + len, sizeof ids - len, "%s%ld", len ? " " : "",
                                strtol(at + 3, NULL, 10));
    }
    if (r.status != 0 || strcmp(ids, wanted) != 0) {
        fail_msg("%s: status %d, lists %s, wanted %s\n%s", options, r.status, ids, wanted,
                 r.err.data);
    }
    kit_ran_free(&r);
    // and for programs
    char command[256];
    snprintf(command, sizeof command, LIST " --json %s", options);
    struct json_object *list = view_run_json(command), *items = json_member(list, "trigrams");
    len = 0;
    ids[0] = '\0';
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        len += (size_t)snprintf(
            ids + len, sizeof ids - len, "%s%ld", len ? " " : "",
            (long)json_object_get_int64(json_member(json_object_array_get_idx(items, i), "id")));
    }
    assert_string_equal(ids, wanted);
    json_object_put(list);
}

static void filters_and_orders_are_those_that_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *options, *ids;
    } cases[] = {
        {"", "0 2"},
        {"--all", "0 1 5 3 2 4"}, // gains 24 20 10 5 3 and none
        {"--all -n 2", "0 1"},
        {"--all -n 0", ""},
        {"--all --sort gain", "0 1 5 3 2 4"},
        {"--all --sort gap", "1 0 5 2 3 4"},
        {"--all --sort p", "5 0 1 3 2 4"},
        {"--all --sort COUNT", "5 3 0 2 1 4"},
        {"--all --sort interaction", "2 0 1 3 4 5"}, // of any model: 3, 2.75
        {"--all --sort interaction --model one", "0 2"},
        {"--sort interaction --model two", "2 0"},
        {"--pair base:one+two", "0"},                 // of the two that beat it, one is tested
        {"--pair base:one+two --all", "5 0 1 2 3 4"}, // 30, 18, the others unknown
        {"--min-docs 4", "0"},
        {"--min-docs 0 --all", "0 1 5 3 2 4"},
        {"--min-docs 4 --all", "0 5 3"},
        {"--model base", "0"},
        {"--verdict and-like", "0"},
        {"--verdict 'no interaction'", "2"},
        {"--verdict 'no neurons'", "0"},
        {"--verdict 'negative interaction'", ""},
        {"--verdict 'too few places'", ""},
        {"--verdict spread --model one", ""},
        {"--verdict A-only", ""},
        {"--all --a ' the'", "0"},
        {"--all --a the", ""},
        {"--all --b ' the'", "3"},
        {"--all --c a", "3 4"},
        {"--all --a \"$(printf '\\n.')\"", ""},
        {"--all --token the", "0 3"},
        {"--all --token THE", "0 3"},
        {"THE --all", "0 3"},
        {"--all --c \"$(printf '\\nx' | head -c 1; printf x)\"", ""},
        {"--token zzz --all", ""},
        {"--all --a g --c i", "5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_ids(cases[i].options, cases[i].ids);
    }
    look(LIST " --token zzz", "nothing to list\n", true);
    look("nl='\n' && " LIST " --c \"$nl\"", "#0  ", true);
    look(LIST " --model one", "two: B-only", false);
    look(LIST " --model one", "one: AND-like", true);
}

// --- one of them ---------------------------------------------------------------------------------

static void a_trigrams_page_has_all_that_is_known_of_it(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "#0  \" the\" \"a\" -> \"␊\"\nfinished 20",
        "  P(C) given     counts say  \n"
        "  both, A and B      0.8000  ################\n"
        "  B alone            0.0500  #\n"
        "  A 2 before         0.0100  .\n"
        "  A 3-4 before       0.0200  .\n"
        "  A 5-8 before       0.0300  #\n"
        "  A 9-16 before      0.0250  #\n"
        "  B and A added      0.1000  ##\n",
        "\n  of     counted\n  A B C       40\n  A B         50\n  B C         60\n"
        "  B          700\n  C          800\n",
        "\nin the corpus of the run: 12 places in 6 documents\n"
        "  mean ln P(C): base -3.00, one -1.00, two -0.50\n"
        "  pair          mean gap      se\n"
        "  base:one       +2.0000  0.2500\n"
        "  base:one+two   +1.5000  0.1250\n"
        "  tokens by what they and the one before are: A before B 14, another before B 30, A before"
        " another 40, neither 916\n",
        "\n  for A: \"e\" \"f\"\n  for B: \"g\" \"h\" \"␊\"\n",
        "  ln P(C)     A B  other B  A other  neither    interaction  places  pairs\n"
        "  base     -3.000   -3.500   -4.000   -4.500  +0.00 +- 0.12       3      9\n"
        "  one      -0.500   -4.250   -5.000   -6.000  +2.75 +- 0.25       4     12\n"
        "  two      -0.250   -1.000   -5.000   -6.000  -0.25 +- 0.50       4     12\n",
        "\n  one: AND-like: L0N5 fires 2.31 at A B, ",
        "\nneurons of one, site post: mean activation at B\n"
        "  in the pairs     A B  other B  A other  neither      interaction  kind\n"
        "  L0N5          +2.310   +0.120   +0.200   +0.020  +2.010 +- 0.100  AND-like\n"
        "  L0N6          +0.500   +0.500   +0.500   +0.500  +0.000 +- 0.010  none\n"
        "  in the corpus     A B  other B  A other  neither  interaction\n"
        "  L0N5           +2.500   +0.250   +0.125   +0.000       +2.125\n"
        "  L0N6           +1.000   +1.000   +1.000   +1.000       +0.000\n"
        "  effect on C  direct  share          ablated  elsewhere\n"
        "  L0N5         +1.500  25.0%  -1.920 +- 0.110     -0.050\n"
        "  L0N6         -0.500      -  +0.125 +- 0.010          -\n",
        "\nplaces: A and B between guillemets, C in brackets; ln P(C)\n"
        "  1:7:40  base -3.25, one -1.50, two -0.25\n"
        "      i‹ thea›[␊]e\n"
        "  0:3:30  base -2.00\n"
        "      ‹ thea›[␊]\n"
        "\nB behind another token than A: B in brackets\n"
        "  0:4:20  e[a]f\n"
        "  shards: 1 b.jsonl, 0 a.jsonl\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        look(PAGE, wanted[i], true);
    }
    look(PAGE " | tail -n 2 | sed \"s|$T|T|\"",
         "gapscope neuron T/run.db one:L0N5\ngapscope neuron T/run.db two:L0N7\n", true);
    look(PAGE " -n 1", "0:3:30", false);
    look(LIST " --id 5",
         "\nnot tested: its minimal pairs were not run, since others gain more: test=2 of "
         "--trigram-rule\n",
         true);
    look(LIST " --id 1", "were not run, since it stands in fewer than 2 documents\n", true);
    look(LIST " --id 3", "were not run, since the first pair's mean gap is below 0.5\n", true);
    look(LIST " --id 4", "0 places in 0 documents\n", true);
    look(LIST " --id 4", "tokens by what", false);
    look(LIST " --id 5", "gapscope neuron", false);
}

/* The text of what the path leads to. */
static const char *text_at(struct json_object *value, const char *path)
{
    return json_object_to_json_string_ext(follow(value, path), JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void programs_get_every_number(void **state)
{
    (void)state;
    static const struct {
        const char *path, *wanted;
    } of_list[] =
        {
            {"run.rule.gap", "0.5"}, {"run.funnel.kept", "6"},
            {"tested", "2"},         {"pair", "\"base:one\""},
            {"sort", "\"gain\""},    {"in_run", "6"},
            {"beating", "3"},        {"found", "2"},
            {"trigrams.1.id", "2"},  {"trigrams.1.fillers_b", "null"},
        },
      of_one[] = {
          {"c_text", "\"\\n\""},
          {"count_ab", "50"},
          {"p_skip8", "0.03"},
          {"mean_logprob", "{\"base\":-3,\"one\":-1,\"two\":-0.5}"},
          {"fillers_a", "[5,6]"},
          {"n_xx", "916"},
          {"gaps.1", "{\"pair\":1,\"name\":\"base:one+two\",\"mean_gap\":1.5,\"se\":0.125}"},
          {"models.0.verdict", "\"no neurons\""},
          {"models.0.neurons", "[]"},
          {"models.1.interaction", "2.75"},
          {"models.1.lp_ax", "-5"},
          {"models.1.idx", "5"},
          {"models.1.words",
           "\"AND-like: L0N5 fires 2.31 at A B, 0.12 at B behind others, 0.20 at others behind A,"
           " 0.02 with neither; without it ln P(C) falls by 1.92 +- 0.11 (at other places of B it"
           " falls by 0.05)\""},
          {"models.1.neurons.0.ablated", "-1.92"},
          {"models.1.neurons.1.share", "null"},
          {"models.1.neurons.0.corpus_interaction", "2.125"},
          {"examples.0.logprobs", "[-3.25,-1.5,-0.25]"},
          {"examples.0.texts", "[\"i\",\" the\",\"a\",\"\\n\",\"e\"]"},
          {"examples.2.kind", "\"elsewhere\""},
          {"examples.2.logprobs", "null"},
      };
    struct json_object *list = view_run_json(LIST " --json"), *one = view_run_json(PAGE " --json");
    for (size_t i = 0; i < sizeof of_list / sizeof *of_list; i++) {
        assert_string_equal(text_at(list, of_list[i].path), of_list[i].wanted);
    }
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++) {
        assert_string_equal(text_at(one, of_one[i].path), of_one[i].wanted);
    }
    json_object_put(list);
    json_object_put(one);
}

// --- what is missing or wrong --------------------------------------------------------------------

static void a_mistake_is_said_with_the_way_out(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *says, *options;
    } cases[] = {
        {1, "has no trigram 6; its 6 have the ids that", "--id 6"},
        {1, "has no trigram 9223372036854775807", "--id 9223372036854775807"},
        {1, "has no pair no:no; it has base:one, base:one+two", "--pair no:no"},
        {1, "has no model no; it has base, one, two", "--model no"},
        {2, "--sort size: expected gain, gap, p, count or interaction", "--sort size"},
        {2,
         "--verdict AND: expected AND-like, B-only, A-only, spread, 'negative interaction', 'no "
         "interaction', 'no neurons' or 'too few places'",
         "--verdict AND"},
        {2, "--id shows one trigram", "--id 0 --all"},
        {2, "--id shows one trigram", "--id 0 the"},
        {2, "TEXT and --token are the same", "the --token a"},
        {2, "--color", "--color green"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_expect(cases[i].status, cases[i].says, LIST " %s", cases[i].options);
    }
    kit_expect(1, "No such file", "gapscope trigrams $T/none.db");
}

static void a_run_without_trigrams_says_how_to_get_them(void **state)
{
    (void)state;
    static const char says[] = "was scanned without trigrams: gapscope count";
    write_run("bare.db", "DELETE FROM trigram");
    kit_expect(1, "no trigram was left to look for.  c.ngrams has 9000 trigrams, ",
               "gapscope trigrams $T/bare.db");
    view_run_change("bare.db", "DELETE FROM meta WHERE key = 'trigrams'");
    kit_expect(1, says, "gapscope trigrams $T/bare.db");
    kit_expect(1, says, "gapscope trigrams $T/bare.db --json");
    kit_expect(1, says, "gapscope trigrams $T/bare.db --id 0");
    write_run("odd.db", "DROP TABLE trigram_gap");
    kit_expect(1, "its table \"trigram_gap\" is missing", "gapscope trigrams $T/odd.db");
}

static void thresholds_are_those_of_the_run(void **state)
{
    (void)state;
    write_run("own.db", "UPDATE meta SET value = json_set(value, '$.trials.interaction', 0.75,"
                        " '$.trials.sure', 3, '$.trials.docs', 4) WHERE key = 'trigrams'");
    look("gapscope trigrams $T/own.db",
         "An interaction below 0.75 nats, or below 3 standard errors, counts as none.", true);
    // of the three in two documents or more one stands in three alone
    look("gapscope trigrams $T/own.db",
         "one beats base on 2 of 6 of them: by 0.5 nats or more on average, in 4 or more "
         "documents.\n",
         true);
    look("gapscope trigrams $T/own.db --id 1",
         "not tested: its minimal pairs were not run, since it stands in fewer than 4 documents",
         true);
    // an older version did not write them
    write_run("older.db",
              "UPDATE meta SET value = json_remove(value, '$.trials') WHERE key = 'trigrams'");
    look("gapscope trigrams $T/older.db", "are replaced by other tokens.\n", true);
    look("gapscope trigrams $T/older.db", "are no interaction", false);
    look("gapscope trigrams $T/older.db", "by 0.5 nats or more on average.\n", true);
    look("gapscope trigrams $T/older.db", "on 4 of 6 of them", true); // #1 of one document too
}

static void a_run_that_is_on_its_way_shows_what_it_has(void **state)
{
    (void)state;
    write_run("young.db", "UPDATE trigram SET tested = 0; DELETE FROM trigram_model;"
                          "DELETE FROM trigram_neuron; DELETE FROM trigram_example;"
                          "DELETE FROM meta WHERE key IN ('trigrams_tested', 'finished')");
    look("gapscope trigrams $T/young.db", "; not finished, ", true);
    look("gapscope trigrams $T/young.db", "\nNone is tested yet: ", true);
    look("gapscope trigrams $T/young.db", "   2  #5  ", true); // 0, 5, 2: none is left out for it
    look("gapscope trigrams $T/young.db", "3 of 6 trigrams: those that beat the base (--all", true);
    look("gapscope trigrams $T/young.db --id 0", "they run when the scan ends\n", true);
    view_run_change("young.db", "INSERT INTO meta VALUES('finished', '2026')"); // and killed then
    look("gapscope trigrams $T/young.db", "when the same gapscope scan, or gapscope merge, is run",
         true);
    view_run_change("young.db", "DELETE FROM meta WHERE key = 'finished'");
    view_run_change("young.db", "DELETE FROM trigram_gap; DELETE FROM pair;"
                                "UPDATE trigram SET gain = NULL");
    look("gapscope trigrams $T/young.db", "a run of one model; not finished", true);
    look("gapscope trigrams $T/young.db", "   6  #5  ", true); // nothing can beat, all are shown
    look("gapscope trigrams $T/young.db", " beat", false);
    look("gapscope trigrams $T/young.db", "\nRanked by what counting wins with both tokens", true);
    look("gapscope trigrams $T/young.db --sort p", "\nRanked by p, greatest first", true);
}

static void what_is_not_known_is_left_out_of_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *change, *wanted, *unwanted;
    } cases[] = {
        {"UPDATE meta SET value = '{' WHERE key = 'trigrams'",
         "\nhow many trigrams the counts have is not known\n", "Counting alone"},
        {"UPDATE meta SET value = '{' WHERE key = 'trigrams'", "by 0 nats or more", "by 0.5"},
        {"UPDATE meta SET value = json_remove(value, '$.funnel.skip') WHERE key = 'trigrams'",
         "P(C | A, B) >= 0.5. 10 are left; the first 6 were kept.\n", "Counting alone"},
        {"UPDATE meta SET value = json_remove(value, '$.rule', '$.file') WHERE key = 'trigrams'",
         "\nThe counts have 9000 trigrams. 90 are predictable. Counting alone explained 80 of 90",
         ">="},
        {"UPDATE meta SET value = json_set(value, '$.funnel.bigram', 9223372036854775807)"
         " WHERE key = 'trigrams'",
         "P(C | A, B) >= 0.5. 10 are left", "Counting alone"},
        {"UPDATE trigram_neuron SET xx = 'NaN'", "one: AND-like: L0N5 fires 2.31 at A B",
         "0.00 with"},
        {"UPDATE trigram_model SET se = 1e308", "by +0.50 +- - beyond", "0000000000"},
        {"UPDATE trigram_neuron SET ablated = NULL, xb = NULL",
         "one: AND-like: L0N5 fires 2.31 at A B, 0.20 at others behind A, 0.02 with neither\n",
         "without it"},
        {"UPDATE trigram_neuron SET ab = NULL, xb = NULL, ax = NULL, xx = 0, ablated_se = NULL,"
         " ablated_elsewhere = NULL WHERE idx = 5",
         "one: AND-like: L0N5 fires 0.00 with neither; without it ln P(C) falls by 1.92 +- -\n",
         "L0N5 fires 2.31"},
        {"UPDATE trigram_neuron SET ab = 0.0123, xb = 0.004, ax = -0.0001, xx = 0",
         "one: AND-like: L0N5 fires 0.012 at A B, 0.004 at B behind others, 0.000 at others",
         "0.01 "},
        {"UPDATE trigram_model SET contexts = 1", "one: AND-like (at a single place): L0N5 fires",
         "one: AND-like: "},
        {"DELETE FROM trigram_neuron", "one: AND-like: L0N5\n", "fires"},
        {"DELETE FROM trigram_neuron; UPDATE trigram_model SET interaction = NULL", "two: spread\n",
         "together"},
        {"UPDATE trigram_model SET verdict = NULL, layer = NULL, interaction = 1e308",
         "one: no verdict: ; missed most", "together"},
        {"UPDATE trigram SET p = NULL, p_skip2 = NULL, p_skip4 = NULL, p_skip8 = NULL,"
         " p_skip16 = NULL, mean_logprob = '{\"one\":\"x\"}'",
         "P(C | A, B) -; P(C | B) 0.050; A at a distance before -; both added", "one x"},
        {"UPDATE trigram SET tested = 0; UPDATE meta SET value = 0 WHERE key = 'trigrams_tested'",
         "\nNone was tested with minimal pairs.\n", "yet"},
        {"UPDATE trigram SET tested = id = 0", "\n1 was tested with minimal pairs.\n", "#2"},
        {"UPDATE trigram_example SET tokens = '[1,'", "1:7:40  (its text cannot be read)\n", "‹"},
        {"UPDATE trigram SET a_text = NULL, b_text = ''", "#0  <1> <2> -> \"␊\"\n", "\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_run("part.db", cases[i].change);
        look("gapscope trigrams $T/part.db", cases[i].wanted, true);
        look("gapscope trigrams $T/part.db", cases[i].unwanted, false);
        assert_int_equal(remove(kit_path("part.db")), 0);
    }
}

static void nothing_of_trigrams_drives_the_terminal(void **state)
{
    (void)state;
#define HOSTILE "char(27) || '[2J' || char(155) || '31m' || char(13, 10, 8238, 8295)"
    write_run("hostile.db",
              "UPDATE trigram SET a_text = " HOSTILE ", b_text = a_text, c_text = " HOSTILE
              ", mean_logprob = json_object(" HOSTILE ", -1);"
              "UPDATE trigram_model SET verdict = " HOSTILE ";"
              "UPDATE trigram_neuron SET kind = " HOSTILE ";"
              "UPDATE trigram_example SET kind = kind || " HOSTILE " WHERE kind = 'elsewhere';"
              "UPDATE token SET text = " HOSTILE ";"
              "UPDATE model SET name = id || " HOSTILE ";"
              "UPDATE shard SET name = " HOSTILE ";"
              "UPDATE meta SET value = json_set(value, '$.file', " HOSTILE ")"
              " WHERE key = 'trigrams'");
    static const char *const commands[] = {
        "gapscope trigrams $T/hostile.db --all", "gapscope trigrams $T/hostile.db --id 0",
        "gapscope trigrams $T/hostile.db --json", "gapscope trigrams $T/hostile.db --id 0 --json"};
    static const char *const driving[] = {"\x1b", "\xc2\x9b", "\r", "\xe2\x80\xae", "\xe2\x81\xa7"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const bool json = strstr(commands[i], "--json"); // which has no need to hide the last ones
        for (size_t k = 0; k < sizeof driving / sizeof *driving; k++) {
            if (!json || driving[k][1] == '\0') {
                look(commands[i], driving[k], false);
            }
        }
        if (json) {
            json_object_put(view_run_json(commands[i]));
        } else {
            look(commands[i], "␛[2J�31m␍␊��", true);
        }
    }
    look(LIST " --color always", "\x1b[1m#0", true);
    look(PAGE " --color always", "i\x1b[0;4m thea\x1b[0;1m[\x1b[0;1m␊\x1b[0;1m]\x1b[0me", false);
    look(PAGE " --color always", "\x1b[0;4m the", true); // A and B
    look(PAGE, "\x1b", false);
}

/* Columns of a line; all characters in these runs are of one. */
static size_t columns(const char *line, size_t len)
{
    size_t n = 0, used;
    for (size_t i = 0; i < len; i += used, n++) {
        utf8_decode(line + i, len - i, &used);
    }
    return n;
}

static void lines_are_as_wide_as_the_terminal_at_most(void **state)
{
    (void)state;
    write_run("wide.db",
              "UPDATE trigram SET a_text = replace(hex(zeroblob(60)), '0', 'a'),"
              " b_text = replace(hex(zeroblob(60)), '0', 'b'),"
              " fillers_a = '[1,2,4,5,6,7,8,9,1,2,4,5,6,7,8,9,1,2,4,5,6,7,8,9]';"
              "UPDATE token SET text = replace(hex(zeroblob(20)), '0', 'c') WHERE id > 4");
    static const char *const commands[] = {"trigrams $T/wide.db --all",
                                           "trigrams $T/wide.db --id 0"};
    static const size_t widths[] = {80, 100, 140};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            struct kit_ran r = {0};
            kit_run(&r, "COLUMNS=%zu gapscope %s", widths[k], commands[i]);
            assert_int_equal(r.status, 0);
            for (const char *line = r.out.data; *line; line += strcspn(line, "\n") + 1) {
                const size_t n = columns(line, strcspn(line, "\n"));
                if (n > widths[k] && strncmp(line, "gapscope ", 9) != 0) { // to be copied
                    fail_msg("%s: %zu columns of %zu: %.*s", commands[i], n, widths[k],
                             (int)strcspn(line, "\n"), line);
                }
            }
            kit_ran_free(&r);
        }
    }
}

static void a_damaged_column_never_crashes(void **state)
{
    (void)state;
    static const struct {
        const char *table, *columns[24];
    } tables[] = {
        {"trigram",
         {"a", "b_text", "count", "count_ab", "p", "p_skip4", "p_added", "n", "docs",
          "mean_logprob", "gain", "tested", "fillers_a", "n_xb"}},
        {"trigram_gap", {"mean_gap", "se"}},
        {"trigram_example", {"kind", "shard", "doc", "token_index", "tokens", "logprobs"}},
        {"trigram_model", {"contexts", "lp_ab", "interaction", "se", "verdict", "layer", "idx"}},
        {"trigram_neuron",
         {"rank", "kind", "corpus_ab", "ab", "interaction", "se", "direct", "share", "ablated",
          "ablated_se", "ablated_elsewhere"}},
        {"meta", {"value"}},
        {"model", {"name", "site"}},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (size_t c = 0; tables[i].columns[c]; c++) {
            write_run("bad.db", "");
            for (size_t k = 0; k < VIEW_RUN_DAMAGES; k++) {
                const char *sql =
                    view_run_damage("bad.db", tables[i].table, tables[i].columns[c], k);
                json_object_put(view_run_json("gapscope trigrams $T/bad.db --all --json"));
                json_object_put(view_run_json("gapscope trigrams $T/bad.db --id 0 --json"));
                struct kit_ran r = {0};
                kit_run(&r, "well() { gapscope \"$@\" || test $? = 1; };"
                            " well trigrams $T/bad.db --all && well trigrams $T/bad.db --id 0");
                if (r.status != 0 || strstr(r.out.data, "nan") || strstr(r.out.data, "inf ")) {
                    fail_msg("%s: status %d: %s%s", sql, r.status, r.err.data, r.out.data);
                }
                kit_ran_free(&r);
            }
            assert_int_equal(remove(kit_path("bad.db")), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_says_what_is_left_and_who_knows_it),
        cmocka_unit_test(filters_and_orders_are_those_that_are_asked_for),
        cmocka_unit_test(a_trigrams_page_has_all_that_is_known_of_it),
        cmocka_unit_test(programs_get_every_number),
        cmocka_unit_test(a_mistake_is_said_with_the_way_out),
        cmocka_unit_test(a_run_without_trigrams_says_how_to_get_them),
        cmocka_unit_test(thresholds_are_those_of_the_run),
        cmocka_unit_test(a_run_that_is_on_its_way_shows_what_it_has),
        cmocka_unit_test(what_is_not_known_is_left_out_of_sentences),
        cmocka_unit_test(nothing_of_trigrams_drives_the_terminal),
        cmocka_unit_test(lines_are_as_wide_as_the_terminal_at_most),
        cmocka_unit_test(a_damaged_column_never_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
