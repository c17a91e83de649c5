/*
 * How run.db is kept, and why so:
 *
 * - Journal mode DELETE, synchronous FULL.  After kill -9 or a power loss the file is the last
 *   checkpoint whole (whoever opens it next rolls a half-written one back); at worst a power loss
 *   undoes the very last one.  WAL would leave run.db-wal and -shm beside it, so that a copy of
 *   run.db alone may be an old one, and does not work on network file systems.
 *
 * - The lock against a second writer is SQLite's own: a writer holds a RESERVED lock (BEGIN
 *   IMMEDIATE) from opening to closing, and gives it up only for the moment between one checkpoint
 *   and the next transaction.  Readers are not kept out by it, and the kernel drops it with the
 *   process.  Who slips in at that moment is found out by PRAGMA data_version.  A lock on a
 *   descriptor of our own would be a trap: closing any descriptor of a file drops all POSIX locks
 *   that the process has on it, SQLite's too.
 *
 * - A file of a stranger runs no code: its schema must be what our scripts make (script_check()),
 *   before any table of it is read; SQLite is set to trust no schema and to run no trigger.
 *
 * - A checkpoint's pages stay in memory until it is whole (cache_spill off), so readers are kept
 *   out for the writing alone, not for the making of the tables.
 */
#include "out/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/path_error.h"
#include "out/sql/sql.h"
#include "out/store/publish.h"
#include "out/store/schema.h"
#include "out/store/state.h"
#include "out/store/tables.h"

#define APPLICATION_ID 0x67617073 // "gaps", where file(1) and SQLite look for it
#define FORMAT_VERSION 8
#define OPEN_WAIT_MS 1000    // for a lock that another process takes for a moment
#define COMMIT_WAIT_MS 10000 // for readers to finish

struct store {
    struct sql sql;
    struct script schema; // schema_read()
    char *path;           // of messages; sql.path is the same
    bool writes;          // store_open(), not store_open_read()
    bool locked;          // a transaction of ours is open
    bool clears;          // the next checkpoint forgets what is there: store_clear_next()
    bool versioned;       // data_version has been seen
    int64_t data_version; // as SQLite counts the commits of others
    struct stat file;     // when it was opened
    struct publish publish;
};

// --- opening -----------------------------------------------------------------------------------

/* Is it ours, and nothing else in it?  *empty: a database without anything. */
static int check_file(const struct store *s, bool *empty, struct err *err)
{
    int64_t id = 0, version = 0, n = 0;
    int rc = sql_int(&s->sql, "SELECT count(*) FROM sqlite_schema", &n, err);
    if (!rc) {
        rc = sql_int(&s->sql, "PRAGMA application_id", &id, err);
    }
    if (!rc) {
        rc = sql_int(&s->sql, "PRAGMA user_version", &version, err);
    }
    if (rc) {
        return rc;
    }
    *empty = n == 0 && id == 0;
    if (!*empty && id != APPLICATION_ID) {
        return err_set(err, ERR_FORMAT, "%s: a SQLite file, but not a run of gapscope", s->path);
    }
    if (version > FORMAT_VERSION) {
        return err_set(err, ERR_FORMAT,
                       "%s: written by a later gapscope (format %lld, this one knows %d); use that",
                       s->path, (long long)version, FORMAT_VERSION);
    }
    if (!*empty && version < FORMAT_VERSION) {
        return err_set(err, ERR_FORMAT,
                       "%s: written by an earlier gapscope (format %lld, this one knows %d); "
                       "delete it, or name another file",
                       s->path, (long long)version, FORMAT_VERSION);
    }
    return *empty ? 0 : script_check(&s->schema, &s->sql, err);
}

/* Why sqlite3_open_v2() could not open the file. */
static int open_error(const struct store *s, bool makes, struct err *err)
{
    const int number = s->sql.db ? sqlite3_system_errno(s->sql.db) : 0;
    if (!number) {
        return sql_fail(&s->sql, err);
    }
    return makes && !file_is_regular(s->path) ? path_write_error(s->path, number, err)
                                              : path_read_error(s->path, number, err);
}

static int open_db(struct store **out, const char *path, int flags, struct err *err)
{
    // SQLite gives words in the name a meaning: ":memory:", "file:...", "".
    char *plain = path[0] == '/' ? strdup(path) : file_join(".", path);
    struct store *s = mem_zero(1, sizeof *s);
    int rc = 0;
    if (!s || !plain || !(s->path = strdup(path))) {
        rc = err_nomem(err, "a run");
        goto out;
    }
    s->sql.path = s->path;
    bool is_there;
    const bool makes = flags & SQLITE_OPEN_CREATE; // also what a link leads to
    rc = path_is_file(path, &is_there, err);
    if (rc && !(makes && rc == ERR_NOT_FOUND)) {
        goto out;
    }
    sql_watch_memory();
    if (sqlite3_open_v2(plain, &s->sql.db, flags, NULL) != SQLITE_OK) {
        rc = open_error(s, makes, err);
        goto out;
    }
    stat(path, &s->file);
    sqlite3_busy_timeout(s->sql.db, OPEN_WAIT_MS);
    sqlite3_extended_result_codes(s->sql.db, 1);
    // Not before these is anything of the file read: it may be a stranger's.
    sqlite3_db_config(s->sql.db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(s->sql.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->sql.db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    rc = sql_exec(&s->sql, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", err);
    rc = rc ? rc : schema_read(&s->schema, err);
    if (!rc) {
        *out = s;
        s = NULL;
    }
out:
    free(plain);
    store_close(s);
    return rc;
}

void store_close(struct store *s)
{
    if (s) {
        sqlite3_close(s->sql.db); // rolls an open transaction back
        publish_end(&s->publish);
        script_free(&s->schema);
        free(s->path);
        free(s);
    }
}

bool store_is_gone(const struct store *s)
{
    struct stat now;
    return stat(s->path, &now) != 0 || now.st_dev != s->file.st_dev || now.st_ino != s->file.st_ino;
}

/* Is what this link in /proc leads to the file that was opened?  The kernel follows it even where
 * the file has no name any more. */
static bool is_our_file(const struct store *s, const char *link)
{
    struct stat st;
    return stat(link, &st) == 0 && st.st_dev == s->file.st_dev && st.st_ino == s->file.st_ino;
}

char *store_moved_to(const struct store *s)
{
    char link[64], target[PATH_MAX];
    char *path = NULL;
    DIR *d = opendir("/proc/self/fd");
    for (const struct dirent *e; d && !path && (e = readdir(d));) {
        snprintf(link, sizeof link, "/proc/self/fd/%.20s", e->d_name);
        const ssize_t n = is_our_file(s, link) ? readlink(link, target, sizeof target - 1) : -1;
        target[n > 0 ? n : 0] = '\0';
        if (n > 0 && is_our_file(s, target)) { // else it was deleted, and the kernel says so here
            path = strdup(target);
        }
    }
    if (d) {
        closedir(d);
    }
    return path;
}

static void roll_back(struct store *s)
{
    sqlite3_exec(s->sql.db, "ROLLBACK", NULL, NULL, NULL); // fails where SQLite has already done so
    s->locked = false;
}

/* Takes the writer's lock; anew after every commit. */
static int lock(struct store *s, struct err *err)
{
    int64_t version = 0;
    int rc = sql_exec(&s->sql, "BEGIN IMMEDIATE", err);
    if (rc == ERR_LIMIT) {
        return err_set(err, ERR_LIMIT,
                       "%s: another process is writing it; wait for that one, or stop it", s->path);
    }
    if (!rc) {
        rc = sql_int(&s->sql, "PRAGMA data_version", &version, err);
    }
    if (!rc && s->versioned && version != s->data_version) {
        rc = err_set(err, ERR_LIMIT, "%s: another process has written it meanwhile", s->path);
    }
    if (rc) {
        roll_back(s);
        return rc;
    }
    s->data_version = version;
    s->versioned = true;
    s->locked = true;
    return 0;
}

static int commit(struct store *s, struct err *err)
{
    sqlite3_busy_timeout(s->sql.db, COMMIT_WAIT_MS);
    int rc = sql_exec(&s->sql, "COMMIT", err);
    sqlite3_busy_timeout(s->sql.db, OPEN_WAIT_MS);
    if (rc == ERR_LIMIT) {
        rc = err_set(err, ERR_LIMIT, "%s: another program has been reading it for %d seconds",
                     s->path, COMMIT_WAIT_MS / 1000);
    }
    if (!rc) {
        s->locked = false;
        sqlite3_db_release_memory(s->sql.db);
    }
    return rc;
}

/* Takes the lock again, after a commit has been copied: nobody else writes the file, and closing a
 * descriptor of it would drop the lock. */
static int publish_and_lock(struct store *s, struct err *err)
{
    const int rc = s->publish.target ? publish_copy(&s->publish, s->path, err) : 0;
    const int locked = lock(s, rc ? NULL : err);
    return rc ? rc : locked;
}

int store_publish_to(struct store *s, const char *target, struct err *err)
{
    return publish_begin(&s->publish, target, err);
}

static int create(struct store *s, struct err *err)
{
    char sql[256];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
             FORMAT_VERSION);
    const int rc = sql_exec(&s->sql, sql, err);
    return rc ? rc : script_create(&s->schema, &s->sql, err);
}

int store_open(struct store **out, const char *path, bool *exists, struct err *err)
{
    struct store *s = NULL;
    bool empty = false;
    int64_t n = 0;
    int rc = open_db(&s, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (rc) {
        return rc;
    }
    s->writes = true;
    rc = check_file(s, &empty, err);
    if (rc) {
        goto out;
    }
    if (sqlite3_db_readonly(s->sql.db, "main")) {
        rc = err_set(err, ERR_IO, "%s: the file may not be written", path);
        goto out;
    }
    // page_size counts for a new file alone.  The tally is large: fewer, larger pages.
    rc = sql_exec(&s->sql,
                  "PRAGMA page_size=16384; PRAGMA journal_mode=DELETE;"
                  "PRAGMA synchronous=FULL; PRAGMA cache_spill=OFF",
                  err);
    if (!rc) {
        rc = lock(s, err);
    }
    if (!rc) { // once more: another process may have been quicker
        rc = check_file(s, &empty, err);
    }
    if (!rc && empty) {
        rc = create(s, err);
        if (!rc) {
            rc = commit(s, err);
        }
        if (!rc) {
            rc = lock(s, err);
        }
    }
    if (!rc) {
        rc = sql_int(&s->sql, "SELECT count(*) FROM state WHERE key='run'", &n, err);
    }
    if (!rc) {
        *exists = n > 0;
        *out = s;
        s = NULL;
    }
out:
    if (rc && err && (sqlite3_errcode(s->sql.db) & 0xff) == SQLITE_CORRUPT) {
        err_set(err, (enum err_code)rc, "%s; remove it, or name another file", err->msg);
    }
    store_close(s);
    return rc;
}

/* A file that is not there, whose part is not finished yet. */
static int say_partial(const char *path, struct err *err)
{
    char *partial = NULL;
    if (asprintf(&partial, "%s" STORE_PARTIAL, path) < 0) {
        return err_nomem(err, "a run");
    }
    if (file_is_regular(partial)) {
        err_set(err, ERR_NOT_FOUND,
                "%s: not there yet, since this part is not finished: until then it is %s", path,
                partial);
    }
    free(partial);
    return ERR_NOT_FOUND;
}

int store_open_read(struct store **out, const char *path, struct err *err)
{
    struct store *s = NULL;
    bool empty = false;
    int64_t n = 0;
    // Not SQLITE_OPEN_READONLY: after kill -9 a half-written checkpoint is to be rolled back first.
    int rc = open_db(&s, path, SQLITE_OPEN_READWRITE, err);
    if (rc) {
        return rc == ERR_NOT_FOUND ? say_partial(path, err) : rc;
    }
    sqlite3_busy_timeout(s->sql.db, COMMIT_WAIT_MS);
    rc = sql_exec(&s->sql, "PRAGMA query_only=ON; BEGIN", err);
    if (!rc) {
        rc = check_file(s, &empty, err);
    }
    if (!rc && !empty) {
        rc = sql_int(&s->sql, "SELECT count(*) FROM state WHERE key='run'", &n, err);
    }
    if (!rc && n == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: holds no results yet", path);
    }
    if (!rc) {
        *out = s;
        s = NULL;
    }
    store_close(s);
    return rc;
}

int store_digest(struct store *s, char out[33], struct err *err)
{
    return schema_digest(&s->schema, &s->sql, out, err);
}

bool store_holds_json(const struct store *s, const char *column)
{
    return schema_holds_json(&s->schema, column);
}

int store_load(struct store *s, struct run *run, struct results *results, struct err *err)
{
    return state_load(&s->sql, run, results, err);
}

struct sqlite3 *store_sqlite(struct store *s)
{
    return s->sql.db;
}

// --- a checkpoint ------------------------------------------------------------------------------

static void put_meta(struct rows *w, const char *key, const char *value)
{
    rows_foreign(w, key);
    rows_foreign(w, value);
    rows_next(w);
}

static void put_meta_u64(struct rows *w, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_meta(w, key, text);
}

static int write_meta(const struct store *s, const struct run *run, bool full,
                      const char *const *meta, struct err *err)
{
    char text[64];
    struct rows w;
    rows_open(&w, &s->sql, "INSERT OR REPLACE INTO meta VALUES(?,?)", err);
    for (size_t i = 0; meta && meta[i]; i += 2) {
        put_meta(&w, meta[i], meta[i + 1]);
    }
    put_meta(&w, "settings", run->settings);
    snprintf(text, sizeof text, "%.17g", run->floor);
    put_meta(&w, "floor", text);
    put_meta_u64(&w, "top", run->top);
    put_meta_u64(&w, "units_done", run_count_done(run));
    if (full) {
        put_meta_u64(&w, "units_in_tables", run_count_done(run));
    }
    if (run->counted) {
        put_meta_u64(&w, "units", run->n_units);
    }
    if (!run_is_finished(run)) {
        put_meta(&w, "finished", "");
    }
    if (rows_close(&w) || !run_is_finished(run)) {
        return w.rc;
    }
    // The time stays that of the first checkpoint that found it finished.
    const time_t now = time(NULL);
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    rows_open(&w, &s->sql,
              "INSERT INTO meta VALUES('finished',?)"
              " ON CONFLICT(key) DO UPDATE SET value=excluded.value WHERE value=''",
              err);
    rows_text(&w, text);
    rows_next(&w);
    return rows_close(&w);
}

int store_checkpoint(struct store *s, const struct run *run, const struct results *results,
                     bool full, const char *const *meta, struct err *err)
{
    int rc = s->locked ? 0 : lock(s, err);
    if (!rc && s->clears) {
        rc = schema_clear(&s->schema, &s->sql, err);
    }
    rc = rc ? rc : store_tables_write(&s->sql, run, results, full, err);
    rc = rc ? rc : write_meta(s, run, full, meta, err);
    rc = rc ? rc : state_save(&s->sql, run, results, full, err);
    rc = rc ? rc : commit(s, err);
    if (rc) {
        roll_back(s);
        lock(s, NULL); // else the next checkpoint says why not
        return rc;
    }
    s->clears = false;
    return publish_and_lock(s, err);
}

int store_write(struct store *s, store_writer *write, void *context, struct err *err)
{
    int rc = s->locked ? 0 : lock(s, err);
    rc = rc ? rc : write(context, &s->sql, err);
    rc = rc ? rc : commit(s, err);
    if (rc) {
        roll_back(s);
        lock(s, NULL);
        return rc;
    }
    return publish_and_lock(s, err);
}

int store_clear(struct store *s, struct err *err)
{
    int rc = s->locked ? 0 : lock(s, err);
    if (!rc) {
        rc = schema_clear(&s->schema, &s->sql, err);
    }
    if (!rc) {
        rc = commit(s, err);
    }
    if (rc) {
        roll_back(s);
        return rc;
    }
    return publish_and_lock(s, err);
}

void store_clear_next(struct store *s)
{
    s->clears = true;
}
