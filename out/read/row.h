/*
 * row.h - the rows of a query as structs, matched by the names of the columns
 *
 *     static const struct column columns[] = {
 *         {"name", CELL_TEXT, offsetof(struct hypothesis_row, name)}, ...};
 *     const struct row_kind kind = ROW_KIND(struct hypothesis_row, columns);
 *     rows_read -> items[0 .. n), rows_json -> rows_free
 *
 * A row_kind is the one place where names of columns and fields of a struct meet.  Members of an
 * object in JSON have the columns' names and the order of the list, whatever that of the query is.
 * A query must have all columns of the list; it may have more.
 */
#ifndef GAPSCOPE_OUT_READ_ROW_H
#define GAPSCOPE_OUT_READ_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/jsonout.h"
#include "out/read/reader.h"

/* The field of a cell is an int64_t (NULL: WHOLE_NULL), a double (NULL: NaN), a struct text or a
 * struct json_object * (NULL also where it is damaged).  Text in place of a number counts as NULL. */
enum cell { CELL_WHOLE, CELL_REAL, CELL_TEXT, CELL_JSON };

#define WHOLE_NULL INT64_MIN

/* A whole number as a count: 0 for NULL, and for what is below 0. */
static inline uint64_t count_of(int64_t n)
{
    return n < 0 ? 0 : (uint64_t)n;
}

/* A number of rows for SQL; SIZE_MAX: all. */
static inline int64_t limit_of(size_t n)
{
    return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

struct text {
    char *data; // [len] and a NUL; may hold others; "" for NULL
    size_t len;
    bool null;
};

struct column {
    const char *name;
    enum cell cell;
    size_t at; // of its field
};

struct row_kind {
    const struct column *columns;
    size_t n, size; // columns; bytes of the struct
};

#define ROW_KIND(type, list)                                                                       \
    {                                                                                              \
        (list), sizeof(list) / sizeof *(list), sizeof(type)                                        \
    }

/* The current row as a struct; row_free() ends *row, {0} before, in any case. */
int row_read(void *row, const struct row_kind *k, struct reader *r, sqlite3_stmt *stmt);
void row_free(void *row, const struct row_kind *k);

/* The first row of a query, if there is one. */
bool row_read_first(void *row, const struct row_kind *k, struct reader *r, const char *sql,
                    const int64_t *args);

/* All rows of a query: *items is a new array of *n structs, which rows_free() ends in any case. */
int rows_read(void *items, size_t *n, const struct row_kind *k, struct reader *r, const char *sql,
              const int64_t *args);
int rows_step(void *items, size_t *n, const struct row_kind *k, struct reader *r,
              sqlite3_stmt *stmt); // of a statement that was made before
void rows_free(void *items, size_t n, const struct row_kind *k);

/* A field as a value; digits as in row_json.h. */
void field_json(struct jsonout *j, const struct column *column, const void *row, int digits);

/* One field, by the name of its column, as a member of the open object. */
void row_json_member(struct jsonout *j, const struct row_kind *k, const void *row,
                     const char *name);

/* All fields as members of the open object. */
void row_json(struct jsonout *j, const struct row_kind *k, const void *row);

/* "key": [{...}, ...] */
void rows_json(struct jsonout *j, const char *key, const struct row_kind *k, const void *items,
               size_t n);

/* A text as a value: null for NULL, repaired where it is no UTF-8. */
void text_json(struct jsonout *j, const struct text *text);

#endif
