#include "tests/kit/store_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <cmocka.h>

#include "out/store/store.h"
#include "tests/kit/folder.h"

char path[64];

int make_store_folder(void **state)
{
    return make_folder(state);
}

int remove_store_folder(void **state)
{
    return remove_folder(state);
}

const char *store_folder(void)
{
    return folder;
}

int new_path(void **state)
{
    (void)state;
    static int n;
    snprintf(path, sizeof path, "%s/run%d.db", folder, n++);
    return 0;
}

void ok(int rc, const struct err *err)
{
    if (rc) {
        fail_msg("%s", err->msg);
    }
}

void get_digest(char out[33])
{
    struct store *s = NULL;
    struct err err = {0};
    ok(store_open_read(&s, path, &err), &err);
    ok(store_digest(s, out, &err), &err);
    store_close(s);
}

void sql(const char *text)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", text, message);
    }
    sqlite3_close(db);
}

static int add_row(void *to, int n, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < n; i++) {
        buf_printf(to, NULL, "%s%s", i > 0 ? "|" : "", values[i] ? values[i] : "NULL");
    }
    return buf_append(to, "\n", 1, NULL);
}

struct buf rows_of(const char *query)
{
    sqlite3 *db = NULL;
    struct buf rows = {0};
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_exec(db, query, add_row, &rows, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", query, sqlite3_errmsg(db));
    }
    buf_append(&rows, "", 1, NULL);
    sqlite3_close(db);
    return rows;
}

void expect_rows(const char *query, const char *wanted)
{
    struct buf rows = rows_of(query);
    assert_string_equal(rows.data, wanted);
    buf_free(&rows);
}
