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
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

static int set_up(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    view_run_write("run.db", view_rows);
    return 0;
}

// --- a page, read back ---------------------------------------------------------------------------

static struct buf page; // the page in hand, NUL-terminated

static void read_page(const char *name)
{
    page.len = 0;
    assert_int_equal(file_read(kit_path(name), (size_t)1 << 30, &page, NULL), 0);
    buf_append(&page, "", 1, NULL);
    page.len--;
}

/* Makes $T/page.html of $T/run and reads it. */
static void make_page(const char *run, const char *options)
{
    struct kit_ran r = {0};
    kit_run(&r, "gapscope report $T/%s -o $T/page.html %s", run, options);
    if (r.status != 0) {
        fail_msg("report %s %s: status %d: %s", run, options, r.status, r.err.data);
    }
    kit_ran_free(&r);
    read_page("page.html");
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Appends what base64[len] stands for. */
static void from_base64(struct buf *to, const char *base64, size_t len)
{
    assert_int_equal(len % 4, 0);
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        size_t n = 3;
        for (size_t k = 0; k < 4; k++) {
            const int digit = digit_of(base64[i + k]);
            if (digit < 0) { // ends the last group
                assert_true(base64[i + k] == '=' && i + 4 == len && k >= 2);
                n = n == 3 ? k - 1 : n;
            }
            bits = bits << 6 | (uint32_t)(digit < 0 ? 0 : digit);
        }
        const char bytes[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        buf_append(to, bytes, n, NULL);
    }
}

static struct json_object *decode(const char *base64, size_t len)
{
    struct buf packed = {0};
    from_base64(&packed, base64, len);
    uLongf size = 1 << 22; // the tests' chunks have less
    char *text = malloc(size);
    assert_int_equal(
        uncompress((unsigned char *)text, &size, (unsigned char *)packed.data, (uLong)packed.len),
        Z_OK);
    struct json_tokener *parser = json_parser_new();
    struct json_object *value = NULL;
    struct err err = {0};
    if (json_parse(parser, &value, text, size, &err) || !value) {
        fail_msg("%s: %.200s", err.msg, text);
    }
    json_tokener_free(parser);
    buf_free(&packed);
    free(text);
    return value;
}

/* A chunk of the page in hand; NULL: it has none of that name. */
static struct json_object *chunk(const char *name)
{
    char head[96];
    snprintf(head, sizeof head, "<script type=\"text/plain\" data-chunk=\"%s\">", name);
    const char *at = strstr(page.data, head);
    return at ? decode(at + strlen(head), strcspn(at + strlen(head), "<")) : NULL;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) {
        n++;
    }
    return n;
}

/* What "example.rows.0" leads to; "hit.rows" of a table. */
static struct json_object *follow(struct json_object *value, const char *path)
{
    char word[64];
    while (value && *path) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(path, "."), path);
        path += strlen(word);
        path += *path == '.';
        value = json_object_is_type(value, json_type_array)
                    ? json_object_array_get_idx(value, strtoul(word, NULL, 10))
                    : json_member(value, word);
    }
    return value;
}

/* chunk: "hits/0"; path: where in it; wanted: JSON. */
struct place {
    const char *chunk, *path, *wanted;
};

static void check_places(const struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct json_object *root = chunk(places[i].chunk);
        assert_non_null(root);
        const char *is = json_object_to_json_string_ext(follow(root, places[i].path),
                                                        JSON_C_TO_STRING_NOSLASHESCAPE);
        if (strcmp(is, places[i].wanted) != 0) {
            fail_msg("%s %s: is %s\nwanted %s", places[i].chunk, places[i].path, is,
                     places[i].wanted);
        }
        json_object_put(root);
    }
}
#define CHECK_PLACES(places) check_places(places, sizeof(places) / sizeof *(places))

/* Every chunk in the page is whole; returns how many there are. */
static size_t check_chunks(void)
{
    size_t n = 0;
    for (const char *at = page.data; (at = strstr(at, "<script type=\"text/plain\" data-chunk="));
         n++) {
        at = strchr(at, '>') + 1;
        json_object_put(decode(at, strcspn(at, "<")));
    }
    return n;
}

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
         "[0,\"base\",\"none\",\"\",1,8,2,0,10,6,36,-3.67361,0.270113,2.64995,0.166667]"},
        {"run", "pair.rows.1",
         "[1,\"base\",\"one+two\",0,[1,2],-6,36,12,-1.26389,0.307731,0.277778,4,4]"},
        {"run", "bin.rows.7", "[7,4,null]"},
        {"run", "reject.rows.0.3.0", "{\"line\":1,\"byte\":0,\"why\":\"a line of 2 GiB\"}"},
        {"run", "hypothesis_gap.rows.1", "[0,1,24,-0.5,0.01,0.25,0.001,-0.125,-0.0625,0.1,0.05]"},
        {"run", "hypothesis.rows.0",
         "[0,\"base64\",\"regex\",{\"regex\":\"[a-z]  +\"},12,4,0.01,1,1200,\"one\",0,5,51,0.1106,"
         "0.4,0.91,0.75,0.625]"},
        {"texts", "token.rows.3", "[3,\"\\\\xE2\\\\x82\"]"},
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
         "[[1,0,5,1111,0.25,1.5,-0.4,5,0.125,45.3671,[1,2],[4,2,5,6],4,1,0,51,410,4,0.1106,0.4,0.8,"
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

// --- the file, and files beside it ---------------------------------------------------------------

static void the_same_run_has_the_same_page(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope report $T/run.db -o $T/1.html && gapscope report $T/run.db -o $T/2.html &&"
               " cmp $T/1.html $T/2.html && gapscope report $T/run.db | cmp - $T/1.html &&"
               " gapscope report $T/run.db -o - | cmp - $T/1.html");
    kit_expect(0, "standard output: ", "gapscope report $T/run.db -o - >/dev/null");
    kit_expect(0, "1.html: 0.1 MB: 16 hits, 1 neurons, 3 hypotheses\n",
               "gapscope report $T/run.db -o $T/1.html");
    read_page("1.html");
    // no addresses but a name space
    assert_int_equal(count(page.data, "http"), count(page.data, "http://www.w3.org/2000/svg") + 1);
}

static void a_title_is_text_whatever_it_holds(void **state)
{
    (void)state;
    static const struct {
        const char *title, *wanted; // for the shell; in the page
    } cases[] = {
        {"'a <b>'", "a &#60;b&#62;"},
        {"'</title><script>alert(1)</script>'",
         "&#60;/title&#62;&#60;script&#62;alert(1)&#60;/script&#62;"},
        {"'\"&'\\'", "&#34;&#38;&#39;"},
        {"'{{data}}{{nonce}}'", "{{data}}{{nonce}}"},
        {"\"$(printf '\\033[2J\\n\\001.')\"", "&#65533;[2J&#65533;&#65533;."},
        {"\"$(printf 'a\\377b')\"", "a\xef\xbf\xbd"
                                    "b"},
        {"''", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char options[128], wanted[128];
        snprintf(options, sizeof options, "--title %s", cases[i].title);
        make_page("run.db", options);
        snprintf(wanted, sizeof wanted, "<title>%s</title>", cases[i].wanted);
        assert_non_null(strstr(page.data, wanted));
        snprintf(wanted, sizeof wanted, "<a href=\"#/overview\">%s</a></h1>", cases[i].wanted);
        assert_non_null(strstr(page.data, wanted));
    }
    kit_expect(0, NULL, "cp $T/run.db \"$T/<i>&.db\"");
    make_page("'<i>&.db'", ""); // the file's name is the title
    assert_non_null(strstr(page.data, "<title>&#60;i&#62;&#38;.db</title>"));
}

/* The page's and the files' chunks, and that each file says what it should. */
static void check_files(const char *output, const char *folder, const char *encoded)
{
    struct kit_ran r = {0};
    char wanted[256];
    read_page(output);
    snprintf(wanted, sizeof wanted, "<meta name=\"gapscope-files\" content=\"%s\">", encoded);
    if (!strstr(page.data, wanted)) {
        fail_msg("%s has not %s", output, wanted);
    }
    const char *nonce = strstr(page.data, "'nonce-") + strlen("'nonce-");
    kit_run(
        &r,
        "cd $T && cd '%s' && ls | wc -l && head -c 60 neuron-0.js && ls | grep -v"
        " '^\\(run\\|texts\\|neurons\\|\\(neuron\\|tokens\\|hits\\|hypothesis\\)-[0-9]\\)[.]js$'",
        folder);
    snprintf(wanted, sizeof wanted, "11\ngapscope_chunk(\"%.16s\",\"neuron/0\",\"", nonce);
    if (strncmp(r.out.data, wanted, strlen(wanted)) != 0 ||
        strchr(r.out.data + strlen(wanted), '\n')) {
        fail_msg("%s: %s%s\nwanted: %s", folder, r.out.data, r.err.data, wanted);
    }
    kit_ran_free(&r);
}

static void files_beside_are_named_after_the_page(void **state)
{
    (void)state;
    static const struct {
        const char *output, *folder, *encoded;
    } cases[] = {
        {"report.html", "report_files", "report_files"},
        {"a\"b<c>.html", "a\"b<c>_files", "a%22b%3Cc%3E_files"},
        {"a b%41&#?.html", "a b%41&#?_files", "a%20b%2541%26%23%3F_files"},
        {"\xc3\xa9.x.htm", "\xc3\xa9.x_files", "%C3%A9.x_files"},
        {"plain", "plain_files", "plain_files"},
        {".hidden", ".hidden_files", ".hidden_files"},
        {"sub.d/report", "sub.d/report_files", "report_files"},
        {"sub.d/.html", "sub.d/.html_files", ".html_files"},
    };
    kit_expect(0, NULL, "mkdir $T/sub.d");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_expect(0, "what has no room in the page",
                   "gapscope report $T/run.db --max-mb 0 -o \"$T\"/'%s'", cases[i].output);
        check_files(cases[i].output, cases[i].folder, cases[i].encoded);
        assert_int_equal(check_chunks(), 0);
    }
}

static void what_has_room_is_in_the_page(void **state)
{
    (void)state;
    static const char *const enough[] = {"1", "1000", "18446744073710", "9223372036854775807"};
    for (size_t i = 0; i < sizeof enough / sizeof *enough; i++) {
        char options[64];
        snprintf(options, sizeof options, "--max-mb %s", enough[i]);
        make_page("run.db", options);
        assert_int_equal(check_chunks(), 11);
        assert_non_null(strstr(page.data, "name=\"gapscope-files\" content=\"\""));
        assert_int_equal(access(kit_path("page_files"), F_OK), -1);
    }
    kit_expect(0, "standard output: ", "gapscope report $T/run.db --max-mb 0 >$T/out.html");
    read_page("out.html"); // which has no place for files
    assert_int_equal(check_chunks(), 11);
}

/* Much text of neurons: their blocks go into files, what all pages need does not. */
static void neurons_are_the_first_to_leave_the_page(void **state)
{
    (void)state;
    view_run_write("big.db", view_rows);
    view_run_change(
        "big.db", "WITH RECURSIVE many(k) AS (SELECT 100 UNION ALL SELECT k + 1 FROM many WHERE k <"
                  " 139) INSERT INTO neuron SELECT 1, 0, k, 'post', 1, 0, 1, 0, 1, 0.5,"
                  " json_array(hex(randomblob(20000))) FROM many");
    make_page("big.db", "--max-mb 1");
    assert_true(page.len < 1000000);
    assert_non_null(strstr(page.data, "data-chunk=\"hypothesis/2\""));
    assert_non_null(strstr(page.data, "data-chunk=\"neurons\""));
    assert_non_null(strstr(page.data, "data-chunk=\"neuron/0\""));
    assert_null(strstr(page.data, "data-chunk=\"neuron/2\""));
    assert_int_equal(access(kit_path("page_files/neuron-2.js"), F_OK), 0);
    assert_int_equal(access(kit_path("page_files/neuron-0.js"), F_OK), -1);
    struct json_object *last = NULL;
    make_page("big.db", "--max-mb 9");
    last = chunk("neuron/2");
    assert_int_equal(json_object_array_length(last), 41 - 32);
    json_object_put(last);
    kit_expect(0, NULL, "rm -r $T/page_files");
}

static void what_cannot_be_written_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    kit_expect(1, "No space left", "gapscope report $T/run.db >/dev/full");
    kit_expect(1, "No such file", "gapscope report $T/run.db -o $T/no/report.html");
    kit_expect(1, "no/report_files: No such file",
               "gapscope report $T/run.db --max-mb 0 -o $T/no/report.html");
    kit_expect(1, "irectory", "mkdir $T/there.html; gapscope report $T/run.db -o $T/there.html");
    kit_expect(1, "ot a directory",
               "touch $T/taken_files; gapscope report $T/run.db --max-mb 0 -o $T/taken.html");
    assert_int_equal(access(kit_path("taken.html"), F_OK), -1);
    kit_expect(0, NULL, "test -z \"$(find $T -name '*.tmp-*')\"");
}

static void a_wrong_command_says_what_is_wanted(void **state)
{
    (void)state;
    kit_expect(2, "usage: gapscope report run.db -o report.html", "gapscope report");
    kit_expect(2, "gapscope report", "gapscope report $T/run.db $T/run.db -o $T/x.html");
    kit_expect(2, "--colour", "gapscope report --colour $T/run.db -o $T/x.html");
    static const char *const options[] = {"max-mb", "hits", "examples"};
    static const char *const values[] = {"-1", "x", "''", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            kit_expect(2, "expected a whole number from 0",
                       "gapscope report --%s %s $T/run.db -o $T/x.html", options[i], values[k]);
        }
    }
    assert_int_equal(access(kit_path("x.html"), F_OK), -1);
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
        cmocka_unit_test(the_same_run_has_the_same_page),
        cmocka_unit_test(a_title_is_text_whatever_it_holds),
        cmocka_unit_test(files_beside_are_named_after_the_page),
        cmocka_unit_test(what_has_room_is_in_the_page),
        cmocka_unit_test(neurons_are_the_first_to_leave_the_page),
        cmocka_unit_test(what_cannot_be_written_is_said_and_leaves_nothing),
        cmocka_unit_test(a_wrong_command_says_what_is_wanted),
    };
    const int failed = cmocka_run_group_tests(tests, set_up, kit_remove_folder);
    buf_free(&page);
    return failed;
}
