#include "out/sql/sql.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "corpora/base/foreign.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/utf8_repair.h"

// --- memory -------------------------------------------------------------------------------------

static sqlite3_mem_methods own_methods; // SQLite's, or those that somebody gave it

static void *note(void *at, int n)
{
    if (!at && n > 0) {
        mem_lost();
    }
    return at;
}

static void *watched_malloc(int n)
{
    return note(own_methods.xMalloc(n), n);
}

static void *watched_realloc(void *at, int n)
{
    return note(own_methods.xRealloc(at, n), n);
}

static void watch_memory(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own_methods) == SQLITE_OK) {
        sqlite3_mem_methods watched = own_methods;
        watched.xMalloc = watched_malloc;
        watched.xRealloc = watched_realloc;
        sqlite3_config(SQLITE_CONFIG_MALLOC, &watched);
    }
}

void sql_watch_memory(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_memory);
}

// --- errors -------------------------------------------------------------------------------------

static int not_a_database(const char *path, struct err *err)
{
    struct foreign f;
    return foreign_find_file(&f, path)
               ? err_set(err, ERR_FORMAT, "%s: is not a run of gapscope but %s: %s", path, f.what,
                         f.way_out)
               : err_set(err, ERR_FORMAT, "%s: is not a run of gapscope (no SQLite file)", path);
}

int sql_fail(const struct sql *s, struct err *err)
{
    const int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return err_set(err, ERR_NOMEM, "%s: out of memory", s->path);
    case SQLITE_FULL:
        return err_set(err, ERR_IO, "%s: the disk is full; the file is as it was", s->path);
    case SQLITE_NOTADB:
        return not_a_database(s->path, err);
    case SQLITE_READONLY:
        if (sqlite3_extended_errcode(s->db) == SQLITE_READONLY_DIRECTORY) {
            return err_set(
                err, ERR_IO,
                "%s: its folder takes no new file, as the journal of SQLite beside it is", s->path);
        }
        return err_set(err, ERR_IO, "%s: %s", s->path, sqlite3_errmsg(s->db));
    case SQLITE_BUSY:
        return err_set(err, ERR_LIMIT, "%s: another process keeps it locked", s->path);
    case SQLITE_ERROR:
        if (strncmp(sqlite3_errmsg(s->db), "no such ", 8) != 0) { // of a table or a column
            return err_set(err, ERR_FORMAT, "%s: %s", s->path, sqlite3_errmsg(s->db));
        }
        // fall through
    case SQLITE_CORRUPT:
    case SQLITE_MISMATCH:
        return err_set(err, ERR_FORMAT, "%s: the file is damaged: %s", s->path,
                       sqlite3_errmsg(s->db));
    default:
        return err_set(err, ERR_IO, "%s: %s", s->path, sqlite3_errmsg(s->db));
    }
}

int sql_exec(const struct sql *s, const char *text, struct err *err)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_fail(s, err);
}

void rows_open(struct rows *w, const struct sql *s, const char *text, struct err *err)
{
    *w = (struct rows){.s = s, .err = err};
    if (sqlite3_prepare_v2(s->db, text, -1, &w->stmt, NULL) != SQLITE_OK) {
        w->rc = sql_fail(s, err);
    }
}

void rows_anew(struct rows *w, const struct sql *s, const char *delete, const char *insert,
               struct err *err)
{
    const int rc = sql_exec(s, delete, err);
    if (rc) {
        *w = (struct rows){.s = s, .err = err, .rc = rc};
        return;
    }
    rows_open(w, s, insert, err);
}

static void bound(struct rows *w, int code)
{
    if (code != SQLITE_OK && !w->rc) {
        w->rc = sql_fail(w->s, w->err);
    }
}

void rows_u64(struct rows *w, uint64_t value)
{
    if (!w->rc) {
        bound(w, sqlite3_bind_int64(w->stmt, ++w->at, (sqlite3_int64)value));
    }
}

void rows_real(struct rows *w, double value)
{
    if (!w->rc) {
        bound(w, sqlite3_bind_double(w->stmt, ++w->at, value)); // SQLite has NULL for NaN
    }
}

void rows_ratio(struct rows *w, double part, double n)
{
    if (n != 0) {
        rows_real(w, part / n);
    } else {
        rows_null(w);
    }
}

void rows_null(struct rows *w)
{
    if (!w->rc) {
        bound(w, sqlite3_bind_null(w->stmt, ++w->at));
    }
}

void rows_hex(struct rows *w, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    if (!w->rc) {
        bound(w, sqlite3_bind_text(w->stmt, ++w->at, text, -1, SQLITE_TRANSIENT));
    }
}

void rows_text(struct rows *w, const char *text)
{
    if (!w->rc) {
        bound(w, sqlite3_bind_text(w->stmt, ++w->at, text, -1, SQLITE_STATIC));
    }
}

void rows_u32s(struct rows *w, struct buf *json, const uint32_t *values, size_t n)
{
    json->len = 0;
    w->rc = w->rc ? w->rc : jsonw_u32s(json, values, n, w->err);
    w->rc = w->rc ? w->rc : buf_append(json, "", 1, w->err);
    rows_text(w, json->data);
}

void rows_foreign(struct rows *w, const char *text)
{
    struct buf repaired = {0};
    uint64_t n = 0;
    if (!w->rc) {
        w->rc = utf8_repair(&repaired, text, strlen(text), &n, w->err);
    }
    if (!w->rc) {
        bound(w, sqlite3_bind_text64(w->stmt, ++w->at, repaired.len ? repaired.data : "",
                                     repaired.len, SQLITE_TRANSIENT, SQLITE_UTF8));
    }
    buf_free(&repaired);
}

void rows_next(struct rows *w)
{
    if (!w->rc && sqlite3_step(w->stmt) != SQLITE_DONE) {
        w->rc = sql_fail(w->s, w->err);
    }
    if (!w->rc) {
        sqlite3_reset(w->stmt);
        w->at = 0;
    }
}

int rows_close(struct rows *w)
{
    sqlite3_finalize(w->stmt);
    w->stmt = NULL;
    return w->rc;
}

int sql_int(const struct sql *s, const char *text, int64_t *out, struct err *err)
{
    struct rows q;
    rows_open(&q, s, text, err);
    if (!q.rc && sqlite3_step(q.stmt) != SQLITE_ROW) {
        q.rc = sql_fail(s, err);
    }
    if (!q.rc) {
        *out = sqlite3_column_int64(q.stmt, 0);
    }
    return rows_close(&q);
}

int sql_has_rows(const struct sql *s, const char *table, bool *out, struct err *err)
{
    char sql[96];
    int64_t n = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1)", table);
    const int rc = sql_int(s, sql, &n, err);
    *out = n > 0;
    return rc;
}
