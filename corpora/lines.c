#include "corpora/lines.h"

#include <inttypes.h>
#include <string.h>

#include "corpora/base/utf8.h"

// A buffer that has grown beyond this for one line is freed before the next.
#define KEEP_BYTES ((size_t)16 << 20)

void lines_begin(struct lines *l, struct stream *stream, size_t max_bytes)
{
    *l = (struct lines){.stream = stream, .max_bytes = max_bytes ? max_bytes : LINES_MAX_BYTES};
}

void lines_end(struct lines *l)
{
    buf_free(&l->begun);
}

/* Adds n bytes to the copy of the line that is being read. */
static int copy(struct lines *l, size_t n, struct err *err)
{
    const int rc = buf_append(&l->begun, l->at, n, err);
    return rc ? err_prefix(err, "%s: line %" PRIu64, stream_name(l->stream), l->number + 1) : 0;
}

int lines_next(struct lines *l, struct line *line, struct err *err)
{
    l->begun.len = 0;
    if (l->begun.cap > KEEP_BYTES) {
        buf_free(&l->begun);
    }
    *line = (struct line){.number = l->number + 1, .byte = l->byte};
    uint64_t len = 0; // of the line so far
    bool ended = false;
    while (!ended) {
        if (l->left == 0) {
            const int rc = stream_read(l->stream, &l->at, &l->left, err);
            if (rc && (rc != ERR_GARBAGE || len == 0)) {
                return rc;
            }
            if (l->left == 0) {
                break; // the end, or garbage, which the next call meets again
            }
        }
        const char *lf = memchr(l->at, '\n', l->left);
        ended = lf != NULL;
        const size_t n = ended ? (size_t)(lf - l->at) : l->left;
        len += n;
        if (len > l->max_bytes) {
            buf_free(&l->begun); // the line is too long to be kept
        } else if (ended && len == n) {
            line->text = l->at;
        } else {
            const int rc = copy(l, n, err);
            if (rc) {
                return rc;
            }
            line->text = l->begun.data;
        }
        l->at += n + ended;
        l->left -= n + ended;
    }
    if (!ended && len == 0) {
        line->number = 0;
        return 0;
    }

    line->too_long = len > l->max_bytes;
    if (line->too_long) {
        line->text = NULL;
    } else {
        line->len = (size_t)len;
        if (ended && len > 0 && line->text[len - 1] == '\r') {
            line->len--;
        }
    }
    l->number++;
    l->byte += len + ended;
    const size_t bom = l->number == 1 && line->text ? utf8_bom(line->text, line->len) : 0;
    if (bom > 0) {
        line->text += bom;
        line->len -= bom;
        line->byte += bom;
    }
    return 0;
}

bool lines_blank(const struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (!memchr(" \t\r", line->text[i], 3)) {
            return false;
        }
    }
    return !line->too_long;
}
