#include "out/store/meta.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN "; "

static bool has(const char *list, const char *value)
{
    const size_t n = strlen(value);
    for (const char *at = list; at; at = strstr(at, BETWEEN)) {
        at += at == list ? 0 : strlen(BETWEEN);
        if (strncmp(at, value, n) == 0 && (at[n] == '\0' || at[n] == BETWEEN[0])) {
            return true;
        }
    }
    return false;
}

int meta_join(char **list, const char *value, struct err *err)
{
    if (*list && has(*list, value)) {
        return 0;
    }
    char *both = NULL;
    if (asprintf(&both, "%s%s%s", *list ? *list : "", *list ? BETWEEN : "", value) < 0) {
        return err_nomem(err, "meta");
    }
    free(*list);
    *list = both;
    return 0;
}

int meta_get(char **out, struct store *s, const char *key, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    *out = NULL;
    if (sqlite3_prepare_v2(store_sqlite(s), "SELECT value FROM meta WHERE key = ?", -1, &stmt,
                           NULL) != SQLITE_OK) {
        return err_set(err, ERR_FORMAT, "meta: %s", sqlite3_errmsg(store_sqlite(s)));
    }
    int rc = 0;
    int code = sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    code = code ? code : sqlite3_step(stmt);
    if (code == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        *out = text ? strdup(text) : NULL;
        rc = *out ? 0 : err_nomem(err, "meta");
    } else if (code != SQLITE_ROW && code != SQLITE_DONE) {
        rc = err_set(err, code == SQLITE_NOMEM ? ERR_NOMEM : ERR_FORMAT, "meta: %s",
                     sqlite3_errmsg(store_sqlite(s)));
    }
    sqlite3_finalize(stmt);
    return rc;
}

uint64_t meta_number(struct store *s, const char *key)
{
    char *text = NULL;
    meta_get(&text, s, key, NULL);
    const uint64_t n = text ? strtoull(text, NULL, 10) : 0;
    free(text);
    return n;
}

bool meta_says(struct store *s, const char *key)
{
    char *text = NULL;
    meta_get(&text, s, key, NULL);
    const bool says = text && *text;
    free(text);
    return says;
}
