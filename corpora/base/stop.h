/*
 * stop.h - a flag that asks long work to end early: the signal's number, 0 until then
 */
#ifndef GAPSCOPE_CORPORA_BASE_STOP_H
#define GAPSCOPE_CORPORA_BASE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the flag is set; NULL is a flag that never is. */
static inline bool is_stopped(const atomic_int *stop)
{
    return stop && atomic_load_explicit(stop, memory_order_relaxed) != 0;
}

#endif
