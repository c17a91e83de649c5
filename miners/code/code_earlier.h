/*
 * code_earlier.h - where tokens stood earlier in a document, for built-in miners
 */
#ifndef GAPSCOPE_MINERS_CODE_CODE_EARLIER_H
#define GAPSCOPE_MINERS_CODE_CODE_EARLIER_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/mem.h"

#define EARLIER_NONE UINT32_MAX

/*
 * earlier[doc->n]: of each token the latest earlier one such that the n ids up to either are equal,
 * in the whole document; EARLIER_NONE: there is none.  Of two places in one window none stands
 * between, so whoever wants only those looks whether it is in the window.  Memory: a table.
 * Errors: ERR_NOMEM.
 */
int earlier_places(uint32_t *earlier, const struct tokens *doc, size_t n, struct buf *memory,
                   struct err *err);

/* The earlier place of token i, where its n ids are in i's window, as i's are; else EARLIER_NONE. */
uint32_t earlier_in_window(const uint32_t *earlier, const struct tokens *doc, size_t i, size_t n);

#endif
