#include "out/store/state_bytes.h"

#include <stdint.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

// Of the 128 MB of the demo's state level 1 makes 59 MB in 0.5 s, 3 makes 55 in 2.1, 5 makes 53 in
// 3.2 and 9 makes 50 (CPU time of a core that others use too).
#define LEVEL_QUICK 1
#define LEVEL_SMALL 5

enum { STATE_PLAIN, STATE_ZSTD };

/* Appends a frame of the bytes; *len: its bytes; 0: it would be none smaller, or none allowed. */
static int put_frame(struct buf *out, const void *bytes, size_t n, bool small, size_t *len,
                     struct err *err)
{
    *len = 0;
    const size_t most = ZSTD_compressBound(n);
    const int rc = buf_reserve(out, most, err);
    if (rc) {
        return rc;
    }
    const size_t frame =
        ZSTD_compress(out->data + out->len, most, bytes, n, small ? LEVEL_SMALL : LEVEL_QUICK);
    if (ZSTD_isError(frame)) { // the sizes are right: there is no other reason
        return err_nomem(err, "the saved run");
    }
    if (frame < n && frame >= n / STATE_RATIO + 1) {
        *len = frame;
        out->len += frame;
    }
    return 0;
}

int state_bytes_shrink(struct buf *out, const void *bytes, size_t len, bool small, struct err *err)
{
    size_t frame = 0;
    out->len = 0;
    int rc = buf_append(out, &(const char){STATE_ZSTD}, 1, err);
    rc = rc ? rc : put_frame(out, bytes, len, small, &frame, err);
    if (!rc && frame == 0) {
        out->data[0] = STATE_PLAIN;
        rc = buf_append(out, bytes, len, err);
    }
    return rc;
}

static int damaged(struct err *err)
{
    return err_set(err, ERR_FORMAT, "the file is damaged: its saved state cannot be decompressed");
}

int state_bytes_expand(struct buf *out, const void *piece, size_t len, struct err *err)
{
    const unsigned char *bytes = piece;
    if (len == 0 || bytes[0] > STATE_ZSTD) {
        return damaged(err);
    }
    bytes++;
    len--;
    if (bytes[-1] == STATE_PLAIN) {
        return len > STATE_PART ? damaged(err) : len ? buf_append(out, bytes, len, err) : 0;
    }
    const unsigned long long n = ZSTD_getFrameContentSize(bytes, len);
    if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > STATE_PART ||
        n / STATE_RATIO >= len || ZSTD_findFrameCompressedSize(bytes, len) != len) {
        return damaged(err);
    }
    const int rc = buf_reserve(out, (size_t)n, err);
    if (rc) {
        return rc;
    }
    const size_t got = ZSTD_decompress(out->data + out->len, (size_t)n, bytes, len);
    if (ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation) {
        return err_nomem(err, "the saved run");
    }
    if (got != n) {
        return damaged(err);
    }
    out->len += got;
    return 0;
}
