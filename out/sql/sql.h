/*
 * sql.h - SQLite with our errors: statements, and rows written one after the other
 *
 *     rows_open -> rows_u64, rows_text, ... rows_next, rows_u64, ... rows_next -> rows_close
 *
 * This layer knows no table and no statistic.  Whoever opened the database owns the handle; a
 * struct sql lends it, with the file's name for messages.
 *
 * Errors of every function: ERR_NOMEM, ERR_IO (the disk is full), ERR_FORMAT (the file is damaged,
 * or is no SQLite file), ERR_LIMIT (another process keeps it locked).
 *
 * Threads: one thread at a time for all that share a handle.
 */
#ifndef GAPSCOPE_OUT_SQL_SQL_H
#define GAPSCOPE_OUT_SQL_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

struct sql {
    sqlite3 *db;
    const char *path; // named in messages
};

/*
 * Before a process opens its first database: from then on an allocation of SQLite that fails is
 * mem_lost().  Some of its functions otherwise give another value and no error: json_valid() gives
 * 0.  Any thread, any number of times.
 */
void sql_watch_memory(void);

/* Sets *err to what SQLite said last, with the path in front; returns its code. */
int sql_fail(const struct sql *s, struct err *err);

int sql_exec(const struct sql *s, const char *text, struct err *err);

/* The first column of the first row that 'text' gives; no row is an error. */
int sql_int(const struct sql *s, const char *text, int64_t *out, struct err *err);

/* Whether the table has any row.  An error ends what is being written: SQLite may have taken the
 * transaction back, and what is written after that would stay. */
int sql_has_rows(const struct sql *s, const char *table, bool *out, struct err *err);

/* A statement that runs once per row; its first error stays in rc and stops the rest. */
struct rows {
    const struct sql *s;
    sqlite3_stmt *stmt;
    int at; // parameters bound of this row
    int rc;
    struct err *err;
};

void rows_open(struct rows *w, const struct sql *s, const char *text, struct err *err);

/* Runs 'delete' before it opens 'insert': the rows of a table anew. */
void rows_anew(struct rows *w, const struct sql *s, const char *delete, const char *insert,
               struct err *err);

// Each binds the next parameter of the row.
void rows_u64(struct rows *w, uint64_t value);
void rows_real(struct rows *w, double value);           // NaN becomes NULL
void rows_ratio(struct rows *w, double part, double n); // NULL where n is 0
void rows_null(struct rows *w);
void rows_hex(struct rows *w, uint64_t value); // 16 hex digits: SQLite's integers have a sign
void rows_text(struct rows *w,
               const char *text); // valid UTF-8 that lives until rows_next(); or NULL
void rows_foreign(struct rows *w, const char *text); // any bytes: repaired to UTF-8

/* Binds the JSON [1,2], made in *json, which must stay as it is until rows_next(). */
void rows_u32s(struct rows *w, struct buf *json, const uint32_t *values, size_t n);

void rows_next(struct rows *w); // ends the row
int rows_close(struct rows *w); // returns rc

#endif
