#include "out/read/row.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/row_json.h"

#define COLUMNS_MAX 64 // of a kind

// --- reading -----------------------------------------------------------------------------------

static void read_text(struct text *text, struct reader *r, sqlite3_stmt *stmt, int column)
{
    text->null = column_is_null(stmt, column); // before the text, which changes the type
    const char *from = column_text(stmt, column);
    const size_t len = (size_t)sqlite3_column_bytes(stmt, column); // of the text just asked for
    text->data = mem_new(len + 1, 1);
    if (!text->data) {
        reader_take(r, err_nomem(r->err, "a text"));
        return;
    }
    memcpy(text->data, from, len);
    text->data[len] = '\0';
    text->len = len;
}

static void read_cell(void *field, enum cell cell, struct reader *r, sqlite3_stmt *stmt, int column)
{
    switch (cell) {
    case CELL_WHOLE:
        *(int64_t *)field =
            column_is_number(stmt, column) ? sqlite3_column_int64(stmt, column) : WHOLE_NULL;
        break;
    case CELL_REAL:
        *(double *)field = column_real(stmt, column);
        break;
    case CELL_TEXT:
        read_text(field, r, stmt, column);
        break;
    case CELL_JSON:
        *(struct json_object **)field = column_json(stmt, column);
        break;
    }
}

/* Where in the statement each column of the kind is. */
static int match(int places[COLUMNS_MAX], const struct row_kind *k, struct reader *r,
                 sqlite3_stmt *stmt)
{
    const int n = sqlite3_column_count(stmt);
    for (size_t i = 0; i < k->n && i < COLUMNS_MAX; i++) {
        places[i] = 0;
        while (places[i] < n &&
               strcmp(sqlite3_column_name(stmt, places[i]), k->columns[i].name) != 0) {
            places[i]++;
        }
        if (places[i] == n) {
            return reader_fail(r, ERR_FORMAT, "%s: a query without column %s", r->path,
                               k->columns[i].name);
        }
    }
    return r->rc;
}

static void read_cells(void *row, const struct row_kind *k, const int places[COLUMNS_MAX],
                       struct reader *r, sqlite3_stmt *stmt)
{
    memset(row, 0, k->size);
    for (size_t i = 0; i < k->n && i < COLUMNS_MAX; i++) {
        read_cell((char *)row + k->columns[i].at, k->columns[i].cell, r, stmt, places[i]);
    }
}

int row_read(void *row, const struct row_kind *k, struct reader *r, sqlite3_stmt *stmt)
{
    int places[COLUMNS_MAX];
    if (!match(places, k, r, stmt)) {
        read_cells(row, k, places, r, stmt);
    }
    return r->rc;
}

bool row_read_first(void *row, const struct row_kind *k, struct reader *r, const char *sql,
                    const int64_t *args)
{
    sqlite3_stmt *stmt = reader_query(r, sql, args);
    const bool any = reader_step(r, stmt);
    if (any) {
        row_read(row, k, r, stmt);
    }
    sqlite3_finalize(stmt);
    return any;
}

int rows_step(void *items, size_t *n, const struct row_kind *k, struct reader *r,
              sqlite3_stmt *stmt)
{
    int places[COLUMNS_MAX];
    char *rows = NULL;
    size_t cap = 0;
    *n = 0;
    if (stmt) {
        match(places, k, r, stmt);
    }
    while (reader_step(r, stmt)) {
        if (!reader_take(r, mem_reserve(&rows, &cap, *n + 1, k->size, "rows", r->err))) {
            read_cells(rows + *n * k->size, k, places, r, stmt);
            ++*n;
        }
    }
    memcpy(items, &rows, sizeof rows);
    return r->rc;
}

int rows_read(void *items, size_t *n, const struct row_kind *k, struct reader *r, const char *sql,
              const int64_t *args)
{
    sqlite3_stmt *stmt = reader_query(r, sql, args);
    rows_step(items, n, k, r, stmt);
    sqlite3_finalize(stmt);
    return r->rc;
}

void row_free(void *row, const struct row_kind *k)
{
    for (size_t i = 0; i < k->n; i++) {
        void *field = (char *)row + k->columns[i].at;
        if (k->columns[i].cell == CELL_TEXT) {
            free(((struct text *)field)->data);
        } else if (k->columns[i].cell == CELL_JSON) {
            json_object_put(*(struct json_object **)field);
        }
    }
    memset(row, 0, k->size);
}

void rows_free(void *items, size_t n, const struct row_kind *k)
{
    for (size_t i = 0; i < n; i++) {
        row_free((char *)items + i * k->size, k);
    }
    free(items);
}

// --- JSON --------------------------------------------------------------------------------------

void text_json(struct jsonout *j, const struct text *text)
{
    if (text->null || !text->data) {
        jsonout_raw(j, "null");
    } else {
        json_text_of(j, text->data, text->len);
    }
}

void field_json(struct jsonout *j, const struct column *column, const void *row, int digits)
{
    const void *field = (const char *)row + column->at;
    switch (column->cell) {
    case CELL_WHOLE:
        if (*(const int64_t *)field == WHOLE_NULL) {
            jsonout_raw(j, "null");
        } else {
            jsonout_i64(j, *(const int64_t *)field);
        }
        break;
    case CELL_REAL:
        json_real(j, *(const double *)field, digits);
        break;
    case CELL_TEXT:
        text_json(j, field);
        break;
    case CELL_JSON:
        json_kept(j, *(struct json_object *const *)field, digits);
        break;
    }
}

void row_json_member(struct jsonout *j, const struct row_kind *k, const void *row, const char *name)
{
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->columns[i].name, name) == 0) {
            jsonout_key(j, name);
            field_json(j, &k->columns[i], row, 0);
        }
    }
}

void row_json(struct jsonout *j, const struct row_kind *k, const void *row)
{
    for (size_t i = 0; i < k->n; i++) {
        jsonout_key(j, k->columns[i].name);
        field_json(j, &k->columns[i], row, 0);
    }
}

void rows_json(struct jsonout *j, const char *key, const struct row_kind *k, const void *items,
               size_t n)
{
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_begin(j, '{');
        row_json(j, k, (const char *)items + i * k->size);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}
