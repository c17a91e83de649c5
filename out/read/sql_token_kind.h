/*
 * sql_token_kind.h - kinds of tokens in SQL: token_kind(text), and token_kind_number(text), from 0
 */
#ifndef GAPSCOPE_OUT_READ_SQL_TOKEN_KIND_H
#define GAPSCOPE_OUT_READ_SQL_TOKEN_KIND_H

#include <sqlite3.h>

/* Makes both known to the connection.  Returns SQLITE_OK or what SQLite returns. */
int token_kind_join(sqlite3 *db);

#endif
