#include "corpora/base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_zero(size_t n, size_t size)
{
    return calloc(n ? n : 1, size);
}

void *mem_new(size_t n, size_t size)
{
    return mem_resize(NULL, n, size);
}

void *mem_resize(void *old, size_t n, size_t size)
{
    size_t bytes;
    if (!mem_mul(n ? n : 1, size, &bytes)) {
        return NULL;
    }
    return realloc(old, bytes);
}

int mem_reserve(void *items, size_t *cap, size_t want, size_t size, const char *what,
                struct err *err)
{
    if (want <= *cap) {
        return 0;
    }
    size_t grown = *cap + *cap / 2;
    if (grown < want || grown < *cap) {
        grown = want;
    }
    if (grown < 16) {
        grown = 16;
    }
    void *old;
    memcpy(&old, items, sizeof old); // *items may be a pointer to any type
    void *bigger = mem_resize(old, grown, size);
    if (!bigger) {
        return err_nomem(err, what);
    }
    memcpy(items, &bigger, sizeof bigger);
    *cap = grown;
    return 0;
}

static atomic_bool lost;

void mem_lost(void)
{
    lost = true;
}

bool mem_was_lost(void)
{
    return lost;
}

int buf_reserve(struct buf *b, size_t extra, struct err *err)
{
    if (extra > SIZE_MAX - b->len) {
        return err_nomem(err, "a buffer");
    }
    return mem_reserve(&b->data, &b->cap, b->len + extra, 1, "a buffer", err);
}

int buf_append(struct buf *b, const void *data, size_t len, struct err *err)
{
    const int rc = buf_reserve(b, len, err);
    if (rc) {
        return rc;
    }
    if (len) {
        memcpy(b->data + b->len, data, len);
    }
    b->len += len;
    return 0;
}

int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    int rc = n < 0 ? err_set(err, ERR_FORMAT, "printf failed") : buf_reserve(b, (size_t)n + 1, err);
    if (!rc) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return rc;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}
