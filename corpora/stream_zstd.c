#include "corpora/stream_internal.h"

#include <inttypes.h>
#include <zstd_errors.h>

// Magic number, descriptor, window, dictionary, content size: 4 + 1 + 1 + 4 + 8.
#define ZSTD_HEADER_BYTES_MAX 18

static uint64_t little_endian(const unsigned char *p, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0) {
        value = value << 8 | p[n];
    }
    return value;
}

static bool begins_zstd(const unsigned char *p) // [4]
{
    const uint64_t magic = little_endian(p, 4);
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/* Whether p[n], fewer than 4 bytes, begin like a zstd frame. */
static bool may_begin_zstd(const unsigned char *p, size_t n)
{
    return n > 0 && ((little_endian(p, n) ^ ZSTD_MAGICNUMBER) & ((UINT64_C(1) << 8 * n) - 1)) == 0;
}

/* Reads the frame header p[n] (RFC 8878, 3.1.1.1): the window in bytes, and the number of the
 * dictionary (0: none).  False: it is not a data frame, or the header is incomplete. */
static bool zstd_header(const unsigned char *p, size_t n, uint64_t *window, uint32_t *dictionary)
{
    static const size_t dictionary_bytes[4] = {0, 1, 2, 4}, content_bytes[4] = {0, 2, 4, 8};
    if (n < 5 || little_endian(p, 4) != ZSTD_MAGICNUMBER) {
        return false;
    }
    const unsigned descriptor = p[4];
    const bool single_segment = descriptor & 0x20;
    const size_t n_window = single_segment ? 0 : 1;
    const size_t n_dictionary = dictionary_bytes[descriptor & 3];
    size_t n_content = content_bytes[descriptor >> 6];
    if (single_segment && n_content == 0) {
        n_content = 1;
    }
    if (n < 5 + n_window + n_dictionary + n_content) {
        return false;
    }
    p += 5;
    if (single_segment) {
        // The content is its own window; a size of two bytes counts from 256.
        *window = little_endian(p + n_dictionary, n_content) + (n_content == 2 ? 256 : 0);
    } else {
        *window = UINT64_C(1) << (10 + (*p >> 3));
        *window += *window / 8 * (*p & 7);
    }
    *dictionary = (uint32_t)little_endian(p + n_window, n_dictionary);
    return true;
}

/* Called between two frames, with as much of a header in s->in as there is: sets zstd_wants if
 * another frame begins, else s->end. */
static int zstd_next_frame(struct stream *s, struct err *err)
{
    const unsigned char *p = s->in + s->in_at;
    const size_t n = s->in_len - s->in_at;
    if (n == 0) {
        s->end = true;
        return 0;
    }
    if (n < 4 && may_begin_zstd(p, n)) {
        return stream_fail_truncated(s, "zstd frame", err);
    }
    if (n < 4 || !begins_zstd(p)) {
        return stream_fail_garbage(s, "zstd frame", err);
    }
    uint64_t window;
    uint32_t dictionary;
    if (zstd_header(p, n, &window, &dictionary)) {
        if (dictionary) {
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: byte %" PRIu64 ": the zstd frame needs dictionary %" PRIu32
                           ", which is not supported; recompress without one: `zstd -dc -D "
                           "DICTIONARY OLD | zstd -o NEW`",
                           s->name, stream_raw_at(s), dictionary);
        }
        if (window > UINT64_C(1) << s->window_log_max) {
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: byte %" PRIu64 ": the zstd frame needs a window of %" PRIu64
                           " bytes (%" PRIu64 " MiB of memory); the limit is 2^%d bytes",
                           s->name, stream_raw_at(s), window, window >> 20, s->window_log_max);
        }
    }
    s->zstd_wants = 5; // magic number and descriptor
    return 0;
}

/* Gives the decoder the next n bytes, or as many as come before the end. */
static int zstd_decode(struct stream *s, size_t n, struct err *err)
{
    if (n > s->in_len - s->in_at) {
        n = s->in_len - s->in_at;
    }
    ZSTD_inBuffer in = {s->in + s->in_at, n, 0};
    ZSTD_outBuffer out = {s->out, s->out_cap, s->out_len};
    const size_t wants = ZSTD_decompressStream(s->zstd, &out, &in);
    if (ZSTD_isError(wants)) {
        if (ZSTD_getErrorCode(wants) == ZSTD_error_memory_allocation) {
            err_nomem(err, "a zstd window");
            return err_prefix(err, "%s: byte %" PRIu64, s->name, stream_raw_at(s));
        }
        return err_set(err, ERR_CORRUPT, "%s: byte %" PRIu64 ": zstd: %s", s->name,
                       stream_raw_at(s), ZSTD_getErrorName(wants));
    }
    if (n == 0 && out.pos == s->out_len) { // at the end, with nothing left to flush
        return stream_fail_truncated(s, "zstd frame", err);
    }
    s->in_at += in.pos;
    s->out_len = out.pos;
    s->zstd_wants = wants;
    return 0;
}

int stream_zstd_fill(struct stream *s, struct err *err)
{
    const size_t before = s->out_len;
    int rc = 0;
    while (!rc && !s->end) {
        // A call that fails does not give the blocks that it decoded before, so a call may see at
        // most one block: zstd_wants includes the 3 bytes of the next block's header, and without
        // them the call ends where the block does.  It must also see a whole block, so that what is
        // decoded before damage does not depend on how the bytes come in.
        size_t n = s->zstd_wants > 3 ? s->zstd_wants - 3 : s->zstd_wants;
        if (s->zstd_wants == 0) {
            n = ZSTD_HEADER_BYTES_MAX;
        } else if (n > STREAM_IN_BYTES) { // a skippable frame
            n = STREAM_IN_BYTES;
        }
        const size_t made = s->out_len - before;
        if (made >= STREAM_FILL_BYTES || (made > 0 && s->in_len - s->in_at < n)) {
            break; // what came before must not wait for a pipe that pauses
        }
        rc = stream_raw_want(s, n, err);
        if (!rc) {
            rc = s->zstd_wants ? zstd_decode(s, n, err) : zstd_next_frame(s, err);
        }
    }
    return rc;
}

bool stream_zstd_begins(const unsigned char *p, size_t n)
{
    // "(" alone is text; two or more bytes of the magic number are not UTF-8.
    return n >= 4 ? begins_zstd(p) : n >= 2 && may_begin_zstd(p, n);
}

int stream_zstd_begin(struct stream *s, struct err *err)
{
    s->zstd = ZSTD_createDCtx();
    if (!s->zstd) {
        return err_nomem(err, "decompressing zstd");
    }
    stream_limit_window(s, STREAM_WINDOW_LOG_MAX);
    return 0;
}

void stream_limit_window(struct stream *s, int window_log)
{
    s->window_log_max = window_log;
    if (s->zstd) {
        ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, window_log);
    }
}

void stream_zstd_end(struct stream *s)
{
    ZSTD_freeDCtx(s->zstd);
}
