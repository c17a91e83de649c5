/*
 * nothing_read.h - what to say where an input gave no document
 */
#ifndef GAPSCOPE_SCAN_LOAD_NOTHING_READ_H
#define GAPSCOPE_SCAN_LOAD_NOTHING_READ_H

#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/record_keys.h"
#include "corpora/reject.h"

/* "--field body", quoted for a shell where that is needed: what names the longest string of the
 * record, keys->longest, which is not "".  A new string that the caller frees; NULL: no memory. */
char *field_option(const struct record_keys *keys);

/*
 * Makes the error of an input that holds records, none of which could be read: how many were
 * skipped and why, the keys that they have, and --field; or --format text where they are no JSON.
 * n[REJECT_N]: skipped records by reason, at least one.  field: --field's value, or NULL.  Returns
 * ERR_FORMAT.
 */
int nothing_read(const uint64_t *n, const char *field, const struct record_keys *keys,
                 struct err *err);

#endif
