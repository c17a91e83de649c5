/*
 * Signals at bad moments, and what is left when the program has ended
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

#define GELU " --model model/demo/gelu-1l "

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The number behind "name:" in /proc/PID/status, read in this base; 0: there is none. */
static uint64_t status_of(pid_t pid, const char *name, int base)
{
    struct buf text = {0};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    uint64_t value = 0;
    if (file_read(path, 1 << 16, &text, NULL) == 0 && buf_append(&text, "", 1, NULL) == 0) {
        const char *at = strstr(text.data, name);
        value = at ? strtoull(at + strlen(name) + 1, NULL, base) : 0;
    }
    buf_free(&text);
    return value;
}

/* Whether the process has ended, or does within 10 seconds. */
static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 10000 && kill(pid, 0) == 0; i++) {
        sleep_ms(1);
    }
    return kill(pid, 0) != 0;
}

static void a_scan_outlives_usr1_in_its_first_moments(void **state)
{
    (void)state;
    int status;
    const pid_t pid = kit_start("scan" GELU "--no-neurons -o $T/usr1.db LICENSE");
    // As soon as main() has begun: it has made up its mind about SIGTERM by then.
    while (!(status_of(pid, "\nSigCgt", 16) >> (SIGTERM - 1) & 1)) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    }
    assert_int_equal(kill(pid, SIGUSR1), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    kit_expect(0, NULL, "! gapscope digest $T/usr1.db 2>&1 | grep incomplete");
}

/* Of one unit: what is done of it is said before it ends. */
static void a_unit_in_hand_counts_as_progress(void **state)
{
    (void)state;
    int status;
    const pid_t pid =
        kit_start("scan --threads 1 --precision exact --ablate all --ablate-share 1/1" GELU
                  "-o $T/hand.db tests/texts/prose.txt");
    while (!(status_of(pid, "\nSigCgt", 16) >> (SIGUSR1 - 1) & 1)) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        assert_int_equal(kill(pid, SIGUSR1), 0);
        sleep_ms(20);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    kit_expect(0, NULL,
               "grep -q ' in 1 unit,' $T/.started && "
               "grep -Eq ' [1-9][0-9]?[.][0-9] %%, [0-9]+s left, ' $T/.started");
}

// --- programs -----------------------------------------------------------------------------------

/* exec_program starts a daemon at the first word and writes its number into a file. */
#define HYPOTHESES "hypotheses:\n- {name: mine, exec: [" EXEC_PROGRAM "]}\n"

static pid_t daemon_pid(void)
{
    struct buf text = {0};
    assert_int_equal(file_read(kit_path("daemon"), 100, &text, NULL), 0);
    assert_int_equal(buf_append(&text, "", 1, NULL), 0);
    const pid_t pid = (pid_t)atoi(text.data);
    buf_free(&text);
    assert_true(pid > 1);
    return pid;
}

static void what_a_program_starts_ends_with_the_command(void **state)
{
    (void)state;
    kit_write_bytes("h.yaml", HYPOTHESES, strlen(HYPOTHESES));
    kit_expect(0, NULL,
               "printf 'daemon word' | gapscope label" GELU
               "--hypotheses $T/h.yaml -o $T/labels -");
    assert_true(is_gone(daemon_pid()));
    assert_int_equal(unlink(kit_path("daemon")), 0);
    kit_expect(0, NULL,
               "printf 'daemon word' >$T/daemon.txt && gapscope scan --threads 2" GELU
               "--hypotheses $T/h.yaml -o $T/d.db $T/daemon.txt");
    assert_true(is_gone(daemon_pid()));
    assert_int_equal(unlink(kit_path("daemon")), 0);
}

/* Whatever ends it: the second document is one that is never answered. */
static void what_a_program_starts_ends_where_gapscope_is_ended(void **state)
{
    (void)state;
    static const int numbers[] = {SIGKILL, SIGTERM, SIGABRT};
    kit_write_bytes("h.yaml", HYPOTHESES, strlen(HYPOTHESES));
    kit_expect(0, NULL,
               "printf '{\"text\":\"daemon word\"}\\n{\"text\":\"hang\"}\\n' >$T/hang.jsonl");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int status;
        const pid_t pid =
            kit_start("label" GELU "--hypotheses $T/h.yaml -o $T/labels $T/hang.jsonl");
        for (int ms = 0; ms < 20000 && !file_is_regular(kit_path("daemon")); ms++) {
            sleep_ms(1);
        }
        sleep_ms(20); // it writes its number
        const pid_t daemon = daemon_pid();
        assert_int_equal(kill(pid, numbers[i]), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
        assert_true(is_gone(daemon));
        assert_int_equal(unlink(kit_path("daemon")), 0);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Nobody waits for the program's answer, nor for those that would end when their input does. */
static void a_scan_that_waits_for_a_program_stops_at_once(void **state)
{
    (void)state;
    static const char hypotheses[] =
        "hypotheses:\n- {name: mine, exec: [" EXEC_PROGRAM "], timeout: 300}\n"
        "- {name: other, exec: [" EXEC_PROGRAM ", stays], timeout: 300}\n";
    static const int numbers[] = {SIGTERM, SIGINT};
    kit_write_bytes("h.yaml", hypotheses, strlen(hypotheses));
    kit_expect(0, NULL,
               "printf '{\"text\":\"daemon word\"}\\n{\"text\":\"hang\"}\\n' >$T/hang.jsonl");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int status;
        const pid_t pid = kit_start("scan --no-neurons --threads 2" GELU
                                    "--hypotheses $T/h.yaml -o $T/hang.db $T/hang.jsonl");
        for (int ms = 0; ms < 60000 && !file_is_regular(kit_path("daemon")); ms++) {
            sleep_ms(1);
        }
        sleep_ms(200); // it writes its number, and is asked about the next document
        const pid_t daemon = daemon_pid();
        const double begin = seconds();
        assert_int_equal(kill(pid, numbers[i]), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(seconds() - begin < (KIT_SLOW ? 10 : 3)); // and not up to 900
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 128 + numbers[i]);
        assert_true(is_gone(daemon));
        assert_int_equal(unlink(kit_path("daemon")), 0);
    }
}

// --- files that are cut short -------------------------------------------------------------------

static bool is_mapped(pid_t pid, const char *name)
{
    struct kit_ran r = {0};
    kit_run(&r, "grep -q '%s$' /proc/%d/maps", name, (int)pid);
    const bool is = r.status == 0;
    kit_ran_free(&r);
    return is;
}

static void a_mapped_file_that_is_cut_short_is_named(void **state)
{
    (void)state;
    int status;
    kit_expect(0, NULL, "gapscope count" GELU "-o $T/c.ngrams tests/texts/prose.txt");
    kit_expect(0, NULL, "mkfifo $T/in");
    const pid_t pid = kit_start("score --model c=$T/c.ngrams:3" GELU "-o $T/scores - <$T/in");
    FILE *in = fopen(kit_path("in"), "w");
    assert_non_null(in);
    while (!is_mapped(pid, "c.ngrams")) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    }
    assert_int_equal(truncate(kit_path("c.ngrams"), 0), 0);
    // Where it still reads the counts, it ends before it reads the text.
    signal(SIGPIPE, SIG_IGN);
    fputs("some text that needs the counts", in);
    fclose(in);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    kit_expect(0, NULL,
               "grep -q \"^gapscope: $T/c.ngrams: it was cut short while it was being read\" "
               "$T/.started && ! ls $T | grep scores.tmp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_outlives_usr1_in_its_first_moments),
        cmocka_unit_test(a_unit_in_hand_counts_as_progress),
        cmocka_unit_test(what_a_program_starts_ends_with_the_command),
        cmocka_unit_test(what_a_program_starts_ends_where_gapscope_is_ended),
        cmocka_unit_test(a_scan_that_waits_for_a_program_stops_at_once),
        cmocka_unit_test(a_mapped_file_that_is_cut_short_is_named),
    };
    return cmocka_run_group_tests(tests, kit_make_folder, kit_remove_folder);
}
