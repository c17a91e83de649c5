/*
 * Models whose finite weights overflow: what scan refuses or counts, what the other commands say,
 * and log-probs so large that only wide sums hold them.
 */
#include "tests/kit/scan_kit.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "corpora/base/json.h"
#include "tests/kit/scaled_model.h"

#define MODELS " --model base=model/demo/attn-only-1l --model few=$T/few "
#define CORPUS " $T/plain.txt $T/some.txt "

static int set_up(void **state)
{
    setenv("GAPSCOPE", GAPSCOPE_PROGRAM, 1);
    if (kit_make_folder(state)) {
        return -1;
    }
    scaled_write(kit_path("few"), SCALED_NEURON, 6e37F);
    scaled_write(kit_path("large"), SCALED_UNEMBED, 1e9F);
    scaled_write(kit_path("beyond"), SCALED_UNEMBED, 1e36F);
    struct kit_ran r = {0};
    // the first unit of a scan is plain.txt's, which has none
    kit_run(&r, "printf ' the the' >$T/plain.txt; head -c 2000 tests/texts/more-code.txt "
                ">$T/some.txt");
    assert_int_equal(r.status, 0);
    kit_ran_free(&r);
    return 0;
}

// --- what score says -----------------------------------------------------------------------------

/* Of the log-probs that two models give a file: how many, how many of 'few' are null, sums where
 * that is none, and the sum of the gap there. */
struct said {
    uint64_t n, n_null;
    double few, gap;
};

static void add_window(struct said *s, struct json_object *window)
{
    struct json_object *logprob = json_member(window, "logprob");
    struct json_object *base = json_member(logprob, "base"), *few = json_member(logprob, "few");
    for (size_t i = 0; i < json_object_array_length(few); i++) {
        struct json_object *value = json_object_array_get_idx(few, i);
        s->n++;
        s->n_null += value == NULL;
        if (value) {
            const double x = json_object_get_double(value);
            s->few += x;
            s->gap +=
                fmax(x, -6) - fmax(json_object_get_double(json_object_array_get_idx(base, i)), -6);
        }
    }
}

static struct said score(const char *files)
{
    struct said s = {0};
    struct kit_ran r = {0};
    kit_run(&r, "for f in %s; do gapscope score" MODELS "$f || exit 1; done", files);
    assert_int_equal(r.status, 0);
    for (char *line = strtok(r.out.data, "\n"); line; line = strtok(NULL, "\n")) {
        struct json_object *window = NULL;
        struct json_parser *parser = json_parser_new();
        assert_null(strstr(line, "nan"));
        assert_null(strstr(line, "NaN"));
        assert_int_equal(json_parse(parser, &window, line, strlen(line), NULL), 0);
        add_window(&s, window);
        json_object_put(window);
        json_parser_free(parser);
    }
    kit_ran_free(&r);
    return s;
}

static double number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = kit_query(db, "%s", sql);
    assert_true(kit_next(s));
    assert_int_equal(sqlite3_column_type(s, 0), SQLITE_FLOAT);
    const double value = sqlite3_column_double(s, 0);
    assert_false(kit_next(s));
    return value;
}

// --- scan ----------------------------------------------------------------------------------------

static void the_first_unit_refuses_with_the_model_and_the_place(void **state)
{
    (void)state;
    const char *const says[] = {"some.txt: few: ", " log-probs of a unit are not finite",
                                " of document 0, byte ", ": NaN. ", "--allow-not-finite"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        kit_expect(1, says[i], "gapscope scan --no-neurons" MODELS "-o $T/r.db $T/some.txt");
    }
    kit_expect(1, "few: ", "gapscope scan --precision exact" MODELS "-o $T/e.db $T/some.txt");
    kit_expect(1, "few: ", "gapscope scan --dry-run" MODELS "-o $T/d.db $T/some.txt");
    // the same command, allowed, goes on in the file
    kit_expect(0, "log-probs are not finite: no mean and no gap has them",
               "gapscope scan --no-neurons --allow-not-finite" MODELS "-o $T/r.db $T/some.txt");
}

static void what_is_not_finite_is_counted_and_in_no_mean(void **state)
{
    (void)state;
    const struct said s = score(CORPUS);
    assert_true(s.n_null > 20 && s.n - s.n_null > 100);
    kit_expect(0, NULL,
               "gapscope scan --allow-not-finite --precision exact --regex 'word=[a-z]+'" MODELS
               "-o $T/run.db" CORPUS);
    sqlite3 *db = kit_db("run.db");
    assert_int_equal(kit_number(db, "SELECT n_not_finite FROM model WHERE name = 'base'"), 0);
    assert_int_equal(kit_number(db, "SELECT n_not_finite FROM model WHERE name = 'few'"), s.n_null);
    assert_int_equal(kit_number(db, "SELECT tokens FROM model WHERE name = 'few'"), s.n);
    assert_int_equal(kit_number(db, "SELECT tokens FROM pair"), s.n - s.n_null);
    const double n = (double)(s.n - s.n_null);
    assert_true(fabs(number(db, "SELECT mean_logprob FROM model WHERE name = 'few'") - s.few / n) <
                1e-5);
    assert_true(fabs(number(db, "SELECT mean_gap FROM pair") - s.gap / n) < 1e-5);
    assert_int_equal(kit_number(db, "SELECT bits_per_byte IS NULL FROM model WHERE name = 'few'"),
                     1);
    // counts beside means are of what is in them
    static const char *const sums[] = {
        "SELECT sum(n) FROM token_gap", "SELECT sum(n) FROM gap_hist",
        "SELECT sum(n) FROM position_gap", "SELECT sum(tokens) FROM domain_gap"};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        assert_int_equal(kit_number(db, "%s", sums[i]), s.n - s.n_null);
    }
    assert_true(kit_number(db, "SELECT n FROM hypothesis_gap") <
                kit_number(db, "SELECT tokens FROM hypothesis"));
    sqlite3_close(db);
}

static void later_units_are_counted_and_the_status_says_so(void **state)
{
    (void)state;
    assert_int_equal(score(" $T/plain.txt").n_null, 0);
    kit_expect(1, "gapscope scan: some.txt: few: ",
               "gapscope scan --no-neurons --threads 1" MODELS "-o $T/later.db" CORPUS);
    sqlite3 *db = kit_db("later.db");
    assert_true(kit_number(db, "SELECT n_not_finite FROM model WHERE name = 'few'") > 0);
    assert_int_equal(kit_number(db, "SELECT value <> '' FROM meta WHERE key = 'finished'"), 1);
    sqlite3_close(db);
    kit_expect(1, "nothing is left to do",
               "gapscope scan --no-neurons --threads 1" MODELS "-o $T/later.db" CORPUS);
    kit_expect(0, "nothing is left to do",
               "gapscope scan --no-neurons --allow-not-finite" MODELS "-o $T/later.db" CORPUS);
}

static void counts_merge_and_do_not_depend_on_how_the_scan_ran(void **state)
{
    (void)state;
#define SCAN "gapscope scan --no-neurons --allow-not-finite --regex 'word=[a-z]+'" MODELS
    char whole[33], merged[33];
    kit_expect(0, NULL, SCAN "--threads 2 -o $T/whole.db" CORPUS);
    kit_expect(0, NULL, SCAN "--part 0/2 -o $T/p0.db" CORPUS);
    kit_expect(0, NULL, SCAN "--part 1/2 -o $T/p1.db" CORPUS);
    kit_expect(0, NULL, "gapscope merge -o $T/merged.db $T/p1.db $T/p0.db");
    kit_digest(whole, "whole.db");
    kit_digest(merged, "merged.db");
    assert_string_equal(whole, merged);
}

static void a_model_without_a_number_has_no_mean(void **state)
{
    (void)state;
    kit_expect(0, "which is more than sums hold",
               "gapscope scan --no-neurons --allow-not-finite --model $T/beyond --precision exact "
               "-o $T/beyond.db $T/some.txt");
    sqlite3 *db = kit_db("beyond.db");
    assert_true(kit_number(db, "SELECT n_not_finite FROM model") >
                kit_number(db, "SELECT tokens / 2 FROM model"));
    sqlite3_close(db);
}

static void large_log_probs_are_summed_as_they_are(void **state)
{
    (void)state;
    double loss = 0;
    struct kit_ran r = {0};
    kit_run(&r, "gapscope score --model $T/large $T/some.txt");
    assert_int_equal(r.status, 0);
    const char *at = strstr(r.err.data, "loss ");
    assert_non_null(at);
    loss = strtod(at + 5, NULL);
    assert_true(loss > 1e9);
    kit_ran_free(&r);
    kit_expect(0, NULL,
               "gapscope scan --no-neurons --model $T/large --precision exact "
               "-o $T/large.db $T/some.txt");
    sqlite3 *db = kit_db("large.db");
    assert_int_equal(kit_number(db, "SELECT n_not_finite FROM model"), 0);
    assert_true(fabs(number(db, "SELECT mean_logprob FROM model") / -loss - 1) < 1e-9);
    sqlite3_close(db);
}

// --- other commands ------------------------------------------------------------------------------

static void other_commands_say_how_many(void **state)
{
    (void)state;
    kit_expect(1, "log-probs on BOS + \"Hello world!\" are not finite: its weights overflow",
               "gapscope model few=$T/few");
    kit_expect(0, "log-probs are not finite: they are null",
               "gapscope score --top 2 --entropy" MODELS "$T/some.txt >$T/out");
    kit_expect(0, "values are not finite: they are null",
               "gapscope acts --model few=$T/few --neuron L0N7 $T/some.txt >$T/acts");
    kit_expect(0, "logits, log-probs and effects are not finite",
               "gapscope minimal --json --model few=$T/few --answers ' is' ' are' 'The dog' 'The "
               "cat' >$T/minimal");
    kit_expect(1, NULL, "cat $T/out $T/acts $T/minimal | grep -iE '[^a-z]-?(nan|inf)'");
    kit_expect(0, NULL, "grep -q null $T/out && grep -q null $T/acts && grep -q null $T/minimal");
}

static void views_show_how_many(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope scan --no-neurons --allow-not-finite" MODELS "-o $T/view.db" CORPUS);
    kit_expect(0, NULL,
               "gapscope top $T/view.db | grep -q '^few: [0-9]* of [0-9]* log-probs are "
               "not finite'");
    kit_expect(0, NULL,
               "gapscope top $T/view.db -n 1 --json | grep -q "
               "'\"not_finite\":\\[{\"name\":\"few\",\"n_not_finite\":[1-9]'");
    kit_expect(0, NULL,
               "gapscope export $T/view.db --format csv -o $T/csv && head -1 $T/csv/model.csv | "
               "grep -q n_not_finite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_unit_refuses_with_the_model_and_the_place),
        cmocka_unit_test(what_is_not_finite_is_counted_and_in_no_mean),
        cmocka_unit_test(later_units_are_counted_and_the_status_says_so),
        cmocka_unit_test(counts_merge_and_do_not_depend_on_how_the_scan_ran),
        cmocka_unit_test(a_model_without_a_number_has_no_mean),
        cmocka_unit_test(large_log_probs_are_summed_as_they_are),
        cmocka_unit_test(other_commands_say_how_many),
        cmocka_unit_test(views_show_how_many),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
