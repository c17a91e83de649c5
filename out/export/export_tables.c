/*
 * csv and jsonl: every table of a run.db but the private 'state', a file each
 *
 * CSV is that of RFC 4180 with a header: a NULL is an empty field, an empty text is "".  Of what
 * tables there are the file itself is asked, so those of older and later runs are written too.
 */
#include "out/export/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/utf8_repair.h"
#include "out/read/row_json.h"

// --- CSV ---------------------------------------------------------------------------------------

static void write_quoted(FILE *to, const char *text, size_t len)
{
    putc('"', to);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            putc('"', to);
        }
        putc(text[i], to);
    }
    putc('"', to);
}

static int write_text(FILE *to, const char *text, size_t len, struct err *err)
{
    struct buf repaired = {0};
    uint64_t n;
    const int rc = utf8_repair(&repaired, text, len, &n, err);
    bool plain = repaired.len > 0;
    for (size_t i = 0; i < repaired.len && plain; i++) {
        plain = repaired.data[i] == '\0' || !strchr(",\"\r\n", repaired.data[i]);
    }
    if (!rc && plain) {
        fwrite(repaired.data, 1, repaired.len, to);
    } else if (!rc) {
        write_quoted(to, repaired.data, repaired.len);
    }
    buf_free(&repaired);
    return rc;
}

static int write_field(FILE *to, sqlite3_stmt *row, int column, struct err *err)
{
    struct jsonout j = {.to = to};
    const double value = sqlite3_column_double(row, column);
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_INTEGER:
        jsonout_i64(&j, sqlite3_column_int64(row, column));
        return 0;
    case SQLITE_FLOAT:
        if (isinf(value)) {
            fputs(value > 0 ? "inf" : "-inf", to);
        } else {
            jsonout_double(&j, value);
        }
        return 0;
    default: {
        const char *text = column_text(row, column); // before its length, which is of this form
        return write_text(to, text, (size_t)sqlite3_column_bytes(row, column), err);
    }
    }
}

static int csv_head(FILE *to, sqlite3_stmt *stmt, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < sqlite3_column_count(stmt) && !rc; i++) {
        const char *name = sqlite3_column_name(stmt, i);
        fputs(i > 0 ? "," : "", to);
        rc = write_text(to, name, strlen(name), err);
    }
    fputs("\r\n", to);
    return rc;
}

static int csv_row(struct exporter *x, FILE *to, sqlite3_stmt *stmt, struct err *err)
{
    (void)x;
    int rc = 0;
    for (int i = 0; i < sqlite3_column_count(stmt) && !rc; i++) {
        fputs(i > 0 ? "," : "", to);
        rc = write_field(to, stmt, i, err);
    }
    fputs("\r\n", to);
    return rc;
}

// --- JSONL -------------------------------------------------------------------------------------

static int jsonl_row(struct exporter *x, FILE *to, sqlite3_stmt *stmt, struct err *err)
{
    (void)err;
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    x->bad_json += json_columns(x->r, &j, stmt);
    jsonout_end(&j, '}');
    return 0;
}

// --- all tables --------------------------------------------------------------------------------

struct shape {
    const char *suffix;
    int (*head)(FILE *to, sqlite3_stmt *stmt, struct err *err); // or NULL
    int (*row)(struct exporter *x, FILE *to, sqlite3_stmt *stmt, struct err *err);
};

static void write_rows(struct exporter *x, const struct shape *shape, const char *path,
                       sqlite3_stmt *stmt)
{
    struct reader *r = x->r;
    struct outfile out = {0};
    reader_take(r, outfile_open(&out, path, r->err));
    if (!r->rc && shape->head) {
        reader_take(r, shape->head(out.stream, stmt, r->err));
    }
    while (!r->rc && !ferror(out.stream) && reader_step(r, stmt)) {
        reader_take(r, shape->row(x, out.stream, stmt, r->err));
        x->rows++;
    }
    if (!r->rc && !reader_take(r, outfile_commit(&out, r->err))) {
        x->files++;
    }
    outfile_discard(&out);
}

static void write_table(struct exporter *x, const struct shape *shape, const char *table,
                        int64_t number)
{
    struct reader *r = x->r;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);
    char *name = export_safe_name(table, strlen(table), number, false);
    char *path = name ? export_path(x->dir, name, shape->suffix, r->err) : NULL;
    if (!sql || !path) {
        reader_take(r, err_nomem(r->err, "a table"));
    }
    sqlite3_stmt *stmt = reader_query(r, sql, NULL);
    if (!r->rc) {
        write_rows(x, shape, path, stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    free(name);
    free(path);
}

static int write_tables(struct exporter *x, const struct shape *shape)
{
    sqlite3_stmt *stmt = reader_query(
        x->r,
        "SELECT name, rowid FROM sqlite_master WHERE type = 'table' AND name <> 'state'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        NULL);
    while (reader_step(x->r, stmt)) {
        write_table(x, shape, column_text(stmt, 0), sqlite3_column_int64(stmt, 1));
    }
    sqlite3_finalize(stmt);
    return x->r->rc;
}

int export_csv(struct exporter *x)
{
    return write_tables(x, &(struct shape){".csv", csv_head, csv_row});
}

int export_jsonl(struct exporter *x)
{
    return write_tables(x, &(struct shape){".jsonl", NULL, jsonl_row});
}
