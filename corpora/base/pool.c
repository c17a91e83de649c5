#include "corpora/base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"

struct pool {
    // owned by the caller
    pthread_t *threads; // [n_started]
    size_t n_started, cap;

    // under mu
    pthread_mutex_t mu;
    pthread_cond_t changed; // a thread has ended, or pool_wake() was called
    size_t n_working;       // threads that have not ended
    bool woken;             // pool_wake() was called since the last pool_wait()
    struct err err;         // the first failure; code 0: none

    // atomic: written by whoever stops the pool, read by all
    atomic_int stop;
};

/* What a new thread is handed; it frees it. */
struct start {
    struct pool *pool;
    pool_fn *fn;
    void *context;
};

static void init(struct pool *p)
{
    *p = (struct pool){0};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->mu, NULL);
}

int pool_new(struct pool **out, struct err *err)
{
    struct pool *p = mem_new(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "threads");
    }
    init(p);
    *out = p;
    return 0;
}

static void work(struct pool *p, pool_fn *fn, void *context)
{
    struct err err = {0};
    const int rc = fn(context, p, &err);
    if (rc) {
        pthread_mutex_lock(&p->mu);
        if (!p->err.code) {
            p->err = err;
            p->err.code = (enum err_code)rc;
        }
        pthread_mutex_unlock(&p->mu);
        pool_stop(p);
    }
}

static void *thread_main(void *arg)
{
    const struct start start = *(struct start *)arg;
    free(arg);
    work(start.pool, start.fn, start.context);
    pthread_mutex_lock(&start.pool->mu);
    start.pool->n_working--;
    pthread_cond_signal(&start.pool->changed);
    pthread_mutex_unlock(&start.pool->mu);
    return NULL;
}

/* Starts one thread, with the signals of its creator. */
static int start_one(struct pool *p, pool_fn *fn, void *context, struct err *err)
{
    struct start *start = mem_new(1, sizeof *start);
    if (!start) {
        return err_nomem(err, "a thread");
    }
    *start = (struct start){.pool = p, .fn = fn, .context = context};
    pthread_mutex_lock(&p->mu);
    p->n_working++;
    pthread_mutex_unlock(&p->mu);
    const int failed = pthread_create(&p->threads[p->n_started], NULL, thread_main, start);
    if (failed) {
        free(start);
        pthread_mutex_lock(&p->mu);
        p->n_working--;
        pthread_mutex_unlock(&p->mu);
        return err_set(err, ERR_IO, "starting a thread: %s", strerror(failed));
    }
    p->n_started++;
    return 0;
}

int pool_add(struct pool *p, size_t n, pool_fn *fn, void *context, struct err *err)
{
    int rc =
        mem_reserve(&p->threads, &p->cap, p->n_started + n, sizeof *p->threads, "threads", err);
    if (rc) {
        return rc;
    }
    // A thread inherits the mask.  A fault that is blocked would kill without its handler.
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = start_one(p, fn, context, err);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

size_t pool_n_started(const struct pool *p)
{
    return p->n_started;
}

bool pool_wait(struct pool *p, double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const long whole = (long)seconds;
    t.tv_sec += whole;
    t.tv_nsec += (long)((seconds - (double)whole) * 1e9);
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_mutex_lock(&p->mu);
    for (int late = 0; p->n_working > 0 && !p->woken && !late;) {
        late = pthread_cond_timedwait(&p->changed, &p->mu, &t);
    }
    p->woken = false;
    const bool works = p->n_working > 0;
    pthread_mutex_unlock(&p->mu);
    return works;
}

void pool_wake(struct pool *p)
{
    pthread_mutex_lock(&p->mu);
    p->woken = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->mu);
}

void pool_stop(struct pool *p)
{
    atomic_store(&p->stop, 1);
    pool_wake(p);
}

bool pool_is_stopped(const struct pool *p)
{
    return is_stopped(&p->stop);
}

const atomic_int *pool_stop_flag(const struct pool *p)
{
    return &p->stop;
}

/* Waits for all threads and ends what init() began. */
static int end(struct pool *p, struct err *err)
{
    for (size_t i = 0; i < p->n_started; i++) {
        pthread_join(p->threads[i], NULL);
    }
    if (p->err.code && err) {
        *err = p->err;
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mu);
    free(p->threads);
    return (int)p->err.code;
}

int pool_join(struct pool *p, struct err *err)
{
    const int rc = p ? end(p, err) : 0;
    free(p);
    return rc;
}

int pool_run(size_t n_threads, pool_fn *fn, void *context, struct err *err)
{
    struct pool p;
    init(&p);
    if (n_threads > 1) {
        (void)pool_add(&p, n_threads - 1, fn, context, NULL);
    }
    work(&p, fn, context);
    return end(&p, err);
}
