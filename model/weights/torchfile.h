/*
 * torchfile.h - reads files in which torch.save wrote a dict of tensors
 */
#ifndef GAPSCOPE_MODEL_WEIGHTS_TORCHFILE_H
#define GAPSCOPE_MODEL_WEIGHTS_TORCHFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/weights/tensorlist.h"

/* Whether the file begins like torch's older format. */
bool torchfile_is_legacy(const unsigned char *bytes, size_t len);

/*
 * Each adds the tensors of the file bytes[len], in the order of the dict, to *out and indexes it.
 * Errors: those of zip_open(), zip_check() and pickle_read(), ERR_FORMAT, ERR_TRUNCATED,
 * ERR_UNSUPPORTED, ERR_NOMEM.
 */
int torchfile_read_zip(struct tensorlist *out, const unsigned char *bytes, size_t len,
                       struct err *err);
int torchfile_read_legacy(struct tensorlist *out, const unsigned char *bytes, size_t len,
                          struct err *err);

#endif
