/*
 * stream.h - a file as a stream of bytes, decompressed
 *
 *     stream_open -> stream_read, stream_read, ... until *len == 0 -> stream_close
 *
 * Plain, zstd and gzip are told apart by the first bytes, not by the name.  zstd frames and gzip
 * members that follow one another are one stream; zstd's skippable frames are skipped.
 *
 * Damage comes after all that could be decoded before it: reads hand out the whole good prefix
 * first, then fail with ERR_TRUNCATED (the file ends inside a frame), ERR_CORRUPT (the decoder or
 * a checksum says so) or ERR_GARBAGE (bytes after the last frame that begin no other).  A file of
 * 0 bytes whose name ends in .zst, .gz or .zstd is ERR_TRUNCATED: an interrupted copy.
 *
 * Threads: a stream belongs to one thread at a time; different streams are independent.
 */
#ifndef GAPSCOPE_CORPORA_STREAM_H
#define GAPSCOPE_CORPORA_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "scan/base/err.h"

/* zstd frames with a window of more than 2^STREAM_WINDOW_LOG_MAX bytes are refused. */
#define STREAM_WINDOW_LOG_MAX 31

struct stream;

/* path: a file, or "-" for standard input.  On success the caller owns *out.
 * Errors: ERR_NOT_FOUND, ERR_IO (a folder among them), ERR_NOMEM; the message begins with the path. */
int stream_open(struct stream **out, const char *path, struct err *err);

/*
 * The next bytes.  *buf points into the stream and is valid until the next call on it; *len is 0
 * only at the end.  After an error every further call gives the same error.
 * Errors: ERR_IO, ERR_TRUNCATED, ERR_CORRUPT, ERR_GARBAGE, ERR_UNSUPPORTED (a dictionary is
 * needed; the window is over the limit, which the message names together with the memory it would
 * take), ERR_NOMEM.  Messages begin with the path and give the compressed offset.
 */
int stream_read(struct stream *s, const char **buf, size_t *len, struct err *err);

/* Decompressed bytes handed out so far. */
uint64_t stream_tell(const struct stream *s);

/* Bytes of the file taken in so far, and its size (0: not known, as for a pipe). */
uint64_t stream_tell_raw(const struct stream *s);
uint64_t stream_size_raw(const struct stream *s);

/* "plain", "zstd" or "gzip". */
const char *stream_kind(const struct stream *s);

void stream_close(struct stream *s); // NULL is allowed

#endif
