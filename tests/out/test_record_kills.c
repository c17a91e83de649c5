/*
 * A record is killed before every single step that it takes on the disk - each folder that it
 * makes, each file that it renames or removes - and ends with the files of one that was left alone.
 *
 * The linker puts the __wrap_ functions below between record.c and the C library (tests.cmake).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "out/results/record/record.h"

#define UNITS 5
#define MODELS 2

// --- the kill -----------------------------------------------------------------------------------

static long steps_left = -1; // until the kill; below 0: there is none

static void step(void)
{
    if (steps_left == 0) {
        kill(getpid(), SIGKILL);
    }
    steps_left -= steps_left > 0;
}

int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_rmdir(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_rmdir(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);

int __wrap_rename(const char *from, const char *to)
{
    step();
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    step();
    return __real_unlink(path);
}

int __wrap_rmdir(const char *path)
{
    step();
    return __real_rmdir(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    step();
    return __real_mkdir(path, mode);
}

// --- a run --------------------------------------------------------------------------------------

static char folder[] = "/tmp/gapscope-kills-XXXXXX";

/* What run.db knows: kept from one process to the next, set after the record's step as a checkpoint
 * is. */
static struct saved {
    bool done[UNITS], counted;
} * saved;

static const uint64_t order[UNITS] = {1, 0, 3, 2, 4}; // in which units are done
// More than a chunk in all; unit 2 stands in two.
static const size_t sizes[UNITS] = {RECORD_CHUNK - 1000, 0, 1500, 60, 7};

static char base[] = "base", other_model[] = "other", third[] = "third", shard_name[] = "s",
            settings[] = "{}";
static struct run_model models[MODELS] = {{.name = base, .weights_hash = 1},
                                          {.name = other_model, .weights_hash = 2}};
static struct run_model other_models[MODELS] = {{.name = base, .weights_hash = 1},
                                                {.name = third, .weights_hash = 3}};
static struct run_shard shards[1] = {{.name = shard_name, .bytes = 1, .hash = 3}};

static struct run run_of(struct run_model *m)
{
    return (struct run){
        .models = m, .n_models = MODELS, .shards = shards, .n_shards = 1, .settings = settings};
}

static const char *path_of(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[600];
    const int n = snprintf(command, sizeof command, "cd %s && ", folder);
    va_list args;
    va_start(args, format);
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    va_end(args);
    if (system(command) != 0) {
        fail_msg("%s", command);
    }
}

/* Columns for the largest unit; every unit has the first rows of them. */
static uint64_t doc[RECORD_CHUNK];
static uint32_t number[RECORD_CHUNK];
static double logprob[RECORD_CHUNK];

static int put(struct record *r, uint64_t unit)
{
    const double *const rows[MODELS] = {logprob, logprob + unit};
    const struct record_rows of_unit = {.n = sizes[unit],
                                        .shard = (uint32_t)unit,
                                        .doc = doc,
                                        .window = number,
                                        .pos = number,
                                        .token = number + unit,
                                        .logprob = rows};
    return record_unit(r, unit, &of_unit, NULL);
}

/* What a process does that runs `scan` with a record: goes on from what is saved to the end. */
static int work(struct run_model *m, const char *name)
{
    struct run run = run_of(m);
    struct record *r = NULL;
    for (uint64_t unit = 0; unit < UNITS; unit++) {
        if (saved->done[unit] && run_set_done(&run, unit, NULL)) {
            return 2;
        }
    }
    run.counted = saved->counted;
    run.n_units = UNITS;
    int rc = record_open(&r, path_of(name), &run, 0, 1, false, NULL);
    rc = rc ? rc : record_advance(r, &run, NULL);
    for (size_t k = 0; k < UNITS && !rc; k++) {
        const uint64_t unit = order[k];
        if (!saved->done[unit]) {
            rc = put(r, unit);
            rc = rc ? rc : run_set_done(&run, unit, NULL);
            rc = rc ? rc : record_advance(r, &run, NULL);
            saved->done[unit] = !rc;
        }
    }
    run.counted = true;
    rc = rc ? rc : record_advance(r, &run, NULL);
    saved->counted = !rc;
    record_close(r);
    free(run.done);
    return rc;
}

static int clear(struct run_model *m, const char *name)
{
    struct run run = run_of(m);
    struct record *r = NULL;
    int rc = record_open(&r, path_of(name), &run, 0, 1, true, NULL);
    rc = rc ? rc : record_begin(r, NULL);
    record_close(r);
    return rc;
}

/* Does it in a process that is killed before step number 'at' (below 0: never); false: killed. */
static bool ends(int (*what)(struct run_model *m, const char *name), struct run_model *m,
                 const char *name, long at)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        steps_left = at;
        _exit(what(m, name));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return false;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return true;
}

/* whole/ and whole2/: records of both runs that nobody killed. */
static int make_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORD_CHUNK; i++) {
        doc[i] = i / 500;
        number[i] = (uint32_t)(i % 255);
        logprob[i] = -(double)(i % 1000) / 64;
    }
    saved = mmap(NULL, sizeof *saved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (saved == MAP_FAILED || !mkdtemp(folder)) {
        return -1;
    }
    const bool first = ends(work, models, "whole", -1);
    *saved = (struct saved){0};
    return first && ends(work, other_models, "whole2", -1) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    shell("rm -rf %s", folder);
    return 0;
}

static void expect_files_of(const char *whole, long at)
{
    char command[200];
    snprintf(command, sizeof command, "cd %s && diff -rq %s z >&2", folder, whole);
    if (system(command) != 0) {
        fail_msg("killed before step %ld", at);
    }
    shell("test \"$(ls -A z/.units)\" = state");
}

// --- tests --------------------------------------------------------------------------------------

static void killed_before_any_step_it_ends_with_the_files_of_an_unbroken_one(void **state)
{
    (void)state;
    long at = 0;
    for (bool whole = false; !whole; at++) {
        shell("rm -rf z");
        *saved = (struct saved){0};
        whole = ends(work, models, "z", at);
        if (!whole) { // and once more, in what goes on
            ends(work, models, "z", at * 7 % 53);
            assert_true(ends(work, models, "z", -1));
        }
        expect_files_of("whole", at);
    }
    assert_true(at > 60); // steps there are
    print_message("%ld steps\n", at);
}

static void killed_while_it_is_cleared_it_is_cleared_when_it_is_opened_next(void **state)
{
    (void)state;
    long at = 3; // up to 2, the state that goes, it is the other run's still, and refused
    for (bool whole = false; !whole; at++) {
        shell("rm -rf z && cp -r whole z");
        *saved = (struct saved){0};
        whole = ends(clear, other_models, "z", at);
        assert_true(ends(work, other_models, "z", -1));
        expect_files_of("whole2", at);
    }
    assert_true(at > 40);
    print_message("%ld steps\n", at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_before_any_step_it_ends_with_the_files_of_an_unbroken_one),
        cmocka_unit_test(killed_while_it_is_cleared_it_is_cleared_when_it_is_opened_next),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
