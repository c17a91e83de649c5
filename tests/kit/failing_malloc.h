/*
 * failing_malloc.h - the allocator of a test program, which fails once when it is told to
 *
 * One file of a program includes it.  FAILING_MALLOC is 0 where a sanitizer has an allocator of its
 * own, or the C library is another one: main() then returns 77.
 */
#ifndef GAPSCOPE_TESTS_KIT_FAILING_MALLOC_H
#define GAPSCOPE_TESTS_KIT_FAILING_MALLOC_H

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

#define FAILING_MALLOC 0

#else

#define FAILING_MALLOC 1

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static long before_failure = -1; // calls that succeed until one fails; negative: none fails

static bool fails(void)
{
    if (before_failure < 0 || before_failure-- > 0) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

/* Whether a failure was asked for and has not come yet; none comes any more. */
static bool none_came(void)
{
    const bool none = before_failure >= 0;
    before_failure = -1;
    return none;
}

#endif
#endif
