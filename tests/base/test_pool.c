#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/base/pool.h"

#define N_PIECES ((size_t)1000)

/* Pieces that workers take from a counter. */
struct pieces {
    atomic_size_t next;
    atomic_int times[N_PIECES]; // how often each was done
    size_t bad;                 // the piece that fails
    atomic_int n_failed, n_workers;
};

static int take_pieces(void *context, struct pool *pool, struct err *err)
{
    struct pieces *w = context;
    atomic_fetch_add(&w->n_workers, 1);
    for (size_t i; !pool_is_stopped(pool) && (i = atomic_fetch_add(&w->next, 1)) < N_PIECES;) {
        if (i == w->bad) {
            atomic_fetch_add(&w->n_failed, 1);
            return err_set(err, ERR_CORRUPT, "piece %zu", i);
        }
        atomic_fetch_add(&w->times[i], 1);
    }
    return 0;
}

static void nap(double seconds)
{
    struct timespec t = {.tv_nsec = (long)(seconds * 1e9)};
    nanosleep(&t, NULL);
}

static void every_piece_is_done_once_by_any_number_of_threads(void **state)
{
    (void)state;
    const size_t counts[] = {0, 1, 2, 7};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        struct pieces w = {.bad = SIZE_MAX};
        struct err err = {0};
        assert_int_equal(pool_run(counts[k], take_pieces, &w, &err), 0);
        assert_int_equal(err.code, 0);
        assert_int_equal(atomic_load(&w.n_workers), counts[k] ? counts[k] : 1);
        for (size_t i = 0; i < N_PIECES; i++) {
            assert_int_equal(atomic_load(&w.times[i]), 1);
        }
    }
}

static void the_first_error_is_the_pools(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 4; n++) {
        struct pieces w = {.bad = 10};
        struct err err = {0};
        assert_int_equal(pool_run(n, take_pieces, &w, &err), ERR_CORRUPT);
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_string_equal(err.msg, "piece 10");
        w = (struct pieces){.bad = 10};
        assert_int_equal(pool_run(n, take_pieces, &w, NULL), ERR_CORRUPT);
    }
}

/* Each fails: one first, the other when it is told to stop. */
static int fail_in_turn(void *context, struct pool *pool, struct err *err)
{
    atomic_int *turn = context;
    if (atomic_fetch_add(turn, 1) == 0) {
        return err_set(err, ERR_IO, "first");
    }
    while (!pool_is_stopped(pool)) {
        nap(0.001);
    }
    return err_set(err, ERR_NOMEM, "later");
}

static void a_failure_stops_the_others_and_theirs_are_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        atomic_int turn = 0;
        struct err err = {0};
        assert_int_equal(pool_run(4, fail_in_turn, &turn, &err), ERR_IO);
        assert_string_equal(err.msg, "first");
        assert_int_equal(atomic_load(&turn), 4);
    }
}

static int until_stopped(void *context, struct pool *pool, struct err *err)
{
    (void)err;
    atomic_int *rounds = context;
    while (atomic_load(pool_stop_flag(pool)) == 0) {
        atomic_fetch_add(rounds, 1);
        nap(0.001);
    }
    return 0;
}

static void a_supervisor_waits_and_stops_them(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    struct err err = {0};
    atomic_int rounds = 0;
    assert_int_equal(pool_new(&pool, &err), 0);
    assert_false(pool_wait(pool, 10)); // nobody works, so it does not wait
    assert_int_equal(pool_add(pool, 1, until_stopped, &rounds, &err), 0);
    assert_int_equal(pool_add(pool, 3, until_stopped, &rounds, &err), 0);
    assert_int_equal(pool_n_started(pool), 4);
    for (int i = 0; i < 3; i++) {
        assert_true(pool_wait(pool, 0.01));
    }
    while (atomic_load(&rounds) < 8) {
        assert_true(pool_wait(pool, 0.01));
    }
    pool_stop(pool);
    while (pool_wait(pool, 10)) {
    }
    assert_int_equal(pool_join(pool, &err), 0);
    assert_int_equal(pool_join(NULL, &err), 0);
}

static int wake_the_supervisor(void *context, struct pool *pool, struct err *err)
{
    (void)context;
    (void)err;
    pool_wake(pool);
    while (!pool_is_stopped(pool)) {
        nap(0.001);
    }
    return 0;
}

static void a_worker_can_wake_the_supervisor(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    assert_int_equal(pool_new(&pool, NULL), 0);
    assert_int_equal(pool_add(pool, 1, wake_the_supervisor, NULL, NULL), 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_true(pool_wait(pool, 60));
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec < 30);
    pool_stop(pool);
    assert_int_equal(pool_join(pool, NULL), 0);
}

/* Which signals a worker has blocked. */
static int look_at_mask(void *context, struct pool *pool, struct err *err)
{
    (void)pool;
    (void)err;
    pthread_sigmask(SIG_BLOCK, NULL, context);
    return 0;
}

static void signals_are_the_callers_but_faults(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    sigset_t before, after, mask;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(pool_new(&pool, NULL), 0);
    assert_int_equal(pool_add(pool, 1, look_at_mask, &mask, NULL), 0);
    assert_int_equal(pool_join(pool, NULL), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    const int ours[] = {SIGINT, SIGTERM, SIGUSR1, SIGPIPE}, faults[] = {SIGBUS, SIGSEGV, SIGFPE};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(sigismember(&mask, ours[i]));
        assert_int_equal(sigismember(&before, ours[i]), sigismember(&after, ours[i]));
    }
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_false(sigismember(&mask, faults[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once_by_any_number_of_threads),
        cmocka_unit_test(the_first_error_is_the_pools),
        cmocka_unit_test(a_failure_stops_the_others_and_theirs_are_dropped),
        cmocka_unit_test(a_supervisor_waits_and_stops_them),
        cmocka_unit_test(a_worker_can_wake_the_supervisor),
        cmocka_unit_test(signals_are_the_callers_but_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
