/*
 * shell_quote.h - a word as it can be pasted into a shell: for commands that messages suggest
 */
#ifndef GAPSCOPE_CORPORA_BASE_SHELL_QUOTE_H
#define GAPSCOPE_CORPORA_BASE_SHELL_QUOTE_H

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* Appends 'word', in quotes where a shell would read it otherwise, and a NUL that is not counted.
 * Control characters and bytes that are not UTF-8 become $'\x1B', as bash and others read it, so
 * that they cannot drive a terminal.  Errors: ERR_NOMEM. */
int shell_quote(struct buf *out, const char *word, struct err *err);

/* The same as a new string that the caller frees; NULL: no memory. */
char *shell_quoted(const char *word);

#endif
