#include "out/store/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/mem.h"
#include "out/store/state_bytes.h"

static int save_key(const struct sql *sql, const char *key, const struct buf *value, bool small,
                    struct err *err)
{
    struct buf piece = {0};
    struct rows w;
    rows_open(&w, sql, "DELETE FROM state WHERE key=?", err);
    rows_text(&w, key);
    rows_next(&w);
    if (rows_close(&w)) {
        return w.rc;
    }
    rows_open(&w, sql, "INSERT INTO state VALUES(?,?,?,?)", err);
    size_t at = 0;
    for (uint64_t part = 0; part == 0 || at < value->len; part++) {
        const size_t left = value->len - at;
        const size_t len = left < STATE_PART ? left : STATE_PART;
        const char *bytes = value->len ? value->data + at : "";
        w.rc = w.rc ? w.rc : state_bytes_shrink(&piece, bytes, len, small, err);
        rows_text(&w, key);
        rows_u64(&w, part);
        if (!w.rc && sqlite3_bind_blob64(w.stmt, ++w.at, piece.data, piece.len, SQLITE_STATIC) !=
                         SQLITE_OK) {
            w.rc = sql_fail(sql, err);
        }
        rows_hex(&w, XXH3_64bits(piece.data, piece.len));
        rows_next(&w);
        at += len;
    }
    buf_free(&piece);
    return rows_close(&w);
}

/* Appends one part to *out, after a look at its hash: SQLite's pages have none. */
static int append_part(const struct sql *sql, sqlite3_stmt *stmt, struct buf *out, struct err *err)
{
    const void *bytes = sqlite3_column_blob(stmt, 0);
    const size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    const char *hash = (const char *)sqlite3_column_text(stmt, 1);
    char wanted[17];
    snprintf(wanted, sizeof wanted, "%016" PRIx64, (uint64_t)XXH3_64bits(len ? bytes : "", len));
    if (sqlite3_errcode(sql->db) == SQLITE_NOMEM) {
        return sql_fail(sql, err);
    }
    if (!hash || strcmp(hash, wanted) != 0) {
        return err_set(err, ERR_FORMAT,
                       "%s: the file is damaged: its saved state is not what was written",
                       sql->path);
    }
    const int rc = state_bytes_expand(out, bytes, len, err);
    if (rc == ERR_FORMAT) {
        err_prefix(err, "%s", sql->path);
    }
    return rc;
}

static int load_key(const struct sql *sql, const char *key, struct buf *out, struct err *err)
{
    struct rows q;
    rows_open(&q, sql, "SELECT value, hash FROM state WHERE key=? ORDER BY part", err);
    rows_text(&q, key);
    int step = SQLITE_DONE;
    while (!q.rc && (step = sqlite3_step(q.stmt)) == SQLITE_ROW) {
        q.rc = append_part(sql, q.stmt, out, err);
    }
    if (!q.rc && step != SQLITE_DONE) {
        q.rc = sql_fail(sql, err);
    }
    return rows_close(&q);
}

/* Is anything saved under this key? */
static int is_saved(const struct sql *sql, const char *key, bool *is, struct err *err)
{
    struct rows q;
    rows_open(&q, sql, "SELECT 1 FROM state WHERE key=? LIMIT 1", err);
    rows_text(&q, key);
    const int step = q.rc ? SQLITE_DONE : sqlite3_step(q.stmt);
    if (!q.rc && step != SQLITE_ROW && step != SQLITE_DONE) {
        q.rc = sql_fail(sql, err);
    }
    *is = step == SQLITE_ROW;
    return rows_close(&q);
}

/* What was read from saved bytes: an error about them names the file. */
static int parsed(const struct sql *sql, int rc, struct err *err)
{
    if (rc) {
        err_prefix(err, "%s", sql->path);
    }
    return rc;
}

/* The key of what a collector saves: "neurons.3". */
static void state_key(char key[64], const struct collector_kind *kind, const char *what)
{
    snprintf(key, 64, "%s.%s", kind->name, what);
}

static void piece_key(char key[64], const struct collector_kind *kind, size_t piece)
{
    snprintf(key, 64, "%s.%zu", kind->name, piece);
}

/* A kind that saves its shape has saved nothing else without it. */
static int check_no_piece(const struct sql *sql, const struct collector_kind *kind, struct err *err)
{
    char key[64];
    bool saved = false;
    piece_key(key, kind, 0);
    const int rc = is_saved(sql, key, &saved, err);
    if (rc || !saved) {
        return rc;
    }
    return err_set(err, ERR_FORMAT,
                   "%s: the file is damaged: its saved state has %s.0 without %s.shape", sql->path,
                   kind->name, kind->name);
}

/* The collectors that this run.db has saved something of, or that every run has. */
static int load_shapes(const struct sql *sql, struct run *run, struct results *out,
                       struct buf *bytes, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; collector_kinds[i] && !rc; i++) {
        const struct collector_kind *kind = collector_kinds[i];
        char key[64];
        void *shape = NULL;
        bytes->len = 0;
        state_key(key, kind, "shape");
        rc = kind->shape_new ? load_key(sql, key, bytes, err) : 0;
        if (!rc && kind->shape_new) {
            const void *saved = bytes->len > 0 ? bytes->data : NULL;
            rc = parsed(sql, kind->shape_new(&shape, run, saved, bytes->len, err), err);
        }
        if (!rc && shape) {
            rc = results_join(out, kind, shape, err);
        } else if (!rc && kind->shape_save) {
            rc = check_no_piece(sql, kind, err);
        }
    }
    return rc;
}

/* The pieces that a collector's whole is saved in; 0: nothing of it is kept. */
static size_t count_pieces(const struct collector *c)
{
    return !c->whole ? 0 : c->kind->n_pieces ? c->kind->n_pieces(c->shape) : 1;
}

static int load_wholes(const struct sql *sql, struct results *r, struct buf *bytes, struct err *err)
{
    int rc = results_new_wholes(r, err);
    for (size_t i = 0; i < r->n && !rc; i++) {
        const struct collector *c = &r->items[i];
        const size_t n = count_pieces(c);
        for (size_t piece = 0; piece < n && !rc; piece++) {
            char key[64];
            piece_key(key, c->kind, piece);
            bytes->len = 0;
            rc = load_key(sql, key, bytes, err);
            rc =
                rc ? rc
                   : parsed(sql, c->kind->load(c->whole, piece, bytes->data, bytes->len, err), err);
        }
    }
    return rc;
}

int state_load(const struct sql *sql, struct run *run, struct results *results, struct err *err)
{
    struct buf bytes = {0};
    struct run r = {0};
    struct results found = {0};
    int rc = load_key(sql, "run", &bytes, err);
    rc = rc ? rc : parsed(sql, run_load(&r, bytes.data, bytes.len, err), err);
    rc = rc ? rc : load_key(sql, "tokens", &r.token_texts, err);
    if (!rc && r.token_texts.len && r.token_texts.data[r.token_texts.len - 1]) {
        rc = err_set(err, ERR_FORMAT, "%s: the saved run is damaged: texts of tokens", sql->path);
    }
    rc = rc ? rc : load_shapes(sql, &r, &found, &bytes, err);
    rc = rc ? rc : load_wholes(sql, &found, &bytes, err);
    buf_free(&bytes);
    if (rc) {
        results_free(&found);
        run_free(&r);
        return rc;
    }
    *run = r;
    *results = found;
    return 0;
}

/* A collector's shape, which never changes, once; then its whole, a piece after the other: together
 * they may be large. */
static int save_collector(const struct sql *sql, const struct collector *c, struct buf *bytes,
                          bool small, struct err *err)
{
    char key[64];
    bool saved = false;
    state_key(key, c->kind, "shape");
    int rc = c->kind->shape_save ? is_saved(sql, key, &saved, err) : 0;
    if (!rc && c->kind->shape_save && !saved) {
        bytes->len = 0;
        rc = c->kind->shape_save(c->shape, bytes, err);
        rc = rc ? rc : save_key(sql, key, bytes, small, err);
    }
    const size_t n = count_pieces(c);
    for (size_t piece = 0; piece < n && !rc; piece++) {
        piece_key(key, c->kind, piece);
        bytes->len = 0;
        rc = c->kind->save(c->whole, piece, bytes, err);
        rc = rc ? rc : save_key(sql, key, bytes, small, err);
    }
    return rc;
}

int state_save(const struct sql *sql, const struct run *run, const struct results *results,
               bool small, struct err *err)
{
    struct buf bytes = {0};
    bool saved = false;
    int rc = run_save(run, &bytes, err);
    rc = rc ? rc : save_key(sql, "run", &bytes, small, err);
    for (size_t i = 0; i < results->n && !rc; i++) {
        rc = save_collector(sql, &results->items[i], &bytes, small, err);
    }
    buf_free(&bytes);
    rc = rc ? rc : is_saved(sql, "tokens", &saved, err);
    if (rc || saved) {
        return rc;
    }
    return save_key(sql, "tokens", &run->token_texts, small, err);
}
