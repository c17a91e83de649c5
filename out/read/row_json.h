/*
 * row_json.h - rows of a run.db and what stands in them, as JSON
 *
 * A text that is no UTF-8 is repaired; a column that should hold JSON and does not is null.
 */
#ifndef GAPSCOPE_OUT_READ_ROW_JSON_H
#define GAPSCOPE_OUT_READ_ROW_JSON_H

#include "corpora/base/jsonout.h"
#include "out/read/reader.h"

void json_text(struct jsonout *j, const char *text);
void json_text_of(struct jsonout *j, const char *text, size_t len);

/* Reals have 'digits' significant digits here and below; 0: all. */
void json_real(struct jsonout *j, double value, int digits);

/* What json-c has read, as a value; the second keeps it as it was written where digits is 0. */
void json_value(struct jsonout *j, struct json_object *value, int digits);
void json_kept(struct jsonout *j, struct json_object *value, int digits);

/* One cell of a row as a value; the text of a column that holds JSON (store_holds_json()) stands as
 * that.  Returns false for one that should hold JSON and does not, or that should hold a number, as
 * its table says, and holds text: it is null. */
bool json_cell(const struct reader *r, struct jsonout *j, sqlite3_stmt *stmt, int column,
               int digits);

/* The row's columns as members of the open object, under the columns' names.  Returns how many were
 * damaged. */
size_t json_columns(const struct reader *r, struct jsonout *j, sqlite3_stmt *stmt);

/* A statement's rows as "key": {"columns": ["a", ...], "rows": [[...], ...]}. */
void json_table(struct reader *r, struct jsonout *j, const char *key, sqlite3_stmt *stmt,
                int digits);

#endif
