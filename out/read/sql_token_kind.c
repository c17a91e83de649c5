#include "out/read/sql_token_kind.h"

#include "corpora/base/token_kind.h"

static size_t kind_of_value(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    return token_kind(text ? text : "");
}

static void sql_kind(sqlite3_context *c, int n, sqlite3_value **values)
{
    (void)n;
    sqlite3_result_text(c, token_kind_name(kind_of_value(values[0])), -1, SQLITE_STATIC);
}

static void sql_number(sqlite3_context *c, int n, sqlite3_value **values)
{
    (void)n;
    sqlite3_result_int64(c, (sqlite3_int64)kind_of_value(values[0]));
}

int token_kind_join(sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    const int rc = sqlite3_create_function(db, "token_kind", 1, flags, NULL, sql_kind, NULL, NULL);
    return rc != SQLITE_OK ? rc
                           : sqlite3_create_function(db, "token_kind_number", 1, flags, NULL,
                                                     sql_number, NULL, NULL);
}
