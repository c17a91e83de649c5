#include "tests/kit/view_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "corpora/base/json.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/tally_whole.h"

static const char empty_tables[] =
    "DELETE FROM token; DELETE FROM bin; DELETE FROM neuron; DELETE FROM example; "
    "DELETE FROM effect; DELETE FROM hypothesis; DELETE FROM hypothesis_domain; "
    "DELETE FROM score; DELETE FROM split_hist; DELETE FROM counterexample; "
    "DELETE FROM hypothesis_gap;";

const char view_rows[] =
    "UPDATE model SET site = 'post' WHERE name = 'one';"
    "INSERT INTO token VALUES(0, '<|EOS|>'), (1, ' the'), (2, 'a'), (3, '\\xE2\\x82'),"
    " (4, char(10)), (5, 'e'), (6, 'f'), (7, 'g'), (8, 'h'), (9, 'i');"
    "INSERT INTO bin VALUES(0, NULL, -0.5), (1, -0.5, -0.125), (2, -0.125, 0.125), (3, 0.125, 0.5),"
    " (4, 0.5, 1), (5, 1, 2), (6, 2, 4), (7, 4, NULL);"
    "INSERT INTO neuron VALUES(1, 0, 5, 'post', 1111, 0.25, 1.5, 2.75, 12.5, -0.4, 5,"
    " 0.125, '[[1,10],[2,1000],[4,100],[7,1]]', 2);"
    "INSERT INTO example VALUES"
    " (1, 0, 5, 'top', 1, 5, NULL, NULL, 1, 7, 40, 41, 2, '[1,2,4,5,6]', '[0.1,4,5,null,2.6]',"
    "  '[0]'),"
    " (1, 0, 5, 'top', 2, 4.5, NULL, NULL, 0, 3, 30, 31, 0, '[2,1]', '[4.5,0]', '[0,2]'),"
    " (1, 0, 5, 'top', 3, 4, NULL, NULL, 0, 4, 20, 21, 0, '[5]', '[4]', '[1]'),"
    " (1, 0, 5, 'top', 4, 3, NULL, NULL, 0, 5, 10, 11, 0, '[6]', '[3]', '[]'),"
    " (1, 0, 5, 'interval', 1, 3.5, 3, 4, 0, 6, 1, 2, 0, '[7]', '[3.5]', '[]'),"
    " (1, 0, 5, 'interval', 2, 3.25, 3, 4, 0, 7, 1, 2, 0, '[8]', '[3.25]', '[]'),"
    " (1, 0, 5, 'interval', 3, 2.5, 2, 3, 0, 8, 1, 2, 0, '[9]', '[2.5]', '[]'),"
    " (1, 0, 5, 'random', 1, 0.01, NULL, NULL, 0, 9, 1, 2, 1, '[1,2]', '[0.01,0.01]', '[]'),"
    " (1, 0, 5, 'bottom', 1, -0.4, NULL, NULL, 0, 10, 1, 2, 0, '[2,5]', '[-0.4,-0.3]', '[]');"
    "INSERT INTO effect VALUES(1, 0, 5, 'output_top', 1, 1, 1.5), (1, 0, 5, 'output_top', 2, 2, 1),"
    " (1, 0, 5, 'output_bottom', 1, 4, -2), (1, 0, 5, 'input_top', 1, 3, 0.5);"
    "INSERT INTO hypothesis VALUES"
    " (0, 'base64', 'regex', '{\"regex\":\"[a-z]  +\"}', 12, 4, 1, 1200, 'this'),"
    " (1, 'digits', 'regex', '{}', 24, 5, 0, 1200, 'next'),"
    " (2, 'seen', 'code', '{}', 720, 11, 0, 1200, 'this');"
    "INSERT INTO hypothesis_domain VALUES(0, 0, 600, 12, 0.02), (0, 1, 600, 0, 0);"
    "INSERT INTO score SELECT h.id, 1, 0, n.idx, s.split, 51, 410, 4, 0.1106, 2, 0.1, 0.5, 0.25,"
    " 0.91, 0.0012, (0.8 - h.id * 0.1 - (n.idx - 5) * 0.3) * s.scale, h.id * 0.004, 0.5, 0.75, "
    "0.625, 0.5, "
    "0.4375,"
    " 0.0625, 0.9, 0.5 FROM hypothesis h, (SELECT 5 AS idx UNION SELECT 6) n,"
    " (SELECT 'dev' AS split, 1.0 AS scale UNION SELECT 'test', 0.5 UNION SELECT 'all', 0.75) s;"
    "INSERT INTO split_hist VALUES(0, 1, 0, 5, 'dev', '[[4,40]]', '[[2,600]]'),"
    " (0, 1, 0, 5, 'test', '[[4,50],[7,1]]', '[[2,400],[4,10]]');"
    "INSERT INTO counterexample VALUES"
    " (0, 1, 0, 5, 'fires_without', 1, 2.5, 1, 2, 8, 9, 3, '[2,5,6,7,8]', '[2.5,0,0,2.5,0]', "
    "'[0,1,4]'),"
    " (0, 1, 0, 5, 'silent_with', 1, -0.2, 0, 2, 8, 9, 1, '[2,5]', '[0,-0.2]', '[1]');"
    "INSERT INTO hypothesis_gap VALUES(0, 0, 12, 6, 0.5, 0.01, 0.125, 0.001, 0.25, 0.25, 0.3, 0.3),"
    " (0, 1, 24, 3, -0.5, 0.01, 0.25, 0.001, -0.125, -0.0625, 0.1, 0.05);"
    "UPDATE hit SET detail = iif(rank = 2, '{\"hypotheses\":[]}', "
    "'{\"hypotheses\":[\"digits\"]}');";

const char view_trigram_rows[] =
    "INSERT OR REPLACE INTO meta VALUES('trigrams_tested', '2'), ('trigrams', '{\"file\":"
    "\"c.ngrams\",\"hash\":\"ab\",\"rule\":{\"count\":10,\"high\":0.5,\"low\":0.1,\"gap\":0.5,"
    "\"most\":6,\"test\":2},\"funnel\":{\"trigrams\":9000,\"frequent\":800,\"predictable\":90,"
    "\"bigram\":50,\"skip\":20,\"added\":10,\"candidates\":10,\"kept\":6},\"trials\":{\"docs\":2,"
    "\"interaction\":0.5,\"sure\":2,\"and\":0.5,\"share\":0.25}}');"
    "INSERT INTO trigram VALUES"
    " (0, 1, 2, 4, ' the', 'a', char(10), 40, 50, 60, 700, 800, 0.8, 0.05, 0.01, 0.02, 0.03, 0.025,"
    "  0.1, 12, 6, '{\"base\":-3,\"one\":-1,\"two\":-0.5}', 24, 1, '[5,6]', '[7,8,4]', 14, 30, 40,"
    "  916),"
    " (1, 2, 5, 6, 'a', 'e', 'f', 20, 25, 30, 40, 50, 0.75, 0.01, 0, 0, 0, 0, 0.02, 8, 1,"
    "  '{\"base\":-4,\"one\":-1.5}', 20, 0, NULL, NULL, 8, 1, 2, 900),"
    " (2, 5, 6, 7, 'e', 'f', 'g', 30, 50, 30, 40, 50, 0.6, 0.02, 0, 0, 0, 0, 0.02, 4, 3,"
    "  '{\"base\":-2,\"one\":-1.25}', 3, 1, '[]', NULL, NULL, NULL, NULL, NULL),"
    " (3, 4, 1, 2, char(10), ' the', 'a', 70, 100, 30, 40, 50, 0.7, 0.03, 0, 0, 0, 0, 0.02, 20, 9,"
    "  '{}', 5, 0, NULL, NULL, 1, 2, 3, 4),"
    " (4, 8, 9, 2, 'h', 'i', 'a', 11, 20, 30, 40, 50, 0.55, 0.04, 0, 0, 0, 0, 0.02, 0, 0, '{}',"
    "  NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL),"
    " (5, 7, 8, 9, 'g', 'h', 'i', 500, 505, 30, 40, 50, 0.99, 0.05, 0, 0, 0, 0, 0.02, 10, 4, '{}',"
    "  10, 0, NULL, NULL, 1, 2, 3, 4);"
    "INSERT INTO trigram_gap VALUES(0, 0, 2, 0.25), (1, 0, 1.5, 0.125), (0, 1, 2.5, 0.5),"
    " (0, 2, 0.75, 0.0625), (0, 3, 0.25, 0.03), (0, 5, 1, 0.1), (1, 5, 3, 0.2);"
    "INSERT INTO trigram_example VALUES"
    " (0, 'place', 1, 1, 7, 40, 41, 3, '[9,1,2,4,5]', '[-3.25,-1.5,-0.25]'),"
    " (0, 'place', 2, 0, 3, 30, 31, 2, '[1,2,4]', '[-2,null,\"x\"]'),"
    " (0, 'elsewhere', 1, 0, 4, 20, 21, 1, '[5,2,6]', NULL);"
    "INSERT INTO trigram_model(trigram, model, contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx,"
    " interaction, se, verdict, layer, idx) VALUES"
    " (0, 0, 3, 9, -3, -3.5, -4, -4.5, 0, 0.125, 'no neurons', NULL, NULL),"
    " (0, 1, 4, 12, -0.5, -4.25, -5, -6, 2.75, 0.25, 'AND-like', 0, 5),"
    " (0, 2, 4, 12, -0.25, -1, -5, -6, -0.25, 0.5, 'B-only', 0, 7),"
    " (2, 1, 2, 4, -1, -2, -3, -3.5, 0.5, 0.75, 'no interaction', NULL, NULL),"
    " (2, 2, 2, 4, -1, -5, -6, -7, 3, 0.5, 'spread', NULL, NULL);"
    "INSERT INTO trigram_neuron(trigram, model, layer, idx, rank, kind, corpus_ab, corpus_xb,"
    " corpus_ax, corpus_xx, corpus_interaction, ab, xb, ax, xx, interaction, se, direct, share,"
    " ablated, ablated_se, ablated_elsewhere) VALUES"
    " (0, 1, 0, 5, 1, 'AND-like', 2.5, 0.25, 0.125, 0, 2.125, 2.31, 0.12, 0.2, 0.02, 2.01, 0.1,"
    "  1.5, 0.25, -1.92, 0.11, -0.05),"
    " (0, 1, 0, 6, 2, 'none', 1, 1, 1, 1, 0, 0.5, 0.5, 0.5, 0.5, 0, 0.01, -0.5, NULL, 0.125, 0.01,"
    "  NULL),"
    " (0, 2, 0, 7, 1, 'B-only', 3, 3, 0, 0, 0, 3.25, 3, 0.5, 0, -0.25, 0.2, 0.75, 0.5, -0.001, 0.3,"
    "  0.25),"
    " (2, 2, 0, 9, 1, 'none', 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0.01, 0.5, 0.125, -0.75, 0.05, 0);";

void view_run_write(const char *name, const char *sql)
{
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    struct store *s = NULL;
    bool exists;
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(&r, t, unit);
    }
    r.counted = true;
    r.n_units = SAMPLE_UNITS;
    assert_int_equal(store_open(&s, kit_path(name), &exists, NULL), 0);
    assert_int_equal(store_checkpoint(s, &r, &results, true, NULL, NULL), 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
    view_run_change(name, empty_tables);
    view_run_change(name, sql);
}

void view_run_change(const char *name, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(kit_path(name), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL); // it outlives no crash
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(db);
}

const char *view_run_damage(const char *name, const char *table, const char *column, size_t k)
{
    static const char *const values[VIEW_RUN_DAMAGES] = {
        "NULL",
        "''",
        "'['",
        "'{\"a\":1}'",
        "'[NaN,-Infinity]'",
        "'[[0,5],[1],[2,-3],7,[99,1]]'",
        "'[[1,9223372036854775807],[2,9223372036854775807]]'",
        "'[1e999,-1e999,null,\"x\"]'",
        "x'ff00fe'",
        "'</script><!--'",
        "-1",
        "9223372036854775807",
        "1e308",
        "-1e308",
        "replace(hex(zeroblob(1000)), '0', '[')",
    };
    static char sql[256];
    snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s", table, column, values[k]);
    view_run_change(name, sql);
    return sql;
}

/* What the command prints, as one JSON value; NULL: it said why not and ended with 1. */
struct json_object *view_run_json(const char *command)
{
    struct kit_ran r = {0};
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    struct err err = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 && (r.status != 1 || r.err.len == 0)) {
        fail_msg("%s: status %d: %s", command, r.status, r.err.data);
    }
    if (r.status == 0 && json_parse(parser, &value, r.out.data, r.out.len, &err)) {
        fail_msg("%s: %s\n%s", command, err.msg, r.out.data);
    }
    json_parser_free(parser);
    kit_ran_free(&r);
    return value;
}

struct json_object *follow(struct json_object *value, const char *path)
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
