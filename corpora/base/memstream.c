#include "corpora/base/memstream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "corpora/base/mem.h"

struct memstream {
    struct buf written;
    bool lost; // something did not fit
    char **text;
    size_t *len;
};

/* 0 bytes written are an error to the stream. */
static ssize_t put(void *cookie, const char *bytes, size_t n)
{
    struct memstream *m = cookie;
    m->lost = m->lost || buf_append(&m->written, bytes, n, NULL) != 0;
    errno = m->lost ? ENOMEM : errno;
    return m->lost ? 0 : (ssize_t)n;
}

static int end(void *cookie)
{
    struct memstream *m = cookie;
    const bool whole = !m->lost && buf_append(&m->written, "", 1, NULL) == 0;
    if (whole) {
        *m->text = m->written.data;
        *m->len = m->written.len - 1;
    } else {
        buf_free(&m->written);
    }
    free(m);
    return whole ? 0 : -1;
}

FILE *memstream_open(char **text, size_t *len)
{
    *text = NULL;
    *len = 0;
    struct memstream *m = mem_zero(1, sizeof *m);
    if (!m) {
        return NULL;
    }
    m->text = text;
    m->len = len;
    FILE *to = fopencookie(m, "w", (cookie_io_functions_t){.write = put, .close = end});
    if (!to) {
        free(m);
    }
    return to;
}
