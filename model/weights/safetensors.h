/*
 * safetensors.h - reads safetensors files
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_SAFETENSORS_H
#define GAPSCOPE_MODEL_WEIGHTS_SAFETENSORS_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/tensorlist.h"

/* The largest header in bytes, as in the reference implementation. */
#define SAFETENSORS_MAX_HEADER ((size_t)100 * 1000 * 1000)

/*
 * Adds the tensors of the file bytes[len], in the header's order, to *out and indexes it.  Those of
 * a dtype that is not read (8-bit floats, ...) are listed as DTYPE_UNREAD.
 * Errors: ERR_FORMAT, ERR_TRUNCATED, ERR_LIMIT (the header), ERR_UNSUPPORTED (a rank),
 * ERR_NOMEM.
 */
int safetensors_read(struct tensorlist *out, const unsigned char *bytes, size_t len,
                     struct err *err);

#endif
