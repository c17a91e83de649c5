/*
 * script.h - a .sql file of ours: the tables and views that it makes, and what it says about them
 *
 * The file is the one place that names a table, its columns, their meaning and its digest:
 *
 *     1  Lines of comments stand at the head; nothing reads them.
 *     2  CREATE TABLE t(      -- A row is ....          what follows the bracket says what a row is
 *            id INTEGER,      -- what it means          what follows a column belongs to it, over
 *                             -- one line or more       several lines too
 *            spots TEXT,      -- json: [[x, y], ...]    "json" first: the text is JSON
 *            PRIMARY KEY(id)
 *        ) WITHOUT ROWID;
 *     3  -- digest 7: id, spots ORDER BY id             of the table before it: a result table, the
 *                                                       7th of the digest.  A comment may go on
 *                                                       over several lines.  Without a number: its
 *                                                       table comes after those that have one, by
 *                                                       its name, and only if it has a row.
 *     4  CREATE VIEW v(       -- A row is ....
 *            id)              -- what it means; of the last column behind the bracket
 *        AS SELECT ...;       a view names its columns; it has no digest
 *
 * Statements go into the database with their comments, so that ".schema" of any SQLite client shows
 * what the columns mean.
 */
#ifndef GAPSCOPE_OUT_SQL_SCRIPT_H
#define GAPSCOPE_OUT_SQL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/sql/sql.h"

struct script_column {
    char *name;
    char *about; // its comment, "" without one
    bool json;
};

#define SCRIPT_ANY_PLACE SIZE_MAX // of the digest, behind all numbered ones, by name

/* A table or a view. */
struct script_object {
    bool view;
    char *name;
    char *about;                   // what a row is, "" where nothing says so
    char *statement;               // CREATE ..., with comments, without the semicolon
    struct script_column *columns; // [n_columns]
    size_t n_columns, columns_cap;
    size_t digest; // its place in the digest, from 1, or SCRIPT_ANY_PLACE; 0: not in it
    char *select;  // of the digest: "SELECT id, spots FROM t ORDER BY id"; NULL: not in it
};

struct script {
    struct script_object *items; // [n], in the file's order
    size_t n, cap;
};

/* Appends what 'text' makes to *s, which begins as {0} and is ended by script_free() in any case.
 * Errors: ERR_FORMAT (with the line), ERR_NOMEM. */
int script_read(struct script *s, const char *text, struct err *err);
void script_free(struct script *s);

/* The object of that name, or NULL. */
const struct script_object *script_find(const struct script *s, const char *name);

/* Makes all tables and views. */
int script_create(const struct script *s, const struct sql *db, struct err *err);

/*
 * Holds the database exactly what script_create() makes, comments and white space aside?  No
 * trigger, no view in place of a table, no other index or column: what is read from a file of a
 * stranger then runs no code of theirs.  Nothing but sqlite_schema is read.
 * Errors: ERR_FORMAT (the message names what differs), sql.h's.
 */
int script_check(const struct script *s, const struct sql *db, struct err *err);

/* Appends 'statement' without comments, with a blank at most where white space was.  ERR_NOMEM. */
int script_plain(struct buf *out, const char *statement, struct err *err);

#endif
