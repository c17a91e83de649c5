#include "out/report/chunks.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"

#define LEVEL 6 // of the demo 9 makes 1 % less, and takes a quarter longer

int draft_open(struct draft *d, struct err *err)
{
    *d = (struct draft){0};
    d->json.to = memstream_open(&d->text, &d->len);
    return d->json.to ? 0 : err_nomem(err, "a report's data");
}

void draft_discard(struct draft *d)
{
    if (d->json.to) {
        fclose(d->json.to);
    }
    free(d->text);
    *d = (struct draft){0};
}

/* bytes[n] as base64 with a NUL behind: [*len]; NULL: no memory. */
static char *to_base64(const unsigned char *bytes, size_t n, size_t *len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = mem_new(n / 3 + 1, 4 + 1);
    char *to = text;
    for (size_t i = 0; text && i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t triple = (uint32_t)bytes[i] << 16 |
                                (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0u);
        *to++ = digits[triple >> 18];
        *to++ = digits[triple >> 12 & 63];
        *to++ = left > 1 ? digits[triple >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[triple & 63] : '=';
    }
    if (text) {
        *to = '\0';
        *len = (size_t)(to - text);
    }
    return text;
}

static int encode(struct chunk *chunk, const char *text, size_t len, struct err *err)
{
    uLongf packed_len = compressBound(len);
    unsigned char *packed = mem_new(packed_len, 1);
    // compress2() fails for want of memory alone: the bound is enough
    if (packed && compress2(packed, &packed_len, (const unsigned char *)text, len, LEVEL) == Z_OK) {
        chunk->base64 = to_base64(packed, packed_len, &chunk->len);
    }
    free(packed);
    return chunk->base64 ? 0 : err_nomem(err, "a report's data");
}

int chunks_add(struct chunks *c, struct draft *d, int rc, struct err *err, const char *name, ...)
{
    struct chunk chunk = {0};
    va_list args;
    va_start(args, name);
    vsnprintf(chunk.name, sizeof chunk.name, name, args);
    va_end(args);
    FILE *to = d->json.to;
    d->json.to = NULL;
    if (to && fclose(to) && !rc) {
        rc = err_nomem(err, "a report's data");
    }
    if (!rc && d->len > UINT32_MAX) {
        rc = err_set(err, ERR_LIMIT, "%s: %zu bytes of data: too much for a page", chunk.name,
                     d->len);
    }
    rc = rc ? rc : encode(&chunk, d->text, d->len, err);
    rc = rc ? rc
            : mem_reserve(&c->items, &c->cap, c->n + 1, sizeof *c->items, "a report's data", err);
    if (!rc) {
        c->hash = XXH3_64bits_withSeed(chunk.name, strlen(chunk.name), c->hash);
        c->hash = XXH3_64bits_withSeed(chunk.base64, chunk.len, c->hash);
        c->items[c->n++] = chunk;
        chunk.base64 = NULL;
    }
    free(chunk.base64);
    draft_discard(d);
    return rc;
}

void chunks_free(struct chunks *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].base64);
    }
    free(c->items);
    *c = (struct chunks){0};
}
