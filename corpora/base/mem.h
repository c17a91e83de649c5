/*
 * mem.h - sizes that cannot overflow, and a growable run of bytes
 */
#ifndef GAPSCOPE_CORPORA_BASE_MEM_H
#define GAPSCOPE_CORPORA_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

/* *out = a * b, or false (and *out untouched) where that is more than SIZE_MAX. */
static inline bool mem_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* calloc / malloc / realloc of n elements of 'size' bytes.  NULL when there is no room or n * size
 * overflows; never NULL for n == 0.  Freed with free(). */
void *mem_zero(size_t n, size_t size);
void *mem_new(size_t n, size_t size);
void *mem_resize(void *old, size_t n, size_t size);

/*
 * Makes room for at least 'want' elements of 'size' bytes in the array *items that has room for
 * *cap: grows by half at least, so that appending is O(1) amortised.  On failure (ERR_NOMEM)
 * nothing has changed.  'items' is the address of a pointer to any type; 'what' names it.
 */
int mem_reserve(void *items, size_t *cap, size_t want, size_t size, const char *what,
                struct err *err);

/* A growable run of bytes.  {0} is an empty one. */
struct buf {
    char *data; // [cap]; NULL when cap == 0
    size_t len; // bytes in use
    size_t cap;
};

/* Each: 0 or ERR_NOMEM, the buffer then as it was. */
int buf_reserve(struct buf *b, size_t extra, struct err *err); // room for 'extra' bytes more
int buf_append(struct buf *b, const void *data, size_t len, struct err *err);
int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Frees the bytes; the buffer is empty and usable again. */
void buf_free(struct buf *b);

#endif
