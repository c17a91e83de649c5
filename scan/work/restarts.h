/*
 * restarts.h - ends a run that begins again and again without finishing a unit (--restarts)
 *
 * A job engine runs a task again that was killed, or came to its time limit.  Where a unit takes
 * longer than the limit, or more memory than there is, it would do so for ever.
 */
#ifndef GAPSCOPE_SCAN_WORK_RESTARTS_H
#define GAPSCOPE_SCAN_WORK_RESTARTS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/store/store.h"

// Its row in table meta: units done, and the starts since then.  A merged run has none.
#define RESTARTS_KEY "restarts"

/*
 * Notes in run.db that a scan begins with units_done units.  most: as many may begin with the same
 * after the first one; 0: any number, and nothing is noted.
 * Errors: ERR_LIMIT (one too many: the next ones are counted anew), store_write()'s.
 */
int restarts_count(struct store *s, uint64_t units_done, size_t most, const char *path,
                   struct err *err);

#endif
