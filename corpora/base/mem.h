/*
 * mem.h - allocation with checked sizes, and a growable byte buffer
 */
#ifndef GAPSCOPE_CORPORA_BASE_MEM_H
#define GAPSCOPE_CORPORA_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

/* Sets *out = a * b; false (and *out stays) if that is more than SIZE_MAX. */
static inline bool mem_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* calloc / malloc / realloc of n elements of 'size' bytes.  The result is NULL only if there is no
 * room or n * size overflows, never just because n == 0.  The caller ends it with free(). */
void *mem_zero(size_t n, size_t size);
void *mem_new(size_t n, size_t size);
void *mem_resize(void *old, size_t n, size_t size);

/*
 * Makes room for at least 'want' elements of 'size' bytes in the array *items, which has room for
 * *cap.  It grows by at least half, so that appending is O(1) amortised.  On failure (ERR_NOMEM)
 * nothing has changed.  'items' is the address of a pointer to any type; 'what' names it.
 */
int mem_reserve(void *items, size_t *cap, size_t want, size_t size, const char *what,
                struct err *err);

/*
 * Says that something was left out of an output because there was no memory, where a function has
 * no other way to say so (what writes to a stream, for one).  From then on outfile_commit() fails:
 * no file or standard output that lacks something is taken for a whole one.  Any thread.
 */
void mem_lost(void);
bool mem_was_lost(void);

/* A growable byte buffer; {0} is empty. */
struct buf {
    char *data; // [cap]; NULL when cap == 0
    size_t len; // bytes in use
    size_t cap;
};

/* Each returns 0 or ERR_NOMEM; the buffer is then as it was. */
int buf_reserve(struct buf *b, size_t extra, struct err *err); // makes room for 'extra' more bytes
int buf_append(struct buf *b, const void *data, size_t len, struct err *err);
int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Frees the bytes; the buffer is then empty and may be used again. */
void buf_free(struct buf *b);

#endif
