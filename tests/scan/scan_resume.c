#include "tests/scan/scan_resume.h"

#include "tests/kit/golden.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "tests/kit/scan_kit.h"
#include "tests/scan/scan_runs_corpora.h"

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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits until the process has ended, at most so long; true: it has, with *status. */
static bool ends_within(pid_t pid, double seconds, int *status)
{
    const double end = now() + seconds;
    pid_t ended = 0;
    while ((ended = waitpid(pid, status, WNOHANG)) == 0 && now() < end) {
        sleep_for(fmin(0.002, fmax(0, end - now())));
    }
    return ended == pid;
}

static void fail_with_messages(const char *what)
{
    struct buf said = {0};
    file_read(kit_path(".started"), (size_t)1 << 20, &said, NULL);
    fail_msg("%s: %.*s", what, (int)said.len, said.data ? said.data : "");
}

void killed_runs_end_like_unbroken_ones(void **state)
{
    (void)state;
    const char *wanted = getenv("GAPSCOPE_KILLS");
    const unsigned long n = wanted ? strtoul(wanted, NULL, 10) : KIT_SLOW ? 6 : 12;
    double seconds = need_long(); // of a whole run
    uint64_t seed = 20240229;
    unsigned long kills = 0, finished = 0, started = 0;
    bool whole = true; // the run begins with nothing
    while (kills < n || finished == 0) {
        assert_true(started++ < 10 * n + 100);
        const pid_t pid =
            kit_start("scan" OPTIONS "--threads 2 --record $T/killed.zarr -o $T/killed.db" LONG);
        const double begin = now(), wait = seconds * (double)(next_random(&seed) % 1000) / 1000;
        int status;
        if (kills >= n || !ends_within(pid, wait, &status)) {
            if (kills < n) {
                kill(pid, SIGKILL);
            }
            assert_int_equal(waitpid(pid, &status, 0), pid);
        }
        if (WIFSIGNALED(status)) {
            assert_int_equal(WTERMSIG(status), SIGKILL);
            kills++;
            finished = 0;
            whole = false;
            continue;
        }
        seconds = whole ? now() - begin : seconds; // the machine may have become quicker since
        if (WEXITSTATUS(status) != 0) {
            fail_with_messages("a run that was killed before does not go on");
        }
        assert_same_digest("killed.db", "long.db");
        kit_expect(0, NULL, "diff -rq $T/killed.zarr $T/long.zarr >&2");
        kit_expect(0, NULL, "rm -r $T/killed.db* $T/killed.zarr");
        finished++;
        whole = true;
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

void an_interrupted_run_goes_on(void **state)
{
    (void)state;
    need_long();
    stop_and_go_on(SIGINT, OPTIONS, "long.db");
    stop_and_go_on(SIGTERM, OPTIONS, "long.db");
}

/* What the first unit chose stands. */
void an_interrupted_run_goes_on_with_the_same_histograms(void **state)
{
    (void)state;
#define TOP OPTIONS "--histograms 'top 5' "
    kit_expect(0, NULL, "gapscope scan" TOP "--threads 2 -o $T/top.db" LONG);
    signal(SIGHUP, SIG_DFL); // whoever started the tests may ignore it
    stop_and_go_on(SIGHUP, TOP, "top.db");
}

void a_finished_run_has_nothing_left(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "-o $T/done.db" SHORT);
    kit_expect(0, "nothing", SCAN "-o $T/done.db" SHORT);
    assert_same_digest("done.db", "short.db");
}

void a_record_that_lacks_what_run_db_has_is_refused(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "-o $T/bare.db" SHORT);
    kit_expect(1, "begun without this record", SCAN "--record $T/late.zarr -o $T/bare.db" SHORT);
    kit_expect(0, NULL, SCAN "--force --record $T/late.zarr -o $T/bare.db" SHORT);
    kit_expect(0, "nothing is left", SCAN "--record $T/late.zarr -o $T/bare.db" SHORT);
}

/* As it is after a kill between the last checkpoint of the state alone and the full one. */
void tables_that_lag_behind_the_last_unit_are_written(void **state)
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

void a_scan_of_nothing_is_finished(void **state)
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

void another_run_is_refused_unless_forced(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, "cp $T/short.db $T/taken.db; sed 's/free/thee/' $T/h.yaml >$T/h2.yaml");
    static const struct {
        const char *options, *says;
    } others[] = {
        {"--model $T/m/attn-only-1l --model $T/m/gelu-1l --top 5" SHORT,
         "number of models: one has 3, the other 2"},
        {"--model attn-only-1l=$T/m/gelu-1l --model gelu-1l=$T/m/attn-only-1l "
         "--model $T/m/solu-1l" KIT_PAIRS "--top 5" SHORT,
         "model attn-only-1l: "},
        {MODELS HYPOTHESES "--top 5 --floor -5" SHORT, "floor: one has "},
        {MODELS HYPOTHESES "--top 5 $T/s1.jsonl", "number of shards: one has 5"},
        {SMALL_MODELS HYPOTHESES "--pair gelu-1l:solu-1l --top 5" SHORT, "number of pairs"},
        {MODELS HYPOTHESES "--top 5 --special" SHORT, "settings: one has \"special\":0"},
        {SMALL_MODELS KIT_PAIRS HYPOTHESES "--top 5" SHORT, "\"trigrams\":"},
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
void another_plugin_under_the_same_name_is_another_hypothesis(void **state)
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
void the_command_in_a_run_can_be_pasted_into_a_shell(void **state)
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
