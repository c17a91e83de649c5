#include "out/read/reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8_repair.h"
#include "out/read/sql_token_kind.h"
#include "out/store/store.h"

int reader_open(struct reader *r, const char *path, struct err *err)
{
    *r = (struct reader){.path = path, .err = err};
    r->rc = store_open_read(&r->store, path, err);
    r->db = r->rc ? NULL : store_sqlite(r->store);
    if (!r->rc && token_kind_join(r->db) != SQLITE_OK) {
        r->rc = err_nomem(err, "a function of SQL");
    }
    return r->rc;
}

void reader_close(struct reader *r)
{
    store_close(r->store);
    *r = (struct reader){0};
}

// --- failures ----------------------------------------------------------------------------------

int reader_fail(struct reader *r, enum err_code code, const char *fmt, ...)
{
    char text[sizeof r->err->msg];
    va_list args;
    if (!r->rc) {
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        r->rc = err_set(r->err, code, "%s", text);
    }
    return r->rc;
}

int reader_take(struct reader *r, int rc)
{
    r->rc = r->rc ? r->rc : rc;
    return r->rc;
}

void *reader_new(struct reader *r, size_t n, size_t size)
{
    void *memory = r->rc ? NULL : mem_zero(n, size);
    if (!memory && !r->rc) {
        r->rc = err_nomem(r->err, "what is read");
    }
    return memory;
}

static void sqlite_failed(struct reader *r)
{
    const int code = sqlite3_errcode(r->db) & 0xff;
    reader_fail(r, code == SQLITE_IOERR ? ERR_IO : ERR_FORMAT, "%s: %s", r->path,
                sqlite3_errmsg(r->db));
}

// --- queries -----------------------------------------------------------------------------------

sqlite3_stmt *reader_query(struct reader *r, const char *sql, const int64_t *args)
{
    sqlite3_stmt *stmt = NULL;
    if (!r->rc && sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        sqlite_failed(r);
    }
    reader_again(stmt, args);
    return stmt;
}

void reader_again(sqlite3_stmt *stmt, const int64_t *args)
{
    sqlite3_reset(stmt);
    for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++) {
        sqlite3_bind_int64(stmt, i + 1, args[i]);
    }
}

bool reader_step(struct reader *r, sqlite3_stmt *stmt)
{
    if (r->rc) {
        return false;
    }
    const int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        sqlite_failed(r);
    }
    return code == SQLITE_ROW;
}

int64_t reader_number(struct reader *r, const char *sql, const int64_t *args)
{
    sqlite3_stmt *stmt = reader_query(r, sql, args);
    const int64_t n = reader_step(r, stmt) ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return n;
}

// --- columns -----------------------------------------------------------------------------------

const char *column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    if (!text && sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM) {
        mem_lost();
    }
    return text ? text : "";
}

uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    const int64_t n = column_is_number(stmt, column) ? sqlite3_column_int64(stmt, column) : 0;
    return n < 0 ? 0 : (uint64_t)n;
}

bool column_is_number(sqlite3_stmt *stmt, int column)
{
    const int type = sqlite3_column_type(stmt, column);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

bool column_is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}

double column_real(sqlite3_stmt *stmt, int column)
{
    return column_is_number(stmt, column) ? sqlite3_column_double(stmt, column) : NAN;
}

char *column_strdup(struct reader *r, sqlite3_stmt *stmt, int column)
{
    char *text = r->rc ? NULL : strdup(column_text(stmt, column));
    if (!text && !r->rc) {
        r->rc = err_nomem(r->err, "a text");
    }
    return text;
}

struct json_object *column_json(sqlite3_stmt *stmt, int column)
{
    const char *text = column_text(stmt, column);
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    struct buf repaired = {0};
    uint64_t n;
    int rc = parser ? utf8_repair(&repaired, text, strlen(text), &n, NULL) : ERR_NOMEM;
    if (!rc && repaired.len > 0) {
        rc = json_parse(parser, &value, repaired.data, repaired.len, NULL);
    }
    if (rc == ERR_NOMEM) {
        mem_lost();
    }
    json_parser_free(parser);
    buf_free(&repaired);
    return value;
}

// --- how far the run is ------------------------------------------------------------------------

static char *read_meta(struct reader *r, const char *key)
{
    sqlite3_stmt *stmt = reader_query(r, "SELECT value FROM meta WHERE key = ?1", (int64_t[]){0});
    char *value = NULL;
    if (stmt) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        value = strdup(reader_step(r, stmt) ? column_text(stmt, 0) : "");
        sqlite3_finalize(stmt);
    }
    if (!value && !r->rc) {
        r->rc = err_nomem(r->err, "meta");
    }
    return value;
}

int run_state_read(struct run_state *state, struct reader *r)
{
    state->finished = read_meta(r, "finished");
    state->units = read_meta(r, "units");
    state->units_done = read_meta(r, "units_in_tables");
    // total() cannot overflow, whatever a damaged file says
    state->repaired =
        (uint64_t)reader_number(r, "SELECT CAST(total(repaired) AS INTEGER) FROM shard", NULL);
    return r->rc;
}

void run_state_free(struct run_state *state)
{
    free(state->finished);
    free(state->units);
    free(state->units_done);
    *state = (struct run_state){0};
}
