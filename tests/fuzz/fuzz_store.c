/* Property: a run.db in which any bytes have changed is refused, or can be read: its state, its
 * digest and every table and view, each to its end or to an error, and no byte outside of buffers.
 *
 * The input is changes, 4 bytes each, to a small run.db: where, 3 bytes of the lowest first, modulo
 * the file's size, and what. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out/store/schema.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/tally_whole.h"

#define STEPS_MOST 2000000 // of SQLite's machine, for a query

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/gapscope-fuzz-XXXXXX";
static char path[64];
static struct buf whole;
static struct script schema;

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void clean(void)
{
    unlink(path);
    rmdir(folder);
    buf_free(&whole);
    script_free(&schema);
}

static void make_run(void)
{
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    struct store *s = NULL;
    bool exists;
    check(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/run.db", folder);
    atexit(clean);
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(&r, t, unit);
    }
    check(store_open(&s, path, &exists, NULL) == 0);
    check(store_checkpoint(s, &r, &results, true, NULL, NULL) == 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
    FILE *f = fopen(path, "rb");
    char bytes[4096];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;) {
        check(buf_append(&whole, bytes, n, NULL) == 0);
    }
    fclose(f);
    check(schema_read(&schema, NULL) == 0);
}

static int enough(void *steps)
{
    return --*(int *)steps < 0;
}

static void read_all(struct store *s)
{
    struct run run = {0};
    struct results results = {0};
    struct err err = {0};
    char digest[33];
    if (store_load(s, &run, &results, &err) == 0) {
        results_free(&results);
        run_free(&run);
    } else {
        check(err.msg[0] != '\0');
    }
    (void)store_digest(s, digest, NULL);
    for (size_t i = 0; i < schema.n; i++) {
        char query[96];
        sqlite3_stmt *row = NULL;
        int steps = STEPS_MOST / 1000;
        snprintf(query, sizeof query, "SELECT * FROM %s", schema.items[i].name);
        sqlite3_progress_handler(store_sqlite(s), 1000, enough, &steps);
        if (sqlite3_prepare_v2(store_sqlite(s), query, -1, &row, NULL) == SQLITE_OK) {
            while (sqlite3_step(row) == SQLITE_ROW) {
                for (int k = 0; k < sqlite3_column_count(row); k++) {
                    (void)sqlite3_column_text(row, k);
                }
            }
        }
        sqlite3_finalize(row);
        sqlite3_progress_handler(store_sqlite(s), 0, NULL, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf bytes;
    struct store *s = NULL;
    struct err err = {0};
    if (whole.len == 0) {
        make_run();
    }
    bytes.len = 0;
    check(buf_append(&bytes, whole.data, whole.len, NULL) == 0);
    for (; size >= 4; data += 4, size -= 4) {
        const size_t at = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
        bytes.data[at % bytes.len] = (char)data[3];
    }
    FILE *f = fopen(path, "wb");
    check(f && fwrite(bytes.data, 1, bytes.len, f) == bytes.len && fclose(f) == 0);
    if (store_open_read(&s, path, &err) == 0) {
        read_all(s);
        store_close(s);
    } else {
        check(!s && err.msg[0] != '\0');
    }
    return 0;
}
