/*
 * stream.h - a file as a stream of bytes, decompressed
 *
 *     stream_open -> stream_read, stream_read, ... until *len == 0 -> stream_close
 *
 * Plain, zstd and gzip are told apart by the first bytes, not by the name.  zstd frames and gzip
 * members that follow one another are one stream; zstd's skippable frames are skipped, and so are
 * zero bytes that fill up a gzip file to its end.
 *
 * Damage comes after all that could be decoded before it: reads hand out the whole good prefix
 * first, then fail with ERR_TRUNCATED (the file ends inside a frame, or has become shorter than it
 * was when it was opened), ERR_CORRUPT (the decoder or a checksum says so) or ERR_GARBAGE (bytes
 * after the last frame that begin no other).  Where only the name says that a file is compressed
 * (.zst, .zstd, .gz), one of 0 bytes is ERR_TRUNCATED, an interrupted copy, and one that begins
 * with bytes of no text is ERR_CORRUPT.
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

/* zstd frames with a window of more than 2^STREAM_WINDOW_LOG_MAX bytes are refused. */
#define STREAM_WINDOW_LOG_MAX 31

struct stream;

/* path: a file, or "-" for standard input.  On success the caller owns *out.  Blocks on a pipe
 * until its first 4 bytes are there.
 * Errors: ERR_NOT_FOUND, ERR_IO (a folder among them), ERR_NOMEM; the message begins with the path.
 */
int stream_open(struct stream **out, const char *path, struct err *err);

/* As stream_open() for data[len], which the caller keeps as long as the stream.  'name' stands for
 * the path; 'step' bytes are taken in at a time (0: as a file's): for tests of how buffers fall. */
int stream_open_memory(struct stream **out, const char *name, const void *data, size_t len,
                       size_t step, struct err *err);

/* Lowers the limit of this stream's windows to 2^window_log bytes, 10 to STREAM_WINDOW_LOG_MAX.
 * To be called before the first read. */
void stream_limit_window(struct stream *s, int window_log);

/*
 * The next bytes.  *buf points into the stream and is valid until the next call on it; *len is 0
 * only at the end.  After an error every further call gives the same error.
 * Errors: ERR_IO, ERR_TRUNCATED, ERR_CORRUPT, ERR_GARBAGE, ERR_UNSUPPORTED (a dictionary is
 * needed; the window is over the limit, which the message names together with the memory it would
 * take), ERR_NOMEM.  Messages begin with the path and give the compressed offset.
 */
int stream_read(struct stream *s, const char **buf, size_t *len, struct err *err);

/* The next bytes, at least 'want' of them, without taking them: fewer only where the stream ends
 * or fails before, which the read that comes to it will say.  *buf (NULL where there is nothing)
 * is valid until the next call.  All 'want' bytes are held in memory. */
size_t stream_peek(struct stream *s, size_t want, const char **buf);

/* Is 'code' damage of the file, as above, rather than a reason to give up on it? */
bool stream_is_damage(int code);

/* Decompressed bytes handed out so far. */
uint64_t stream_tell(const struct stream *s);

/* Bytes of the file taken in so far, and its size (0: not known, as for a pipe). */
uint64_t stream_tell_raw(const struct stream *s);
uint64_t stream_size_raw(const struct stream *s);

/* "plain", "zstd" or "gzip". */
const char *stream_kind(const struct stream *s);

/* The path, "standard input" for "-": what messages begin with. */
const char *stream_name(const struct stream *s);

void stream_close(struct stream *s); // NULL is allowed

#endif
