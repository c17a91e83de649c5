#include "corpora/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "corpora/base/mem.h"
#include "corpora/endings.h"

// The number of raw bytes taken in at a time; a whole zstd block fits.
#define IN_BYTES ((size_t)256 << 10)

// A fill stops once it has decoded this many bytes, and begins with room for twice as many, so that
// the call that decodes a zstd block (128 KiB at most) also flushes it.
#define FILL_BYTES ((size_t)128 << 10)

// A control character among this many first bytes means compressed data rather than text.
#define BINARY_BYTES 64

// Magic number, descriptor, window, dictionary, content size: 4 + 1 + 1 + 4 + 8.
#define ZSTD_HEADER_BYTES_MAX 18

enum kind { PLAIN, ZSTD, GZIP };

struct stream {
    char *name; // for messages

    // the source of raw bytes: a file, or memory if fd is -1
    int fd;
    bool owns_fd;
    const char *memory; // [memory_len]
    size_t memory_len, memory_at;
    size_t step;       // number of bytes taken in at a time
    uint64_t raw_size; // 0: not known
    uint64_t raw_read;
    bool raw_end;

    // [in_at, in_len): raw bytes that wait for the decoder; empty once the file is known to be
    // plain
    unsigned char *in; // [IN_BYTES]
    size_t in_at, in_len;

    // [out_at, out_len): decoded bytes that wait for the caller
    char *out; // [out_cap]
    size_t out_at, out_len, out_cap;
    uint64_t told;

    enum kind kind;
    bool end;          // nothing follows what is in out
    struct err failed; // ... except this error, if its code is not ERR_NONE

    int window_log_max;
    ZSTD_DCtx *zstd;
    size_t zstd_wants; // number of bytes that the decoder asks for next; 0: between frames
    z_stream gzip;
    bool gzip_open;
    bool in_member;     // false: between members
    uint64_t member_at; // offset of its beginning in the file
};

// --- raw bytes ---------------------------------------------------------------------------------

/* The decoder's offset in the file. */
static uint64_t raw_at(const struct stream *s)
{
    return s->raw_read - (s->in_len - s->in_at);
}

static int raw_read(struct stream *s, void *to, size_t room, size_t *n, struct err *err)
{
    *n = 0;
    if (s->raw_end) {
        return 0;
    }
    const size_t want = s->step < room ? s->step : room;
    if (s->fd < 0) {
        const size_t left = s->memory_len - s->memory_at;
        *n = want < left ? want : left;
        if (*n) {
            memcpy(to, s->memory + s->memory_at, *n);
        }
        s->memory_at += *n;
    } else {
        ssize_t got;
        do {
            got = read(s->fd, to, want);
        } while (got < 0 && errno == EINTR);
        if (got < 0) {
            return err_set(err, ERR_IO, "%s: byte %" PRIu64 ": %s", s->name, s->raw_read,
                           strerror(errno));
        }
        *n = (size_t)got;
    }
    s->raw_read += *n;
    s->raw_end = *n == 0;
    return 0;
}

/* Brings 'want' bytes into s->in, or as many as come before the end. */
static int raw_want(struct stream *s, size_t want, struct err *err)
{
    if (s->in_len - s->in_at >= want) {
        return 0;
    }
    memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
    s->in_len -= s->in_at;
    s->in_at = 0;
    while (s->in_len < want && !s->raw_end) {
        size_t n;
        const int rc = raw_read(s, s->in + s->in_len, IN_BYTES - s->in_len, &n, err);
        if (rc) {
            return rc;
        }
        s->in_len += n;
    }
    return 0;
}

// --- the three kinds ---------------------------------------------------------------------------

static int fail_truncated(const struct stream *s, const char *what, struct err *err)
{
    return err_set(err, ERR_TRUNCATED,
                   "%s: byte %" PRIu64 ": the file ends inside a %s: an interrupted copy?", s->name,
                   s->raw_read, what);
}

static int fail_garbage(const struct stream *s, const char *what, struct err *err)
{
    return err_set(err, ERR_GARBAGE,
                   "%s: byte %" PRIu64 ": what follows the last %s does not begin another", s->name,
                   raw_at(s), what);
}

/* Makes room for at least 'extra' bytes behind out_len. */
static int out_reserve(struct stream *s, size_t extra, struct err *err)
{
    if (s->out_cap - s->out_len >= extra) {
        return 0;
    }
    const int rc =
        mem_reserve(&s->out, &s->out_cap, s->out_len + extra, 1, "decompressed text", err);
    return rc ? err_prefix(err, "%s", s->name) : 0;
}

static int fill_plain(struct stream *s, struct err *err)
{
    size_t n;
    const int rc = raw_read(s, s->out + s->out_len, s->out_cap - s->out_len, &n, err);
    s->out_len += n;
    s->end = s->raw_end;
    return rc;
}

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
        return fail_truncated(s, "zstd frame", err);
    }
    if (n < 4 || !begins_zstd(p)) {
        return fail_garbage(s, "zstd frame", err);
    }
    uint64_t window;
    uint32_t dictionary;
    if (zstd_header(p, n, &window, &dictionary)) {
        if (dictionary) {
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: byte %" PRIu64 ": the zstd frame needs dictionary %" PRIu32
                           ", which is not supported; recompress without one: `zstd -dc -D "
                           "DICTIONARY OLD | zstd -o NEW`",
                           s->name, raw_at(s), dictionary);
        }
        if (window > UINT64_C(1) << s->window_log_max) {
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: byte %" PRIu64 ": the zstd frame needs a window of %" PRIu64
                           " bytes (%" PRIu64 " MiB of memory); the limit is 2^%d bytes",
                           s->name, raw_at(s), window, window >> 20, s->window_log_max);
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
            return err_prefix(err, "%s: byte %" PRIu64, s->name, raw_at(s));
        }
        return err_set(err, ERR_CORRUPT, "%s: byte %" PRIu64 ": zstd: %s", s->name, raw_at(s),
                       ZSTD_getErrorName(wants));
    }
    if (n == 0 && out.pos == s->out_len) { // at the end, with nothing left to flush
        return fail_truncated(s, "zstd frame", err);
    }
    s->in_at += in.pos;
    s->out_len = out.pos;
    s->zstd_wants = wants;
    return 0;
}

static int fill_zstd(struct stream *s, struct err *err)
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
        } else if (n > IN_BYTES) { // a skippable frame
            n = IN_BYTES;
        }
        const size_t made = s->out_len - before;
        if (made >= FILL_BYTES || (made > 0 && s->in_len - s->in_at < n)) {
            break; // what came before must not wait for a pipe that pauses
        }
        rc = raw_want(s, n, err);
        if (!rc) {
            rc = s->zstd_wants ? zstd_decode(s, n, err) : zstd_next_frame(s, err);
        }
    }
    return rc;
}

/* Called between two members: sets in_member if another begins, else s->end. */
static int gzip_next_member(struct stream *s, struct err *err)
{
    int rc = raw_want(s, 2, err);
    if (rc) {
        return rc;
    }
    const unsigned char *p = s->in + s->in_at;
    const size_t n = s->in_len - s->in_at;
    if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
        inflateReset(&s->gzip);
        s->in_member = true;
        s->member_at = raw_at(s);
        return 0;
    }
    if (n == 1 && p[0] == 0x1f) {
        return fail_truncated(s, "gzip member", err);
    }
    while (s->in_at < s->in_len) { // tapes pad their last block with zeros
        if (s->in[s->in_at] != 0) {
            return fail_garbage(s, "gzip member", err);
        }
        s->in_at++;
        rc = raw_want(s, 1, err);
        if (rc) {
            return rc;
        }
    }
    s->end = true;
    return 0;
}

static int fill_gzip(struct stream *s, struct err *err)
{
    const size_t before = s->out_len;
    while (s->out_len < before + FILL_BYTES) {
        if (s->out_len > before && s->in_at == s->in_len) {
            break; // what came before must not wait for a pipe that pauses
        }
        int rc = s->in_member ? 0 : gzip_next_member(s, err);
        if (rc || s->end) {
            return rc;
        }
        rc = raw_want(s, 1, err);
        if (rc) {
            return rc;
        }
        const size_t n = s->in_len - s->in_at;
        const size_t room = before + FILL_BYTES - s->out_len;
        s->gzip.next_in = s->in + s->in_at;
        s->gzip.avail_in = (unsigned)n;
        s->gzip.next_out = (unsigned char *)s->out + s->out_len;
        s->gzip.avail_out = (unsigned)room;
        const int status = inflate(&s->gzip, Z_NO_FLUSH);
        const size_t made = room - s->gzip.avail_out;
        s->in_at = s->in_len - s->gzip.avail_in;
        s->out_len += made;
        s->in_member = status != Z_STREAM_END;
        if (status == Z_MEM_ERROR) {
            return err_nomem(err, "decompressing gzip");
        }
        if (status == Z_DATA_ERROR || status == Z_NEED_DICT) {
            // The offset at which inflate() stops depends on how the bytes came in; the size of its
            // output does not.
            return err_set(err, ERR_CORRUPT,
                           "%s: byte %" PRIu64 ": gzip: %s (%lu bytes into the text of the member "
                           "that begins here)",
                           s->name, s->member_at, s->gzip.msg ? s->gzip.msg : "damaged",
                           s->gzip.total_out);
        }
        if (s->in_member && n == 0 && made == 0) {
            return fail_truncated(s, "gzip member", err);
        }
    }
    return 0;
}

/* Reports a file that has become shorter since it was opened: it must not pass for a whole one. */
static void check_end(struct stream *s)
{
    if (s->end && !s->failed.code && s->raw_read < s->raw_size) {
        err_set(&s->failed, ERR_TRUNCATED,
                "%s: byte %" PRIu64 ": the file ends here, but had %" PRIu64
                " bytes when it was opened",
                s->name, s->raw_read, s->raw_size);
    }
}

/* Decodes some more behind out_len.  An error is kept in s->failed: it ends the stream, but only
 * after everything in 'out'. */
static void fill(struct stream *s)
{
    if (s->out_at > 0) {
        memmove(s->out, s->out + s->out_at, s->out_len - s->out_at);
        s->out_len -= s->out_at;
        s->out_at = 0;
    }
    struct err err = {0};
    int rc = out_reserve(s, 2 * FILL_BYTES, &err);
    if (!rc) {
        switch (s->kind) {
        case PLAIN:
            rc = fill_plain(s, &err);
            break;
        case ZSTD:
            rc = fill_zstd(s, &err);
            break;
        case GZIP:
            rc = fill_gzip(s, &err);
            break;
        }
    }
    if (rc) {
        s->failed = err;
        s->end = true;
    }
    check_end(s);
}

// --- opening -----------------------------------------------------------------------------------

/* Whether the first bytes have a control character that no text has.  In compressed data one in
 * nine bytes is such a character. */
static bool begins_binary(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n && i < BINARY_BYTES; i++) {
        if (p[i] < 0x20 && !memchr("\b\t\n\v\f\r\x1b", p[i], 7)) {
            return true;
        }
    }
    return false;
}

/* Makes the stream plain, unless its name says that it is compressed and its bytes are not text. */
static int begin_plain(struct stream *s, struct err *err)
{
    const bool named = endings_say_compressed(s->name);
    int rc = raw_want(s, named ? BINARY_BYTES : 1, err);
    if (!rc) {
        rc = out_reserve(s, IN_BYTES, err);
    }
    if (rc) {
        return rc;
    }
    const size_t n = s->in_len;
    if (named && begins_binary(s->in, n)) {
        err_set(&s->failed, ERR_CORRUPT,
                "%s: byte 0: begins neither as zstd nor as gzip, though its name says that it is "
                "compressed, nor as text",
                s->name);
        s->end = true;
        return 0;
    }
    memcpy(s->out, s->in, n);
    s->out_len = n;
    s->in_len = 0;
    s->end = s->raw_end;
    check_end(s);
    if (named && n == 0 && !s->failed.code) {
        err_set(&s->failed, ERR_TRUNCATED,
                "%s: byte 0: nothing in it, though its name says that it is compressed: an "
                "interrupted copy?",
                s->name);
    }
    return 0;
}

/* Finds the kind by the first bytes and makes its decoder. */
static int begin(struct stream *s, struct err *err)
{
    int rc = raw_want(s, 4, err);
    if (rc) {
        return rc;
    }
    const unsigned char *p = s->in;
    const size_t n = s->in_len;
    // "(" alone is text; two or more bytes of the magic number are not UTF-8.
    if (n >= 4 ? begins_zstd(p) : n >= 2 && may_begin_zstd(p, n)) {
        s->kind = ZSTD;
        s->zstd = ZSTD_createDCtx();
        if (!s->zstd) {
            return err_nomem(err, "decompressing zstd");
        }
        stream_limit_window(s, STREAM_WINDOW_LOG_MAX);
        return 0;
    }
    if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
        s->kind = GZIP;
        s->gzip_open = inflateInit2(&s->gzip, 15 + 16) == Z_OK; // widest window, with gzip header
        return s->gzip_open ? 0 : err_nomem(err, "decompressing gzip");
    }

    s->kind = PLAIN;
    return begin_plain(s, err);
}

static int open_fd(struct stream *s, const char *path, struct err *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    s->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) {
        const enum err_code code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
        return err_set(err, code, "%s: %s", s->name, strerror(errno));
    }
    s->owns_fd = !is_stdin;
    struct stat st;
    if (fstat(s->fd, &st) != 0) {
        return err_set(err, ERR_IO, "%s: %s", s->name, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return err_set(err, ERR_IO,
                       "%s: is a folder; `gapscope pack %s -o corpus.jsonl.zst` makes a corpus of "
                       "the files in it",
                       s->name, is_stdin ? "FOLDER" : path);
    }
    if (S_ISREG(st.st_mode)) {
        // Standard input may have been read from before.  Files in /proc have size 0 but are not
        // empty: 0 means not known.
        const off_t at = lseek(s->fd, 0, SEEK_CUR);
        s->raw_size = at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
    }
    return 0;
}

/* path: NULL means memory[len]. */
static int open_any(struct stream **out, const char *path, const char *name, const void *memory,
                    size_t len, size_t step, struct err *err)
{
    struct stream *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a stream");
    }
    int rc = 0;
    s->fd = -1;
    s->step = step ? step : IN_BYTES;
    s->memory = memory;
    s->memory_len = len;
    s->name = strdup(name);
    s->in = mem_new(IN_BYTES, 1);
    if (!s->name || !s->in) {
        rc = err_nomem(err, "a stream");
        goto out;
    }
    if (path) {
        rc = open_fd(s, path, err);
    } else {
        s->raw_size = len;
    }
    if (!rc) {
        rc = begin(s, err);
    }
    if (rc) {
        goto out;
    }
    *out = s;
    s = NULL;
out:
    stream_close(s);
    return rc;
}

int stream_open(struct stream **out, const char *path, struct err *err)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    return open_any(out, path, name, NULL, 0, 0, err);
}

int stream_open_memory(struct stream **out, const char *name, const void *data, size_t len,
                       size_t step, struct err *err)
{
    return open_any(out, NULL, name, data, len, step, err);
}

void stream_limit_window(struct stream *s, int window_log)
{
    s->window_log_max = window_log;
    if (s->zstd) {
        ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, window_log);
    }
}

void stream_close(struct stream *s)
{
    if (!s) {
        return;
    }
    if (s->gzip_open) {
        inflateEnd(&s->gzip);
    }
    ZSTD_freeDCtx(s->zstd);
    if (s->owns_fd) {
        close(s->fd);
    }
    free(s->name);
    free(s->in);
    free(s->out);
    free(s);
}

// --- reading -----------------------------------------------------------------------------------

int stream_read(struct stream *s, const char **buf, size_t *len, struct err *err)
{
    while (s->out_at == s->out_len && !s->end) {
        fill(s);
    }
    *buf = s->out + s->out_at;
    *len = s->out_len - s->out_at;
    s->told += *len;
    s->out_at = s->out_len;
    if (*len == 0 && s->failed.code) {
        if (err) {
            *err = s->failed;
        }
        return s->failed.code;
    }
    return 0;
}

size_t stream_peek(struct stream *s, size_t want, const char **buf)
{
    while (s->out_len - s->out_at < want && !s->end) {
        fill(s);
    }
    const size_t len = s->out_len - s->out_at;
    *buf = len ? s->out + s->out_at : NULL;
    return len;
}

bool stream_is_damage(int code)
{
    return code == ERR_TRUNCATED || code == ERR_CORRUPT || code == ERR_GARBAGE;
}

uint64_t stream_tell(const struct stream *s)
{
    return s->told;
}

uint64_t stream_tell_raw(const struct stream *s)
{
    return raw_at(s);
}

uint64_t stream_size_raw(const struct stream *s)
{
    return s->raw_size;
}

const char *stream_kind(const struct stream *s)
{
    static const char *const kinds[] = {"plain", "zstd", "gzip"};
    return kinds[s->kind];
}

const char *stream_name(const struct stream *s)
{
    return s->name;
}
