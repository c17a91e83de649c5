/*
 * Programs as miners: nothing that they do harms gapscope.
 */
#include "tests/kit/miners_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "miners/kinds/keeper.h"

static char folder[] = "/tmp/gapscope-test-XXXXXX";

struct one {
    struct hypotheses h;
    struct labeller *l;
};

/* A labeller with one program; 'command' is a YAML list. */
static void one_new(struct one *o, const char *command)
{
    char yaml[1000];
    snprintf(yaml, sizeof yaml, "hypotheses:\n- {name: mine, exec: [%s], timeout: 1}\n", command);
    kit_load(&o->h, yaml, folder);
    assert_int_equal(labeller_new(&o->l, &o->h, NULL), 0);
}

static void one_free(struct one *o)
{
    labeller_free(o->l);
    hypotheses_free(&o->h);
}

static void expect(struct one *o, const char *bars, const char *expected)
{
    struct tokens t;
    kit_doc(&t, bars);
    char *labels = kit_label(o->l, 0, &t);
    if (strcmp(labels, expected) != 0) {
        fail_msg("%s: %s, not %s", bars, labels, expected);
    }
    free(labels);
    kit_free(&t);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void a_program_labels(void **state)
{
    (void)state;
    struct one o;
    one_new(&o, EXEC_PROGRAM);
    assert_string_equal(o.h.items[0].kind->name, "exec");
    expect(&o, "a|b|cd|e", "1001");
    expect(&o, "bool|b", "01");
    expect(&o, "\"\\|\n|\xc3|\xa9", "0101");
    expect(&o, "skip|a", "gave up");
    expect(&o, "", "");
    expect(&o, "a", "1");
    one_free(&o);
}

static void a_document_without_a_proper_answer_is_given_up(void **state)
{
    (void)state;
    static const char *const bad[] = {"die|a", "crash|a", "rubbish|a", "few|a",
                                      "two|a", "value|a", "endless|a", "list|a"};
    struct one o;
    one_new(&o, EXEC_PROGRAM);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect(&o, "count|a", "10"); // it was restarted
        expect(&o, "count|a", "01");
        expect(&o, bad[i], "gave up");
    }
    one_free(&o);
}

static void a_program_that_hangs_is_killed(void **state)
{
    (void)state;
    struct one o;
    one_new(&o, EXEC_PROGRAM);
    expect(&o, "count|a", "10");
    const double began = seconds();
    expect(&o, "hang|a", "gave up");
    const double took = seconds() - began;
    assert_true(took > 0.9 && took < 30);
    expect(&o, "count|a", "10");
    expect(&o, "close|a", "gave up"); // it closes its output and goes on
    expect(&o, "count|a", "10");
    one_free(&o);
}

/* Though five documents in a row without an answer end a run. */
static void nobody_waits_for_a_program_once_the_run_is_to_stop(void **state)
{
    (void)state;
    struct one o;
    atomic_int stop = 0;
    one_new(&o, EXEC_PROGRAM ", stays");
    labeller_watch(o.l, &stop);
    expect(&o, "a|b", "10");
    stop = SIGTERM;
    const double began = seconds();
    for (int i = 0; i < 6; i++) {
        expect(&o, "hang|a", "gave up");
    }
    assert_true(seconds() - began < 0.9); // of a second, its time for one document
    stop = 0;
    expect(&o, "a|b", "10");
    stop = SIGTERM;
    const double ended = seconds();
    one_free(&o);
    assert_true(seconds() - ended < 0.9); // which it has for its last words else
}

static void one_that_ends_after_an_answer_is_started_anew(void **state)
{
    (void)state;
    struct one o;
    one_new(&o, EXEC_PROGRAM);
    for (int i = 0; i < 8; i++) {
        expect(&o, "once|a|b", "010"); // whether or not it has ended yet
    }
    one_free(&o);
}

static void too_many_documents_without_an_answer_end_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *command, *bars, *why;
    } cases[] = {
        {EXEC_PROGRAM, "die|a", "it ended with status 3"},
        {EXEC_PROGRAM, "crash|a", "it was ended by signal 9 (Killed)"},
        {EXEC_PROGRAM ", ends", "a", "it ended with status 4"},
        {EXEC_PROGRAM, "few|a", "its answer has 1 labels for 2 tokens"},
        {EXEC_PROGRAM, "list|a", "its answer has no list \"labels\""},
        {EXEC_PROGRAM, "value|a", "its label of token 1 is neither 0 nor 1"},
        {EXEC_PROGRAM, "two|a", "it answered with more than one line"},
        {EXEC_PROGRAM, "endless|a", "its answer is longer than 65568 bytes"},
        {EXEC_PROGRAM, "rubbish|a", "its answer is not JSON: column 1: unexpected character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one o;
        struct tokens t;
        struct err err = {0};
        enum miner_verdict verdict;
        uint8_t labels[3];
        char expected[1024];
        one_new(&o, cases[i].command);
        kit_doc(&t, cases[i].bars);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(labeller_run(o.l, 0, &t, labels, &verdict, &err), 0);
            assert_int_equal(verdict, MINER_GAVE_UP);
        }
        assert_int_not_equal(labeller_run(o.l, 0, &t, labels, &verdict, &err), 0);
        snprintf(expected, sizeof expected,
                 "hypothesis mine: %s: no proper answer to 5 documents in a row; to the last: %s",
                 EXEC_PROGRAM, cases[i].why);
        assert_string_equal(err.msg, expected);
        kit_free(&t);
        one_free(&o);
    }
}

/* 1 MiB of letters in tokens of three. */
static void big_doc(struct tokens *t)
{
    const size_t len = (size_t)1 << 20;
    char *text = malloc(len);
    uint32_t *ends = malloc((len / 3 + 1) * sizeof *ends);
    size_t n = 0;
    memset(text, 'a', len);
    for (size_t at = 0; at < len;) {
        at = at + 3 < len ? at + 3 : len;
        ends[n++] = (uint32_t)at;
    }
    kit_tokens(t, text, len, ends, n);
    free(text);
    free(ends);
}

static void large_documents_and_answers_block_nobody(void **state)
{
    (void)state;
    struct one o;
    struct tokens t;
    big_doc(&t);
    one_new(&o, EXEC_PROGRAM);
    for (int i = 0; i < 2; i++) {
        char *labels = kit_label(o.l, 0, &t);
        for (size_t k = 0; k < t.n; k++) {
            assert_int_equal(labels[k], '0' + (int)(t.ends[k] % 2));
        }
        free(labels);
    }
    one_free(&o);

    static const char *const commands[] = {EXEC_PROGRAM ", stream", EXEC_PROGRAM ", deaf",
                                           EXEC_PROGRAM ", ends"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        one_new(&o, commands[i]);
        const double began = seconds();
        char *labels = kit_label(o.l, 0, &t);
        assert_string_equal(labels, "gave up");
        assert_true(seconds() - began < (i == 1 ? 6 : 2.5));
        free(labels);
        one_free(&o);
    }
    kit_free(&t);
}

static pid_t read_pid(const char *name)
{
    struct buf text = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    buf_append(&text, "", 1, NULL);
    const pid_t pid = (pid_t)atoi(text.data);
    assert_true(pid > 1);
    buf_free(&text);
    return pid;
}

/* Whether the process ends within a second. */
static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 1000; i++) {
        char path[64], state = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f) {
            return true;
        }
        const int n = fscanf(f, "%*d %*s %c", &state);
        fclose(f);
        if (n == 1 && state == 'Z') { // its new parent has not waited for it yet
            return true;
        }
        usleep(1000);
    }
    return false;
}

static void programs_end_with_the_thread_and_with_all_they_started(void **state)
{
    (void)state;
    struct one o;
    one_new(&o, "sh, -c, 'echo $$ >pid; sleep 1000 & echo $! >pid2; " EXEC_PROGRAM " stays; :'");
    expect(&o, "a", "1");
    const pid_t shell = read_pid("pid"), sleeper = read_pid("pid2");
    assert_int_equal(kill(shell, 0), 0);
    const double began = seconds();
    one_free(&o);
    assert_true(seconds() - began < 3);
    assert_true(is_gone(shell));
    assert_true(is_gone(sleeper));
}

static pid_t start_daemon(struct one *o)
{
    char path[64];
    snprintf(path, sizeof path, "%s/daemon", folder);
    unlink(path);
    one_new(o, EXEC_PROGRAM);
    expect(o, "daemon|a", "01");
    const pid_t daemon = read_pid("daemon");
    assert_int_equal(kill(daemon, 0), 0);
    return daemon;
}

static void what_has_left_its_session_and_parent_ends_too(void **state)
{
    (void)state;
    struct one o;
    pid_t daemon = start_daemon(&o);
    one_free(&o);
    assert_true(is_gone(daemon));
    // also where the program is killed, or dies, between documents
    static const char *const bad[] = {"hang|a", "crash|a", "die|a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        daemon = start_daemon(&o);
        expect(&o, bad[i], "gave up");
        assert_true(is_gone(daemon));
        expect(&o, "a|b", "10");
        one_free(&o);
    }
}

static void it_ends_where_gapscope_is_killed(void **state)
{
    (void)state;
    int how = 0;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct one o;
        start_daemon(&o);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    assert_true(is_gone(read_pid("daemon")));
}

static void programs_do_not_hold_each_others_pipes(void **state)
{
    (void)state;
    struct one a, b;
    one_new(&a, EXEC_PROGRAM);
    expect(&a, "a", "1");
    one_new(&b, EXEC_PROGRAM);
    expect(&b, "a", "1");
    const double began = seconds();
    one_free(&a); // would wait a second if b held the other end of a's input
    assert_true(seconds() - began < 0.5);
    expect(&b, "a", "1");
    one_free(&b);
}

static void a_program_runs_in_the_files_folder_with_its_arguments(void **state)
{
    (void)state;
    struct one o;
    one_new(&o, "sh, -c, 'pwd >where; exec \"$@\"', sh, " EXEC_PROGRAM);
    expect(&o, "a|b", "10");
    struct buf text = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/where", folder);
    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    assert_int_equal(text.len, strlen(folder) + 1);
    assert_memory_equal(text.data, folder, strlen(folder));
    buf_free(&text);
    one_free(&o);
}

static void the_spec_has_files_by_what_is_in_them(void **state)
{
    (void)state;
    struct one o;
    char path[64];
    snprintf(path, sizeof path, "%s/mine.sh", folder);
    FILE *f = fopen(path, "w");
    fputs("abc", f);
    fclose(f);
    one_new(&o, "sh, mine.sh, a\\b");
    assert_string_equal(o.h.items[0].spec,
                        "{\"exec\":[\"sh\",\"xxh3:78af5f94892f3950\",\"a\\\\b\"]}");
    one_free(&o);
}

static void what_cannot_be_run_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *command, *message;
    } cases[] = {
        {"no-such-program-of-anybody", "h.yaml: line 2, column 22: no-such-program-of-anybody: no "
                                       "such program (one beside the file is "
                                       "./no-such-program-of-anybody)"},
        {"./none", "h.yaml: line 2, column 22: ./none: not a program that can be run"},
        {"/etc/passwd", "h.yaml: line 2, column 22: /etc/passwd: not a program that can be run"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hypotheses h = {0};
        struct err err = {0};
        char yaml[200];
        snprintf(yaml, sizeof yaml, "hypotheses:\n- {name: mine, exec: [%s]}\n", cases[i].command);
        assert_int_not_equal(hypotheses_parse(&h, yaml, strlen(yaml), "h.yaml", folder, NULL, &err),
                             0);
        assert_string_equal(err.msg, cases[i].message);
        hypotheses_free(&h);
    }
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(int argc, char **argv)
{
    if (keeper_is_called(argc, argv)) {
        return keeper_main(argv);
    }
    keeper_enable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_labels),
        cmocka_unit_test(a_document_without_a_proper_answer_is_given_up),
        cmocka_unit_test(a_program_that_hangs_is_killed),
        cmocka_unit_test(nobody_waits_for_a_program_once_the_run_is_to_stop),
        cmocka_unit_test(one_that_ends_after_an_answer_is_started_anew),
        cmocka_unit_test(too_many_documents_without_an_answer_end_the_run),
        cmocka_unit_test(large_documents_and_answers_block_nobody),
        cmocka_unit_test(programs_end_with_the_thread_and_with_all_they_started),
        cmocka_unit_test(what_has_left_its_session_and_parent_ends_too),
        cmocka_unit_test(it_ends_where_gapscope_is_killed),
        cmocka_unit_test(programs_do_not_hold_each_others_pipes),
        cmocka_unit_test(a_program_runs_in_the_files_folder_with_its_arguments),
        cmocka_unit_test(the_spec_has_files_by_what_is_in_them),
        cmocka_unit_test(what_cannot_be_run_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
