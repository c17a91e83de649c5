/*
 * pool.h - threads that share one piece of work: started, supervised, joined; the first error wins
 *
 * A worker is a function that takes pieces of the work (from an atomic counter, from a queue) until
 * there are none or pool_is_stopped().  So it does not matter how many threads there are:
 *
 *     pool_run(n_threads, work, context, err)              the caller is one of the threads
 *
 * A caller that has something else to do meanwhile (progress, checkpoints, signals) supervises:
 *
 *     pool_new -> pool_add(reader), pool_add(workers)
 *              -> while (pool_wait(pool, 0.1)) { ... pool_stop() ... }
 *              -> pool_join
 *
 * Every thread but the caller has all signals blocked, except those that a fault raises (SIGBUS,
 * SIGSEGV, SIGFPE, SIGILL): a handler runs in the calling thread.
 *
 * Threads: pool_new(), pool_add(), pool_wait() and pool_join() are the caller's; any thread may
 * call the others.
 */
#ifndef GAPSCOPE_CORPORA_BASE_POOL_H
#define GAPSCOPE_CORPORA_BASE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

struct pool;

/* A worker: returns 0, or a code with *err filled.  The first failure stops the pool, and is the
 * error of pool_run() and pool_join(); later ones are dropped. */
typedef int pool_fn(void *context, struct pool *pool, struct err *err);

/* Runs 'fn' in the calling thread and in n_threads - 1 others, and returns when all have ended.
 * Where a thread cannot be started, those that run do its share.  Errors: fn's alone. */
int pool_run(size_t n_threads, pool_fn *fn, void *context, struct err *err);

/* An empty pool, which pool_join() ends.  Errors: ERR_NOMEM. */
int pool_new(struct pool **out, struct err *err);

/* Starts n threads, which begin at once.  Errors: ERR_NOMEM, ERR_IO (not all could be started); the
 * threads that were started run on, and pool_n_started() counts them. */
int pool_add(struct pool *p, size_t n, pool_fn *fn, void *context, struct err *err);
size_t pool_n_started(const struct pool *p); // by all calls of pool_add()

/* Waits until all threads have ended, pool_wake() is called or 'seconds' have passed.  Returns true
 * while a thread works. */
bool pool_wait(struct pool *p, double seconds);
void pool_wake(struct pool *p);

/* Asks the workers to end early.  A worker that sleeps on a condition of its own must be woken by
 * whoever calls this. */
void pool_stop(struct pool *p);
bool pool_is_stopped(const struct pool *p);

/* The same as a flag for stop.h; it lives as long as the pool. */
const atomic_int *pool_stop_flag(const struct pool *p);

/* Waits for all threads, frees the pool and returns the first failure (NULL as pool: 0). */
int pool_join(struct pool *p, struct err *err);

#endif
