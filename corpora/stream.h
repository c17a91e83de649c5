/*
 * stream.h - reads a file as a stream of decompressed bytes
 *
 *     stream_open -> stream_read, stream_read, ... until *len == 0 -> stream_close
 *
 * The first bytes, not the name, decide whether a file is plain, zstd or gzip.  zstd frames and
 * gzip members that follow one another are one stream; zstd's skippable frames are skipped, and so
 * are zero bytes that pad the end of a gzip file.
 *
 * Reads return everything that can be decoded before they report damage: ERR_TRUNCATED (the file
 * ends inside a frame, or has become shorter since it was opened), ERR_CORRUPT (the decoder or a
 * checksum says so) or ERR_GARBAGE (bytes after the last frame that do not begin another).  If only
 * the name says that a file is compressed (.zst, .zstd, .gz), a file of 0 bytes is ERR_TRUNCATED
 * (an interrupted copy), and one whose first bytes cannot be text is ERR_CORRUPT.
 *
 * Memory is two buffers of a few hundred KiB, and as much of a zstd window as the data fills.
 *
 * Threads: a stream belongs to one thread at a time; different streams are independent.
 */
#ifndef GAPSCOPE_CORPORA_STREAM_H
#define GAPSCOPE_CORPORA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* A zstd frame with a window of more than 2^STREAM_WINDOW_LOG_MAX bytes is an error. */
#define STREAM_WINDOW_LOG_MAX 31

struct stream;

/* path: a file, or "-" for standard input.  On success the caller owns *out.  Blocks on a pipe
 * until its first 4 bytes are there.
 * Errors: ERR_NOT_FOUND, ERR_IO (also for a folder), ERR_NOMEM; messages begin with the
 * path. */
int stream_open(struct stream **out, const char *path, struct err *err);

/* Like stream_open() for a file that nobody has named: it never blocks.  Errors: also
 * ERR_UNSUPPORTED (a pipe, a device, ...). */
int stream_open_regular(struct stream **out, const char *path, struct err *err);

/* Like stream_open() for data[len], which must live as long as the stream.  'name' stands for the
 * path.  'step' is the number of bytes taken in at a time (0: as for a file), so that tests can
 * vary how the buffers fall. */
int stream_open_memory(struct stream **out, const char *name, const void *data, size_t len,
                       size_t step, struct err *err);

/* Refuses the folder 'path', which messages call 'name'; NULL: its path is not known. */
int stream_refuse_folder(const char *name, const char *path, struct err *err);

/* Lowers the limit of this stream's windows to 2^window_log bytes, 10 to STREAM_WINDOW_LOG_MAX.
 * Call it before the first read. */
void stream_limit_window(struct stream *s, int window_log);

/*
 * Reads the next bytes.  *buf points into the stream and is valid until the next call on it; *len
 * is 0 only at the end.  After an error every further call gives the same error.  Errors: ERR_IO,
 * ERR_TRUNCATED, ERR_CORRUPT, ERR_GARBAGE, ERR_UNSUPPORTED (the frame needs a dictionary; or its
 * window is over the limit, and the message names the limit and the memory the window would take),
 * ERR_NOMEM.  Messages begin with the path and give the compressed offset.
 */
int stream_read(struct stream *s, const char **buf, size_t *len, struct err *err);

/* Looks at the next bytes, at least 'want' of them, without taking them.  There are fewer only if
 * the stream ends or fails before; the read that gets there reports the error.  *buf (NULL if there
 * is nothing) is valid until the next call.  All 'want' bytes are held in memory. */
size_t stream_peek(struct stream *s, size_t want, const char **buf);

/* Whether 'code' is damage of the file, as above, rather than a reason to give up on it. */
bool stream_is_damage(int code);

/* The decompressed bytes handed out so far. */
uint64_t stream_tell(const struct stream *s);

/* The bytes of the file taken in so far, and its size (0: not known, as for a pipe). */
uint64_t stream_tell_raw(const struct stream *s);
uint64_t stream_size_raw(const struct stream *s);

/* "plain", "zstd" or "gzip". */
const char *stream_kind(const struct stream *s);

/* The path, or "standard input" for "-", with which messages begin. */
const char *stream_name(const struct stream *s);

void stream_close(struct stream *s); // NULL is allowed

#endif
