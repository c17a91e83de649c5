#include "corpora/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "corpora/base/shell_quote.h"
#include "corpora/endings.h"
#include "corpora/stream_internal.h"

// A control character among this many first bytes means compressed data rather than text.
#define BINARY_BYTES 64

// --- raw bytes ---------------------------------------------------------------------------------

uint64_t stream_raw_at(const struct stream *s)
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

int stream_raw_want(struct stream *s, size_t want, struct err *err)
{
    if (s->in_len - s->in_at >= want) {
        return 0;
    }
    memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
    s->in_len -= s->in_at;
    s->in_at = 0;
    while (s->in_len < want && !s->raw_end) {
        size_t n;
        const int rc = raw_read(s, s->in + s->in_len, STREAM_IN_BYTES - s->in_len, &n, err);
        if (rc) {
            return rc;
        }
        s->in_len += n;
    }
    return 0;
}

// --- decoded bytes -----------------------------------------------------------------------------

int stream_fail_truncated(const struct stream *s, const char *what, struct err *err)
{
    return err_set(err, ERR_TRUNCATED,
                   "%s: byte %" PRIu64 ": the file ends inside a %s: an interrupted copy?", s->name,
                   s->raw_read, what);
}

int stream_fail_garbage(const struct stream *s, const char *what, struct err *err)
{
    return err_set(err, ERR_GARBAGE,
                   "%s: byte %" PRIu64 ": what follows the last %s does not begin another", s->name,
                   stream_raw_at(s), what);
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
    int rc = out_reserve(s, 2 * STREAM_FILL_BYTES, &err);
    if (!rc) {
        switch (s->kind) {
        case STREAM_PLAIN:
            rc = fill_plain(s, &err);
            break;
        case STREAM_ZSTD:
            rc = stream_zstd_fill(s, &err);
            break;
        case STREAM_GZIP:
            rc = stream_gzip_fill(s, &err);
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
    int rc = stream_raw_want(s, named ? BINARY_BYTES : 1, err);
    if (!rc) {
        rc = out_reserve(s, STREAM_IN_BYTES, err);
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
    int rc = stream_raw_want(s, 4, err);
    if (rc) {
        return rc;
    }
    if (stream_zstd_begins(s->in, s->in_len)) {
        s->kind = STREAM_ZSTD;
        return stream_zstd_begin(s, err);
    }
    if (stream_gzip_begins(s->in, s->in_len)) {
        s->kind = STREAM_GZIP;
        return stream_gzip_begin(s, err);
    }
    s->kind = STREAM_PLAIN;
    return begin_plain(s, err);
}

int stream_refuse_folder(const char *name, const char *path, struct err *err)
{
    char *folder = path ? shell_quoted(path) : strdup("FOLDER");
    if (!folder) {
        return err_nomem(err, "a path");
    }
    err_set(err, ERR_IO,
            "%s: is a folder; `gapscope pack %s -o corpus.jsonl.zst` makes a corpus of the files "
            "in it",
            name, folder);
    free(folder);
    return ERR_IO;
}

/* regular: only a regular file will do, "-" is the name of one, and nothing blocks. */
static int open_fd(struct stream *s, const char *path, bool regular, struct err *err)
{
    const bool is_stdin = !regular && strcmp(path, "-") == 0;
    const int flags = O_RDONLY | O_CLOEXEC | (regular ? O_NONBLOCK | O_NOCTTY : 0);
    s->fd = is_stdin ? STDIN_FILENO : open(path, flags);
    if (s->fd < 0) {
        return path_read_error(path, errno, err);
    }
    s->owns_fd = !is_stdin;
    struct stat st;
    if (fstat(s->fd, &st) != 0) {
        return err_set(err, ERR_IO, "%s: %s", s->name, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return stream_refuse_folder(s->name, is_stdin ? NULL : path, err);
    }
    if (regular && !S_ISREG(st.st_mode)) {
        return err_set(err, ERR_UNSUPPORTED, "%s: is not a regular file", s->name);
    }
    if (S_ISREG(st.st_mode)) {
        // Standard input may have been read from before.  Files in /proc have size 0 but are not
        // empty: 0 means not known.
        const off_t at = lseek(s->fd, 0, SEEK_CUR);
        s->raw_size = at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
    }
    return 0;
}

/* path: NULL means memory[len].  regular: open_fd()'s. */
static int open_any(struct stream **out, const char *path, bool regular, const char *name,
                    const void *memory, size_t len, size_t step, struct err *err)
{
    struct stream *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a stream");
    }
    int rc = 0;
    s->fd = -1;
    s->step = step ? step : STREAM_IN_BYTES;
    s->memory = memory;
    s->memory_len = len;
    s->name = strdup(name);
    s->in = mem_new(STREAM_IN_BYTES, 1);
    if (!s->name || !s->in) {
        rc = err_nomem(err, "a stream");
        goto out;
    }
    if (path) {
        rc = open_fd(s, path, regular, err);
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
    return open_any(out, path, false, name, NULL, 0, 0, err);
}

int stream_open_regular(struct stream **out, const char *path, struct err *err)
{
    return open_any(out, path, true, path, NULL, 0, 0, err);
}

int stream_open_memory(struct stream **out, const char *name, const void *data, size_t len,
                       size_t step, struct err *err)
{
    return open_any(out, NULL, false, name, data, len, step, err);
}

void stream_close(struct stream *s)
{
    if (!s) {
        return;
    }
    stream_gzip_end(s);
    stream_zstd_end(s);
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
    return stream_raw_at(s);
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
