/*
 * sql.h - what the parts of the store share: SQLite with our errors
 */
#ifndef GAPSCOPE_OUT_STORE_SQL_H
#define GAPSCOPE_OUT_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/store/store.h"

struct store {
    sqlite3 *db;
    char *path;
    bool writes;          // store_open(), not store_open_read()
    bool locked;          // a transaction of ours is open
    bool versioned;       // data_version has been seen
    int64_t data_version; // as SQLite counts the commits of others
};

/* What SQLite said last, as one of our errors with the path in front. */
int store_fail(const struct store *s, struct err *err);

int store_exec(const struct store *s, const char *sql, struct err *err);

/* Is there any row in the table? */
bool store_has_rows(const struct store *s, const char *table);

/* A statement that is run once a row; its first error stands and stops the rest. */
struct rows {
    const struct store *s;
    sqlite3_stmt *stmt;
    int at; // parameters bound of this row
    int rc;
    struct err *err;
};

void rows_open(struct rows *w, const struct store *s, const char *sql, struct err *err);
void rows_u64(struct rows *w, uint64_t value);
void rows_real(struct rows *w, double value); // NaN: NULL
void rows_null(struct rows *w);
void rows_hex(struct rows *w, uint64_t value);    // 16 hex digits: SQLite's numbers have a sign
void rows_text(struct rows *w, const char *text); // valid UTF-8, alive until rows_next(); or NULL
void rows_foreign(struct rows *w, const char *text); // any bytes: repaired to UTF-8

/* JSON: [1,2].  It is made in *json, which must stay as it is until rows_next(). */
void rows_u32s(struct rows *w, struct buf *json, const uint32_t *values, size_t n);

void rows_next(struct rows *w); // ends the row
int rows_close(struct rows *w);

/* For one table: its rows anew. */
void rows_anew(struct rows *w, const struct store *s, const char *delete, const char *insert,
               struct err *err);

/* sum / n in nats; NaN where n is 0. */
double store_mean(__int128 sum, uint64_t n);

/* part / n; NaN where n is 0. */
double store_share(double part, double n);

/* The tables of neurons, and those of hypotheses but for domains'. */
int store_neurons_write(const struct store *s, const struct run *run, const struct neurons *neurons,
                        struct err *err);
int store_hypotheses_write(const struct store *s, const struct run *run, const struct tally *tally,
                           struct err *err);
int store_trigrams_write(const struct store *s, const struct run *run,
                         const struct results *results, struct err *err);

/* The tables of tests, in place of what they held. */
struct trigram_test;
int store_trigram_rows(const struct store *s, const struct trigram_test *tests, size_t n,
                       struct err *err);

/* The result tables.  write: all but 'state' and 'meta'; only 'shard' where 'full' is false. */
int store_tables_create(const struct store *s, struct err *err);
int store_tables_write(const struct store *s, const struct run *run, const struct results *results,
                       bool full, struct err *err);
int store_tables_clear(const struct store *s, struct err *err);

#endif
