/*
 * export as people run it, on a run.db whose tables the tests write: what is foreign, damaged or
 * missing.  That whole exports hold what run.db holds is tests/python/export_read's.
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

/* The command must end well and print 'wanted', both of them whole. */
static void expect(const char *command, const char *wanted)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 || strcmp(r.out.data, wanted) != 0) {
        fail_msg("%s\nstatus %d\n%s%s\nwanted: %s", command, r.status, r.out.data, r.err.data,
                 wanted);
    }
    kit_ran_free(&r);
}

static const char *plain(struct json_object *value)
{
    return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

#define EXPORT(format, to) "gapscope export $T/run.db --format " format " -o $T/" to

// --- tests ---------------------------------------------------------------------------------------

static void csv_quotes_what_would_end_a_field_and_tells_null_from_empty(void **state)
{
    (void)state;
    view_run_write("csv.db", view_rows);
    view_run_change(
        "csv.db", "DELETE FROM meta WHERE key NOT IN ('finished', 'units');"
                  "INSERT INTO meta VALUES('a,b', 'say \"x\"'), ('line', 'one' || char(13, 10) || "
                  "'two'), ('empty', ''), ('null', NULL), ('bad', CAST(x'61ff62' AS TEXT)),"
                  " (' blank ', 'é');"
                  "DELETE FROM bin; INSERT INTO bin VALUES(9223372036854775807, 0.1, NULL),"
                  " (-1, NULL, 1e999), (2, -2.5, 1.0000000000000002), (3, -1e-300, 3)");
    expect("gapscope export $T/csv.db --format csv -o $T/csv; cat $T/csv/bin.csv",
           "id,lo,hi\r\n-1,,inf\r\n2,-2.5,1.0000000000000002\r\n3,-1e-300,3\r\n"
           "9223372036854775807,0.1,\r\n");
    expect("grep -v -e '^finished' -e '^units' $T/csv/meta.csv",
           "key,value\r\n\"a,b\",\"say \"\"x\"\"\"\r\nline,\"one\r\ntwo\"\r\nempty,\"\"\r\n"
           "null,\r\nbad,a\xef\xbf\xbd"
           "b\r\n blank ,\xc3\xa9\r\n");
    expect("gapscope export $T/csv.db --format jsonl -o $T/jsonl; cat $T/jsonl/bin.jsonl",
           "{\"id\":-1,\"lo\":null,\"hi\":null}\n{\"id\":2,\"lo\":-2.5,\"hi\":1.0000000000000002}\n"
           "{\"id\":3,\"lo\":-1e-300,\"hi\":3}\n"
           "{\"id\":9223372036854775807,\"lo\":0.1,\"hi\":null}\n");
}

static void every_table_but_state_is_a_file(void **state)
{
    (void)state;
    expect(EXPORT("csv", "all") "; ls $T/all | tr '\\n' ' '",
           "answer.csv bin.csv compare.csv compare_domain.csv compare_hist.csv "
           "compare_hypothesis.csv compare_kind.csv compare_percentile.csv "
           "composition.csv counterexample.csv depth.csv document.csv document_gap.csv "
           "document_loss.csv domain.csv domain_gap.csv domain_loss.csv effect.csv "
           "example.csv gap_credit.csv gap_hist.csv head.csv head_example.csv "
           "head_label.csv hit.csv hypothesis.csv hypothesis_difference.csv "
           "hypothesis_domain.csv hypothesis_gap.csv hypothesis_loss.csv kind_gap.csv "
           "kind_loss.csv mean_value.csv meta.csv model.csv neuron.csv pair.csv "
           "position_gap.csv reject.csv score.csv shard.csv skip.csv skip_bug.csv "
           "skip_component.csv skip_example.csv skip_fix.csv skip_model.csv "
           "split_hist.csv token.csv token_gap.csv token_mean.csv token_mean_token.csv "
           "trigram.csv trigram_example.csv trigram_gap.csv trigram_model.csv "
           "trigram_neuron.csv ");
    expect(EXPORT("jsonl", "all2") "; cat $T/all2/counterexample.jsonl | head -1",
           "{\"hypothesis\":0,\"model\":1,\"layer\":0,\"idx\":5,\"kind\":\"fires_without\",\"rank\""
           ":1,\"activation\":2.5,\"shard\":1,\"doc\":2,\"byte_start\":8,\"byte_end\":9,"
           "\"token_index\":3,\"tokens\":[2,5,6,7,8],\"activations\":[2.5,0,0,2.5,0],\"labelled\":"
           "[0,1,4]}\n");
}

static void a_record_of_a_neuron_has_what_run_db_has(void **state)
{
    (void)state;
    // of the strongest the first has a null among its activations: left out
    kit_expect(0,
               "1 example left out: its tokens or activations cannot be read\n"
               "gapscope export: finished 20",
               EXPORT("neuronrecord", "records"));
    expect("ls $T/records $T/records/one $T/records/one/0 | grep -v :", "one\n\n0\n\n5.json\n");
    struct json_object *r = view_run_json("cat $T/records/one/0/5.json");
    static const struct {
        const char *key, *value;
    } members[] = {
        {"dataclass_name", "\"NeuronRecord\""},
        {"neuron_id", "{\"dataclass_name\":\"NeuronId\",\"layer_index\":0,\"neuron_index\":5}"},
        {"random_sample", "[{\"dataclass_name\":\"ActivationRecord\",\"tokens\":[\" the\",\"a\"],"
                          "\"activations\":[0.01,0.01]}]"},
        {"random_sample_by_quantile", "null"},
        {"quantile_boundaries", "null"},
        {"mean", "0.25"},
        {"variance", "2.25"},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        assert_string_equal(plain(json_member(r, members[i].key)), members[i].value);
    }
    struct json_object *top = json_member(r, "most_positive_activation_records");
    assert_int_equal(json_object_array_length(top), 3);
    assert_string_equal(plain(json_object_array_get_idx(top, 0)),
                        "{\"dataclass_name\":\"ActivationRecord\",\"tokens\":[\"a\",\" the\"],"
                        "\"activations\":[4.5,0]}");
    json_object_put(r);
    view_run_write("ids.db", view_rows); // a scan of ids has no texts
    view_run_change("ids.db", "DELETE FROM token");
    kit_expect(0, NULL, "gapscope export $T/ids.db --format neuronrecord -o $T/ids");
    r = view_run_json("cat $T/ids/one/0/5.json");
    assert_non_null(strstr(plain(r), "[\"<1>\",\"<2>\"]"));
    json_object_put(r);
}

static void a_source_of_neuronpedia_has_a_line_a_neuron_an_example_and_a_hypothesis(void **state)
{
    (void)state;
#define SOURCE "$T/pedia/v1/one/0-gapscope-post"
    kit_expect(0, "wrote neuronpedia: 1 neuron with 8 examples in 6 files",
               EXPORT("neuronpedia", "pedia"));
    struct json_object *f = view_run_json("zcat " SOURCE "/features/batch-0.jsonl.gz");
    assert_string_equal(plain(json_member(f, "pos_str")), "[\" the\",\"a\"]");
    assert_string_equal(plain(json_member(f, "neg_values")), "[-2]");
    assert_string_equal(plain(json_member(f, "index")), "\"5\"");
    assert_string_equal(plain(json_member(f, "hookName")), "\"blocks.0.mlp.hook_post\"");
    // bins: 100 in 0.5 to 1, 1 above 4; bars of 0.1
    struct json_object *bars = json_member(f, "freq_hist_data_bar_heights");
    int64_t sum = 0;
    for (size_t i = 0; i < json_object_array_length(bars); i++) {
        sum += json_object_get_int64(json_object_array_get_idx(bars, i));
    }
    assert_int_equal(sum, 101);
    assert_int_equal(json_object_get_int64(json_object_array_get_idx(bars, 7)), 20);
    json_object_put(f);
    struct json_object *e = view_run_json("zcat " SOURCE "/explanations/batch-0.jsonl.gz");
    assert_non_null(
        strstr(json_object_get_string(json_member(e, "description")),
               "base64 (regex): on the test half average precision 0.400 where 11.1 % "));
    json_object_put(e);
    struct json_object *a = view_run_json(
        "zcat " SOURCE "/activations/batch-0.jsonl.gz | grep '\"interval\"' | head -1");
    assert_string_equal(plain(json_member(a, "binMin")), "3");
    assert_string_equal(plain(json_member(a, "dataIndex")), "\"0:6:1\"");
    json_object_put(a);
    expect("zcat " SOURCE "/activations/batch-0.jsonl.gz | wc -l", "8\n");
    view_run_write("zero.db", view_rows); // 1000 tokens are 0, which is not above 0
    view_run_change("zero.db", "UPDATE bin SET lo = 0, hi = 0 WHERE id = 2");
    kit_expect(0, NULL, "gapscope export $T/zero.db --format neuronpedia -o $T/zero");
    f = view_run_json("zcat $T/zero/v1/one/0-gapscope-post/features/batch-0.jsonl.gz");
    bars = json_member(f, "freq_hist_data_bar_heights");
    assert_int_equal(json_object_get_int64(json_object_array_get_idx(bars, 0)), 0);
    assert_int_equal(json_object_get_int64(json_object_array_get_idx(bars, 7)), 20);
    json_object_put(f);
    view_run_write("weak.db", view_rows); // a guess that the other half does not bear out
    view_run_change("weak.db", "UPDATE score SET average_precision = 0.1 WHERE split = 'test'");
    kit_expect(0, "in 5 files", "gapscope export $T/weak.db --format neuronpedia -o $T/weak");
}

static void names_of_a_run_become_files_in_the_folder_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *folder;
    } names[] = {
        {"'../x'", "%2E.%2Fx"},
        {"'..'", "%2E."},
        {"'a/b'", "a%2Fb"},
        {"'/tmp'", "%2Ftmp"},
        {"''", "%"},
        {"NULL", "%"},
        {"'a' || char(10, 27) || 'b'", "a%0A%1Bb"},
        {"'-rf'", "%2Drf"},
        {"'100%'", "100%25"},
        {"'é'", "%C3%A9"},
        {"CAST(x'ff' AS TEXT)", "%FF"},
        {"x'610062'", "a%00b"},
        {"5", "5"},
        {"replace(hex(zeroblob(50)), '0', 'x') || 'y'", NULL}, // 101 letters: cut
        {"replace(hex(zeroblob(5000)), '0', '/')", NULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char sql[256], wanted[256];
        view_run_write("names.db", view_rows);
        snprintf(sql, sizeof sql, "UPDATE model SET name = %s WHERE id = 1", names[i].sql);
        view_run_change("names.db", sql);
        kit_expect(
            0, NULL,
            "cd $T && mkdir in && cd in && gapscope export ../names.db --format neuronrecord "
            "-o out && gapscope export ../names.db --format neuronpedia -o out2");
        if (names[i].folder) {
            snprintf(wanted, sizeof wanted, "%s\nout\nout2\n", names[i].folder);
            expect("ls $T/in/out; ls $T/in", wanted);
        }
        expect(
            "ls $T/in/out | wc -lL | awk '{print $1, $2 < 128}'; find $T/in -name 5.json | wc -l;"
            " find $T/in -name batch-0.jsonl.gz | wc -l; rm -r $T/in $T/names.db",
            "1 1\n1\n3\n");
    }
    // two of one name, and a name that looks like what the second becomes
    view_run_write("names.db", view_rows);
    view_run_change(
        "names.db",
        "UPDATE model SET name = 'x' WHERE id > 0; UPDATE model SET name = 'x%_2' WHERE id "
        "= 0; INSERT INTO neuron SELECT id, layer, idx, n.site, n, mean, sd, skewness, kurtosis,"
        " min, max, share_positive, hist, left_out FROM neuron n, model m WHERE m.id <> 1");
    expect("gapscope export $T/names.db --format neuronrecord -o $T/two; ls $T/two",
           "x\nx%25_2\nx%_2\n");
    view_run_change("names.db", "CREATE TABLE \"../../evil\"\"\n\"(a)");
    kit_expect(1, "holds a table \"../../evil\"\\x0A\", which gapscope does not make",
               "gapscope export $T/names.db --format csv -o $T/tables");
    expect("ls -d $T/tables 2>/dev/null | wc -l", "0\n");
}

static void a_folder_that_is_not_empty_is_refused_and_nothing_in_it_deleted(void **state)
{
    (void)state;
    expect(
        "mkdir -p $T/full/one/0 && echo mine > $T/full/note && echo mine > $T/full/one/0/5.json &&"
        " echo mine > $T/full/one/0/6.json",
        "");
    kit_expect(1, "full: is not empty; --force writes into it all the same",
               EXPORT("neuronrecord", "full"));
    expect("cat $T/full/note $T/full/one/0/*", "mine\nmine\nmine\n");
    kit_expect(0, NULL, EXPORT("neuronrecord", "full") " --force");
    expect("cat $T/full/note $T/full/one/0/6.json; grep -c Neuron $T/full/one/0/5.json",
           "mine\nmine\n1\n");
    kit_expect(0, NULL, "mkdir $T/empty; " EXPORT("csv", "empty"));
    kit_expect(0, NULL, EXPORT("csv", "new/one/in//another/"));
    expect("ls $T/new/one/in/another | wc -l", "57\n");
}

static void wrong_usage_says_what_is_wanted(void **state)
{
    (void)state;
    kit_expect(2, "--format xml: expected neuronrecord, neuronpedia, csv or jsonl",
               EXPORT("xml", "x"));
    kit_expect(2, "expected neuronrecord, neuronpedia, csv or jsonl",
               "gapscope export $T/run.db -o $T/x");
    kit_expect(2, "-o DIR is missing", "gapscope export $T/run.db --format csv");
    kit_expect(2, "usage: gapscope export", "gapscope export --format csv -o $T/x");
    kit_expect(1, "No such file", "gapscope export $T/none.db --format csv -o $T/x");
    expect("ls -d $T/x 2>/dev/null | wc -l", "0\n");
}

static void what_cannot_be_written_is_an_error_that_leaves_no_half_file(void **state)
{
    (void)state;
    kit_expect(1, "note: is there and is no folder", "echo x > $T/note; " EXPORT("csv", "note/in"));
    kit_expect(1, "note: is there and is no folder", EXPORT("csv", "note"));
    kit_expect(
        1, "one: is there and is no folder",
        "mkdir $T/taken; echo x > $T/taken/one; " EXPORT("neuronrecord", "taken") " --force");
    // a disk that takes no more: 512 bytes a file
    static const char *const formats[] = {"csv", "jsonl", "neuronrecord", "neuronpedia"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        kit_expect(1, "File too large",
                   "(trap '' XFSZ; ulimit -f 1; gapscope export $T/run.db --format %s -o $T/no%zu)",
                   formats[i], i);
    }
    expect("find $T -name '*.tmp-*' | wc -l", "0\n");
}

static void a_run_without_neurons_says_so_and_makes_nothing(void **state)
{
    (void)state;
    view_run_write("bare.db", "");
    static const char *const formats[] = {"neuronrecord", "neuronpedia"};
    for (size_t i = 0; i < 2; i++) {
        kit_expect(1,
                   "bare.db: keeps no neurons: a scan keeps those of every model that has an MLP",
                   "gapscope export $T/bare.db --format %s -o $T/bare", formats[i]);
        view_run_write("old.db", view_rows);
        view_run_change("old.db", "DELETE FROM neuron");
        kit_expect(
            1, "old.db: keeps no neurons",
            "gapscope export $T/old.db --format %s -o $T/bare; s=$?; rm $T/old.db; (exit $s)",
            formats[i]);
    }
    expect("ls -d $T/bare 2>/dev/null | wc -l", "0\n");
    kit_expect(0, "in 57 files", "gapscope export $T/bare.db --format jsonl -o $T/bare");
    // an empty table is an empty file, or a header alone
    expect("cat $T/bare/neuron.jsonl; gapscope export $T/bare.db --format csv -o $T/bare2;"
           " cat $T/bare2/token.csv",
           "id,text\r\n");
}

static void tables_without_rows_leave_their_fields_empty(void **state)
{
    (void)state;
    view_run_write("bare2.db", view_rows);
    view_run_change("bare2.db", "DELETE FROM effect; DELETE FROM hypothesis; DELETE FROM example");
    kit_expect(0, "1 neuron with 0 examples in 4 files",
               "gapscope export $T/bare2.db --format neuronpedia -o $T/bare2-");
    kit_expect(0, "1 neuron with 0 examples in 1 file",
               "gapscope export $T/bare2.db --format neuronrecord -o $T/bare2-2");
    view_run_change("bare2.db", "DELETE FROM state");
    kit_expect(1, "bare2.db: holds no results yet",
               "gapscope export $T/bare2.db --format csv -o $T/bare2-4");
    view_run_change("bare2.db", "ALTER TABLE neuron DROP COLUMN hist");
    kit_expect(1, "its table \"neuron\" is not as gapscope makes it",
               "gapscope export $T/bare2.db --format neuronrecord -o $T/bare2-3");
}

static void an_unfinished_run_says_how_far_it_is(void **state)
{
    (void)state;
    view_run_write("unfinished.db", view_rows);
    view_run_change("unfinished.db", "UPDATE meta SET value = '' WHERE key = 'finished';"
                                     "UPDATE meta SET value = '3' WHERE key = 'units_in_tables'");
    kit_expect(0, "export: not finished, 3 of 12 units so far; wrote csv: ",
               "gapscope export $T/unfinished.db --format csv -o $T/unfinished");
}

static void neurons_that_cannot_be_named_are_left_out_and_counted(void **state)
{
    (void)state;
    view_run_write("lost.db", view_rows);
    view_run_change("lost.db",
                    "INSERT INTO neuron SELECT m, l, i, site, n, mean, sd, skewness, kurtosis, min,"
                    " max, share_positive, hist, left_out FROM neuron, (SELECT 1 AS m, 0 AS l, -1 "
                    "AS i UNION SELECT 1, 'x', 0 UNION"
                    " SELECT 9, 0, 0 UNION SELECT 1, 0, '../7' UNION SELECT 1, x'00', 1)");
    static const char *const formats[] = {"neuronrecord", "neuronpedia"};
    for (size_t i = 0; i < 2; i++) {
        kit_expect(0, "5 neurons left out: their model, layer or index is not known",
                   "gapscope export $T/lost.db --format %s -o $T/lost%zu", formats[i], i);
    }
    expect("find $T/lost0 -type f | wc -l; zcat $T/lost1/v1/*/*/features/* | wc -l", "1\n1\n");
}

/* Every line of every file of an export must be JSON, or the export must say why not. */
static void check_all_lines(const char *command, const char *sql)
{
    struct kit_ran r = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 && (r.status != 1 || r.err.len == 0)) {
        fail_msg("%s: %s: status %d: %s", sql, command, r.status, r.err.data);
    }
    struct json_parser *parser = json_parser_new();
    for (const char *at = r.out.data; *at && r.status == 0;) {
        const size_t len = strcspn(at, "\n");
        struct json_object *value = NULL;
        struct err err = {0};
        if (json_parse(parser, &value, at, len, &err)) {
            fail_msg("%s: %s: %s: %.*s", sql, command, err.msg, (int)len, at);
        }
        json_object_put(value);
        at += len + (at[len] == '\n');
    }
    json_parser_free(parser);
    kit_ran_free(&r);
}

static void a_damaged_column_is_left_out_and_never_crashes(void **state)
{
    (void)state;
    static const struct {
        const char *table, *column;
    } columns[] = {
        {"neuron", "hist"},
        {"neuron", "max"},
        {"neuron", "sd"},
        {"neuron", "layer"},
        {"example", "tokens"},
        {"example", "activations"},
        {"example", "token_index"},
        {"example", "kind"},
        {"example", "lo"},
        {"score", "prevalence"},
        {"hypothesis", "name"},
        {"effect", "value"},
        {"bin", "lo"},
        {"model", "site"},
        {"token", "text"},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        view_run_write("bad.db", view_rows);
        for (size_t k = 0; k < VIEW_RUN_DAMAGES; k++) {
            const char *sql = view_run_damage("bad.db", columns[i].table, columns[i].column, k);
            check_all_lines("gapscope export $T/bad.db --format jsonl -o $T/bad && cat $T/bad/*;"
                            " s=$?; rm -rf $T/bad; (exit $s)",
                            sql);
            check_all_lines("gapscope export $T/bad.db --format neuronrecord -o $T/bad &&"
                            " find $T/bad -type f -exec cat {} +; s=$?; rm -rf $T/bad; (exit $s)",
                            sql);
            check_all_lines("gapscope export $T/bad.db --format neuronpedia -o $T/bad &&"
                            " find $T/bad -name '*.gz' -exec zcat {} +; s=$?; rm -rf $T/bad;"
                            " (exit $s)",
                            sql);
        }
        assert_int_equal(remove(kit_path("bad.db")), 0);
    }
    view_run_write("bad.db", view_rows);
    view_run_change("bad.db", "UPDATE example SET tokens = '[1,'; UPDATE neuron SET hist = '{}'");
    kit_expect(0, "9 values are not the JSON that they should be",
               "gapscope export $T/bad.db --format jsonl -o $T/bad1");
    kit_expect(0, "5 examples left out",
               "gapscope export $T/bad.db --format neuronrecord -o $T/bad2");
    kit_expect(0, "9 examples left out",
               "gapscope export $T/bad.db --format neuronpedia -o $T/bad3");
    kit_expect(0, "1 value is not the JSON that it should be",
               "gapscope export $T/bad.db --format neuronpedia -o $T/bad4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_what_would_end_a_field_and_tells_null_from_empty),
        cmocka_unit_test(every_table_but_state_is_a_file),
        cmocka_unit_test(a_record_of_a_neuron_has_what_run_db_has),
        cmocka_unit_test(a_source_of_neuronpedia_has_a_line_a_neuron_an_example_and_a_hypothesis),
        cmocka_unit_test(names_of_a_run_become_files_in_the_folder_and_nowhere_else),
        cmocka_unit_test(a_folder_that_is_not_empty_is_refused_and_nothing_in_it_deleted),
        cmocka_unit_test(wrong_usage_says_what_is_wanted),
        cmocka_unit_test(what_cannot_be_written_is_an_error_that_leaves_no_half_file),
        cmocka_unit_test(a_run_without_neurons_says_so_and_makes_nothing),
        cmocka_unit_test(tables_without_rows_leave_their_fields_empty),
        cmocka_unit_test(an_unfinished_run_says_how_far_it_is),
        cmocka_unit_test(neurons_that_cannot_be_named_are_left_out_and_counted),
        cmocka_unit_test(a_damaged_column_is_left_out_and_never_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
