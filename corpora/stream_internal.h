/*
 * stream_internal.h - the parts that the files of a stream share
 *
 *     stream.c       raw bytes, the kind of a file, reading
 *     stream_zstd.c  zstd frames
 *     stream_gzip.c  gzip members
 *
 * A decoder takes raw bytes from 'in' and puts what it makes of them behind out_len.
 */
#ifndef GAPSCOPE_CORPORA_STREAM_INTERNAL_H
#define GAPSCOPE_CORPORA_STREAM_INTERNAL_H

#include <zlib.h>
#include <zstd.h>

#include "corpora/stream.h"

// The number of raw bytes taken in at a time; a whole zstd block fits.
#define STREAM_IN_BYTES ((size_t)256 << 10)

// A fill stops once it has decoded this many bytes, and begins with room for twice as many, so that
// the call that decodes a zstd block (128 KiB at most) also flushes it.
#define STREAM_FILL_BYTES ((size_t)128 << 10)

enum stream_kind { STREAM_PLAIN, STREAM_ZSTD, STREAM_GZIP };

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
    unsigned char *in; // [STREAM_IN_BYTES]
    size_t in_at, in_len;

    // [out_at, out_len): decoded bytes that wait for the caller
    char *out; // [out_cap]
    size_t out_at, out_len, out_cap;
    uint64_t told;

    enum stream_kind kind;
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

/* The decoder's offset in the file. */
uint64_t stream_raw_at(const struct stream *s);

/* Brings 'want' bytes into s->in, or as many as come before the end. */
int stream_raw_want(struct stream *s, size_t want, struct err *err);

/* The file ends inside a frame or member ('what'); or what follows the last one begins no other. */
int stream_fail_truncated(const struct stream *s, const char *what, struct err *err);
int stream_fail_garbage(const struct stream *s, const char *what, struct err *err);

/* Whether a file whose first bytes are p[n] is of this kind; n < 4 only if the file is so short. */
bool stream_zstd_begins(const unsigned char *p, size_t n);
bool stream_gzip_begins(const unsigned char *p, size_t n);

/* Make the decoder.  Errors: ERR_NOMEM. */
int stream_zstd_begin(struct stream *s, struct err *err);
int stream_gzip_begin(struct stream *s, struct err *err);

/* Decode some more, about STREAM_FILL_BYTES; there is room for twice as many behind out_len.
 * s->end is set at the end.  Errors: those of stream_read(). */
int stream_zstd_fill(struct stream *s, struct err *err);
int stream_gzip_fill(struct stream *s, struct err *err);

/* Free the decoder, if there is one. */
void stream_zstd_end(struct stream *s);
void stream_gzip_end(struct stream *s);

#endif
