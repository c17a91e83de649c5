#include "tests/kit/view_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "corpora/base/json.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/tally_whole.h"

void view_run_write(const char *name, const char *sql)
{
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    struct store *s = NULL;
    bool exists;
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(&r, t, unit);
    }
    r.counted = true;
    r.n_units = SAMPLE_UNITS;
    assert_int_equal(store_open(&s, kit_path(name), &exists, NULL), 0);
    assert_int_equal(store_checkpoint(s, &r, &results, true, NULL, NULL), 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
    view_run_change(name, view_no_rows);
    view_run_change(name, sql);
}

void view_run_change(const char *name, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(kit_path(name), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL); // it outlives no crash
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(db);
}

const char *view_run_damage(const char *name, const char *table, const char *column, size_t k)
{
    static const char *const values[VIEW_RUN_DAMAGES] = {
        "NULL",
        "''",
        "'['",
        "'{\"a\":1}'",
        "'[NaN,-Infinity]'",
        "'[[0,5],[1],[2,-3],7,[99,1]]'",
        "'[[1,9223372036854775807],[2,9223372036854775807]]'",
        "'[1e999,-1e999,null,\"x\"]'",
        "x'ff00fe'",
        "'</script><!--'",
        "-1",
        "9223372036854775807",
        "1e308",
        "-1e308",
        "replace(hex(zeroblob(1000)), '0', '[')",
    };
    static char sql[256];
    snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s", table, column, values[k]);
    view_run_change(name, sql);
    return sql;
}

/* What the command prints, as one JSON value; NULL: it said why not and ended with 1. */
struct json_object *view_run_json(const char *command)
{
    struct kit_ran r = {0};
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    struct err err = {0};
    kit_run(&r, "%s", command);
    if (r.status != 0 && (r.status != 1 || r.err.len == 0)) {
        fail_msg("%s: status %d: %s", command, r.status, r.err.data);
    }
    if (r.status == 0 && json_parse(parser, &value, r.out.data, r.out.len, &err)) {
        fail_msg("%s: %s\n%s", command, err.msg, r.out.data);
    }
    json_parser_free(parser);
    kit_ran_free(&r);
    return value;
}

struct json_object *follow(struct json_object *value, const char *path)
{
    char word[64];
    while (value && *path) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(path, "."), path);
        path += strlen(word);
        path += *path == '.';
        value = json_object_is_type(value, json_type_array)
                    ? json_object_array_get_idx(value, strtoul(word, NULL, 10))
                    : json_member(value, word);
    }
    return value;
}
