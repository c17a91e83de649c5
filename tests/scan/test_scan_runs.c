/*
 * However `gapscope scan` is run - on how many threads, in parts, killed and started again - the
 * content of run.db is the same.
 *
 * GAPSCOPE_KILLS=200 build/release/test_scan_runs    kills more often than the 20 times of a test
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

#define HYPOTHESES                                                                                 \
    "--hypotheses $T/h.yaml --watch gelu-1l:L0N5=word --watch solu-1l:L0N7=slow --examples 4 "
#define TRIGRAMS                                                                                   \
    "--trigrams $T/counts.ngrams "                                                                 \
    "--trigram-rule count=2,high=0.5,low=0.45,gap=-100,test=3 "
#define MODELS KIT_MODELS KIT_PAIRS TRIGRAMS
#define OPTIONS MODELS HYPOTHESES "--top 5 --checkpoint 0 "
#define SCAN "gapscope scan" OPTIONS
#define SHORT " $T/s1.jsonl $T/s2.jsonl.zst $T/s3.txt $T/s4.jsonl $T/s5.jsonl "
#define LONG " $T/long/*.jsonl "
#define N_LONG 20 // shards

// --- corpora ------------------------------------------------------------------------------------

#define SET(name) ",\"meta\":{\"set\":\"" name "\"}"
#define ADD(s, domain, members, text) kit_add(s, domain, members, text, sizeof(text) - 1)

static void write_and_free(struct kit_shard *s)
{
    kit_write(s);
    kit_shard_free(s);
}

/* Kinds that need text and kinds that do not, one that labels nothing, one that gives up on LONG_A.
 */
static const char hypotheses[] = "hypotheses:\n"
                                 "  - {name: word, regex: '\\b(?:[a-z]+ing|here\\w*|free)\\b'}\n"
                                 "  - {name: causal, regex: '[a-z]{4,}', prefix: true}\n"
                                 "  - {name: of, tokens: [' of']}\n"
                                 "  - {name: seen, code: seen_before}\n"
                                 "  - {name: never, regex: 'zq[xj]{3}'}\n"
                                 "  - {name: slow, regex: '(?:a|aa)+(?=[ny])'}\n";
#define LONG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, and no more"

/* Trigrams that nothing simpler explains: each A and each B has every C behind it. */
#define PHRASES                                                                                    \
    " the file is; the line of; the name and; an file of; an line and; an name is;"                \
    " for file and; for line is; for name of;"
#define PHRASES_AGAIN                                                                              \
    " an name is; the name and; for line is; an file of; for name of; the file is; for file and;"  \
    " an line and; the line of;"

/* Five shards of a unit each, with hits in common, so that folding crosses units. */
static void make_short(void)
{
    static const char common[] = "Permission is hereby granted, free of charge, to any person";
    struct kit_shard s1 = {.name = "s1.jsonl"}, s2 = {.name = "s2.jsonl.zst"},
                     s3 = {.name = "s3.txt"}, s4 = {.name = "s4.jsonl"}, s5 = {.name = "s5.jsonl"};
    ADD(&s1, "a", SET("a"), common);
    ADD(&s1, "b", SET("b"), "for (size_t i = 0; i < n; i++) {\n    sum += values[i];\n}\n");
    ADD(&s1, "", "", "");
    ADD(&s1, "", "", PHRASES);
    ADD(&s2, "b", SET("b"), common);
    ADD(&s2, "c", SET("c"), LONG_A);
    ADD(&s2, "", "", PHRASES_AGAIN);
    ADD(&s2, "c", SET("c"), "import numpy as np\nx = np.zeros((3, 4))\n");
    kit_add_text(&s3, common, sizeof common - 1, common, sizeof common - 1);
    kit_add_bad(&s4, KIT_BAD_JSON, "{\"text\":");
    ADD(&s4, "a", SET("a"), "na\xc3\xafve caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd, the same again");
    kit_add_bad(&s4, KIT_NO_TEXT_FIELD, "{\"meta\":{}}");
    ADD(&s4, "", "", "the same again, and once more the same again");
    ADD(&s5, "a", SET("a"), common);
    ADD(&s5, "a", SET("a"), LONG_A " than that");
    ADD(&s5, "", "", PHRASES PHRASES);
    ADD(&s5, "d", SET("d"), "Copyright (C) 1989, 1991 Free Software Foundation, Inc.");
    write_and_free(&s1);
    write_and_free(&s2);
    write_and_free(&s3);
    write_and_free(&s4);
    write_and_free(&s5);
}

/* Units enough for a signal to come between them. */
static void make_long(void)
{
    struct buf text = {0};
    assert_int_equal(file_read("tests/model/test_torchfile.c", (size_t)1 << 20, &text, NULL), 0);
    const size_t size = KIT_SLOW ? 60 : 600;
    assert_true(text.len >= N_LONG * size);
    for (size_t i = 0; i < N_LONG; i++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "long/%02zu.jsonl", i);
        kit_add(&s, "", "", text.data + i * size, size);
        if (i % 8 == 3) {
            ADD(&s, "", "", LONG_A);
        }
        if (i == 5) {
            ADD(&s, "", "", PHRASES);
        }
        if (i == 13) {
            ADD(&s, "", "", PHRASES_AGAIN);
        }
        write_and_free(&s);
    }
    buf_free(&text);
}

static int make_corpora(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    kit_expect(0, NULL, "mkdir $T/long $T/copy $T/good $T/mixed");
    kit_write_bytes("h.yaml", hypotheses, sizeof hypotheses - 1);
    make_short();
    make_long();
    kit_expect(0, NULL, "gapscope count --model model/demo/gelu-1l -o $T/counts.ngrams" SHORT LONG);
    return 0;
}

// --- comparing ----------------------------------------------------------------------------------

static void assert_same_digest(const char *name, const char *wanted)
{
    char a[33], b[33];
    kit_digest(a, name);
    kit_digest(b, wanted);
    if (strcmp(a, b) != 0) {
        fail_msg("the digest of %s is %s, that of %s %s", name, a, wanted, b);
    }
}

/* short.db: the short corpus in one go.  Every test that compares with it calls this first. */
static void need_short(void)
{
    if (!file_is_regular(kit_path("short.db"))) {
        kit_expect(0, NULL, SCAN "--threads 2 -o $T/short.db" SHORT);
    }
}

/* long.db: the same of the long corpus; returns how long it took. */
static double need_long(void)
{
    static double seconds;
    if (!file_is_regular(kit_path("long.db"))) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        kit_expect(0, NULL, SCAN "--threads 2 --record $T/long.zarr -o $T/long.db" LONG);
        clock_gettime(CLOCK_MONOTONIC, &to);
        seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    }
    return seconds;
}

// --- one call -----------------------------------------------------------------------------------

/* What is empty is the same however it was made. */
static void all_tables_have_rows(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "neuron WHERE n > 0 AND sd > 0",
        "effect WHERE value <> 0",
        "example WHERE kind = 'top'",
        "example WHERE kind = 'bottom'",
        "example WHERE kind = 'interval'",
        "example WHERE kind = 'random'",
        "score WHERE split = 'dev' AND auroc > 0.5",
        "score WHERE split = 'test' AND auroc > 0.5",
        "score WHERE split = 'all' AND n_pos > 0 AND top_covered > 0",
        "split_hist",
        "counterexample WHERE kind = 'fires_without'",
        "counterexample WHERE kind = 'silent_with'",
        "counterexample WHERE idx = 5 AND hypothesis = 0",
        "counterexample WHERE idx = 7 AND hypothesis = 5",
        "hypothesis_domain WHERE tokens > 0",
        "hypothesis_gap WHERE n > 0",
        "gap_credit WHERE hits > 1 AND credit <> 0",
        "hit WHERE json_array_length(detail, '$.hypotheses') > 0",
        "hypothesis WHERE name <> 'never' AND tokens > 0 AND docs > 1 AND docs < tokens",
        "hypothesis WHERE name = 'never' AND tokens = 0 AND aborted = 0",
        "hypothesis WHERE name = 'slow' AND aborted > 0",
        "trigram WHERE n > 1 AND docs > 1 AND n_ab > 0 AND n_xb > 0 AND n_ax > 0",
        "trigram WHERE tested",
        "trigram_gap WHERE mean_gap <> 0",
        "trigram_example WHERE kind = 'place'",
        "trigram_example WHERE kind = 'elsewhere'",
        "trigram_model WHERE contexts > 1 AND pairs > contexts AND se > 0",
        "trigram_neuron WHERE ablated <> 0 AND corpus_interaction <> 0",
    };
    need_short();
    need_long();
    static const char *const names[] = {"short.db", "long.db"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sqlite3 *db = kit_db(names[i]);
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
            if (kit_number(db, "SELECT count(*) FROM %s", wanted[k]) == 0) {
                fail_msg("%s: no %s", names[i], wanted[k]);
            }
        }
        sqlite3_close(db);
    }
}

/* Of the short corpus. */
static void expect_another_digest(const char *options)
{
    char whole[33], other[33];
    kit_expect(0, NULL, "gapscope scan %s --checkpoint 0 --force -o $T/other.db" SHORT, options);
    kit_digest(whole, "short.db");
    kit_digest(other, "other.db");
    if (strcmp(whole, other) == 0) {
        fail_msg("the same digest in spite of %s", options);
    }
}

/* A digest that never changes would pass all tests below. */
static void other_content_has_another_digest(void **state)
{
    (void)state;
    need_short();
    static const char *const others[] = {
        MODELS HYPOTHESES "--top 4",
        MODELS HYPOTHESES "--top 5 --floor -5",
        MODELS HYPOTHESES "--top 5 --site post",
        MODELS HYPOTHESES "--top 5 --examples 5",
        MODELS HYPOTHESES "--top 5 --histograms 'top 500'",
        MODELS HYPOTHESES "--top 5 --regex x=x",
        MODELS HYPOTHESES "--top 5 --watch gelu-1l:L0N6=word",
        MODELS "--hypotheses $T/h.yaml --examples 4 --top 5",
        MODELS "--hypotheses $T/h.yaml --examples 4 --top 5 --no-neurons",
        MODELS HYPOTHESES "--top 5 --trigram-rule count=2,high=0.5,low=0.45,gap=-100,test=2",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_another_digest(others[i]);
    }
    kit_expect(0, NULL, SCAN "-o $T/four.db $T/s1.jsonl $T/s2.jsonl.zst $T/s3.txt $T/s4.jsonl");
    char whole[33], four[33];
    kit_digest(whole, "short.db");
    kit_digest(four, "four.db");
    assert_string_not_equal(whole, four);
}

static void any_number_of_threads_gives_the_same(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, SCAN "--threads 1 -o $T/t1.db" SHORT);
    kit_expect(0, NULL, SCAN "--threads 4 -o $T/t4.db" SHORT);
    kit_expect(0, NULL,
               "gapscope scan" MODELS HYPOTHESES
               "--top 5 --threads 3 -o $T/t3.db" SHORT); // no checkpoint in between
    assert_same_digest("t1.db", "short.db");
    assert_same_digest("t4.db", "short.db");
    assert_same_digest("t3.db", "short.db");
}

static void order_and_folder_of_shards_do_not_matter(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL,
               SCAN "-o $T/order.db $T/s4.jsonl $T/s3.txt $T/s5.jsonl $T/s1.jsonl "
                    "$T/s2.jsonl.zst");
    assert_same_digest("order.db", "short.db");
    kit_expect(0, NULL, "cp $T/s?.* $T/copy/");
    kit_expect(0, NULL, SCAN "-o $T/copied.db $T/copy/s*");
    assert_same_digest("copied.db", "short.db");
}

// --- parts --------------------------------------------------------------------------------------

static void two_parts_merge_to_the_whole(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, SCAN "--part 0/2 --threads 1 -o $T/h0.db" SHORT);
    kit_expect(0, NULL, SCAN "--part 1/2 --threads 2 -o $T/h1.db" SHORT);
    kit_expect(0, NULL, "gapscope merge -o $T/h01.db $T/h0.db $T/h1.db");
    kit_expect(0, NULL, "gapscope merge -o $T/h10.db $T/h1.db $T/h0.db");
    assert_same_digest("h01.db", "short.db");
    assert_same_digest("h10.db", "short.db");
    sqlite3 *db = kit_db("h01.db");
    assert_int_equal(kit_number(db, "SELECT sum(units_done) FROM shard"), 5);
    sqlite3_close(db);
}

static void five_parts_merge_in_any_grouping(void **state)
{
    (void)state;
    need_short();
    for (int i = 0; i < 5; i++) {
        kit_expect(0, NULL, SCAN "--part %d/5 -o $T/f%d.db" SHORT, i, i);
    }
    kit_expect(0, NULL, "gapscope merge -o $T/all.db $T/f4.db $T/f2.db $T/f0.db $T/f3.db $T/f1.db");
    assert_same_digest("all.db", "short.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f34.db $T/f3.db $T/f4.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f01.db $T/f1.db $T/f0.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f234.db $T/f2.db $T/f34.db");
    kit_expect(0, NULL, "gapscope merge -o $T/tree.db $T/f01.db $T/f234.db");
    assert_same_digest("tree.db", "short.db");
}

static void what_is_not_parts_of_one_run_is_not_merged(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "--part 0/2 -o $T/p0.db" SHORT);
    kit_expect(0, NULL, SCAN "--part 1/2 --floor -5 -o $T/p1.db" SHORT);
    kit_expect(1, "floor: one has -6, the other -5",
               "gapscope merge -o $T/never.db $T/p0.db $T/p1.db");
    static const struct {
        const char *options, *says;
    } others[] = {
        {"--regex 'word=\\bfree\\b' --examples 4", "number of hypotheses: one has 6, the other 1"},
        {"--hypotheses $T/h2.yaml --examples 4", "hypothesis word: one has "},
        {"--hypotheses $T/h.yaml --examples 4", "number of watched pairs: one has 2, the other 0"},
        {HYPOTHESES "--examples 5", "examples: one has 4, the other 5"},
        {HYPOTHESES "--histograms 'top 5'", "histograms: one has "},
        {HYPOTHESES "--site post", "site"},
        {HYPOTHESES "--trigram-rule count=3", "\"count\":"},
    };
    kit_expect(0, NULL, "sed 's/free/thee/' $T/h.yaml >$T/h2.yaml");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        kit_expect(0, NULL,
                   "gapscope scan" MODELS "--top 5 %s --part 1/2 --force "
                   "-o $T/q1.db" SHORT,
                   others[i].options);
        kit_expect(1, others[i].says, "gapscope merge -o $T/never.db $T/p0.db $T/q1.db");
    }
    kit_expect(1, "are in both", "gapscope merge -o $T/never.db $T/p0.db $T/p0.db");
    kit_expect(1, "s3.txt", "gapscope merge -o $T/never.db $T/p0.db $T/s3.txt");
    assert_false(file_is_regular(kit_path("never.db")));
}

// --- stopped and started again ------------------------------------------------------------------

static uint64_t next_random(uint64_t *seed) // xorshift
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void sleep_for(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) && errno == EINTR) {
    }
}

static void fail_with_messages(const char *what)
{
    struct buf said = {0};
    file_read(kit_path(".started"), (size_t)1 << 20, &said, NULL);
    fail_msg("%s: %.*s", what, (int)said.len, said.data ? said.data : "");
}

static void killed_runs_end_like_unbroken_ones(void **state)
{
    (void)state;
    const char *wanted = getenv("GAPSCOPE_KILLS");
    const unsigned long n = wanted ? strtoul(wanted, NULL, 10) : KIT_SLOW ? 6 : 20;
    const double seconds = need_long();
    uint64_t seed = 20240229;
    unsigned long kills = 0, finished = 0, started = 0;
    while (kills < n || finished == 0) {
        assert_true(started++ < 10 * n + 100);
        const pid_t pid =
            kit_start("scan" OPTIONS "--threads 2 --record $T/killed.zarr -o $T/killed.db" LONG);
        if (kills < n) {
            sleep_for(seconds * (double)(next_random(&seed) % 1000) / 1000);
            kill(pid, SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status)) {
            assert_int_equal(WTERMSIG(status), SIGKILL);
            kills++;
            finished = 0;
            continue;
        }
        if (WEXITSTATUS(status) != 0) {
            fail_with_messages("a run that was killed before does not go on");
        }
        assert_same_digest("killed.db", "long.db");
        kit_expect(0, NULL, "diff -rq $T/killed.zarr $T/long.zarr >&2");
        kit_expect(0, NULL, "rm -r $T/killed.db* $T/killed.zarr");
        finished++;
    }
    print_message("%lu kills in %lu runs\n", kills, started);
}

/* Units that run.db says are done; 0 while there is no such file or table. */
static int64_t units_done(const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t n = 0;
    if (sqlite3_open_v2(kit_path(name), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT sum(units_done) FROM shard", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        n = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static bool says_any(const char *file, const char *const *words)
{
    struct buf said = {0};
    assert_int_equal(file_read(kit_path(file), (size_t)1 << 20, &said, NULL), 0);
    assert_int_equal(buf_append(&said, "", 1, NULL), 0);
    bool found = false;
    for (; *words && !found; words++) {
        found = strcasestr(said.data, *words) != NULL;
    }
    buf_free(&said);
    return found;
}

/* Sends 'number' to a run once it has done a unit; it must end with 128 + number, and go on to what
 * 'wanted' has. */
static void stop_and_go_on(int number, const char *options, const char *wanted)
{
    static const char *const how[] = {"again", "go on", "resume", NULL};
    static const char *const from[] = {"goes on", "going on", "go on", "resum", "continu", NULL};
    int status = 0;
    for (int tries = 0; tries < 5; tries++) { // it may be done before the signal comes
        kit_expect(0, NULL, "rm -f $T/stopped.db*");
        char arguments[1024];
        snprintf(arguments, sizeof arguments, "scan %s --threads 1 -o $T/stopped.db" LONG, options);
        const pid_t pid = kit_start(arguments);
        while (units_done("stopped.db") == 0 && waitpid(pid, &status, WNOHANG) == 0) {
            sleep_for(0.002);
        }
        if (units_done("stopped.db") == N_LONG) {
            waitpid(pid, &status, 0); // or was waited for above
            continue;
        }
        kill(pid, number);
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
            fail_with_messages("it did not end by itself");
        }
        if (WEXITSTATUS(status) != 0) {
            break;
        }
    }
    if (WEXITSTATUS(status) != 128 + number || !says_any(".started", how)) {
        fail_with_messages("it should end with 128 + the signal and say how to go on");
    }
    const int64_t done = units_done("stopped.db");
    assert_in_range(done, 1, N_LONG - 1);
    kit_expect(0, NULL, "gapscope scan %s --threads 2 -o $T/stopped.db" LONG, options);
    assert_true(says_any(".err", from));
    assert_same_digest("stopped.db", wanted);
}

static void an_interrupted_run_goes_on(void **state)
{
    (void)state;
    need_long();
    stop_and_go_on(SIGINT, OPTIONS, "long.db");
    stop_and_go_on(SIGTERM, OPTIONS, "long.db");
}

/* What the first unit chose stands. */
static void an_interrupted_run_goes_on_with_the_same_histograms(void **state)
{
    (void)state;
#define TOP OPTIONS "--histograms 'top 5' "
    kit_expect(0, NULL, "gapscope scan" TOP "--threads 2 -o $T/top.db" LONG);
    stop_and_go_on(SIGINT, TOP, "top.db");
}

static void a_finished_run_has_nothing_left(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "-o $T/done.db" SHORT);
    kit_expect(0, "nothing", SCAN "-o $T/done.db" SHORT);
    assert_same_digest("done.db", "short.db");
}

static void a_record_that_lacks_what_run_db_has_is_refused(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "-o $T/bare.db" SHORT);
    kit_expect(1, "begun without this record", SCAN "--record $T/late.zarr -o $T/bare.db" SHORT);
    kit_expect(0, NULL, SCAN "--force --record $T/late.zarr -o $T/bare.db" SHORT);
    kit_expect(0, "nothing is left", SCAN "--record $T/late.zarr -o $T/bare.db" SHORT);
}

/* As it is after a kill between the last checkpoint of the state alone and the full one. */
static void tables_that_lag_behind_the_last_unit_are_written(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, "cp $T/short.db $T/lag.db");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(kit_path("lag.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DELETE FROM hit; DELETE FROM token_gap; DELETE FROM score;"
                                  "DELETE FROM example; DELETE FROM effect;"
                                  "UPDATE meta SET value = 4 WHERE key = 'units_in_tables'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    char lagging[33], whole[33];
    kit_digest(lagging, "lag.db");
    kit_digest(whole, "short.db");
    assert_string_not_equal(lagging, whole);
    kit_expect(0, "nothing is left", SCAN "-o $T/lag.db" SHORT);
    assert_same_digest("lag.db", "short.db");
}

static void a_scan_of_nothing_is_finished(void **state)
{
    (void)state;
    kit_expect(0, NULL, ": >$T/empty.jsonl");
    kit_expect(0, NULL, SCAN "-o $T/empty.db $T/empty.jsonl");
    sqlite3 *db = kit_db("empty.db");
    assert_int_equal(kit_number(db, "SELECT value <> '' FROM meta WHERE key = 'finished'"), 1);
    assert_int_equal(kit_number(db, "SELECT units FROM shard"), 0);
    sqlite3_close(db);
    kit_expect(0, "nothing is left", SCAN "-o $T/empty.db $T/empty.jsonl");
    kit_expect(0, NULL, SCAN "--part 0/2 -o $T/empty0.db $T/empty.jsonl");
    kit_expect(0, NULL, SCAN "--part 1/2 -o $T/empty1.db $T/empty.jsonl");
    kit_expect(0, "the whole run", "gapscope merge -o $T/none.db $T/empty0.db $T/empty1.db");
    assert_same_digest("none.db", "empty.db");
    kit_expect(0, NULL, "gapscope top $T/empty.db | grep -q 'nothing to list'");
    kit_expect(0, NULL, "test -z \"$(gapscope top --json $T/empty.db)\"");
}

static void another_run_is_refused_unless_forced(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, "cp $T/short.db $T/taken.db; sed 's/free/thee/' $T/h.yaml >$T/h2.yaml");
    static const struct {
        const char *options, *says;
    } others[] = {
        {"--model model/demo/attn-only-1l --model model/demo/gelu-1l --top 5" SHORT,
         "number of models: one has 3, the other 2"},
        {"--model attn-only-1l=model/demo/gelu-1l --model gelu-1l=model/demo/attn-only-1l "
         "--model model/demo/solu-1l" KIT_PAIRS "--top 5" SHORT,
         "model attn-only-1l: "},
        {MODELS HYPOTHESES "--top 5 --floor -5" SHORT, "floor: one has "},
        {MODELS HYPOTHESES "--top 5 $T/s1.jsonl", "number of shards: one has 5"},
        {KIT_MODELS HYPOTHESES "--pair gelu-1l:solu-1l --top 5" SHORT, "number of pairs"},
        {MODELS HYPOTHESES "--top 5 --special" SHORT, "settings: one has \"special\":0"},
        {KIT_MODELS KIT_PAIRS HYPOTHESES "--top 5" SHORT, "\"trigrams\":"},
        {MODELS HYPOTHESES "--top 5 --site post" SHORT, "site"},
        {MODELS HYPOTHESES "--top 5 --examples 5" SHORT, "examples: one has 4"},
        {MODELS HYPOTHESES "--top 5 --histograms 'top 5'" SHORT, "histograms"},
        {MODELS HYPOTHESES "--top 5 --watch gelu-1l:L0N6=word" SHORT,
         "number of watched pairs: one has 2, the other 3"},
        {MODELS "--hypotheses $T/h.yaml --watch gelu-1l:L0N5=word "
                "--watch solu-1l:L0N8=slow --examples 4 --top 5" SHORT,
         "watched pair 2"},
        {MODELS "--hypotheses $T/h.yaml --no-neurons --top 5" SHORT, "neurons"},
        {MODELS HYPOTHESES "--top 5 --regex x=x" SHORT,
         "number of hypotheses: one has 6, the other 7"},
        {MODELS "--hypotheses $T/h2.yaml --watch gelu-1l:L0N5=word "
                "--watch solu-1l:L0N7=slow --examples 4 --top 5" SHORT,
         "thee"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        kit_expect(1, others[i].says,
                   "gapscope scan %s -o $T/taken.db 2>$T/.why; s=$?; cat "
                   "$T/.why >&2; grep -q -e --force $T/.why && exit $s",
                   others[i].options);
        assert_same_digest("taken.db", "short.db");
    }
    const char *last = others[sizeof others / sizeof *others - 1].options;
    kit_expect(0, NULL, "gapscope scan %s -o $T/fresh.db", last);
    kit_expect(0, NULL, "gapscope scan %s --force -o $T/taken.db", last);
    assert_same_digest("taken.db", "fresh.db");
}

/* The file's name is not what labels. */
static void another_plugin_under_the_same_name_is_another_hypothesis(void **state)
{
    (void)state;
#define WITH_PLUGIN                                                                                \
    "gapscope scan --model model/demo/gelu-1l --hypotheses $T/plugin.yaml -o $T/plugin.db " SHORT
    kit_expect(0, NULL,
               "cp '" PLUGINS "/exclaim.so' $T/mine.so;"
               "echo 'hypotheses: [{name: mine, plugin: ./mine.so}]' >$T/plugin.yaml");
    kit_expect(0, NULL, WITH_PLUGIN);
    kit_expect(0, "nothing is left", WITH_PLUGIN);
    kit_expect(0, NULL, "cp $T/mine.so $T/new.so; echo >>$T/new.so; mv $T/new.so $T/mine.so");
    kit_expect(1, "hypothesis mine: one has ", WITH_PLUGIN);
    kit_expect(0, NULL, WITH_PLUGIN "--force");
}

/* meta's command is what was typed, quoted so that a shell reads the same words. */
static void the_command_in_a_run_can_be_pasted_into_a_shell(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope scan --model model/demo/gelu-1l --regex \"it=it's a\" --top 7 "
               "-o $T/typed.db" SHORT);
    sqlite3 *db = kit_db("typed.db");
    assert_int_equal(
        kit_number(db, "SELECT instr(value, 'gapscope scan --model model/demo/gelu-1l --regex "
                       "''it=it''\\''''s a'' --top 7 -o /') FROM meta WHERE key = 'command'"),
        1);
    sqlite3_close(db);
}

// --- bad records --------------------------------------------------------------------------------

static const char *const bad_lines[] = {
    "{\"text\":\"never closed",
    "[]",
    "17",
    "null",
    "{}",
    "{\"text\":null}",
    "{\"text\":{\"text\":\"inside\"}}",
    "{\"text\":\"two\"}{\"text\":\"values\"}",
    "\xff\xfe\x80",
    "}{",
    "",
    "   ",
    "<html>not JSON at all</html>",
};
#define N_BAD (sizeof bad_lines / sizeof *bad_lines)

/* 'good' and, with bad lines between its records, 'mixed'. */
static void mix(struct kit_shard *good, struct kit_shard *mixed)
{
    size_t bad = 0;
    for (const char *at = good->bytes.data, *end = at + good->bytes.len; at < end;) {
        const size_t len = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) + 1 - at);
        for (size_t i = 0; i < 5; i++) {
            const char *line =
                at == good->bytes.data && i == 0 ? "{broken" : bad_lines[bad++ % N_BAD];
            buf_append(&mixed->bytes, line, strlen(line), NULL);
            buf_append(&mixed->bytes, "\n", 1, NULL);
        }
        buf_append(&mixed->bytes, at, len, NULL);
        at += len;
    }
    kit_write(good);
    kit_write(mixed);
}

/* One frame of whole records, and behind it something that is no whole frame. */
static void damage(const struct kit_shard *good, const char *name, bool truncate)
{
    struct buf packed = {0}, more = {0};
    kit_compress(&packed, good->bytes.data, good->bytes.len);
    static const char lost[] = "{\"text\":\"lost\"}\n{\"text\":\"as well\"}\n";
    kit_compress(&more, lost, sizeof lost - 1);
    buf_append(&packed, truncate ? more.data : "this is no frame",
               truncate ? more.len / 2 : strlen("this is no frame"), NULL);
    kit_write_bytes(name, packed.data, packed.len);
    buf_free(&packed);
    buf_free(&more);
}

static void good_records_are_the_same_without_the_bad_ones(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "SELECT name, tokens, mean_logprob, se, bits_per_byte, clamped_share FROM model ORDER BY 1",
        "SELECT id, tokens, docs, mean_gap, se, share_other_better FROM pair ORDER BY 1",
        "SELECT * FROM token_gap ORDER BY 1, 2",
        "SELECT * FROM gap_hist ORDER BY 1, 2",
        "SELECT * FROM position_gap ORDER BY 1, 2",
        "SELECT * FROM domain ORDER BY 1",
        "SELECT * FROM domain_loss ORDER BY 1, 2",
        "SELECT * FROM domain_gap ORDER BY 1, 2",
        ("SELECT pair, side, rank, gap, base_logprob, other_logprob, shard, byte_start, byte_end, "
         "token, token_text, before, after, duplicates, detail FROM hit ORDER BY 1, 2, 3"),
        "SELECT * FROM hypothesis ORDER BY 1",
        "SELECT * FROM hypothesis_gap ORDER BY 1, 2",
        "SELECT * FROM hypothesis_domain ORDER BY 1, 2",
        "SELECT * FROM gap_credit ORDER BY 1, 2, 3, 4",
        "SELECT * FROM neuron ORDER BY 1, 2, 3",
        "SELECT * FROM score ORDER BY 1, 2, 3, 4, 5",
        "SELECT * FROM split_hist ORDER BY 1, 2, 3, 4, 5",
        "SELECT id, n, docs, mean_logprob, n_ab, n_xb, n_ax, n_xx FROM trigram ORDER BY 1",
        "SELECT * FROM trigram_gap ORDER BY 1, 2",
        // which are sampled depends on the documents' numbers
        ("SELECT model, layer, idx, kind, rank, activation, shard, byte_start, byte_end, "
         "token_index, tokens, activations, labels FROM example WHERE kind IN ('top', 'bottom') "
         "ORDER BY 1, 2, 3, 4, 5"),
    };
    static const char *const texts[] = {
        "The quick brown fox jumps over the lazy dog, and the lazy dog sleeps on." PHRASES,
        "int main(void)\n{\n    return 0;\n}\n", "", "2 + 2 = 4; 2 * 2 = 4; 2 ** 2 = 4"};
    struct kit_shard good = {.name = "good/x.jsonl"}, mixed = {.name = "mixed/x.jsonl"},
                     frames = {.name = "good/y.jsonl.zst"}, frames2 = {.name = "good/z.jsonl.zst"};
    for (size_t i = 0; i < 4; i++) {
        kit_add(&good, "a", SET("a"), texts[i], strlen(texts[i]));
        kit_add(&frames, "b", SET("b"), texts[3 - i], strlen(texts[3 - i]));
        kit_add(&frames2, "", "", texts[i], strlen(texts[i]) / 2);
    }
    mix(&good, &mixed);
    kit_write(&frames);
    kit_write(&frames2);
    damage(&frames, "mixed/y.jsonl.zst", true);
    damage(&frames2, "mixed/z.jsonl.zst", false);
    kit_expect(0, NULL, SCAN "-o $T/good.db $T/good/*");
    kit_expect(0, NULL, SCAN "-o $T/mixed.db $T/mixed/*");
    kit_expect(1, NULL, SCAN "--strict -o $T/strict.db $T/mixed/*");
    sqlite3 *db_good = kit_db("good.db"), *db_mixed = kit_db("mixed.db");
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct buf a = {0}, b = {0};
        kit_dump(&a, db_good, queries[i]);
        kit_dump(&b, db_mixed, queries[i]);
        assert_true(a.len > 0);
        assert_string_equal(a.data, b.data);
        buf_free(&a);
        buf_free(&b);
    }
    assert_int_equal(kit_number(db_good, "SELECT count(*) FROM reject WHERE n>0"), 0);
    static const struct {
        const char *reason;
        int64_t n;
    } rejects[] = {{"bad_json", 7},
                   {"not_an_object", 6},
                   {"no_text_field", 5},
                   {"truncated_stream", 1},
                   {"trailing_garbage", 1}};
    for (size_t i = 0; i < sizeof rejects / sizeof *rejects; i++) {
        assert_int_equal(kit_number(db_mixed,
                                    "SELECT coalesce(sum(n),0) FROM reject WHERE "
                                    "reason='%s'",
                                    rejects[i].reason),
                         rejects[i].n);
    }
    sqlite3_close(db_good);
    sqlite3_close(db_mixed);
    kit_shard_free(&good);
    kit_shard_free(&mixed);
    kit_shard_free(&frames);
    kit_shard_free(&frames2);
}

// --- many domains -------------------------------------------------------------------------------

static void domains_beyond_the_limit_merge_exactly(void **state)
{
    (void)state;
    if (KIT_SLOW) {
        skip(); // 5000 documents
    }
    for (size_t i = 0; i < 2; i++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "many-%zu.jsonl", i);
        for (size_t d = 0; d < 2500; d++) {
            char domain[32], members[64];
            snprintf(domain, sizeof domain, "domain %zu", 2000 * i + d); // 500 in both
            snprintf(members, sizeof members, ",\"source\":\"%s\"", domain);
            kit_add(&s, domain, members, "ab", 2);
        }
        write_and_free(&s);
    }
#define MANY                                                                                       \
    "gapscope scan --model model/demo/attn-only-1l --model model/demo/gelu-1l "                    \
    "--regex b=b --no-neurons "
#define SHARDS " $T/many-0.jsonl $T/many-1.jsonl"
    kit_expect(0, NULL, MANY "--threads 2 -o $T/many.db" SHARDS);
    kit_expect(0, NULL, MANY "--part 0/2 -o $T/many0.db" SHARDS);
    kit_expect(0, NULL, MANY "--part 1/2 -o $T/many1.db" SHARDS);
    kit_expect(0, NULL, "gapscope merge -o $T/many10.db $T/many1.db $T/many0.db");
    assert_same_digest("many10.db", "many.db");
    sqlite3 *db = kit_db("many.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM domain"), 4097);
    assert_int_equal(kit_number(db, "SELECT sum(docs) FROM domain"), 5000);
    assert_int_equal(kit_number(db, "SELECT docs FROM domain WHERE name='(other)'"),
                     5000 - kit_number(db, "SELECT sum(docs) FROM domain WHERE name<>'(other)'"));
    assert_int_equal(kit_number(db, "SELECT count(*) FROM domain WHERE name<>'(other)' AND "
                                    "docs<>(CASE WHEN CAST(substr(name,8) AS INT) BETWEEN 2000 AND "
                                    "2499 THEN 2 ELSE 1 END)"),
                     0);
    assert_int_equal(kit_number(db, "SELECT sum(tokens) FROM domain"),
                     kit_number(db, "SELECT tokens FROM model LIMIT 1"));
    assert_int_equal(kit_number(db, "SELECT sum(tokens) FROM hypothesis_domain"), 5000);
    assert_int_equal(kit_number(db, "SELECT tokens FROM hypothesis"), 5000);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tables_have_rows),
        cmocka_unit_test(other_content_has_another_digest),
        cmocka_unit_test(any_number_of_threads_gives_the_same),
        cmocka_unit_test(order_and_folder_of_shards_do_not_matter),
        cmocka_unit_test(two_parts_merge_to_the_whole),
        cmocka_unit_test(five_parts_merge_in_any_grouping),
        cmocka_unit_test(what_is_not_parts_of_one_run_is_not_merged),
        cmocka_unit_test(killed_runs_end_like_unbroken_ones),
        cmocka_unit_test(an_interrupted_run_goes_on),
        cmocka_unit_test(an_interrupted_run_goes_on_with_the_same_histograms),
        cmocka_unit_test(a_finished_run_has_nothing_left),
        cmocka_unit_test(a_record_that_lacks_what_run_db_has_is_refused),
        cmocka_unit_test(tables_that_lag_behind_the_last_unit_are_written),
        cmocka_unit_test(a_scan_of_nothing_is_finished),
        cmocka_unit_test(another_run_is_refused_unless_forced),
        cmocka_unit_test(another_plugin_under_the_same_name_is_another_hypothesis),
        cmocka_unit_test(the_command_in_a_run_can_be_pasted_into_a_shell),
        cmocka_unit_test(good_records_are_the_same_without_the_bad_ones),
        cmocka_unit_test(domains_beyond_the_limit_merge_exactly),
    };
    return cmocka_run_group_tests(tests, make_corpora, kit_remove_folder);
}
