/*
 * rounds.h - CPU time, and what stands for several rounds of it
 */
#ifndef GAPSCOPE_TESTS_BENCH_ROUNDS_H
#define GAPSCOPE_TESTS_BENCH_ROUNDS_H

#include <stdlib.h>
#include <time.h>

/* Of this thread. */
static inline double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int rounds_by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x[n]. */
static inline double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, rounds_by_value);
    return x[n / 2];
}

#endif
