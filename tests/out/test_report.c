/*
 * gapscope report as people run it: what stands in the page's chunks, read back from the file
 *
 * What a browser makes of them: tests/report.
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
#include <unistd.h>
#include <zlib.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "tests/kit/report_kit.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

// --- what is in it -------------------------------------------------------------------------------

static void the_tables_are_those_of_the_run(void **state)
{
    (void)state;
    static const struct place places[] = {
        {"run", "meta.1", "[\"floor\",\"-6\"]"},
        {"run", "neurons", "1"},
        {"run", "block", "16"},
        {"run", "shard.rows.1", "[1,\"b.jsonl\",200,6,18,0,6,0,36,0]"},
        {"run", "model.rows.0",
         "[0,\"base\",\"none\",\"\",1,8,2,0,10,6,36,-3.67361,0.282124,2.64995,0.166667,0]"},
        {"run", "pair.rows.1",
         "[1,\"base\",\"one+two\",0,[1,2],-6,36,12,-1.26389,0.321415,0.277778,4,4]"},
        {"run", "bin.rows.7", "[7,4,null]"},
        {"run", "reject.rows.0.3.0", "{\"line\":1,\"byte\":0,\"why\":\"a line of 2 GiB\"}"},
        {"run", "hypothesis_gap.rows.1", "[0,1,24,3,-0.5,0.01,0.25,0.001,-0.125,-0.0625,0.1,0.05]"},
        {"run", "hypothesis.rows.0",
         "[0,\"base64\",\"regex\",{\"regex\":\"[a-z]  "
         "+\"},12,4,0.01,1,1200,\"this\",\"one\",0,5,51,0.1106,"
         "0.4,0,0.91,0.75,0.625]"},
        {"texts", "token.rows.3", "[3,\"\\\\xE2\\\\x82\",1]"},
        {"tokens/0", "token_gap.rows.2", "[2,16,0.171875,-3.65625,-3.48438]"},
        {"hits/0", "hit.rows.0",
         "[\"other\",1,5.75,-6.25,-0.25,0,2,5,6,2,\"\\n\",0,\" thea\",\"\","
         "{\"hypotheses\":[\"digits\"]}]"},
        {"hits/1", "hit.rows.7.1", "4"},
        {"hypothesis/0", "domain.rows", "[[null,600,12,0.02],[\"code\",600,0,0]]"},
        {"hypothesis/0", "score.rows.1.0", "\"one:L0N5\""},
        {"hypothesis/0", "split_hist.rows.1", "[1,0,5,\"test\",[[4,50],[7,1]],[[2,400],[4,10]]]"},
        {"hypothesis/0", "counterexample.rows.0",
         "[1,0,5,\"fires_without\",1,2.5,1,2,8,9,0.01,3,[2,5,6,7,8],[250,0,0,250,0],[0,1,4]]"},
        {"neuron/0", "0.step", "0.01"},
        {"neuron/0", "0.hist", "[[1,10],[2,1000],[4,100],[7,1]]"},
        {"neuron/0", "0.effect.rows.3", "[\"output_top\",2,1]"},
        {"neuron/0", "0.split_hist.rows.0", "[0,\"dev\",[[4,40]],[[2,600]]]"},
        {"neuron/0", "0.cover.by_none", "1"},
        {"neuron/0", "0.example.rows.0",
         "[\"top\",1,5,null,null,1,7,40,41,[0],2,[1,2,4,5,6],[10,400,500,null,260]]"},
        {"neurons", "neuron.rows",
         "[[1,0,5,1111,0.25,1.5,-0.4,5,0.125,12.5,2,[1,2],[4,2,5,6],4,1,0,51,410,4,0.1106,0.4,0.8,"
         "0.1106]]"},
        {"neurons", "gap_credit.rows", "[]"},
    };
    make_page("run.db", "");
    CHECK_PLACES(places);
    assert_int_equal(check_chunks(), 11);
    assert_null(chunk("hits/2"));
    assert_null(chunk("neuron/1"));
}

/* A list of the numbers from 0 to 63 and the like, for SQL. */
#define MANY(what)                                                                                 \
    "(WITH RECURSIVE many(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM many WHERE k < 63)"          \
    " SELECT json_group_array(" what ") FROM many)"

static void examples_are_cut_around_their_token(void **state)
{
    (void)state;
    static const struct {
        const char *index; // of the token
        struct place places[4];
    } cases[] = {
        {"40",
         {{"hypothesis/0", "counterexample.rows.0.11", "32"},
          {"hypothesis/0", "counterexample.rows.0.14", "[0,24,48]"}, // 8, 32, 56 of those kept
          {"neuron/0", "0.example.rows.0.10", "32"},
          {"neuron/0", "0.example.rows.0.11",
           "[8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,"
           "37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56]"}}},
        {"2",
         {{"hypothesis/0", "counterexample.rows.0.11", "2"},
          {"hypothesis/0", "counterexample.rows.0.14", "[0,7,8]"},
          {"neuron/0", "0.example.rows.0.11", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]"},
          {"neuron/0", "0.example.rows.0.12", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]"}}},
        {"63",
         {{"hypothesis/0", "counterexample.rows.0.11", "32"},
          {"hypothesis/0", "counterexample.rows.0.14", "[1,25,26,32]"},
          {"neuron/0", "0.example.rows.0.10", "32"},
          {"neuron/0", "0.example.rows.0.11.32", "63"}}},
        {"64", // of none
         {{"neuron/0", "0.example.rows.0.10", "0"},
          {"neuron/0", "0.example.rows.0.11.16", "16"},
          {"hypothesis/0", "counterexample.rows.0.11", "0"},
          {"hypothesis/0", "counterexample.rows.0.14", "[0,7,8]"}}},
    };
    view_run_write("cut.db", view_rows);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[1024];
        snprintf(
            sql, sizeof sql,
            "UPDATE example SET token_index = %s, tokens = " MANY(
                "k") ","
                     " activations = " MANY(
                         "k * 0.01") ";"
                                     "UPDATE counterexample SET token_index = %s, tokens = " MANY(
                                         "k") ","
                                              " activations = " MANY(
                                                  "0") ", labelled = '[0,7,8,32,56,57,63]'",
            cases[i].index, cases[i].index);
        view_run_change("cut.db", sql);
        make_page("cut.db", "");
        CHECK_PLACES(cases[i].places);
    }
}

static void activations_are_whole_steps_of_two_digits(void **state)
{
    (void)state;
    static const struct {
        const char *range, *acts; // of the neuron; of an example
        const char *step, *wanted;
    } cases[] = {
        {"min = -0.4, max = 5", "[5,4.96,0.994,-0.126,0.004,0.006,0]", "0.01",
         "[500,500,99,-13,0,1,0]"},
        {"min = -50, max = 5", "[-50,-49.4,1.04]", "0.1", "[-500,-490,10]"},
        {"min = 0, max = 4321", "[4321,996,4]", "10", "[430,100,0]"},
        {"min = 0, max = 0.001", "[0.001,0.00052]", "1e-05", "[100,52]"},
        {"min = 0, max = 0", "[0,1]", "1", "[0,1]"},
        {"min = NULL, max = NULL", "[2]", "1", "[2]"},
        {"min = -0.4, max = 5", "[1,null,\"x\",[1],1e300,2]", "0.01",
         "[100,null,null,null,null,200]"},
        {"min = -0.4, max = 5", "[1]", "0.01", "[100,null,null]"}, // fewer than tokens
        {"min = -0.4, max = 5", "{}", "0.01", "[null]"},
    };
    view_run_write("steps.db", view_rows);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[512];
        const int n = (int)count(cases[i].wanted, ",") + 1;
        snprintf(sql, sizeof sql,
                 "UPDATE neuron SET %s; UPDATE example SET token_index = 0, activations = '%s',"
                 " tokens = '[1%.*s]' WHERE kind = 'top' AND rank = 1",
                 cases[i].range, cases[i].acts, 2 * (n - 1), ",2,3,4,5,6,7,8");
        view_run_change("steps.db", sql);
        make_page("steps.db", "");
        const struct place places[] = {{"neuron/0", "0.step", cases[i].step},
                                       {"neuron/0", "0.example.rows.0.12", cases[i].wanted}};
        CHECK_PLACES(places);
    }
}

static void hits_and_examples_are_as_many_as_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        size_t hits, examples, counterexamples;
    } cases[] = {
        {"", 8, 9, 2},
        {"--hits 1", 2, 9, 2},
        {"--hits 0", 0, 9, 2},
        {"--hits 9223372036854775807 --examples 9223372036854775807", 8, 9, 2},
        {"--examples 3", 8, 8, 2},
        {"--examples 1", 8, 5, 2}, // of two intervals
        {"--examples 0", 8, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_page("run.db", cases[i].options);
        static const char *const paths[][2] = {{"hits/0", "hit.rows"},
                                               {"neuron/0", "0.example.rows"},
                                               {"hypothesis/0", "counterexample.rows"}};
        const size_t wanted[] = {cases[i].hits, cases[i].examples, cases[i].counterexamples};
        for (size_t k = 0; k < 3; k++) {
            struct json_object *root = chunk(paths[k][0]);
            const size_t n = json_object_array_length(follow(root, paths[k][1]));
            if (n != wanted[k]) {
                fail_msg("%s: %zu %s, wanted %zu", cases[i].options, n, paths[k][0], wanted[k]);
            }
            json_object_put(root);
        }
    }
}

static void trigrams_are_there_where_the_run_has_some(void **state)
{
    (void)state;
    static const struct place places[] = {
        {"run", "trigrams", "6"},
        {"trigrams", "run.funnel.added", "10"},
        {"trigrams", "words",
         "\"c.ngrams has 9000 trigrams, 800 of them 10 times or more. 90 of those are predictable,"
         " P(C | A, B) >= 0.5. Counting alone explained 80 of 90 away, 50 by the bigram (P(C | B) >"
         " 0.1), 20 by a skip-bigram from A, 10 by both added. 10 are left; the first 6 were"
         " kept.\""},
        {"trigrams", "tested_words", "\"2 were tested with minimal pairs.\""},
        {"trigrams", "gap_least", "0.5"},
        {"trigrams", "docs_least", "2"},
        {"trigrams", "trigram.rows.0",
         "[0,1,2,4,\" the\",\"a\",\"\\n\",40,0.8,0.05,0.01,0.02,0.03,0.025,0.1,12,6,24,1]"},
        {"trigrams", "trigram.rows.4.17", "null"},
        {"trigrams", "gap.rows.1", "[0,1,1.5,0.125]"},
        {"trigrams", "model.rows.1",
         "[0,1,4,12,-0.5,-4.25,-5,-6,2.75,0.25,\"AND-like\",0,5,\"AND-like: L0N5 fires 2.31 at A B,"
         " 0.12 at B behind others, 0.20 at others behind A, 0.02 with neither; without it ln P(C)"
         " falls by 1.92 +- 0.11 (at other places of B it falls by 0.05)\"]"},
        {"trigrams", "model.rows.3.0", "2"},
        {"trigram/0", "0.trigram.rows.0",
         "[0,1,2,4,\" "
         "the\",\"a\",\"\\n\",40,50,60,700,800,0.8,0.05,0.01,0.02,0.03,0.025,0.1,12,6,24,"
         "1,14,30,40,916,{\"base\":-3,\"one\":-1,\"two\":-0.5},[5,6],[7,8,4]]"},
        {"trigram/0", "0.neuron.rows.0",
         "[1,0,5,1,\"AND-like\",2.5,0.25,0.125,0,2.125,2.31,0.12,0.2,0.02,2.01,0.1,1.5,0.25,-1.92,"
         "0.11,-0.05]"},
        {"trigram/0", "0.neuron.rows.1.17", "null"},
        {"trigram/0", "0.example.rows",
         "[[\"place\",1,1,7,40,41,[-3.25,-1.5,-0.25],3,[9,1,2,4,5]],"
         "[\"place\",2,0,3,30,31,[-2,null,\"x\"],2,[1,2,4]],"
         "[\"elsewhere\",1,0,4,20,21,null,1,[5,2,6]]]"},
        {"trigram/0", "5.trigram.rows.0.0", "5"},
        {"trigram/0", "5.neuron.rows", "[]"},
    };
    make_page("run.db", "");
    const struct place without[] = {{"run", "trigrams", "0"}};
    CHECK_PLACES(without);
    assert_null(chunk("trigrams"));
    view_run_write("trigrams.db", view_rows);
    view_run_change("trigrams.db", view_trigram_rows);
    make_page("trigrams.db", "");
    CHECK_PLACES(places);
    assert_int_equal(check_chunks(), 13);
    kit_expect(0, ", 3 hypotheses, 6 trigrams\n",
               "gapscope report $T/trigrams.db -o $T/1.html --examples 1");
    read_page("1.html");
    const struct place fewer[] = {{"trigram/0", "0.example.rows.1.0", "\"elsewhere\""}};
    CHECK_PLACES(fewer);
    // 16 a chunk, and an id that is no place in the list
    view_run_change(
        "trigrams.db",
        "WITH RECURSIVE many(k) AS (SELECT 100 UNION ALL SELECT k + 1 FROM many WHERE"
        " k < 109) INSERT INTO trigram SELECT k, a, b, c, a_text, b_text, c_text, count,"
        " count_ab, count_bc, count_b, count_c, p, p_bigram, p_skip2, p_skip4, p_skip8,"
        " p_skip16, p_added, n, docs, mean_logprob, gain, tested, fillers_a, fillers_b,"
        " n_ab, n_xb, n_ax, n_xx FROM trigram, many WHERE id = 5");
    make_page("trigrams.db", "");
    const struct place full[] = {{"trigram/0", "15.trigram.rows.0.0", "109"}};
    CHECK_PLACES(full);
    assert_null(chunk("trigram/1")); // exactly one
    view_run_change("trigrams.db", "INSERT INTO trigram(id) VALUES(110)");
    make_page("trigrams.db", "");
    const struct place next[] = {{"trigram/1", "0.trigram.rows.0.0", "110"},
                                 {"trigrams", "trigram.rows.16.0", "110"}};
    CHECK_PLACES(next);
}

// --- what a run.db may lack ----------------------------------------------------------------------

static void a_damaged_column_leaves_the_page_whole(void **state)
{
    (void)state;
    static const struct {
        const char *table, *column;
    } columns[] = {
        {"neuron", "hist"},
        {"neuron", "min"},
        {"neuron", "max"},
        {"neuron", "n"},
        {"example", "tokens"},
        {"example", "activations"},
        {"example", "labels"},
        {"example", "token_index"},
        {"example", "kind"},
        {"example", "lo"},
        {"counterexample", "tokens"},
        {"counterexample", "activations"},
        {"counterexample", "labelled"},
        {"counterexample", "token_index"},
        {"split_hist", "labelled"},
        {"split_hist", "rest"},
        {"score", "average_precision"},
        {"score", "prevalence"},
        {"hypothesis", "spec"},
        {"hypothesis", "name"},
        {"hypothesis", "tokens_seen"},
        {"effect", "token"},
        {"effect", "value"},
        {"bin", "lo"},
        {"hit", "detail"},
        {"hit", "before"},
        {"hit", "gap"},
        {"pair", "others"},
        {"model", "name"},
        {"token", "text"},
        {"meta", "value"},
        {"reject", "places"},
        {"domain", "name"},
        {"trigram", "a_text"},
        {"trigram", "p_skip2"},
        {"trigram", "mean_logprob"},
        {"trigram", "fillers_b"},
        {"trigram_gap", "mean_gap"},
        {"trigram_model", "verdict"},
        {"trigram_model", "layer"},
        {"trigram_model", "interaction"},
        {"trigram_neuron", "ablated"},
        {"trigram_neuron", "rank"},
        {"trigram_example", "tokens"},
        {"trigram_example", "logprobs"},
        {"trigram_example", "token_index"},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        view_run_write("bad.db", view_rows);
        view_run_change("bad.db", view_trigram_rows);
        for (size_t k = 0; k < VIEW_RUN_DAMAGES; k++) {
            const char *sql = view_run_damage("bad.db", columns[i].table, columns[i].column, k);
            make_page("bad.db", "");
            if (check_chunks() != 13) {
                fail_msg("%s: %zu chunks", sql, check_chunks());
            }
        }
        assert_int_equal(remove(kit_path("bad.db")), 0);
    }
}

static void what_is_damaged_is_null_or_left_out(void **state)
{
    (void)state;
    static const struct place places[] = {
        {"neuron/0", "0.hist", "null"},
        {"neuron/0", "0.example.rows.0.11", "[1,null,3]"},
        {"neuron/0", "0.example.rows.1.11", "[]"},
        {"neuron/0", "0.example.rows.1.12", "[]"},
        {"hypothesis/0", "counterexample.rows.0.14", "null"},
        {"hypothesis/0", "counterexample.rows.1.14", "[]"},
        {"hits/0", "hit.rows.0.14", "null"},
    };
    view_run_write("null.db", view_rows);
    view_run_change("null.db",
                    "UPDATE neuron SET hist = '[[1,2]';"
                    "UPDATE example SET token_index = 0, tokens = '[1,\"2\",3]' WHERE kind = 'top'"
                    " AND rank = 1;"
                    "UPDATE example SET tokens = '[1,' WHERE kind = 'top' AND rank = 2;"
                    "UPDATE counterexample SET labelled = NULL WHERE kind = 'fires_without';"
                    "UPDATE counterexample SET labelled = '[0' WHERE kind = 'silent_with';"
                    "UPDATE hit SET detail = '{\"base\":'");
    make_page("null.db", "");
    CHECK_PLACES(places);
}

static void a_run_that_lacks_a_table_is_refused_by_its_name(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "shard",  "reject",      "model",      "pair",       "gap_hist",         "position_gap",
        "domain", "domain_loss", "domain_gap", "bin",        "hypothesis",       "hypothesis_gap",
        "token",  "token_gap",   "hit",        "score",      "split_hist",       "counterexample",
        "neuron", "example",     "effect",     "gap_credit", "hypothesis_domain"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[64], says[96];
        view_run_write("old.db", view_rows);
        snprintf(sql, sizeof sql, "DROP TABLE %s", tables[i]);
        snprintf(says, sizeof says, "old.db: the file is damaged: its table \"%s\" is missing",
                 tables[i]);
        view_run_change("old.db", sql);
        kit_expect(1, says, "gapscope report $T/old.db -o $T/old.html");
        assert_int_equal(access(kit_path("old.html"), F_OK), -1);
        assert_int_equal(remove(kit_path("old.db")), 0);
    }
    kit_expect(1, "No such file", "gapscope report $T/none.db -o $T/old.html");
    kit_expect(1, "", "printf 'no database' >$T/no.db; gapscope report $T/no.db -o $T/old.html");
    assert_int_equal(access(kit_path("old.html"), F_OK), -1);
}

static void an_empty_run_has_a_page(void **state)
{
    (void)state;
    static const struct place places[] = {{"run", "pair.rows", "[]"},
                                          {"run", "neurons", "0"},
                                          {"texts", "token.rows", "[]"},
                                          {"neurons", "neuron.rows", "[]"},
                                          {"run", "hypothesis.rows", "[]"}};
    view_run_write("empty.db", "");
    view_run_change("empty.db",
                    "DELETE FROM pair; DELETE FROM hit; DELETE FROM token; DELETE FROM token_gap;"
                    "DELETE FROM shard; DELETE FROM model; DELETE FROM domain; DELETE FROM meta"
                    " WHERE key IN ('finished', 'units')");
    make_page("empty.db", "");
    CHECK_PLACES(places);
    assert_int_equal(check_chunks(), 3);
    view_run_write("bare.db", ""); // no neurons, no hypotheses
    make_page("bare.db", "");
    assert_int_equal(check_chunks(), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_those_of_the_run),
        cmocka_unit_test(examples_are_cut_around_their_token),
        cmocka_unit_test(activations_are_whole_steps_of_two_digits),
        cmocka_unit_test(hits_and_examples_are_as_many_as_wanted),
        cmocka_unit_test(trigrams_are_there_where_the_run_has_some),
        cmocka_unit_test(a_damaged_column_leaves_the_page_whole),
        cmocka_unit_test(what_is_damaged_is_null_or_left_out),
        cmocka_unit_test(a_run_that_lacks_a_table_is_refused_by_its_name),
        cmocka_unit_test(an_empty_run_has_a_page),
    };
    const int failed = cmocka_run_group_tests(tests, set_up, kit_remove_folder);
    buf_free(&page);
    return failed;
}
