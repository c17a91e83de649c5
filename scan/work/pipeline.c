/*
 * Locks: pipeline.mu alone, over the queue, the run, its results and the store.  What blocks under
 * it: a merge (milliseconds) and a checkpoint.
 */
#include "scan/work/pipeline.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/mem.h"
#include "scan/cli/progress.h"
#include "scan/work/summary.h"
#include "scan/work/worker.h"

// A checkpoint is made only if the last one took less than a hundredth of the time since, and so is
// one with all tables: together they cost less than 2 %.
#define CHECKPOINT_SHARE 100

struct pipeline {
    // set before threads start, then read only
    const struct pipeline_options *options;
    struct work work;

    // under mu
    pthread_mutex_t mu;
    pthread_cond_t room;   // for the reader: the queue has room, or the run ends
    pthread_cond_t filled; // for workers: the queue has a unit, or will have no more
    pthread_cond_t merged; // for the calling thread: something has happened
    struct unit **queue;   // [queue_cap], a ring
    size_t queue_at, queue_n, queue_cap;
    struct unit **spare; // [n_spare] units whose memory can be used again
    size_t n_spare;
    bool reader_done;
    size_t n_working; // workers that have not ended
    struct run *run;
    struct results *results;
    bool dirty;  // the results are more than the last checkpoint's
    bool broken; // a merge failed half-way: the results are not to be saved
    struct pipeline_result result;
    uint64_t raw_done;   // bytes of shards behind the units that this run has done
    uint64_t raw_passed; // and behind those that are not for it to do
    struct err err;      // the first failure; code 0: none

    // atomic: written by whoever fails, by signals; read by all
    atomic_int stop;
};

/* Ends the run; mu is held. */
static void fail(struct pipeline *p, const struct err *err)
{
    if (!p->err.code) {
        p->err = *err;
    }
    atomic_store(&p->stop, 1);
    pthread_cond_broadcast(&p->room);
    pthread_cond_broadcast(&p->filled);
    pthread_cond_broadcast(&p->merged);
}

static void fail_locked(struct pipeline *p, const struct err *err)
{
    pthread_mutex_lock(&p->mu);
    fail(p, err);
    pthread_mutex_unlock(&p->mu);
}

static void unit_delete(struct unit *u)
{
    if (u) {
        unit_free(u);
        free(u);
    }
}

// --- the reader ---------------------------------------------------------------------------------

/* Is the unit for this run to do?  mu is held. */
static bool wanted(struct pipeline *p, const struct unit *u)
{
    const struct pipeline_options *o = p->options;
    return u->number % o->n_parts == o->part && !run_is_done(p->run, u->number);
}

/* Puts 'u' into the queue when there is room; false: the run is over.  mu is held. */
static bool enqueue(struct pipeline *p, struct unit *u)
{
    while (p->queue_n == p->queue_cap && !atomic_load(&p->stop)) {
        pthread_cond_wait(&p->room, &p->mu);
    }
    if (atomic_load(&p->stop)) {
        return false;
    }
    p->queue[(p->queue_at + p->queue_n++) % p->queue_cap] = u;
    pthread_cond_signal(&p->filled);
    return true;
}

/* A unit to read into: a spare one, or a new one. */
static struct unit *blank_unit(struct pipeline *p)
{
    pthread_mutex_lock(&p->mu);
    struct unit *u = p->n_spare ? p->spare[--p->n_spare] : NULL;
    pthread_mutex_unlock(&p->mu);
    return u ? u : mem_zero(1, sizeof *u);
}

/* Reads the corpus to its end.  *u is the unit in hand, for the caller to delete. */
static int read_units(struct pipeline *p, struct units *units, struct worker *counter,
                      struct unit **u, struct err *err)
{
    const struct pipeline_options *o = p->options;
    uint64_t tokens = 0, in_shard = 0, n_units = 0;
    while (!atomic_load(&p->stop)) {
        if (!*u && !(*u = blank_unit(p))) {
            return err_nomem(err, "a unit");
        }
        int rc = units_next(units, *u, err);
        if (rc) {
            return rc;
        }
        const struct unit *unit = *u;
        const bool end = unit->number == UNIT_END;
        uint64_t more = 0;
        if (!end && o->max_tokens && tokens < o->max_tokens) {
            rc = worker_count(counter, unit, &more, err);
            if (rc) {
                return rc;
            }
        }
        pthread_mutex_lock(&p->mu);
        if (!end) {
            in_shard++;
            if (unit->last) {
                p->run->shards[unit->shard].units = in_shard;
                in_shard = 0;
            }
        }
        const bool limit = !end && o->max_tokens && tokens >= o->max_tokens;
        if (end || limit) {
            p->run->counted = true;
            p->run->n_units = limit ? unit->number : n_units;
            p->run->limited = limit;
            pthread_mutex_unlock(&p->mu);
            return 0;
        }
        n_units = unit->number + 1;
        if (!wanted(p, unit)) {
            p->raw_passed += unit->raw;
        } else if (enqueue(p, *u)) {
            *u = NULL;
        }
        pthread_mutex_unlock(&p->mu);
        tokens += more;
    }
    return 0;
}

static void *reader_main(void *context)
{
    struct pipeline *p = context;
    const struct pipeline_options *o = p->options;
    struct units *units = NULL;
    struct worker *counter = NULL;
    struct unit *u = NULL;
    struct err err = {0};
    int rc = units_open(&units, o->shards, &o->units, &err);
    if (!rc && o->max_tokens) {
        rc = worker_new(&counter, &p->work, &err);
    }
    if (!rc) {
        rc = read_units(p, units, counter, &u, &err);
    }
    pthread_mutex_lock(&p->mu);
    p->reader_done = true;
    if (rc) {
        fail(p, &err);
    }
    pthread_cond_broadcast(&p->filled);
    pthread_cond_signal(&p->merged);
    pthread_mutex_unlock(&p->mu);
    unit_delete(u);
    worker_free(counter);
    units_close(units);
    return NULL;
}

// --- workers ------------------------------------------------------------------------------------

/* The next unit, or NULL where there will be none.  mu is held. */
static struct unit *dequeue(struct pipeline *p)
{
    while (p->queue_n == 0 && !p->reader_done && !atomic_load(&p->stop)) {
        pthread_cond_wait(&p->filled, &p->mu);
    }
    if (p->queue_n == 0 || atomic_load(&p->stop)) {
        return NULL;
    }
    struct unit *u = p->queue[p->queue_at];
    p->queue_at = (p->queue_at + 1) % p->queue_cap;
    p->queue_n--;
    pthread_cond_signal(&p->room);
    return u;
}

/* Adds a finished unit to the run.  mu is held. */
static int merge(struct pipeline *p, const struct unit *u, struct worker *w, struct err *err)
{
    // The bit is set first: where there is no memory for it, the results are still as they were.
    int rc = run_set_done(p->run, u->number, err);
    rc = rc ? rc : worker_add(w, err);
    p->broken = p->broken || rc != 0;
    p->result.units++;
    p->raw_done += u->raw;
    p->result.tokens += worker_tokens(w);
    p->dirty = true;
    pthread_cond_signal(&p->merged);
    return rc;
}

static int work(struct pipeline *p, struct worker *w, struct err *err)
{
    for (;;) {
        pthread_mutex_lock(&p->mu);
        struct unit *u = dequeue(p);
        if (u) {
            worker_look(w);
        }
        pthread_mutex_unlock(&p->mu);
        if (!u) {
            return 0;
        }
        bool stopped = false;
        int rc = worker_run(w, u, &stopped, err);
        if (rc) {
            err_prefix(err, "%s", p->options->shards->items[u->shard].name);
        }
        pthread_mutex_lock(&p->mu);
        if (!rc && !stopped) {
            rc = merge(p, u, w, err);
        }
        p->spare[p->n_spare++] = u;
        pthread_mutex_unlock(&p->mu);
        if (rc || stopped) {
            return rc;
        }
    }
}

static void *worker_main(void *context)
{
    struct pipeline *p = context;
    struct worker *w = NULL;
    struct err err = {0};
    int rc = worker_new(&w, &p->work, &err);
    rc = rc ? rc : work(p, w, &err);
    if (rc) {
        fail_locked(p, &err);
    }
    worker_free(w);
    pthread_mutex_lock(&p->mu);
    p->n_working--;
    pthread_cond_signal(&p->merged);
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

// --- the calling thread -------------------------------------------------------------------------

struct checkpoints {
    struct store *store;
    double last, last_full;       // when they ended
    double seconds, full_seconds; // what they took
};

/* mu is held. */
static int checkpoint(struct pipeline *p, struct checkpoints *c, bool full, struct err *err)
{
    const double begin = progress_clock();
    for (size_t i = 0; i < p->results->n; i++) {
        const struct collector *of = &p->results->items[i];
        const int failed = of->kind->checkpoint ? of->kind->checkpoint(of->shape, p->run, err) : 0;
        if (failed) {
            return failed;
        }
    }
    full = full || begin - c->last_full > CHECKPOINT_SHARE * c->full_seconds;
    const int rc = store_checkpoint(c->store, p->run, p->results, full, p->options->meta, err);
    c->last = progress_clock();
    if (full) {
        c->last_full = c->last;
        c->full_seconds = c->last - begin;
    } else {
        c->seconds = c->last - begin;
    }
    p->dirty = p->dirty && rc != 0;
    return rc;
}

/* Waits, at most 'seconds', for something to happen.  mu is held. */
static void wait_a_little(struct pipeline *p, double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(seconds * 1e9);
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&p->merged, &p->mu, &t);
}

/* Is it time for one? */
static bool is_due(const struct pipeline *p, const struct checkpoints *c)
{
    const double wanted = p->options->checkpoint_seconds, since = progress_clock() - c->last;
    return since >= wanted && (wanted == 0 || since > CHECKPOINT_SHARE * c->seconds);
}

/* Until all workers have ended: checkpoints, progress, signals.  mu is held. */
static void supervise(struct pipeline *p, struct checkpoints *c, struct progress *progress)
{
    const struct pipeline_options *o = p->options;
    while (p->n_working > 0) {
        wait_a_little(p, 0.1);
        if (atomic_load(&o->signals->stop) && !atomic_load(&p->stop)) {
            atomic_store(&p->stop, 1);
            pthread_cond_broadcast(&p->room);
            pthread_cond_broadcast(&p->filled);
        }
        if (p->dirty && !p->broken && !atomic_load(&p->stop) && is_due(p, c)) {
            struct err err = {0};
            const int rc = checkpoint(p, c, false, &err);
            if (rc == ERR_LIMIT) { // somebody has been reading it for long: there will be another
                fprintf(stderr, "gapscope scan: no checkpoint this time: %s\n", err.msg);
            } else if (rc) {
                fail(p, &err);
            }
        }
        const bool asked = atomic_exchange(&o->signals->status, 0) != 0;
        if (asked || progress_is_due(progress)) {
            char more[SUMMARY_PROGRESS];
            summary_progress(p->results, more);
            const struct progress_now now = {.items = summary_tokens(p->results),
                                             .items_now = p->result.tokens,
                                             .bytes_now = p->raw_done,
                                             .bytes_passed = p->raw_passed,
                                             .more = more};
            progress_show(progress, &now, asked);
        }
    }
}

static int init(struct pipeline *p, const struct pipeline_options *o, struct err *err)
{
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->filled, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->merged, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->queue_cap = 2 * o->n_threads;
    p->queue = mem_zero(p->queue_cap, sizeof *p->queue);
    p->spare = mem_zero(p->queue_cap + o->n_threads + 1, sizeof *p->spare);
    return p->queue && p->spare ? 0 : err_nomem(err, "a queue");
}

static void destroy(struct pipeline *p)
{
    for (size_t i = 0; p->queue && i < p->queue_n; i++) {
        unit_delete(p->queue[(p->queue_at + i) % p->queue_cap]);
    }
    for (size_t i = 0; i < p->n_spare; i++) {
        unit_delete(p->spare[i]);
    }
    free(p->queue);
    free(p->spare);
    pthread_cond_destroy(&p->merged);
    pthread_cond_destroy(&p->filled);
    pthread_cond_destroy(&p->room);
    pthread_mutex_destroy(&p->mu);
}

/* Starts all threads; returns how many workers, and whether the reader runs, so that they can be
 * joined whatever happens.  mu is held, so that nobody begins before all are there. */
static int start(struct pipeline *p, pthread_t *reader, bool *reading, pthread_t *workers,
                 struct err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // signals are the calling thread's
    int failed = pthread_create(reader, NULL, reader_main, p);
    *reading = failed == 0;
    while (!failed && p->n_working < p->options->n_threads) {
        failed = pthread_create(&workers[p->n_working], NULL, worker_main, p);
        p->n_working += failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? err_set(err, ERR_IO, "starting a thread: %s", strerror(failed)) : 0;
}

int pipeline_run(const struct pipeline_options *options, struct run *run, struct results *results,
                 struct store *store, struct pipeline_result *result, struct err *err)
{
    struct pipeline p = {
        .options = options, .work = *options->work, .run = run, .results = results};
    p.work.stop = &p.stop;
    struct progress progress;
    const double begin = progress_clock();
    struct checkpoints c = {.store = store, .last = begin, .last_full = begin};
    pthread_t reader, *workers = mem_new(options->n_threads, sizeof *workers);
    int rc = init(&p, options, err);
    if (!rc && !workers) {
        rc = err_nomem(err, "threads");
    }
    if (rc) {
        goto out;
    }
    const struct progress_whole whole = {.command = "scan",
                                         .items = "tokens",
                                         .n = options->max_tokens,
                                         .bytes = shards_bytes(options->shards),
                                         .n_parts = options->n_parts};
    progress_begin(&progress, &whole);

    pthread_mutex_lock(&p.mu);
    bool reading = false;
    struct err why = {0};
    if (start(&p, &reader, &reading, workers, &why)) {
        fail(&p, &why);
    }
    const size_t n_started = p.n_working;
    supervise(&p, &c, &progress);
    pthread_mutex_unlock(&p.mu);
    if (reading) {
        pthread_join(reader, NULL);
    }
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(workers[i], NULL);
    }
    progress_end(&progress);

    p.result.seconds = progress_clock() - begin;
    *result = p.result;
    rc = p.err.code ? err_set(err, p.err.code, "%s", p.err.msg) : 0;
    struct err late = {0};
    if (!p.broken && checkpoint(&p, &c, true, &late) && !rc) {
        rc = err_set(err, late.code, "%s", late.msg);
    }
out:
    free(workers);
    destroy(&p);
    return rc;
}
