/*
 * state_bytes.h - a piece of the saved state as it stands in run.db: compressed
 *
 *     byte 0      STATE_PLAIN: what follows are the bytes; STATE_ZSTD: it is one zstd frame of them
 *
 * A frame says how many bytes it holds, and they are no more than STATE_RATIO times its own; what
 * would shrink by more is kept plain.  So a file of a stranger cannot take much more memory than
 * it has bytes.
 *
 * Threads: functions without state.
 */
#ifndef GAPSCOPE_OUT_STORE_STATE_BYTES_H
#define GAPSCOPE_OUT_STORE_STATE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

#define STATE_PART ((size_t)16 << 20) // bytes that are compressed together, at most
#define STATE_RATIO 128

/* Puts bytes[len], at most STATE_PART, into *out as a piece, in place of what it has.  small: it
 * may take six times as long for a tenth less.  Errors: ERR_NOMEM. */
int state_bytes_shrink(struct buf *out, const void *bytes, size_t len, bool small, struct err *err);

/* Appends what a piece holds to *out.  Errors: ERR_FORMAT (not such a piece), ERR_NOMEM; *out is
 * then as it was. */
int state_bytes_expand(struct buf *out, const void *piece, size_t len, struct err *err);

#endif
