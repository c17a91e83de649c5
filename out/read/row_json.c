#include "out/read/row_json.h"

#include <math.h>
#include <string.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8_repair.h"
#include "out/store/store.h"

void json_text_of(struct jsonout *j, const char *text, size_t len)
{
    struct buf repaired = {0};
    uint64_t n;
    if (utf8_repair(&repaired, text, len, &n, NULL) == 0) {
        jsonout_text(j, repaired.len ? repaired.data : "", repaired.len);
    } else {
        mem_lost();
        jsonout_string(j, "");
    }
    buf_free(&repaired);
}

void json_text(struct jsonout *j, const char *text)
{
    json_text_of(j, text, strlen(text));
}

void json_real(struct jsonout *j, double value, int digits)
{
    if (digits > 0) {
        jsonout_rounded(j, value, digits);
    } else {
        jsonout_double(j, value);
    }
}

static void object_json(struct jsonout *j, struct json_object *value, int digits)
{
    jsonout_begin(j, '{');
    json_object_object_foreach(value, key, member)
    {
        jsonout_key(j, key);
        json_value(j, member, digits);
    }
    jsonout_end(j, '}');
}

void json_value(struct jsonout *j, struct json_object *value, int digits)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        object_json(j, value, digits);
        break;
    case json_type_array:
        jsonout_begin(j, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            json_value(j, json_object_array_get_idx(value, i), digits);
        }
        jsonout_end(j, ']');
        break;
    case json_type_double:
        json_real(j, json_object_get_double(value), digits);
        break;
    case json_type_string:
        jsonout_text(j, json_object_get_string(value), (size_t)json_object_get_string_len(value));
        break;
    default: // a whole number, true, false, null
        jsonout_raw(j, json_to_text(value, JSON_C_TO_STRING_SPACED));
    }
}

void json_kept(struct jsonout *j, struct json_object *value, int digits)
{
    if (digits > 0) {
        json_value(j, value, digits);
    } else {
        jsonout_raw(j,
                    json_to_text(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

/* Does its table say that the column holds numbers? */
static bool is_numeric(sqlite3_stmt *stmt, int column)
{
    const char *type = sqlite3_column_decltype(stmt, column); // NULL of an expression
    return type && (strcmp(type, "INTEGER") == 0 || strcmp(type, "REAL") == 0);
}

bool json_cell(const struct reader *r, struct jsonout *j, sqlite3_stmt *stmt, int column,
               int digits)
{
    bool whole = true;
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        jsonout_i64(j, sqlite3_column_int64(stmt, column));
        break;
    case SQLITE_FLOAT:
        json_real(j, sqlite3_column_double(stmt, column), digits);
        break;
    case SQLITE_NULL:
        jsonout_double(j, NAN);
        break;
    default:
        if (is_numeric(stmt, column)) {
            jsonout_double(j, NAN);
            return false;
        }
        if (!store_holds_json(r->store, sqlite3_column_name(stmt, column))) {
            const char *text = column_text(stmt, column); // before its length, of this form
            json_text_of(j, text, (size_t)sqlite3_column_bytes(stmt, column));
            break;
        }
        struct json_object *value = column_json(stmt, column);
        whole = value || strcmp(column_text(stmt, column), "null") == 0;
        json_kept(j, value, digits);
        json_object_put(value);
    }
    return whole;
}

size_t json_columns(const struct reader *r, struct jsonout *j, sqlite3_stmt *stmt)
{
    size_t damaged = 0;
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        jsonout_key(j, sqlite3_column_name(stmt, i));
        damaged += !json_cell(r, j, stmt, i, 0);
    }
    return damaged;
}

void json_table(struct reader *r, struct jsonout *j, const char *key, sqlite3_stmt *stmt,
                int digits)
{
    const int n = sqlite3_column_count(stmt);
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    jsonout_key(j, "columns");
    jsonout_begin(j, '[');
    for (int i = 0; i < n; i++) {
        jsonout_string(j, sqlite3_column_name(stmt, i));
    }
    jsonout_end(j, ']');
    jsonout_key(j, "rows");
    jsonout_begin(j, '[');
    while (reader_step(r, stmt)) {
        jsonout_begin(j, '[');
        for (int i = 0; i < n; i++) {
            json_cell(r, j, stmt, i, digits);
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}
