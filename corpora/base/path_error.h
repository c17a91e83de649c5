/*
 * path_error.h - says why a path cannot be read or written, and names the folder or link at fault
 *
 * The messages begin with the path.  'number' is the errno of what was tried.
 */
#ifndef GAPSCOPE_CORPORA_BASE_PATH_ERROR_H
#define GAPSCOPE_CORPORA_BASE_PATH_ERROR_H

#include <stdbool.h>

#include "corpora/base/err.h"

/* Why open() could not open 'path' to read: ERR_NOT_FOUND (nothing is there; it is a link to what
 * is not there), else ERR_IO. */
int path_read_error(const char *path, int number, struct err *err);

/* Why the file or folder 'path', or a temporary file beside it, could not be made: a folder on the
 * way is missing, is none, or takes no new file.  ERR_IO. */
int path_write_error(const char *path, int number, struct err *err);

/* Whether there is a file at 'path'; nobody waits for a pipe.  Errors: ERR_IO (a folder, a pipe, a
 * device, a socket, or what cannot be looked at), ERR_NOT_FOUND (a link to what is not there). */
int path_is_file(const char *path, bool *is_there, struct err *err);

#endif
