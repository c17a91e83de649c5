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
#include "out/sql/sql.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"
#include "tests/kit/stored_sample.h"
#include "tests/kit/tally_whole.h"

// --- tables ------------------------------------------------------------------------------------

static void add_document(struct tally *t, uint32_t shard, uint64_t number, const char *domain,
                         size_t n, const uint32_t *ids, const double values[3][3])
{
    static const uint32_t pos[] = {1, 2, 3};
    const uint32_t ends[] = {n == 1 ? 1 : 4, 5, 6};
    const double *const logprob[] = {values[0], values[1], values[2]};
    const struct tally_doc doc = {.shard = shard,
                                  .number = number,
                                  .domain = domain,
                                  .text = n == 1 ? "a" : " thea\n",
                                  .text_len = n == 1 ? 1 : 6,
                                  .n = n,
                                  .ids = ids,
                                  .ends = ends,
                                  .pos = pos,
                                  .logprob = logprob};
    assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
}

static void tables_show_what_the_tally_counts(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    static const uint32_t ids[] = {1, 2, 4};
    static const double a[3][3] = {{-1, -2, -8}, {-0.5, -3, -1}, {-0.75, -2.5, -7}};
    static const double b[3][3] = {{-1}, {-1.5}, {-1}};
    add_document(w.tally, 0, 0, "code", 3, ids, a);   // gaps 0.5 -1 5; of both 0.25 -1 0
    add_document(w.tally, 1, 3, NULL, 1, ids + 1, b); // -0.5
    tally_add_reject(w.tally, 0, 1, 7, 70, "a \"long\" line");
    tally_add_reject(w.tally, 1, 3, 8, 80, "no name for this");
    struct store *s = open_store(false);
    checkpoint(s, &w, true, NULL);
    store_close(s);

    expect_rows("SELECT id, name, path, bytes, hash, docs, tokens, units, units_done, skipped_docs"
                " FROM shard",
                "0|a.jsonl|/data/a.jsonl|100|0000000000000001|1|3|NULL|0|1\n"
                "1|b.jsonl|/data/b.jsonl|200|ffffffffffffffff|1|1|NULL|0|1\n");
    expect_rows("SELECT * FROM reject",
                "0|too_long|1|[{\"line\":7,\"byte\":70,\"why\":\"a \\\"long\\\" line\"}]\n"
                "1|reason_3|1|[{\"line\":8,\"byte\":80,\"why\":\"no name for this\"}]\n");
    expect_rows("SELECT id, name, path, act_fn, site, n_layers, d_model, n_heads, d_mlp, d_vocab,"
                " n_ctx, weights_hash FROM model",
                "0|base|/models/base|none||1|8|2|0|10|6|00000000000000ab\n"
                "1|one|/models/one|gelu||1|8|2|32|11|7|00000000000000ac\n"
                "2|two|/models/two|gelu||1|8|2|32|12|8|00000000000000ad\n");
    // bits: 12, 6, 11.25 nats / ln 2 / 7 bytes; se of base: sqrt(2/1 (2^2 + 2^2)) / 4
    expect_rows("SELECT tokens, mean_logprob, round(se, 9), round(bits_per_byte, 9),"
                " clamped_share FROM model",
                "4|-3.0|1.0|2.473191499|0.25\n"
                "4|-1.5|0.0|1.236595749|0.0\n"
                "4|-2.8125|0.90625|2.31861703|0.25\n");
    // se: sqrt(2/1 (1.5^2 + 1.5^2)) / 4 and sqrt(2/1 (0.1875^2 + 0.1875^2)) / 4
    expect_rows("SELECT id, base, others, floor, tokens, docs, mean_gap, round(se, 9),"
                " share_other_better FROM pair",
                "0|0|[1]|-6.0|4|2|1.0|0.75|0.5\n"
                "1|0|[1,2]|-6.0|4|2|-0.3125|0.09375|0.25\n");
    expect_rows("SELECT * FROM hit WHERE pair = 0 ORDER BY side, rank",
                "0|base|1|-1.0|-2.0|-3.0|0|0|4|5|2|a| the|\n|0|\n"
                "0|base|2|-0.5|-1.0|-1.5|1|3|0|1|2|a|||0|\n"
                "0|other|1|5.0|-8.0|-1.0|0|0|5|6|4|\n| thea||0|\n"
                "0|other|2|0.5|-1.0|-0.5|0|0|0|4|1| the||a\n|0|\n");
    expect_rows("SELECT side, rank, gap, other_logprob FROM hit WHERE pair = 1 ORDER BY side, rank",
                "base|1|-1.0|-3.0\nbase|2|-0.5|-1.5\nother|1|0.25|-0.75\n");
    expect_rows("SELECT * FROM token_gap", "0|1| the|1|0.5|-1.0|-0.5\n"
                                           "0|2|a|2|-0.75|-1.5|-2.25\n"
                                           "0|4|\n|1|5.0|-8.0|-1.0\n"
                                           "1|1| the|1|0.25|-1.0|-0.75\n"
                                           "1|2|a|2|-0.75|-1.5|-2.25\n"
                                           "1|4|\n|1|0.0|-8.0|-7.0\n");
    expect_rows("SELECT * FROM gap_hist WHERE n > 0 AND pair = 0",
                "0|-1.0|-0.9|1\n0|-0.5|-0.4|1\n0|0.5|0.6|1\n0|5.0|5.1|1\n");
    expect_rows("SELECT pair, count(*), min(lo), max(hi) FROM gap_hist GROUP BY pair",
                "0|120|-6.0|6.0\n1|120|-6.0|6.0\n");
    expect_rows("SELECT * FROM position_gap WHERE pair = 0",
                "0|1|1|2|0.0|-1.0|-1.0\n0|2|3|2|2.0|-5.0|-2.0\n0|4|5|0|NULL|NULL|NULL\n");
    expect_rows("SELECT * FROM domain", "0|NULL|1|1\n1|code|1|3\n");
    expect_rows("SELECT domain, model, tokens, mean_logprob FROM domain_loss",
                "0|0|1|-1.0\n0|1|1|-1.5\n0|2|1|-1.0\n"
                "1|0|3|-3.66666666666667\n1|1|3|-1.5\n1|2|3|-3.41666666666667\n");
    expect_rows("SELECT domain, pair, tokens, mean_gap, se FROM domain_gap",
                "0|0|1|-0.5|NULL\n0|1|1|-0.5|NULL\n1|0|3|1.5|NULL\n1|1|3|-0.25|NULL\n");
    whole_end(&w);
}

static void a_run_without_tokens_has_no_means(void **state)
{
    (void)state;
    write_sample(0, 0);
    expect_rows("SELECT tokens, mean_logprob, se, bits_per_byte, clamped_share FROM model"
                " WHERE id = 0",
                "0|NULL|NULL|NULL|NULL\n");
    expect_rows("SELECT tokens, docs, mean_gap, se, share_other_better FROM pair WHERE id = 0",
                "0|0|NULL|NULL|NULL\n");
    expect_rows("SELECT count(*) FROM token_gap", "0\n");
}

static void the_rest_of_the_domains_comes_last(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    struct tally_shape *shape = results_find(&w.results, &gaps_collector)->shape;
    shape->domains_max = 1;
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(&w.run, w.tally, unit);
    }
    struct store *s = open_store(false);
    checkpoint(s, &w, true, NULL);
    store_close(s);
    expect_rows("SELECT id, name = '(other)', docs FROM domain WHERE id = 1", "1|1|8\n");
    expect_rows("SELECT max(id) FROM domain", "1\n");
    whole_end(&w);
}

static void names_that_are_no_utf_8_are_repaired(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    free(w.run.shards[0].path);
    w.run.shards[0].path = strdup("/data/\xff");
    struct store *s = open_store(false);
    checkpoint(s, &w, true, NULL);
    store_close(s);
    expect_rows("SELECT path FROM shard WHERE id = 0", "/data/\xef\xbf\xbd\n");
    whole_end(&w);
}

// --- checkpoints -------------------------------------------------------------------------------

static void a_run_goes_on_where_it_was(void **state)
{
    (void)state;
    struct whole straight, w = {0};
    whole_begin(&straight);
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(&straight.run, straight.tally, unit);
    }
    straight.run.counted = true;
    straight.run.n_units = SAMPLE_UNITS;
    struct store *s = open_store(false);
    checkpoint(s, &straight, true, NULL);
    store_close(s);
    char wanted[33], got[33];
    get_digest(wanted);

    new_path(NULL);
    write_sample(5, 0);
    s = open_store(true);
    struct err err = {0};
    ok(store_load(s, &w.run, &w.results, &err), &err);
    w.tally = results_whole(&w.results, &gaps_collector);
    assert_int_equal(run_count_done(&w.run), 5);
    assert_int_equal(run_same(&w.run, &straight.run, &err), 0);
    assert_int_equal(w.run.token_texts.len, straight.run.token_texts.len);
    for (uint64_t unit = SAMPLE_UNITS; unit-- > 5;) { // in another order
        sample_add_unit(&w.run, w.tally, unit);
        checkpoint(s, &w, unit % 2 == 0, NULL);
    }
    w.run.counted = true;
    w.run.n_units = SAMPLE_UNITS;
    checkpoint(s, &w, true, NULL);
    store_close(s);
    get_digest(got);
    assert_string_equal(got, wanted);
    whole_end(&w);
    whole_end(&straight);
}

static void a_light_checkpoint_leaves_the_tables(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    struct store *s = open_store(false);
    sample_add_unit(&w.run, w.tally, 0);
    checkpoint(s, &w, true, (const char *[]){"started", "now", "kernels", "c", NULL});
    sample_add_unit(&w.run, w.tally, 1);
    checkpoint(s, &w, false, (const char *[]){"kernels", "avx2", NULL});
    expect_rows("SELECT sum(docs) FROM shard", "2\n");
    expect_rows("SELECT docs FROM pair WHERE id = 0", "1\n");
    expect_rows("SELECT key, value FROM meta ORDER BY key",
                "finished|\nfloor|-6\nkernels|avx2\nsettings|{\"field\":\"text\"}\nstarted|now\n"
                "top|4\nunits_done|2\nunits_in_tables|1\n");
    w.run.counted = true;
    w.run.n_units = 2;
    checkpoint(s, &w, true, NULL);
    expect_rows("SELECT value FROM meta WHERE key IN ('units', 'units_in_tables')", "2\n2\n");
    expect_rows("SELECT value GLOB '20*-*-*T*:*:*Z' FROM meta WHERE key = 'finished'", "1\n");
    sqlite3_exec(store_sqlite(s), "UPDATE meta SET value='then' WHERE key='finished'", NULL, NULL,
                 NULL);
    checkpoint(s, &w, true, NULL);
    expect_rows("SELECT value FROM meta WHERE key = 'finished'", "then\n"); // stays
    store_close(s);
    whole_end(&w);
}

static void clear_forgets_everything(void **state)
{
    (void)state;
    write_sample(3, 3);
    struct store *s = open_store(true);
    struct err err = {0};
    ok(store_clear(s, &err), &err);
    store_close(s);
    expect_rows("SELECT (SELECT count(*) FROM meta) + (SELECT count(*) FROM state) +"
                " (SELECT count(*) FROM hit) + (SELECT count(*) FROM shard)",
                "0\n");
    store_close(open_store(false));
}

static void a_full_disk_leaves_the_last_checkpoint(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    struct store *s = open_store(false);
    sample_add_unit(&w.run, w.tally, 0);
    checkpoint(s, &w, true, NULL);
    char before[33], after[33];
    get_digest(before);
    free(w.run.settings); // what takes more room than there is
    w.run.settings = calloc(1000001, 1);
    memset(w.run.settings, 'x', 1000000);
    sqlite3_exec(store_sqlite(s), "PRAGMA max_page_count=1", NULL, NULL, NULL); // no more pages
    sample_add_unit(&w.run, w.tally, 1);
    struct err err = {0};
    assert_int_equal(store_checkpoint(s, &w.run, &w.results, true, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "the disk is full"));
    get_digest(after);
    assert_string_equal(after, before);
    sqlite3_exec(store_sqlite(s), "PRAGMA max_page_count=1000000", NULL, NULL, NULL);
    checkpoint(s, &w, true, NULL);
    expect_rows("SELECT docs FROM pair WHERE id = 0", "2\n");
    store_close(s);
    whole_end(&w);
}

static int no_reading(void *table, int what, const char *name, const char *column,
                      const char *database, const char *inside)
{
    (void)column, (void)database, (void)inside;
    return what == SQLITE_READ && strcmp(name, table) == 0 ? SQLITE_DENY : SQLITE_OK;
}

/* Where SQLite has failed it may have taken the transaction back: what is written after that would
 * stay, without the rest. */
static void a_table_that_cannot_be_asked_ends_the_checkpoint(void **state)
{
    (void)state;
    struct whole w;
    struct err err = {0};
    bool has = true;
    whole_begin(&w);
    struct store *s = open_store(false);
    sample_add_unit(&w.run, w.tally, 0);
    sqlite3_set_authorizer(store_sqlite(s), no_reading, (char[]){"token"});
    assert_int_equal(store_checkpoint(s, &w.run, &w.results, true, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.msg, path));
    sqlite3_set_authorizer(store_sqlite(s), NULL, NULL);
    const struct sql db = {.db = store_sqlite(s), .path = path};
    assert_int_equal(sql_has_rows(&db, "token", &has, &err), 0);
    assert_false(has);
    assert_int_equal(sql_has_rows(&db, "nowhere", &has, &err), ERR_FORMAT);
    checkpoint(s, &w, true, NULL);
    assert_int_equal(sql_has_rows(&db, "token", &has, &err), 0);
    assert_true(has);
    store_close(s);
    whole_end(&w);
}

// --- two at once -------------------------------------------------------------------------------

static void a_second_writer_is_refused_and_readers_are_not(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    struct store *s = open_store(false), *second = NULL;
    struct err err = {0};
    bool exists;
    assert_int_equal(store_open(&second, path, &exists, &err), ERR_LIMIT);
    assert_non_null(strstr(err.msg, "another process is writing it"));
    assert_int_equal(store_open_read(&second, path, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "holds no results yet"));
    sample_add_unit(&w.run, w.tally, 0);
    checkpoint(s, &w, true, NULL);
    ok(store_open_read(&second, path, &err), &err);
    store_close(second);
    assert_int_equal(store_open(&second, path, &exists, &err), ERR_LIMIT);
    checkpoint(s, &w, true, NULL);
    store_close(s);
    store_close(open_store(true));
    whole_end(&w);
}

/* Does unit after unit, a checkpoint each, until it is killed. */
static void write_for_ever(int ready)
{
    struct whole w;
    whole_begin(&w);
    struct store *s = NULL;
    bool exists;
    if (store_open(&s, path, &exists, NULL)) {
        _exit(1);
    }
    for (uint64_t unit = 0;; unit++) {
        sample_add_unit(&w.run, w.tally, unit);
        if (store_checkpoint(s, &w.run, &w.results, true, NULL, NULL)) {
            _exit(1);
        }
        if (unit == 0) {
            (void)!write(ready, "", 1);
        }
    }
}

static void a_killed_writer_leaves_a_whole_checkpoint(void **state)
{
    for (int round = 0; round < 10; round++) {
        new_path(state);
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        const pid_t child = fork();
        if (child == 0) {
            write_for_ever(ready[1]);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        usleep((useconds_t)(round * 3700));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status)); // did not end by itself
        close(ready[0]);
        close(ready[1]);

        struct whole w = {0};
        struct err err = {0};
        ok(load(&w, &err), &err);
        const uint64_t docs = w.tally->shards[0].docs + w.tally->shards[1].docs;
        assert_int_equal(docs, run_count_done(&w.run));
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%" PRIu64 "\n", docs);
        expect_rows("SELECT docs FROM pair WHERE id = 0", wanted);
        whole_end(&w);
        store_close(open_store(true)); // nobody holds the lock
    }
}

// --- digest ------------------------------------------------------------------------------------

/* Rows are put aside into another file: a run.db holds no table but its own. */
#define SAVED "ATTACH '%' AS saved;"

/* sql() of a text with 'table' for each $ in it, 'column' for each @, a file's path for each %. */
static void sql_for(const char *text, const char *table, const char *column)
{
    struct buf out = {0};
    char beside[sizeof path + 8];
    snprintf(beside, sizeof beside, "%s.saved", path);
    for (; *text; text++) {
        const char *name = *text == '$'   ? table
                           : *text == '@' ? column
                           : *text == '%' ? beside
                                          : NULL;
        buf_append(&out, name ? name : text, name ? strlen(name) : 1, NULL);
    }
    buf_append(&out, "", 1, NULL);
    sql(out.data);
    buf_free(&out);
}

/* Changes a cell of every column in turn; returns of how many the digest sees it. */
static int count_digested(const char *table, const char *before)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *columns = NULL;
    char names[32][32], after[33];
    int n = 0, seen = 0;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?)", -1, &columns, NULL);
    sqlite3_bind_text(columns, 1, table, -1, SQLITE_STATIC);
    while (sqlite3_step(columns) == SQLITE_ROW) {
        snprintf(names[n++], sizeof *names, "%s", (const char *)sqlite3_column_text(columns, 0));
    }
    sqlite3_finalize(columns);
    sqlite3_close(db);
    for (int i = 0; i < n; i++) {
        sql_for(SAVED "CREATE TABLE saved.rows AS SELECT * FROM $; DELETE FROM $;"
                      // One row is enough, and its key may change.
                      "INSERT INTO $ SELECT * FROM saved.rows ORDER BY @ IS NULL LIMIT 1",
                table, names[i]);
        char one[33];
        get_digest(one);
        sql_for("UPDATE $ SET @ = CASE typeof(@) WHEN 'text' THEN @ || 'x' ELSE 987654 END", table,
                names[i]);
        get_digest(after);
        const bool is_seen = strcmp(after, one) != 0;
        if (is_seen == (strcmp(names[i], "path") == 0)) {
            fail_msg("%s.%s: the digest %s", table, names[i], is_seen ? "has it" : "does not");
        }
        seen += is_seen;
        sql_for(SAVED "DELETE FROM $; INSERT INTO $ SELECT * FROM saved.rows;"
                      "DROP TABLE saved.rows",
                table, "");
        get_digest(after);
        assert_string_equal(after, before);
    }
    return seen;
}

/* A row 1, 2, ... */
static void put_numbers(const char *table, int columns)
{
    struct buf text = {0};
    buf_printf(&text, NULL, "INSERT INTO %s VALUES(1", table);
    for (int i = 2; i <= columns; i++) {
        buf_printf(&text, NULL, ",%d", i);
    }
    buf_append(&text, ")", 2, NULL);
    sql(text.data);
    buf_free(&text);
}

static const struct {
    const char *name;
    int columns;
} of_trigrams[] = {{"trigram", 30},
                   {"trigram_gap", 4},
                   {"trigram_example", 10},
                   {"trigram_model", 14},
                   {"trigram_neuron", 23}};

static void the_digest_is_of_every_result_and_no_path(void **state)
{
    (void)state;
    write_sample(SAMPLE_UNITS, SAMPLE_UNITS);
    for (size_t i = 0; i < sizeof of_trigrams / sizeof *of_trigrams; i++) {
        put_numbers(of_trigrams[i].name, of_trigrams[i].columns);
    }
    char before[33], after[33];
    get_digest(before);
    assert_int_equal(strspn(before, "0123456789abcdef"), 32);
    static const struct {
        const char *name;
        int columns; // without path
    } tables[] = {
        {"shard", 11}, {"reject", 4},      {"model", 19},     {"pair", 12},
        {"hit", 16},   {"token_gap", 7},   {"gap_hist", 4},   {"position_gap", 7},
        {"domain", 4}, {"domain_loss", 5}, {"domain_gap", 5},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        assert_int_equal(count_digested(tables[i].name, before), tables[i].columns);
    }
    for (size_t i = 0; i < sizeof of_trigrams / sizeof *of_trigrams; i++) {
        assert_int_equal(count_digested(of_trigrams[i].name, before), of_trigrams[i].columns);
    }
    sql_for(SAVED "CREATE TABLE saved.rows AS SELECT * FROM hit; DELETE FROM hit WHERE rank = 4",
            "", "");
    get_digest(after);
    assert_string_not_equal(after, before);
    sql_for(SAVED
            "DELETE FROM hit; INSERT INTO hit SELECT * FROM saved.rows; DROP TABLE saved.rows;"
            "UPDATE meta SET value = 'x'; DELETE FROM state WHERE key = 'gaps.0'; VACUUM",
            "", "");
    get_digest(after);
    assert_string_equal(after, before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, new_path)
    const struct CMUnitTest tests[] = {
        T(tables_show_what_the_tally_counts),
        T(a_run_without_tokens_has_no_means),
        T(the_rest_of_the_domains_comes_last),
        T(names_that_are_no_utf_8_are_repaired),
        T(a_run_goes_on_where_it_was),
        T(a_light_checkpoint_leaves_the_tables),
        T(clear_forgets_everything),
        T(a_full_disk_leaves_the_last_checkpoint),
        T(a_table_that_cannot_be_asked_ends_the_checkpoint),
        T(a_second_writer_is_refused_and_readers_are_not),
        T(a_killed_writer_leaves_a_whole_checkpoint),
        T(the_digest_is_of_every_result_and_no_path),
    };
    return cmocka_run_group_tests(tests, make_store_folder, remove_store_folder);
}
