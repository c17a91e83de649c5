/*
 * reader.h - a run.db that is read: opening it, its queries, their columns
 *
 *     reader_open -> reader_query -> while reader_step: column_... -> reader_close
 *
 * The first failure stays in the reader: every later call does nothing and gives 0, false or NULL.
 * So a function that reads a page makes its queries one after the other and returns reader->rc.
 *
 * A page is read whole while the file is locked and printed afterwards: a scan waits for its
 * readers, and must not wait for a pager.  A run.db is as foreign as a corpus: JSON in columns may
 * be damaged, and a column may hold a value of another type.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_READ_READER_H
#define GAPSCOPE_OUT_READ_READER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"

struct store;

struct reader {
    const char *path;
    struct store *store;
    sqlite3 *db;
    int rc;          // of the first failure; 0: none
    struct err *err; // what it was: the caller's, as reader_open() got it
};

/* Opens run.db.  err is used until reader_close(), which ends *r whatever this returns.
 * Errors: those of store_open_read() in out/store/store.h. */
int reader_open(struct reader *r, const char *path, struct err *err);
void reader_close(struct reader *r); // {0} is allowed

/* Sets rc and the message, if nothing failed before; returns r->rc. */
int reader_fail(struct reader *r, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes over the code of a function that has written to r->err.  Returns r->rc. */
int reader_take(struct reader *r, int rc);

/* New memory[n] of 'size' bytes each, all 0; NULL after a failure. */
void *reader_new(struct reader *r, size_t n, size_t size);

/* A statement with args[0], args[1], ... bound to ?1, ?2, ...: as many as it has.  NULL after a
 * failure.  The caller ends it with sqlite3_finalize(). */
sqlite3_stmt *reader_query(struct reader *r, const char *sql, const int64_t *args);

/* Begins a statement again, from its first row.  NULL is allowed. */
void reader_again(sqlite3_stmt *stmt, const int64_t *args);

/* The next row; false at the end and after a failure. */
bool reader_step(struct reader *r, sqlite3_stmt *stmt);

/* The number in the first column of the first row; 0 where there is none. */
int64_t reader_number(struct reader *r, const char *sql, const int64_t *args);

// --- the columns of a row: NULL is "", 0, NaN; so is what is no number, to those that give one

const char *column_text(sqlite3_stmt *stmt, int column);
uint64_t column_u64(sqlite3_stmt *stmt, int column); // below 0: 0
double column_real(sqlite3_stmt *stmt, int column);
bool column_is_null(sqlite3_stmt *stmt, int column);
bool column_is_number(sqlite3_stmt *stmt, int column);

/* The text as a new string; NULL after a failure. */
char *column_strdup(struct reader *r, sqlite3_stmt *stmt, int column);

/* A column that holds JSON, parsed; NULL where it does not (or is null).  json_object_put() it. */
struct json_object *column_json(sqlite3_stmt *stmt, int column);

// --- how far the run is

struct run_state {
    char *finished; // when, "" where it is not
    char *units, *units_done;
    uint64_t repaired; // U+FFFD that were put in for bytes that are no UTF-8 and lone surrogates
};

/* run_state_free() ends *state, {0} before, in any case. */
int run_state_read(struct run_state *state, struct reader *r);
void run_state_free(struct run_state *state);

#endif
