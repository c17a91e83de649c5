/*
 * publish.h - copies of a run.db that is written elsewhere (scan --scratch)
 *
 * SQLite's locks and its journal are slow, or do not work, on file systems of a network; a file that
 * is copied whole and renamed is what these do well.
 */
#ifndef GAPSCOPE_OUT_STORE_PUBLISH_H
#define GAPSCOPE_OUT_STORE_PUBLISH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "corpora/base/err.h"

struct publish {
    char *target;     // NULL: nothing is published
    bool exists;      // the target, when it was last looked at
    struct stat last; // of it
};

/* Copies will go to 'target'; what is there now is what may be replaced.  Errors: ERR_NOMEM. */
int publish_begin(struct publish *p, const char *target, struct err *err);
void publish_end(struct publish *p); // {0} is allowed

/* Copies the file, which nobody writes meanwhile, over the target.  Errors: ERR_IO (a full disk: the
 * target is as it was), ERR_LIMIT (another process has written it). */
int publish_copy(struct publish *p, const char *from, struct err *err);

/* Copies a file as a whole.  Errors: ERR_IO, ERR_NOMEM. */
int publish_copy_file(const char *from, const char *to, struct err *err);

#endif
