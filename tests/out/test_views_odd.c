/*
 * A run.db whose columns hold what does not belong there, in a terminal and as JSON: text, blobs,
 * infinities, large and negative numbers, control characters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/json.h"
#include "corpora/base/utf8.h"
#include "out/read/real_text.h"
#include "out/text/printable.h"
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
    view_run_change("run.db", view_trigram_rows);
    return 0;
}

/* A fresh copy of the run, changed. */
static void change(const char *sql)
{
    kit_expect(0, NULL, "cp $T/run.db $T/odd.db");
    view_run_change("odd.db", sql);
}

static void expect(const char *command, const char *wanted)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 || !strstr(r.out.data, wanted)) {
        fail_msg("%s\nstatus %d\n%s%s\nwanted: %s", command, r.status, r.out.data, r.err.data,
                 wanted);
    }
    kit_ran_free(&r);
}

/* What the path leads to is null in the command's JSON. */
static void expect_null(const char *command, const char *path)
{
    struct json_object *value = view_run_json(command), *at;
    char parent[128];
    const char *dot = strrchr(path, '.');
    assert_non_null(value);
    snprintf(parent, sizeof parent, "%.*s", (int)(dot ? dot - path : 0), path);
    at = follow(value, parent);
    assert_true(json_object_is_type(at, json_type_object));
    assert_true(json_object_object_get_ex(at, dot ? dot + 1 : path, &at));
    assert_null(at);
    json_object_put(value);
}

// --- tests ---------------------------------------------------------------------------------------

static void text_in_a_number_column_is_a_dash(void **state)
{
    (void)state;
    static const char *const values[] = {"'abc'", "x'00ff'", "NULL", "9e999", "-9e999"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char sql[1024];
        snprintf(sql, sizeof sql,
                 "UPDATE pair SET mean_gap = %s, se = %s, share_other_better = %s;"
                 "UPDATE domain_gap SET mean_gap = %s, se = %s; UPDATE effect SET value = %s;"
                 "UPDATE neuron SET mean = %s, sd = %s, min = %s, share_positive = %s;"
                 "UPDATE score SET average_precision = %s, recall = %s",
                 values[i], values[i], values[i], values[i], values[i], values[i], values[i],
                 values[i], values[i], values[i], values[i], values[i]);
        change(sql);
        expect("gapscope top $T/odd.db", "\nmean gap - +- - nats per token, above 0 (");
        expect("gapscope top $T/odd.db", " better) on - %\n");
        expect("gapscope top $T/odd.db --domains", "         -         -\n");
        expect("gapscope neuron $T/odd.db L0N5",
               "\nmean -, sd -, min -, max +5.0000, above 0 on - %");
        expect("gapscope neuron $T/odd.db L0N5", "\n  none           none           none  ");
        expect_null("gapscope top $T/odd.db --domains -n 1 --json", "mean_gap");
        expect_null("gapscope neuron $T/odd.db L0N5 --json", "mean");
    }
    change("UPDATE hypothesis SET docs = 'abc', aborted = x'00'; UPDATE token_gap SET n = 'x'");
    expect("gapscope hypo $T/odd.db", "  -  ");
    expect("gapscope top $T/odd.db --tokens", "           -");
    expect_null("gapscope top $T/odd.db --tokens -n 1 --json", "n");
}

static void what_is_below_0_is_no_count(void **state)
{
    (void)state;
    change("UPDATE domain SET docs = -5; UPDATE domain_gap SET tokens = -9223372036854775808;"
           "UPDATE hypothesis SET docs = -1; UPDATE hit SET duplicates = -1");
    expect("gapscope top $T/odd.db --domains", "           -             -");
    kit_expect(1, NULL, "gapscope top $T/odd.db | grep -E '[0-9]{18}'");
    kit_expect(1, NULL, "gapscope hypo $T/odd.db | grep -E '[0-9]{18}'");
}

static void large_numbers_are_short(void **state)
{
    (void)state;
    char text[REAL_TEXT];
    real_text(text, 1.5e308, 4, true);
    assert_string_equal(text, "+1.500e+308");
    real_text(text, -1e15, 2, false);
    assert_string_equal(text, "-1.000e+15");
    real_text(text, 999999999999999.0, 1, false);
    assert_string_equal(text, "999999999999999.0");
    change("UPDATE neuron SET max = 1e308, sd = 2.4e20; UPDATE score SET threshold = 1e300");
    expect("gapscope neuron $T/odd.db L0N5", "sd 2.400e+20, min -0.4000, max +1.000e+308,");
    kit_expect(1, NULL, "gapscope hypo $T/odd.db base64 | grep -E '[0-9]{18}'");
}

/* The greatest and the least whole number stop no query, and a list of them is JSON. */
static void the_greatest_whole_numbers_stop_nothing(void **state)
{
    (void)state;
    change("UPDATE trigram SET mean_logprob = '{\"one\":-9223372036854775808,\"two\":-1}';"
           "UPDATE effect SET value = -9223372036854775808");
    expect("gapscope trigrams $T/odd.db --id 0", "two -1.00");
    kit_expect(0, NULL, "gapscope export $T/odd.db --format neuronpedia -o $T/pedia");
    json_object_put(view_run_json("gapscope trigrams $T/odd.db --id 0 --json"));
}

static void a_model_whose_sizes_are_damaged_has_no_neurons(void **state)
{
    (void)state;
    static const char *const values[] = {"-9223372036854775807 - 1", "0", "'abc'", "NULL"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "UPDATE model SET n_layers = %s", values[i]);
        change(sql);
        kit_expect(1, "has no L0N5: the row of one in table \"model\" is damaged",
                   "gapscope neuron $T/odd.db L0N5");
        snprintf(sql, sizeof sql, "UPDATE model SET d_mlp = %s", values[i]);
        change(sql);
        kit_expect(1, "n_layers or d_mlp is no number above 0",
                   "gapscope hypo $T/odd.db digits --neuron one:L0N5");
    }
}

/* In each text column in turn: an escape sequence, a title, an 8-bit one, an override. */
static void no_text_drives_the_terminal(void **state)
{
    (void)state;
#define HOSTILE "char(27) || '[31m' || char(27) || ']0;x' || char(7, 155, 8, 127, 8238, 8295)"
    static const char *const columns[][2] = {
        {"model", "name"},
        {"model", "act_fn"},
        {"model", "site"},
        {"token", "text"},
        {"hit", "token_text"},
        {"hit", "before"},
        {"hit", "after"},
        {"hit", "detail"},
        {"shard", "name"},
        {"domain", "name"},
        {"hypothesis", "name"},
        {"hypothesis", "kind"},
        {"hypothesis", "spec"},
        {"token_gap", "token_text"},
        {"trigram", "a_text"},
        {"trigram", "c_text"},
        {"trigram_model", "verdict"},
        {"trigram_neuron", "kind"},
        {"trigram", "mean_logprob"},
        {"meta", "value"},
        {"pair", "others"},
    };
    static const char *const views[] = {
        "top $T/odd.db",           "top $T/odd.db --tokens", "top $T/odd.db --kinds",
        "top $T/odd.db --domains", "neuron $T/odd.db L0N5",  "hypo $T/odd.db",
        "hypo $T/odd.db base64",   "trigrams $T/odd.db",     "trigrams $T/odd.db --id 0",
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = " HOSTILE " || rowid",
                 columns[i][0], columns[i][1]);
        if (strcmp(columns[i][0], "hit") == 0 || strcmp(columns[i][0], "token_gap") == 0 ||
            strncmp(columns[i][0], "trigram_", 8) == 0) { // without rowid
            snprintf(sql, sizeof sql, "UPDATE %s SET %s = " HOSTILE, columns[i][0], columns[i][1]);
        }
        change(sql);
        for (size_t k = 0; k < sizeof views / sizeof *views; k++) {
            struct kit_ran r = {0};
            kit_run(&r, "gapscope %s 2>&1", views[k]);
            assert_true(r.status == 0 || r.status == 1);
            size_t left = r.out.len, used;
            for (const char *at = r.out.data; left > 0; at += used, left -= used) {
                const uint32_t c = utf8_decode(at, left, &used);
                if (c != '\n' && (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 8238 || c == 8295)) {
                    fail_msg("%s.%s: %s has character %u: %.40s", columns[i][0], columns[i][1],
                             views[k], c, at);
                }
            }
            kit_ran_free(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_in_a_number_column_is_a_dash),
        cmocka_unit_test(what_is_below_0_is_no_count),
        cmocka_unit_test(large_numbers_are_short),
        cmocka_unit_test(the_greatest_whole_numbers_stop_nothing),
        cmocka_unit_test(a_model_whose_sizes_are_damaged_has_no_neurons),
        cmocka_unit_test(no_text_drives_the_terminal),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
