/*
 * reader.h - what the commands share that show a run.db: reading it, the terminal, JSON
 *
 *     view_open -> view_query, view_step, ... each row to v.to -> view_close
 *
 * All is read into memory while the file is locked and printed afterwards: a scan waits for its
 * readers, and must not wait for a pager.  What run.db holds is as foreign as a corpus: texts go
 * through show.h, JSON in columns may be damaged.
 */
#ifndef GAPSCOPE_OUT_READ_READER_H
#define GAPSCOPE_OUT_READ_READER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"
#include "corpora/base/jsonout.h"
#include "out/store/store.h"

struct view {
    const char *path;
    struct store *store;
    sqlite3 *db;
    FILE *to;     // a memory stream
    bool colour;  // escape sequences are understood and wanted
    size_t width; // characters a line
    char *text;   // what 'to' has collected: [len]
    size_t len;
};

#define VIEW_COLOR_HELP "always, never or auto: where it is a terminal and NO_COLOR is not set"

/* Opens run.db and looks at the terminal.  color: --color's value or NULL (auto); output: -o's or
 * NULL.  Ended by view_close() whatever it returns.  Errors: ERR_USAGE (color),
 * store_open_read()'s.
 */
int view_open(struct view *v, const char *path, const char *color, const char *output,
              struct err *err);

/* The terminal alone, without a file. */
int view_open_screen(struct view *v, const char *color, const char *output, struct err *err);

/* The file alone: nothing is to be printed.  Ended by store_close(v->store). */
int view_open_file(struct view *v, const char *path, struct err *err);

/* Closes the file and, where rc is 0, writes what was collected.  Returns rc or its own error. */
int view_close(struct view *v, int rc, const char *output, struct err *err);

// --- reading: the first error stands in *rc and stops the rest

/* A statement with args[0], args[1], ... bound to ?1, ?2, ...: as many as it has.  NULL: an error.
 * The caller ends it with sqlite3_finalize(). */
sqlite3_stmt *view_query(const struct view *v, const char *sql, const int64_t *args, int *rc,
                         struct err *err);

/* The same statement once more, from its first row.  NULL is allowed. */
void view_again(sqlite3_stmt *stmt, const int64_t *args);

/* The next row, or false at the end or with an error. */
bool view_step(const struct view *v, sqlite3_stmt *stmt, int *rc, struct err *err);

/* The number in the first column of the first row; 0 where there is none. */
int64_t view_number(const struct view *v, const char *sql, const int64_t *args, int *rc,
                    struct err *err);

/* A column; NULL is "", 0, NaN. */
const char *view_text(sqlite3_stmt *stmt, int column);
uint64_t view_u64(sqlite3_stmt *stmt, int column);
double view_real(sqlite3_stmt *stmt, int column);
bool view_is_null(sqlite3_stmt *stmt, int column);

/* A column's text as a new string; NULL and *rc: no memory. */
char *view_strdup(sqlite3_stmt *stmt, int column, int *rc, struct err *err);

/* A column that holds JSON, parsed; NULL where it does not (or is null).  json_object_put() it. */
struct json_object *view_json(sqlite3_stmt *stmt, int column);

/* Puts how far the run is: "finished 2026-..." or "not finished, 3 of 9 units so far". */
int view_put_state(const struct view *v, struct err *err);

/* A paragraph of words, made by printf(), in lines of the view's width that begin with 'indent'
 * spaces.  Names from run.db may be in it. */
void view_note(const struct view *v, size_t indent, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// --- JSON out

void view_json_text(struct jsonout *j, const char *text); // repaired where it is no UTF-8

/* The row's columns [from, end) as members of the object in hand: keys are the columns' names, a
 * text column that is known to hold JSON stands as that (null where it is damaged).  Returns how
 * many were damaged. */
size_t view_json_columns(struct jsonout *j, sqlite3_stmt *stmt, int from, int end);

/* All rows as "key": [{...}, ...]. */
int view_json_rows(const struct view *v, struct jsonout *j, const char *key, const char *sql,
                   const int64_t *args, struct err *err);

/* One cell of a row, as view_json_table() writes it; digits 0: all, and JSON as it is.  Returns
 * false for one that should hold JSON and does not. */
bool view_json_cell(struct jsonout *j, sqlite3_stmt *stmt, int column, int digits);

/* A statement's rows as "key": {"columns": ["a", ...], "rows": [[...], ...]}, columns as above;
 * reals have 'digits' significant digits, also those inside of JSON. */
int view_json_table(const struct view *v, struct jsonout *j, const char *key, sqlite3_stmt *stmt,
                    int digits, struct err *err);

/* What json-c has read, as a value; digits 0: all. */
void view_json_value(struct jsonout *j, struct json_object *value, int digits);

#endif
