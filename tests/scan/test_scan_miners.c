/*
 * `gapscope scan` with hypotheses that do not behave: programs that die, hang and talk rubbish,
 * plugins that do not keep to the interface, patterns that explode, match everywhere or nowhere.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

#define GELU " --model model/demo/gelu-1l "
#define CORPUS " $T/bad-0.jsonl $T/bad-1.jsonl "

// --- a corpus -----------------------------------------------------------------------------------

#define PLAIN "An ordinary document, number %zu: it has nothing of its own to say.\n"

/* Words at which exec_program misbehaves; "hang" costs a second. */
static const char *const words[] = {"die", "rubbish", "crash", "few", "hang", "close", "value"};
#define N_WORDS (sizeof words / sizeof *words)
#define N_DOCS (2 * 3 * N_WORDS)

/* Two shards, so that two threads have one each; every third document is misbehaved at. */
static int make_corpus(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    for (size_t i = 0; i < 2; i++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "bad-%zu.jsonl", i);
        for (size_t d = 0; d < 3 * N_WORDS; d++) {
            char text[160];
            const int n = d % 3 == 1 ? snprintf(text, sizeof text,
                                                "%s aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                                "aaaaaaaaaaaaaaa, then no more",
                                                words[d / 3])
                                     : snprintf(text, sizeof text, PLAIN, d);
            kit_add(&s, "", "", text, (size_t)n);
        }
        kit_write(&s);
        kit_shard_free(&s);
    }
    return 0;
}

static void write_hypotheses(const char *name, const char *list)
{
    struct buf yaml = {0};
    assert_int_equal(buf_printf(&yaml, NULL, "hypotheses:\n%s", list), 0);
    kit_write_bytes(name, yaml.data, yaml.len);
    buf_free(&yaml);
}

static void expect_number(sqlite3 *db, int64_t wanted, const char *sql)
{
    const int64_t n = kit_number(db, "%s", sql);
    if (n != wanted) {
        fail_msg("%s: %lld, wanted %lld", sql, (long long)n, (long long)wanted);
    }
}

static void assert_same_digest(const char *name, const char *wanted)
{
    char a[33], b[33];
    kit_digest(a, name);
    kit_digest(b, wanted);
    assert_string_equal(a, b);
}

static void assert_views_work(const char *name, const char *hypothesis)
{
    kit_expect(0, NULL,
               "gapscope hypo $T/%s && gapscope hypo $T/%s %s && gapscope hypo --json $T/%s", name,
               name, hypothesis, name);
    kit_expect(0, NULL, "gapscope neuron $T/%s L0N3", name);
}

// --- programs -----------------------------------------------------------------------------------

static void a_program_loses_the_documents_it_fails_on(void **state)
{
    (void)state;
    write_hypotheses("program.yaml", "- {name: mine, exec: ['" EXEC_PROGRAM "'], timeout: 1}\n"
                                     "- {name: other, regex: 'document|number'}\n");
#define PROGRAM "gapscope scan" GELU "--hypotheses $T/program.yaml "
    kit_expect(0, "mine                     gave up on 14 of 42 documents",
               PROGRAM "--threads 2 -o $T/program.db" CORPUS);
    sqlite3 *db = kit_db("program.db");
    expect_number(db, N_DOCS / 3, "SELECT aborted FROM hypothesis WHERE name = 'mine'");
    expect_number(db, 0, "SELECT aborted FROM hypothesis WHERE name = 'other'");
    expect_number(db, N_DOCS / 3 * 2, "SELECT docs FROM hypothesis WHERE name = 'mine'");
    // what it failed on is in no statistic of it, and in those of all else
    expect_number(db, 1,
                  "SELECT tokens_seen < (SELECT sum(tokens) FROM shard) FROM hypothesis "
                  "WHERE name = 'mine'");
    expect_number(db, 0,
                  "SELECT count(*) FROM score s JOIN hypothesis h ON h.id = s.hypothesis "
                  "WHERE split = 'all' AND n_pos + n_neg <> tokens_seen");
    expect_number(db, 0, "SELECT count(*) FROM neuron WHERE n <> (SELECT sum(tokens) FROM shard)");
    expect_number(db, 0,
                  "SELECT count(*) FROM counterexample WHERE hypothesis = 0 AND doc % 3 = 1");
    sqlite3_close(db);
    assert_views_work("program.db", "mine");
    kit_expect(0, NULL, PROGRAM "--threads 1 -o $T/program1.db" CORPUS);
    assert_same_digest("program1.db", "program.db");
}

static void a_program_that_never_answers_ends_the_run(void **state)
{
    (void)state;
    write_hypotheses("false.yaml", "- {name: mine, exec: ['/bin/false']}\n");
    kit_expect(
        1,
        "hypothesis mine: /bin/false: no proper answer to 5 documents in a row; to the last: "
        "it ended with status 1",
        "gapscope scan" GELU "--hypotheses $T/false.yaml --threads 2 -o $T/false.db" CORPUS);
    write_hypotheses("none.yaml", "- {name: mine, exec: ['./not-there']}\n");
    kit_expect(1, "none.yaml: line 2, column ",
               "gapscope scan" GELU "--hypotheses $T/none.yaml -o $T/none.db" CORPUS);
    assert_false(file_is_regular(kit_path("none.db")));
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One unit of labels would take a quarter of an hour. */
static void a_signal_is_heeded_while_hypotheses_run(void **state)
{
    (void)state;
    write_hypotheses(
        "slow.yaml",
        "- {name: slow, exec: [sh, '-c', 'while read -r line; do : >>\"$0.ran\"; sleep 0.2; "
        "echo \"{\\\"gave_up\\\":true}\"; done', './slow']}\n");
    struct kit_shard s = {.name = "many.jsonl"};
    for (size_t d = 0; d < 4000; d++) {
        kit_add(&s, "", "", "a word", 6);
    }
    kit_write(&s);
    kit_shard_free(&s);
    const pid_t pid =
        kit_start("scan" GELU "--hypotheses $T/slow.yaml --threads 2 --precision exact "
                  "-o $T/slow.db $T/many.jsonl");
    for (const double begun = now();
         !file_is_regular(kit_path("slow.ran")) && now() < begun + 60;) {
        usleep(10000);
    }
    const double signalled = now();
    int status;
    kill(pid, SIGINT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(now() - signalled < 60); // all documents would take 800 s
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
    kit_expect(0, NULL, "grep -q 'stopping; a second signal ends at once' $T/.started");
    kit_expect(0, NULL, "grep -q 'run the same command again' $T/.started");
}

// --- plugins ------------------------------------------------------------------------------------

static void a_plugin_that_breaks_its_word_ends_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
    } plugins[] = {
        {"bad_fewer", ".jsonl: document 0: hypothesis mine: the plugin labelled no token "},
        {"bad_value", ".jsonl: document 0: hypothesis mine: "}};
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        char list[256];
        snprintf(list, sizeof list, "- {name: mine, plugin: '" PLUGINS "/%s.so'}\n",
                 plugins[i].name);
        write_hypotheses("plugin.yaml", list);
        kit_expect(1, plugins[i].says,
                   "gapscope scan" GELU "--hypotheses $T/plugin.yaml --threads 2 --force "
                   "-o $T/plugin.db" CORPUS);
    }
    write_hypotheses("plugin.yaml", "- {name: mine, plugin: '" PLUGINS "/exclaim.so'}\n");
    kit_expect(0, "labelled nothing: mine",
               "gapscope scan" GELU "--hypotheses $T/plugin.yaml --threads 2 --force "
               "-o $T/plugin.db" CORPUS);
}

// --- patterns -----------------------------------------------------------------------------------

static void a_pattern_that_explodes_loses_its_documents(void **state)
{
    (void)state;
    kit_expect(
        0, "\n  labelled nothing: never\n  slow                     gave up on 14 of 42 documents",
        "gapscope scan" GELU "--regex 'slow=(?:a|aa)+\\d|number' --regex 'all=(?s).+' "
        "--regex 'never=zq[xj]{3}' --watch gelu-1l:L0N3=slow --threads 2 -o $T/patterns.db" CORPUS);
    sqlite3 *db = kit_db("patterns.db");
    expect_number(db, N_DOCS / 3, "SELECT aborted FROM hypothesis WHERE name = 'slow'");
    expect_number(db, N_DOCS / 3 * 2, "SELECT docs FROM hypothesis WHERE name = 'slow'");
    // no more than its documents' tokens, each labelled once or not at all
    expect_number(db, 0,
                  "SELECT count(*) FROM score s JOIN hypothesis h ON h.id = s.hypothesis "
                  "WHERE split = 'all' AND (n_pos + n_neg <> tokens_seen OR n_pos <> tokens)");
    expect_number(db, 0,
                  "SELECT count(*) FROM counterexample WHERE hypothesis = 0 AND doc % 3 = 1");
    expect_number(db, 1,
                  "SELECT count(*) > 0 FROM counterexample WHERE hypothesis = 0 AND idx = 3");
    // everywhere and nowhere: nothing to tell apart
    expect_number(db, 1,
                  "SELECT tokens = tokens_seen AND aborted = 0 FROM hypothesis WHERE name = 'all'");
    expect_number(db, 1, "SELECT tokens = 0 AND aborted = 0 FROM hypothesis WHERE name = 'never'");
    expect_number(db, 0,
                  "SELECT count(*) FROM score WHERE hypothesis > 0 AND (auroc NOT NULL OR r NOT "
                  "NULL OR mcc NOT NULL)");
    expect_number(db, 512 * 3,
                  "SELECT count(*) FROM score WHERE hypothesis = 1 AND prevalence = 1 AND "
                  "mean_neg IS NULL");
    expect_number(db, 512 * 3,
                  "SELECT count(*) FROM score WHERE hypothesis = 2 AND prevalence = 0 AND "
                  "mean_pos IS NULL AND recall IS NULL");
    sqlite3_close(db);
    assert_views_work("patterns.db", "slow");
    assert_views_work("patterns.db", "all");
    assert_views_work("patterns.db", "never");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_loses_the_documents_it_fails_on),
        cmocka_unit_test(a_program_that_never_answers_ends_the_run),
        cmocka_unit_test(a_signal_is_heeded_while_hypotheses_run),
        cmocka_unit_test(a_plugin_that_breaks_its_word_ends_the_run),
        cmocka_unit_test(a_pattern_that_explodes_loses_its_documents),
    };
    return cmocka_run_group_tests(tests, make_corpus, kit_remove_folder);
}
