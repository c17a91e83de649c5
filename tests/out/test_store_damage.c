/* Files that are no run.db of this program, and a run.db with damage: refused, or survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/file.h"
#include "tests/kit/store_file.h"
#include "tests/kit/stored_sample.h"
#include "tests/kit/run_sample.h"

static void write_bytes(const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, len, f);
    fclose(f);
}

static void expect_refused(int code, const char *why)
{
    struct store *s = NULL;
    struct err err = {0};
    bool exists;
    assert_int_equal(store_open(&s, path, &exists, &err), code);
    assert_non_null(strstr(err.msg, why));
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(store_open_read(&s, path, &err), code);
    assert_non_null(strstr(err.msg, why));
    assert_null(s);
}

static void files_of_others_are_refused(void **state)
{
    write_bytes("{\"text\": \"no database, but a corpus that is long enough to be one\"}\n"
                "............................................................................",
                140);
    expect_refused(ERR_FORMAT, "is not a run of gapscope");
    new_path(state);
    sql("CREATE TABLE t(a)");
    expect_refused(ERR_FORMAT, "a SQLite file, but not a run of gapscope");
    expect_rows("SELECT count(*) FROM sqlite_schema", "1\n"); // and left alone
    new_path(state);
    write_sample(1, 0);
    sql("PRAGMA user_version=9");
    expect_refused(ERR_FORMAT, "written by a later gapscope (format 9, this one knows 8)");
    sql("PRAGMA user_version=7");
    expect_refused(ERR_FORMAT, "written by an earlier gapscope (format 7, this one knows 8)");
    new_path(state);
    mkdir(path, 0777);
    expect_refused(ERR_IO, "is a folder");

    new_path(state);
    struct store *s = NULL;
    struct err err = {0};
    assert_int_equal(store_open_read(&s, path, &err), ERR_NOT_FOUND);
    assert_false(file_is_regular(path)); // not made by asking
    write_bytes("", 0);
    assert_int_equal(store_open_read(&s, path, &err), ERR_NOT_FOUND);
    write_sample(1, 0); // an empty file is as good as none
    strcpy(strrchr(path, '/'), "/none/run.db");
    bool exists;
    assert_int_equal(store_open(&s, path, &exists, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "/none/run.db: there is no folder "));
}

/* And nobody waits for a writer. */
static void what_is_no_file_is_refused(void **state)
{
    bool exists;
    struct store *s = NULL;
    struct err err = {0};
    new_path(state);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(ERR_IO, ": is not a regular file");
    assert_int_equal(store_open_read(&s, "/dev/zero", &err), ERR_IO);
    assert_string_equal(err.msg, "/dev/zero: is not a regular file");
    unlink(path);
    assert_int_equal(symlink("elsewhere.db", path), 0);
    assert_int_equal(store_open_read(&s, path, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, ": is a link to elsewhere.db, which is not there"));
    assert_int_equal(store_open(&s, path, &exists, &err), 0); // a new run may be elsewhere
    store_close(s);
}

static void an_unreadable_name_is_a_plain_name(void **state)
{
    (void)state;
    char old[4096];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(store_folder()), 0);
    struct store *s = NULL;
    struct err err = {0};
    bool exists;
    ok(store_open(&s, ":memory:", &exists, &err), &err);
    assert_true(file_is_regular(":memory:"));
    store_close(s);
    assert_int_equal(chdir(old), 0);
}

/* Loads the run with byte 'at' of a state changed; its hash repaired, or not. */
static int load_damaged(const char *key, size_t at, bool repaired, struct err *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    sqlite3_open(path, &db);
    sqlite3_exec(db, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "SELECT value, hash FROM state WHERE key=?", -1, &q, NULL);
    sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    const size_t len = (size_t)sqlite3_column_bytes(q, 0);
    char *bytes = malloc(len), *old = malloc(len), hash[17], old_hash[17];
    memcpy(bytes, sqlite3_column_blob(q, 0), len);
    memcpy(old, bytes, len);
    snprintf(old_hash, sizeof old_hash, "%s", (const char *)sqlite3_column_text(q, 1));
    sqlite3_finalize(q);
    bytes[at % len] ^= (char)(1 << (at / len % 8));
    snprintf(hash, sizeof hash, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes, len));
    int rc = 0;
    for (int back = 0; back < 2; back++) {
        sqlite3_prepare_v2(db, "UPDATE state SET value=?, hash=? WHERE key=?", -1, &q, NULL);
        sqlite3_bind_blob(q, 1, back ? old : bytes, (int)len, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, back || !repaired ? old_hash : hash, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 3, key, -1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(q), SQLITE_DONE);
        sqlite3_finalize(q);
        struct whole w = {0};
        const int loaded = load(&w, back ? NULL : err);
        rc = back ? rc : loaded;
        assert_true(!back || loaded == 0);
        if (!loaded) {
            whole_end(&w);
        }
    }
    free(bytes);
    free(old);
    sqlite3_close(db);
    return rc;
}

static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    write_sample(SAMPLE_UNITS, 0);
    static const char *const keys[] = {"run", "gaps.0", "tokens"};
    for (size_t k = 0; k < 3; k++) {
        for (size_t at = 0; at < 400; at += 13) {
            struct err err = {0};
            assert_int_equal(load_damaged(keys[k], at * 31, false, &err), ERR_FORMAT);
            assert_non_null(strstr(err.msg, "the file is damaged"));
            // Made to look whole: any answer, but no crash (ASan).
            load_damaged(keys[k], at * 31, true, NULL);
        }
    }
}

static void results_without_their_shape_are_refused(void **state)
{
    (void)state;
    write_sample(1, 0);
    static const char *const kinds[] = {"neurons", "trigrams"};
    for (size_t k = 0; k < 2; k++) {
        char statement[128];
        struct whole w = {0};
        struct err err = {0};
        snprintf(statement, sizeof statement, "INSERT INTO state VALUES('%s.0',0,x'00','')",
                 kinds[k]);
        sql(statement);
        assert_int_equal(load(&w, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, "the file is damaged"));
        assert_non_null(strstr(err.msg, kinds[k]));
        sql("DELETE FROM state WHERE hash=''");
        ok(load(&w, &err), &err);
        whole_end(&w);
    }
}

static void damage_anywhere_in_the_file_is_survived(void **state)
{
    (void)state;
    write_sample(SAMPLE_UNITS, 0);
    struct buf file = {0};
    assert_int_equal(file_read(path, 1 << 30, &file, NULL), 0);
    uint32_t random = 1;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 3; i++) {
            random = random * 1664525 + 1013904223;
            // Half of them in the first page, where the schema is.
            file.data[(random >> 8) % (i % 2 ? file.len : 4096)] ^= (char)(1 << (random >> 29));
        }
        write_bytes(file.data, file.len);
        struct store *s = NULL;
        struct whole w = {0};
        char digest[33];
        bool exists;
        if (store_open_read(&s, path, NULL) == 0) {
            store_digest(s, digest, NULL);
            if (store_load(s, &w.run, &w.results, NULL) == 0) {
                whole_end(&w);
            }
            store_close(s);
        }
        if (store_open(&s, path, &exists, NULL) == 0) {
            store_close(s);
        }
        if (round % 5 == 4) { // a fresh one
            file.len = 0;
            new_path(state);
            write_sample(SAMPLE_UNITS, 0);
            assert_int_equal(file_read(path, 1 << 30, &file, NULL), 0);
        }
    }
    buf_free(&file);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, new_path)
    const struct CMUnitTest tests[] = {
        T(files_of_others_are_refused),
        T(what_is_no_file_is_refused),
        T(an_unreadable_name_is_a_plain_name),
        T(a_damaged_state_is_refused),
        T(results_without_their_shape_are_refused),
        T(damage_anywhere_in_the_file_is_survived),
    };
    return cmocka_run_group_tests(tests, make_store_folder, remove_store_folder);
}
