#include "out/store/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "out/results/collector.h"

extern const char run_sql[]; // out/store/run.sql

int schema_read(struct script *out, struct err *err)
{
    int rc = script_read(out, run_sql, err);
    if (rc) {
        return err_prefix(err, "run.sql");
    }
    for (size_t i = 0; collector_kinds[i] && !rc; i++) {
        const struct collector_kind *kind = collector_kinds[i];
        rc = kind->sql ? script_read(out, kind->sql, err) : 0;
        if (rc) {
            err_prefix(err, "%s", kind->name);
        }
    }
    return rc;
}

bool schema_holds_json(const struct script *schema, const char *column)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct script_object *o = &schema->items[i];
        for (size_t k = 0; k < o->n_columns; k++) {
            if (o->columns[k].json && strcmp(o->columns[k].name, column) == 0) {
                return true;
            }
        }
    }
    return false;
}

int schema_clear(const struct script *schema, const struct sql *s, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < schema->n && !rc; i++) {
        char text[128];
        if (!schema->items[i].view) {
            snprintf(text, sizeof text, "DELETE FROM %s", schema->items[i].name);
            rc = sql_exec(s, text, err);
        }
    }
    return rc;
}

// --- digest ------------------------------------------------------------------------------------

/* A value as its type, its length, its bytes: no two rows of values look the same. */
static void hash_value(XXH3_state_t *hash, sqlite3_stmt *stmt, int column)
{
    unsigned char head[9] = {(unsigned char)sqlite3_column_type(stmt, column)};
    uint64_t bits = 0;
    const void *bytes = NULL;
    size_t len = 0;
    switch (head[0]) {
    case SQLITE_INTEGER:
        bits = (uint64_t)sqlite3_column_int64(stmt, column);
        break;
    case SQLITE_FLOAT: {
        const double value = sqlite3_column_double(stmt, column);
        memcpy(&bits, &value, sizeof bits);
        break;
    }
    case SQLITE_NULL:
        break;
    default: // text, or a blob that does not belong here
        bytes = sqlite3_column_blob(stmt, column);
        len = (size_t)sqlite3_column_bytes(stmt, column);
        bits = len;
    }
    for (int i = 0; i < 8; i++) {
        head[1 + i] = (unsigned char)(bits >> (8 * i));
    }
    XXH3_128bits_update(hash, head, sizeof head);
    if (len > 0) {
        XXH3_128bits_update(hash, bytes, len);
    }
}

/* A table without a place of its own is in it from its first row on: a statistic that a run does not
 * have leaves no trace. */
static int hash_table(XXH3_state_t *hash, const struct script_object *table, const struct sql *s,
                      struct err *err)
{
    struct rows q;
    int step = SQLITE_DONE;
    bool named = table->digest != SCRIPT_ANY_PLACE;
    if (named) {
        XXH3_128bits_update(hash, table->name, strlen(table->name) + 1);
    }
    rows_open(&q, s, table->select, err);
    while (!q.rc && (step = sqlite3_step(q.stmt)) == SQLITE_ROW) {
        if (!named) {
            XXH3_128bits_update(hash, table->name, strlen(table->name) + 1);
            named = true;
        }
        XXH3_128bits_update(hash, "", 1); // a row begins
        for (int k = 0; k < sqlite3_column_count(q.stmt); k++) {
            hash_value(hash, q.stmt, k);
        }
    }
    if (!q.rc && step != SQLITE_DONE) {
        q.rc = sql_fail(s, err);
    }
    return rows_close(&q);
}

/* Whether a is hashed before b: by place, and where any place will do by name. */
static bool comes_before(const struct script_object *a, const struct script_object *b)
{
    return a->digest != b->digest ? a->digest < b->digest : strcmp(a->name, b->name) < 0;
}

/* The table of the digest that follows 'last' (NULL: the first); NULL behind the last one. */
static const struct script_object *next_digested(const struct script *schema,
                                                 const struct script_object *last)
{
    const struct script_object *next = NULL;
    for (size_t i = 0; i < schema->n; i++) {
        const struct script_object *o = &schema->items[i];
        if (o->digest > 0 && (!last || comes_before(last, o)) &&
            (!next || comes_before(o, next))) {
            next = o;
        }
    }
    return next;
}

int schema_digest(const struct script *schema, const struct sql *s, char out[33], struct err *err)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) {
        return err_nomem(err, "a hash");
    }
    XXH3_128bits_reset(hash);
    int rc = 0;
    const struct script_object *table = NULL;
    while (!rc && (table = next_digested(schema, table)) != NULL) {
        rc = hash_table(hash, table, s, err);
    }
    const XXH128_hash_t sum = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64, (uint64_t)sum.low64);
    return rc;
}
