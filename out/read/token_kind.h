/*
 * token_kind.h - what kind of token a text is: a word, digits, a line end, ...
 *
 * It depends on the text alone.  In SQL it is token_kind(text), and token_kind_number(text), from 0.
 */
#ifndef GAPSCOPE_OUT_READ_TOKEN_KIND_H
#define GAPSCOPE_OUT_READ_TOKEN_KIND_H

#include <sqlite3.h>
#include <stddef.h>

size_t token_kind(const char *text);

/* "digits"; NULL from the number of kinds on. */
const char *token_kind_name(size_t kind);

/* Makes both known to the connection.  Returns SQLITE_OK or what SQLite returns. */
int token_kind_join(sqlite3 *db);

#endif
