/*
 * Locks: pipeline.mu alone, over the queue, the run, its results and the store.  What blocks under
 * it: a merge (milliseconds) and a checkpoint.
 */
#include "scan/work/pipeline.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
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
    struct unit **queue;   // [queue_cap], a ring
    size_t queue_at, queue_n, queue_cap;
    struct unit **spare; // [n_spare] units whose memory can be used again
    size_t n_spare;
    bool reader_done;
    struct run *run;
    struct results *results;
    bool dirty;  // the results are more than the last checkpoint's
    bool said;   // a unit's log-probs that are not finite: once is enough
    bool broken; // a merge failed half-way: the results are not to be saved
    struct pipeline_result result;
    uint64_t raw_done;   // bytes of shards behind the units that this run has done
    uint64_t raw_before; // behind those that were done before
    uint64_t raw_others; // and behind those that other parts do
    bool read;           // the reader has come to the corpus' end
    struct hand {
        const struct worker *worker;
        const struct unit *unit; // in hand; NULL: none
    } * hands;                   // [n_hands], one per worker
    size_t n_hands;

    // the calling thread's
    struct pool *pool;
    struct store *store;
    struct progress progress;
    struct err err; // its first failure, of a checkpoint; code 0: none
};

/* Ends the run: wakes who sleeps.  mu is held. */
static void stop(struct pipeline *p)
{
    pool_stop(p->pool);
    pthread_cond_broadcast(&p->room);
    pthread_cond_broadcast(&p->filled);
}

/* What a thread of the pool ends with: where it failed, the others end, too. */
static int end_thread(struct pipeline *p, int rc)
{
    if (rc) {
        pthread_mutex_lock(&p->mu);
        stop(p);
        pthread_mutex_unlock(&p->mu);
    }
    return rc;
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
    while (p->queue_n == p->queue_cap && !pool_is_stopped(p->pool)) {
        pthread_cond_wait(&p->room, &p->mu);
    }
    if (pool_is_stopped(p->pool)) {
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
    while (!pool_is_stopped(p->pool)) {
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
            p->read = true;
            pthread_mutex_unlock(&p->mu);
            return 0;
        }
        n_units = unit->number + 1;
        p->result.docs += unit->n_docs;
        if (!wanted(p, unit)) {
            *(unit->number % o->n_parts == o->part ? &p->raw_before : &p->raw_others) += unit->raw;
        } else if (enqueue(p, *u)) {
            *u = NULL;
        }
        pthread_mutex_unlock(&p->mu);
        tokens += more;
    }
    return 0;
}

/* pool_fn */
static int reader_main(void *context, struct pool *pool, struct err *err)
{
    (void)pool;
    struct pipeline *p = context;
    const struct pipeline_options *o = p->options;
    struct units *units = NULL;
    struct worker *counter = NULL;
    struct unit *u = NULL;
    int rc = units_open(&units, o->shards, &o->units, err);
    if (!rc && o->max_tokens) {
        rc = worker_new(&counter, &p->work, err);
    }
    rc = rc ? rc : read_units(p, units, counter, &u, err);
    pthread_mutex_lock(&p->mu);
    p->reader_done = true;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->mu);
    unit_delete(u);
    worker_free(counter);
    units_close(units);
    return end_thread(p, rc);
}

// --- workers ------------------------------------------------------------------------------------

/* The next unit, or NULL where there will be none.  mu is held. */
static struct unit *dequeue(struct pipeline *p)
{
    while (p->queue_n == 0 && !p->reader_done && !pool_is_stopped(p->pool)) {
        pthread_cond_wait(&p->filled, &p->mu);
    }
    if (p->queue_n == 0 || pool_is_stopped(p->pool)) {
        return NULL;
    }
    struct unit *u = p->queue[p->queue_at];
    p->queue_at = (p->queue_at + 1) % p->queue_cap;
    p->queue_n--;
    pthread_cond_signal(&p->room);
    return u;
}

/* Says that a unit has log-probs that are not finite, of the first such unit.  mu is held. */
static void say_not_finite(struct pipeline *p, const struct unit *u, const struct worker *w)
{
    if (worker_not_finite(w)->n > 0 && !p->said) {
        char text[FINITE_TEXT];
        finite_text(text, worker_not_finite(w), p->options->work->lineup);
        fprintf(stderr,
                "gapscope scan: %s: %s; such tokens are counted, and no mean or gap has them\n",
                p->options->shards->items[u->shard].name, text);
        p->said = true;
    }
}

/* Adds a finished unit to the run.  mu is held. */
static int merge(struct pipeline *p, const struct unit *u, struct worker *w, struct err *err)
{
    // The bit is set first: where there is no memory for it, the results are still as they were.
    int rc = run_set_done(p->run, u->number, err);
    rc = rc ? rc : worker_add(w, err);
    p->broken = p->broken || rc != 0;
    say_not_finite(p, u, w);
    p->result.units++;
    p->raw_done += u->raw;
    p->result.tokens += worker_tokens(w);
    if (!rc && p->result.double_bos == 0) { // the summary says how many in all
        lineup_say_double_bos(p->work.lineup->tokenizer, p->run->shards[u->shard].name,
                              worker_double_bos(w));
    }
    p->result.double_bos += worker_double_bos(w);
    p->result.skipped += worker_skipped(w);
    p->dirty = true;
    pool_wake(p->pool);
    return rc;
}

static int work(struct pipeline *p, struct worker *w, struct hand *hand, struct err *err)
{
    for (;;) {
        pthread_mutex_lock(&p->mu);
        struct unit *u = dequeue(p);
        if (u) {
            worker_look(w);
        }
        *hand = (struct hand){w, u};
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
        p->result.refused = p->result.refused || (rc && worker_not_finite(w)->n > 0);
        if (!rc && !stopped) {
            rc = merge(p, u, w, err);
        }
        hand->unit = NULL;
        p->spare[p->n_spare++] = u;
        pthread_mutex_unlock(&p->mu);
        if (rc || stopped) {
            return rc;
        }
    }
}

/* pool_fn */
static int worker_main(void *context, struct pool *pool, struct err *err)
{
    (void)pool;
    struct pipeline *p = context;
    struct worker *w = NULL;
    pthread_mutex_lock(&p->mu);
    struct hand *hand = &p->hands[p->n_hands++];
    pthread_mutex_unlock(&p->mu);
    int rc = worker_new(&w, &p->work, err);
    rc = rc ? rc : work(p, w, hand, err);
    worker_free(w);
    return end_thread(p, rc);
}

// --- the calling thread -------------------------------------------------------------------------

struct checkpoints {
    double last, last_full;       // when they ended
    double seconds, full_seconds; // what they took
};

/* What a line of progress says.  mu is held. */
static struct progress_now progress_of(const struct pipeline *p)
{
    return (struct progress_now){.items = summary_tokens(p->results),
                                 .items_now = p->result.tokens,
                                 .bytes_now = p->raw_done,
                                 .bytes_before = p->raw_before,
                                 .bytes_others = p->raw_others,
                                 .read = p->read};
}

/* Makes the line of status.  mu is held. */
static int make_status(const struct pipeline *p, const char *state, struct err *err)
{
    const struct pipeline_options *o = p->options;
    const struct progress_now now = progress_of(p);
    const struct status_of of = {.state = state,
                                 .part = o->part,
                                 .n_parts = o->n_parts,
                                 .run = p->run,
                                 .results = p->results,
                                 .lineup = o->work->lineup,
                                 .store = p->store,
                                 .progress = &p->progress,
                                 .now = &now};
    return status_make(o->status, &of, err);
}

/* state: of the line of status that is saved, too.  mu is held. */
static int checkpoint(struct pipeline *p, struct checkpoints *c, bool full, const char *state,
                      struct err *err)
{
    const double begin = progress_clock();
    const char *const *meta = NULL;
    for (size_t i = 0; i < p->results->n; i++) {
        const struct collector *of = &p->results->items[i];
        const int failed = of->kind->checkpoint ? of->kind->checkpoint(of->shape, p->run, err) : 0;
        if (failed) {
            return failed;
        }
    }
    full = full || begin - c->last_full > CHECKPOINT_SHARE * c->full_seconds;
    int rc = make_status(p, state, err);
    rc = rc ? rc : status_meta(p->options->status, p->options->meta, &meta, err);
    rc = rc ? rc : store_checkpoint(p->store, p->run, p->results, full, meta, err);
    p->options->status->best_is_old = p->options->status->best_is_old || full;
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

/* Is it time for one? */
static bool is_due(const struct pipeline *p, const struct checkpoints *c)
{
    const double wanted = p->options->checkpoint_seconds, since = progress_clock() - c->last;
    return since >= wanted && (wanted == 0 || since > CHECKPOINT_SHARE * c->seconds);
}

/* A checkpoint, if one is due.  mu is held. */
static void checkpoint_if_due(struct pipeline *p, struct checkpoints *c)
{
    struct err err = {0};
    if (!p->dirty || p->broken || pool_is_stopped(p->pool) || !is_due(p, c)) {
        return;
    }
    const int rc = checkpoint(p, c, false, "running", &err);
    if (rc == ERR_LIMIT) { // somebody has been reading it for long: there will be another
        fprintf(stderr, "gapscope scan: no checkpoint this time: %s\n", err.msg);
    } else if (rc) {
        p->err = err;
        stop(p);
    }
}

/* Adds what is scored of the units in hand: a unit can take minutes.  mu is held. */
static void add_hands(const struct pipeline *p, struct progress_now *now)
{
    for (size_t i = 0; i < p->n_hands; i++) {
        const struct hand *hand = &p->hands[i];
        const struct unit_share share =
            hand->unit ? worker_share(hand->worker) : (struct unit_share){0};
        if (share.tokens > 0) {
            now->items += share.scored;
            now->items_now += share.scored;
            now->bytes_now +=
                (uint64_t)((double)hand->unit->raw * (double)share.scored / (double)share.tokens);
        }
    }
}

/* A line of progress, and one of status, if they are due.  mu is held. */
static void show_if_due(struct pipeline *p)
{
    const bool asked = atomic_exchange(&p->options->signals->status, 0) != 0;
    if (asked || progress_is_due(&p->progress)) {
        char more[SUMMARY_PROGRESS];
        summary_progress(p->results, more);
        struct progress_now now = progress_of(p);
        now.more = more;
        add_hands(p, &now);
        progress_show(&p->progress, &now, asked);
    }
    if (status_is_due(p->options->status) && make_status(p, "running", NULL) == 0) {
        status_write(p->options->status);
    }
}

/* Until all threads have ended: checkpoints, progress, signals. */
static void supervise(struct pipeline *p, struct checkpoints *c)
{
    while (pool_wait(p->pool, 0.1)) {
        pthread_mutex_lock(&p->mu);
        if (atomic_load(&p->options->signals->stop) && !pool_is_stopped(p->pool)) {
            stop(p);
        }
        checkpoint_if_due(p, c);
        show_if_due(p);
        pthread_mutex_unlock(&p->mu);
    }
}

static int init(struct pipeline *p, const struct pipeline_options *o, struct err *err)
{
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->filled, NULL);
    p->queue_cap = 2 * o->n_threads;
    p->queue = mem_zero(p->queue_cap, sizeof *p->queue);
    p->spare = mem_zero(p->queue_cap + o->n_threads + 1, sizeof *p->spare);
    p->hands = mem_zero(o->n_threads, sizeof *p->hands);
    const int rc = p->queue && p->spare && p->hands ? 0 : err_nomem(err, "a queue");
    return rc ? rc : pool_new(&p->pool, err);
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
    free(p->hands);
    pthread_cond_destroy(&p->filled);
    pthread_cond_destroy(&p->room);
    pthread_mutex_destroy(&p->mu);
}

/* Starts the reader and the workers; where one cannot be, those that run end. */
static int start(struct pipeline *p, struct err *err)
{
    int rc = pool_add(p->pool, 1, reader_main, p, err);
    rc = rc ? rc : pool_add(p->pool, p->options->n_threads, worker_main, p, err);
    return end_thread(p, rc);
}

int pipeline_run(const struct pipeline_options *options, struct run *run, struct results *results,
                 struct store *store, struct pipeline_result *result, struct err *err)
{
    struct pipeline p = {
        .options = options, .work = *options->work, .run = run, .results = results, .store = store};
    const double begin = progress_clock();
    struct checkpoints c = {.last = begin, .last_full = begin};
    const struct progress_whole whole = {.command = "scan",
                                         .items = "tokens",
                                         .n = options->max_tokens,
                                         .bytes = shards_bytes(options->shards),
                                         .n_parts = options->n_parts};
    int rc = init(&p, options, err);
    if (rc) {
        destroy(&p);
        return rc;
    }
    p.work.stop = pool_stop_flag(p.pool);
    progress_begin(&p.progress, &whole);
    struct err why = {0}, late = {0};
    rc = start(&p, &why);
    supervise(&p, &c);
    progress_end(&p.progress);

    p.result.seconds = progress_clock() - begin;
    *result = p.result;
    // p.work.stop is read until here
    const int failed = pool_join(p.pool, rc ? NULL : &why);
    rc = rc ? rc : failed;
    if (!rc && p.err.code) {
        why = p.err;
    }
    rc = why.code ? err_set(err, why.code, "%s", why.msg) : 0;
    const char *state = rc || atomic_load(&options->signals->stop) ? "stopped" : "finished";
    if (!p.broken && checkpoint(&p, &c, true, state, &late) && !rc) {
        rc = err_set(err, late.code, "%s", late.msg);
    }
    if (!p.broken && make_status(&p, state, NULL) == 0) { // with the tables as they are now
        status_write(options->status);
    }
    destroy(&p);
    return rc;
}
