/*
 * utf8_repair.h - text that may hold invalid UTF-8, made valid
 */
#ifndef GAPSCOPE_CORPORA_BASE_UTF8_REPAIR_H
#define GAPSCOPE_CORPORA_BASE_UTF8_REPAIR_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"

/*
 * Appends 'text' to *out with every maximal invalid subpart replaced by U+FFFD, and adds the
 * number of replacements to *n_repaired.  This is what Python's errors="replace" does.
 */
int utf8_repair(struct buf *out, const char *text, size_t len, uint64_t *n_repaired,
                struct err *err);

#endif
