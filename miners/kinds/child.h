/*
 * child.h - a child process that we talk to through its standard input and output
 *
 * It leads a process group of its own, so that Ctrl-C does not reach it.  The processes that it
 * starts end with it, and it ends with us, even if we are killed: keeper.h says how; without a
 * keeper those that have left its process group stay.  Its standard error is ours.
 *
 * Threads: different children are independent; one belongs to the thread that started it.
 */
#ifndef GAPSCOPE_MINERS_KINDS_CHILD_H
#define GAPSCOPE_MINERS_KINDS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "corpora/base/err.h"

/* CHILD_NONE: no process. */
struct child {
    pid_t pid; // 0: not running
    int in;    // we write its standard input here; -1: closed
    int out;   // we read its standard output here; neither blocks
    int life;  // the keeper, whose process 'pid' then is, waits for the end of this pipe; -1: none
};
#define CHILD_NONE ((struct child){.in = -1, .out = -1, .life = -1})

/* Checks that there is a program 'name': in the PATH, or, if it has a slash, relative to 'folder'
 * ("": the current one).  Errors: ERR_NOT_FOUND, ERR_NOMEM. */
int child_find(const char *name, const char *folder, struct err *err);

/* Starts argv (which ends with NULL) in 'folder'.  Errors: ERR_IO. */
int child_start(struct child *c, char *const *argv, const char *folder, struct err *err);

/* write() to its input; if nobody reads it any more the result is EPIPE, without a SIGPIPE. */
ssize_t child_write(const struct child *c, const char *data, size_t len);
void child_close_input(struct child *c);

/* Waits at most 'ms' milliseconds until it has ended by itself; false: it has not. */
bool child_wait(const struct child *c, int ms);

/* Kills it and all processes that it has started; *c becomes CHILD_NONE.  Returns how it ended, as
 * waitpid() does. */
int child_end(struct child *c);

#endif
