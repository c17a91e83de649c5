/*
 * child.h - a program that runs beside us, spoken to by its standard input and output
 *
 * It leads a process group of its own, so that a Ctrl-C is not for it and what it starts ends with
 * it; it is killed when the thread that started it ends.  Its standard error is ours.
 *
 * Threads: different children are independent; one belongs to the thread that started it.
 */
#ifndef GAPSCOPE_MINERS_KINDS_CHILD_H
#define GAPSCOPE_MINERS_KINDS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "corpora/base/err.h"

/* CHILD_NONE is none. */
struct child {
    pid_t pid; // 0: not running
    int in;    // what we write comes in as its standard input; -1: closed
    int out;   // what it writes to its standard output; neither blocks
};
#define CHILD_NONE ((struct child){.in = -1, .out = -1})

/* Is there a program 'name', in the PATH or, where it holds a slash, from 'folder' ("": here)?
 * Errors: ERR_NOT_FOUND, ERR_NOMEM. */
int child_find(const char *name, const char *folder, struct err *err);

/* Starts argv (ends with NULL) in 'folder'.  Errors: ERR_IO. */
int child_start(struct child *c, char *const *argv, const char *folder, struct err *err);

/* write() to its input; where it does not read any more that is EPIPE and no SIGPIPE. */
ssize_t child_write(const struct child *c, const char *data, size_t len);
void child_close_input(struct child *c);

/* Waits for at most 'ms' until it has ended of its own; false: it has not. */
bool child_wait(const struct child *c, int ms);

/* Kills it and all that it has started; *c becomes CHILD_NONE.  Returns how it ended, as waitpid()
 * does. */
int child_end(struct child *c);

#endif
