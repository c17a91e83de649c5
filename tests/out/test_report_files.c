/*
 * The file that gapscope report writes, and the files beside it: title, size, names, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "corpora/base/file.h"
#include "tests/kit/report_kit.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

static void the_same_run_has_the_same_page(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope report $T/run.db -o $T/1.html && gapscope report $T/run.db -o $T/2.html &&"
               " cmp $T/1.html $T/2.html && gapscope report $T/run.db | cmp - $T/1.html &&"
               " gapscope report $T/run.db -o - | cmp - $T/1.html");
    kit_expect(0, "standard output: ", "gapscope report $T/run.db -o - >/dev/null");
    kit_expect(0, "1.html: 0.2 MB: 16 hits, 1 neuron, 3 hypotheses\n",
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
        kit_expect(0, "data that has no room in the page",
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
                  " 139) INSERT INTO neuron SELECT 1, 0, k, 'post', 1, 0, 1, 0, 3, 0, 1, 0.5,"
                  " json_array(hex(randomblob(20000))), 0 FROM many");
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
    kit_expect(1, "there is no folder", "gapscope report $T/run.db -o $T/no/report.html");
    kit_expect(1, "no/report_files: there is no folder ",
               "gapscope report $T/run.db --max-mb 0 -o $T/no/report.html");
    kit_expect(1, "there.html: is a folder",
               "mkdir $T/there.html; gapscope report $T/run.db -o $T/there.html");
    kit_expect(1, "taken_files is not a folder",
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
