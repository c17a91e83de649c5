/*
 * The .sql files against a run.db that is made from them, against the queries that the views stand
 * for, and against files whose schema somebody has changed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/store/schema.h"
#include "out/store/store.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

static struct script schema;

static int set_up(void **state)
{
    if (kit_make_folder(state) || schema_read(&schema, NULL)) {
        return -1;
    }
    view_run_write("run.db", view_rows);
    view_run_change("run.db", view_trigram_rows);
    view_run_change("run.db",
                    "INSERT INTO gap_credit VALUES(0, 1, 0, 5, 2, 1.5), (1, 1, 0, 5, 1, -1),"
                    " (1, 2, 0, 7, 1, 0.25)");
    return 0;
}

static int tear_down(void **state)
{
    script_free(&schema);
    return kit_remove_folder(state);
}

static sqlite3 *open_run(const char *name)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(kit_path(name), &db), SQLITE_OK);
    return db;
}

static int add_row(void *to, int n, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < n; i++) {
        buf_printf(to, NULL, "%s%s", i > 0 ? "|" : "", values[i] ? values[i] : "NULL");
    }
    return buf_append(to, "\n", 1, NULL);
}

/* The rows of a query, "a|b\n" each; freed with free(). */
static char *rows_of(sqlite3 *db, const char *query)
{
    struct buf rows = {0};
    if (sqlite3_exec(db, query, add_row, &rows, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", query, sqlite3_errmsg(db));
    }
    buf_append(&rows, "", 1, NULL);
    return rows.data;
}

static void expect_rows(sqlite3 *db, const char *query, const char *wanted)
{
    char *rows = rows_of(db, query);
    if (strcmp(rows, wanted) != 0) {
        fail_msg("%s\ngives %s\nnot %s", query, rows, wanted);
    }
    free(rows);
}

// --- what the files say -------------------------------------------------------------------------

static void every_table_and_column_says_what_it_is(void **state)
{
    (void)state;
    size_t tables = 0;
    for (size_t i = 0; i < schema.n; i++) {
        const struct script_object *o = &schema.items[i];
        tables += !o->view;
        if (strncmp(o->about, "A row is ", 9) != 0 || o->n_columns == 0) {
            fail_msg("%s: %s", o->name, o->about);
        }
        for (size_t k = 0; k < o->n_columns; k++) {
            if (strlen(o->columns[k].about) < 4) {
                fail_msg("%s.%s: '%s'", o->name, o->columns[k].name, o->columns[k].about);
            }
        }
    }
    assert_int_equal(tables, 58);
    assert_int_equal(schema.n - tables, 12);
}

static void a_file_has_the_tables_and_columns_that_the_scripts_say(void **state)
{
    (void)state;
    sqlite3 *db = open_run("run.db");
    struct buf names = {0};
    for (size_t i = 0; i < schema.n; i++) {
        const struct script_object *o = &schema.items[i];
        char query[128];
        struct buf columns = {0};
        buf_printf(&names, NULL, "%s|%s\n", o->view ? "view" : "table", o->name);
        for (size_t k = 0; k < o->n_columns; k++) {
            buf_printf(&columns, NULL, "%s\n", o->columns[k].name);
        }
        buf_append(&columns, "", 1, NULL);
        snprintf(query, sizeof query, "SELECT name FROM pragma_table_xinfo('%s')", o->name);
        expect_rows(db, query, columns.data);
        buf_free(&columns);
    }
    buf_append(&names, "", 1, NULL);
    expect_rows(db, "SELECT type, name FROM sqlite_schema WHERE sql NOT NULL ORDER BY rowid",
                names.data);
    buf_free(&names);
    // a column's comment is in the file itself
    expect_rows(db,
                "SELECT count(*) FROM sqlite_schema WHERE name = 'pair' AND sql LIKE"
                " '%mean_gap REAL,%-- nats per token, above 0 where the others are better%'",
                "1\n");
    sqlite3_close(db);
}

/* The names in 'list', sorted, as rows. */
static char *sorted(sqlite3 *db, const char *list, size_t len)
{
    char *query = sqlite3_mprintf("SELECT DISTINCT trim(value) AS name FROM json_each('[\"' ||"
                                  " replace(%.*Q, ',', '\",\"') || '\"]') ORDER BY name",
                                  (int)len, list);
    char *rows = rows_of(db, query);
    sqlite3_free(query);
    return rows;
}

static void the_digest_is_of_every_column_but_paths_in_the_order_of_the_key(void **state)
{
    (void)state;
    sqlite3 *db = open_run("run.db");
    bool taken[64] = {false};
    size_t n = 0;
    for (size_t i = 0; i < schema.n; i++) {
        const struct script_object *o = &schema.items[i];
        const bool result = !o->view && strcmp(o->name, "meta") && strcmp(o->name, "state");
        assert_int_equal(o->digest > 0, result);
        assert_int_equal(o->select != NULL, result);
        if (!result) {
            continue;
        }
        if (o->digest != SCRIPT_ANY_PLACE) {
            assert_true(o->digest < 64 && !taken[o->digest]);
            taken[o->digest] = true;
            n++;
        }
        const char *columns = o->select + strlen("SELECT "), *from = strstr(columns, " FROM ");
        const char *order = strstr(columns, " ORDER BY ") + strlen(" ORDER BY ");
        char *all = sorted(db, columns, (size_t)(from - columns));
        char *key = sorted(db, order, strlen(order));
        char query[128];
        snprintf(query, sizeof query,
                 "SELECT name FROM pragma_table_info('%s') WHERE name <> 'path' ORDER BY name",
                 o->name);
        expect_rows(db, query, all);
        snprintf(query, sizeof query,
                 "SELECT name FROM pragma_table_info('%s') WHERE pk ORDER BY name", o->name);
        expect_rows(db, query, key);
        free(all);
        free(key);
    }
    for (size_t place = 1; place <= n; place++) {
        assert_true(taken[place]); // a gap would end the digest
    }
    sqlite3_close(db);
}

static void columns_that_hold_json_do(void **state)
{
    (void)state;
    static const char *const names[] = {"detail",       "hist",      "tokens",   "activations",
                                        "labels",       "spec",      "labelled", "sources",
                                        "rest",         "others",    "places",   "logprobs",
                                        "mean_logprob", "fillers_a", "fillers_b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(schema_holds_json(&schema, names[i]));
    }
    assert_false(schema_holds_json(&schema, "name"));
    assert_false(schema_holds_json(&schema, "value"));
    sqlite3 *db = open_run("run.db");
    size_t columns = 0;
    for (size_t i = 0; i < schema.n; i++) {
        const struct script_object *o = &schema.items[i];
        for (size_t k = 0; k < o->n_columns; k++) {
            const char *column = o->columns[k].name;
            char query[256];
            if (o->columns[k].json) {
                columns += !o->view;
                snprintf(query, sizeof query,
                         "SELECT %s FROM %s WHERE %s <> '' AND NOT json_valid(%s)", column, o->name,
                         column, column);
                expect_rows(db, query, "");
            }
        }
    }
    assert_int_equal(columns, 23);
    sqlite3_close(db);
}

static void what_is_no_script_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"-- head\n\nDROP TABLE t;\n", "line 3: neither a table nor a view"},
        {"CREATE TABLE t(\n a INTEGER -- ; one\n", "line 1: no name"},
        {"CREATE TABLE (a);", "line 1: no name"},
        {"CREATE VIEW v AS SELECT 1;", "line 1: no name"},
        {"CREATE TABLE t(a;", "t: its columns do not end"},
        {"-- digest 1: a ORDER BY a\n", "a digest without its table"},
        {"CREATE TABLE t(a);\n-- digest x: a ORDER BY a\n", "line 2: a digest without its table"},
        {"CREATE TABLE t(a);\n-- digest 1: a\n", "line 2: a digest without an order of rows"},
        {"CREATE VIEW v(a) AS SELECT 1;\n-- digest 1: a ORDER BY a\n",
         "a digest without its table"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script s = {0};
        struct err err = {0};
        if (script_read(&s, cases[i].text, &err) != ERR_FORMAT || !strstr(err.msg, cases[i].says)) {
            fail_msg("%s: %s", cases[i].text, err.msg);
        }
        script_free(&s);
    }
    struct script s = {0};
    assert_int_equal(
        script_read(&s,
                    "-- head\nCREATE TABLE t( -- A row\n -- is.\n a TEXT, -- json: x;\n"
                    " -- more, of it\n b CHAR(3, 4) DEFAULT ';,', -- jsons\n"
                    " PRIMARY KEY(a, b) -- none\n);\n-- digest 7: a,\n--   b ORDER BY"
                    " b\n\n-- tail\n",
                    NULL),
        0);
    const struct script_object *t = script_find(&s, "t");
    assert_non_null(t);
    assert_string_equal(t->about, "A row is.");
    assert_int_equal(t->n_columns, 2);
    assert_string_equal(t->columns[0].about, "json: x; more, of it");
    assert_true(t->columns[0].json);
    assert_string_equal(t->columns[1].name, "b");
    assert_false(t->columns[1].json);
    assert_string_equal(t->select, "SELECT a, b FROM t ORDER BY b");
    assert_int_equal(t->digest, 7);
    struct buf plain = {0};
    assert_int_equal(script_plain(&plain, t->statement, NULL), 0);
    assert_int_equal(buf_append(&plain, "", 1, NULL), 0);
    assert_string_equal(plain.data,
                        "CREATE TABLE t(a TEXT,b CHAR(3,4)DEFAULT ';,',PRIMARY KEY(a,b))");
    buf_free(&plain);
    script_free(&s);
}

// --- views --------------------------------------------------------------------------------------

#define OTHERS                                                                                     \
    "(SELECT group_concat(m.name, '+') FROM (SELECT value FROM json_each(p.others) ORDER BY key) " \
    "o"                                                                                            \
    " JOIN model m ON m.id = o.value)"
#define PAIR "(SELECT name FROM model WHERE id = p.base) || ':' || " OTHERS

static const struct {
    const char *view, *by_hand;
    int rows; // at least
} views_by_hand[] = {
    {"SELECT pair, name, base_name, others_name FROM pair_name ORDER BY pair",
     "SELECT p.id, " PAIR ", (SELECT name FROM model WHERE id = p.base), " OTHERS
     " FROM pair p ORDER BY p.id",
     2},
    {"SELECT hypothesis, name, n, docs, mean_gap, se, mean_gap_rest, se_rest, share_of_gap,"
     " share_beyond_earlier, share_of_gain, gain_beyond_earlier FROM ledger WHERE pair = 0"
     " ORDER BY hypothesis",
     "SELECT g.hypothesis, h.name, g.n, g.docs, g.mean_gap, g.se, g.mean_gap_rest, g.se_rest,"
     " g.share_of_gap, g.share_beyond_earlier, g.share_of_gain, g.gain_beyond_earlier"
     " FROM hypothesis_gap g JOIN hypothesis h ON h.id = g.hypothesis WHERE g.pair = 0"
     " ORDER BY g.hypothesis",
     2},
    {"SELECT pair_name, neuron, credit, hits, of_hits FROM credit WHERE model = 1 AND layer = 0"
     " AND idx = 5 ORDER BY pair",
     "SELECT " PAIR ", 'one:L0N5', c.credit, c.hits, (SELECT count(*) FROM hit WHERE"
     " pair = p.id AND side = 'other') FROM gap_credit c JOIN pair p ON p.id = c.pair"
     " WHERE c.model = 1 AND c.layer = 0 AND c.idx = 5 ORDER BY p.id",
     2},
    {"SELECT hypothesis_name, domain_name, tokens_seen, labelled_tokens, prevalence"
     " FROM domain_label ORDER BY prevalence DESC, domain",
     "SELECT 'base64', d.name, h.tokens_seen, h.tokens, h.prevalence FROM hypothesis_domain h"
     " LEFT JOIN domain d ON d.id = h.domain ORDER BY h.prevalence DESC, h.domain",
     2},
    {"SELECT name, model_name FROM neuron_name", "SELECT 'one:L0N5', 'one'", 1},
    {"SELECT neuron, hypothesis_name, split, n_pos, average_precision, top_covered"
     " FROM neuron_score ORDER BY hypothesis, model, layer, idx, split",
     "SELECT 'one:L0N' || s.idx, h.name, s.split, s.n_pos, s.average_precision, s.top_covered"
     " FROM score s JOIN hypothesis h ON h.id = s.hypothesis"
     " ORDER BY s.hypothesis, s.model, s.layer, s.idx, s.split",
     18},
    {"SELECT hypothesis, hypothesis_name, neuron, n_pos, prevalence, average_precision, auroc,"
     " precision, recall, f1, r, mass_covered, top_covered, n_neg, dev_average_precision,"
     " dev_prevalence FROM neuron_hypothesis WHERE model = 1 AND layer = 0 AND idx = 5"
     " ORDER BY dev_average_precision IS NULL, dev_gain DESC, hypothesis",
     "SELECT h.id, h.name, 'one:L0N5', s.n_pos, s.prevalence, s.average_precision, s.auroc,"
     " s.precision, s.recall, s.f1, s.r, s.mass_covered, s.top_covered, s.n_neg,"
     " d.average_precision, d.prevalence"
     " FROM hypothesis h CROSS JOIN score s ON s.hypothesis = h.id AND s.model = 1"
     " AND s.layer = 0 AND s.idx = 5 AND s.split = 'test'"
     " LEFT JOIN score d ON d.hypothesis = h.id AND d.model = 1 AND d.layer = 0"
     " AND d.idx = 5 AND d.split = 'dev' ORDER BY d.average_precision IS NULL,"
     " (d.average_precision - d.prevalence) / (1 - d.prevalence) DESC, h.id",
     3},
    {"SELECT hypothesis, name, kind, spec, labelled_tokens, docs, prevalence, aborted,"
     " tokens_seen, predicts, model_name, layer, idx, n_pos, test_prevalence, average_precision, "
     "auroc,"
     " precision, recall FROM hypothesis_best ORDER BY hypothesis",
     "SELECT h.id AS hypothesis, h.name, h.kind, h.spec, h.tokens AS labelled_tokens, h.docs,"
     " h.tokens * 1.0 / h.tokens_seen AS prevalence, h.aborted, h.tokens_seen, h.predicts,"
     " (SELECT name FROM model WHERE id = d.model) AS model, d.layer, d.idx, t.n_pos,"
     " t.prevalence AS test_prevalence, t.average_precision, t.auroc, t.precision, t.recall"
     " FROM hypothesis h LEFT JOIN (SELECT hypothesis, model, layer, idx,"
     " max(average_precision) FROM score WHERE split = 'dev' AND average_precision NOT NULL"
     " GROUP BY hypothesis) d ON d.hypothesis = h.id"
     " LEFT JOIN score t ON t.hypothesis = h.id AND t.model = d.model AND t.layer = d.layer"
     " AND t.idx = d.idx AND t.split = 'test' ORDER BY h.id",
     3},
    {"SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end, token_index,"
     " tokens, activations, labels FROM example_order WHERE model = 1 AND layer = 0 AND idx = 5"
     " AND turn <= iif(kind = 'interval', 1, 2) ORDER BY kind_order, rank",
     "SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end, token_index,"
     " tokens, activations, labels FROM"
     " (SELECT *, row_number() OVER (PARTITION BY kind, lo, hi ORDER BY rank) AS turn"
     " FROM example WHERE model = 1 AND layer = 0 AND idx = 5)"
     " WHERE turn <= iif(kind = 'interval', 1, 2) ORDER BY CASE kind WHEN 'top' THEN 0"
     " WHEN 'interval' THEN 1 WHEN 'random' THEN 2 ELSE 3 END, rank",
     6},
    {"SELECT pair, pair_name, mean_gap, se FROM trigram_pair WHERE trigram = 0 ORDER BY pair",
     "SELECT p.id, " PAIR ", g.mean_gap, g.se FROM trigram_gap g JOIN pair p ON p.id = g.pair"
     " WHERE g.trigram = 0 ORDER BY p.id",
     2},
    {"SELECT trigram, model, model_name, contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx,"
     " interaction, se, verdict, layer, idx, site, neuron_layer, neuron_idx, ab, xb, ax, xx,"
     " ablated, ablated_se, ablated_elsewhere FROM trigram_verdict ORDER BY trigram, model",
     "SELECT t.trigram, t.model, m.name, t.contexts, t.pairs, t.lp_ab, t.lp_xb, t.lp_ax,"
     " t.lp_xx, t.interaction, t.se, t.verdict, t.layer, t.idx, m.site, n.layer, n.idx, n.ab,"
     " n.xb, n.ax, n.xx, n.ablated, n.ablated_se, n.ablated_elsewhere"
     " FROM trigram_model t LEFT JOIN model m ON m.id = t.model"
     " LEFT JOIN trigram_neuron n ON n.trigram = t.trigram AND n.model = t.model"
     " AND iif(t.layer IS NULL, n.rank = 1, n.layer = t.layer AND n.idx = t.idx)"
     " ORDER BY t.trigram, t.model",
     5},
};

static void views_give_what_their_definitions_by_hand_give(void **state)
{
    (void)state;
    sqlite3 *db = open_run("run.db");
    // As a reader has it: what a view may not use there fails.
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    for (size_t i = 0; i < sizeof views_by_hand / sizeof *views_by_hand; i++) {
        char *wanted = rows_of(db, views_by_hand[i].by_hand);
        int n = 0;
        for (const char *p = wanted; *p; p++) {
            n += *p == '\n';
        }
        if (n < views_by_hand[i].rows) {
            fail_msg("%s: %d rows", views_by_hand[i].by_hand, n);
        }
        expect_rows(db, views_by_hand[i].view, wanted);
        free(wanted);
    }
    for (size_t i = 0; i < schema.n; i++) { // every view can be read whole
        char query[96];
        snprintf(query, sizeof query, "SELECT * FROM %s", schema.items[i].name);
        free(rows_of(db, query));
    }
    sqlite3_close(db);
}

static void a_view_is_in_no_digest(void **state)
{
    (void)state;
    char with[33], without[33];
    view_run_write("plain.db", view_rows);
    sqlite3 *db = open_run("plain.db");
    const struct sql s = {db, "plain.db"};
    assert_int_equal(schema_digest(&schema, &s, with, NULL), 0);
    for (size_t i = 0; i < schema.n; i++) {
        char drop[96];
        snprintf(drop, sizeof drop, "DROP VIEW %s", schema.items[i].name);
        assert_int_equal(schema.items[i].view ? sql_exec(&s, drop, NULL) : 0, 0);
    }
    assert_int_equal(schema_digest(&schema, &s, without, NULL), 0);
    assert_string_equal(with, without);
    sqlite3_close(db);
}

// --- files of strangers -------------------------------------------------------------------------

static void expect_refused(const char *says)
{
    struct store *s = NULL;
    bool exists;
    for (int writes = 0; writes < 2; writes++) {
        struct err err = {0};
        const int rc = writes ? store_open(&s, kit_path("bad.db"), &exists, &err)
                              : store_open_read(&s, kit_path("bad.db"), &err);
        if (rc != ERR_FORMAT || !strstr(err.msg, says) || !strstr(err.msg, "bad.db: ")) {
            fail_msg("wanted: %s\ncode %d: %s", says, rc, err.msg);
        }
        assert_null(s);
    }
}

/* Writes into sqlite_schema itself. */
#define SCHEMA "PRAGMA writable_schema = ON;"

static void a_file_that_holds_anything_else_is_refused_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *change, *says;
    } cases[] = {
        {"CREATE TRIGGER t AFTER INSERT ON hit BEGIN DELETE FROM state; END",
         "holds a trigger \"t\", which gapscope does not make"},
        {"CREATE TABLE extra(a)", "holds a table \"extra\", which gapscope does not make"},
        {"CREATE VIEW extra AS SELECT * FROM hit",
         "holds a view \"extra\", which gapscope does not make"},
        {"CREATE INDEX by_gap ON hit(gap)",
         "holds an index \"by_gap\", which gapscope does not make"},
        {SCHEMA "INSERT INTO sqlite_schema VALUES('table', 'v', 'v', 0,"
                " 'CREATE VIRTUAL TABLE v USING nosuch(a)')",
         "holds a table \"v\", which gapscope does not make"},
        {"ANALYZE", "holds a table \"sqlite_stat1\", which gapscope does not make"},
        {"DROP TABLE reject; CREATE VIEW reject AS SELECT 1 AS shard, 2 AS reason, 3 AS n, 4 AS "
         "places",
         "holds a view \"reject\" in place of the table of that name"},
        {"DROP VIEW ledger; CREATE TABLE ledger(pair, hypothesis)",
         "holds a table \"ledger\" in place of the view of that name"},
        {"ALTER TABLE hit ADD COLUMN g INTEGER GENERATED ALWAYS AS (length(detail)) VIRTUAL",
         "its table \"hit\" is not as gapscope makes it"},
        {"ALTER TABLE bin ADD COLUMN b INTEGER DEFAULT 1",
         "its table \"bin\" is not as gapscope makes it"},
        {SCHEMA "UPDATE sqlite_schema SET sql = replace(sql, 'hi REAL', 'hi REAL CHECK(hi > 0)')"
                " WHERE name = 'bin'",
         "its table \"bin\" is not as gapscope makes it"},
        {"DROP VIEW ledger; CREATE VIEW ledger AS SELECT * FROM hypothesis_gap",
         "its view \"ledger\" is not as gapscope makes it"},
        {"DROP TABLE pair", "the file is damaged: its table \"pair\" is missing"},
        {"DROP VIEW credit", "the file is damaged: its view \"credit\" is missing"},
        {SCHEMA "UPDATE sqlite_schema SET sql = 'CREATE TABLE bin(' WHERE name = 'bin'",
         "the file is damaged: "},
        {SCHEMA "UPDATE sqlite_schema SET name = NULL WHERE name = 'credit'",
         "the file is damaged: "},
        {SCHEMA "INSERT INTO sqlite_schema SELECT * FROM sqlite_schema WHERE name = 'credit'",
         "the file is damaged: "},
        {SCHEMA "INSERT INTO sqlite_schema VALUES('index', 'i', 'hit', 0, NULL)",
         "the file is damaged: "},
        {SCHEMA "INSERT INTO sqlite_schema VALUES('trigger', 't', 'hit', 0, NULL)",
         "the file is damaged: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        view_run_write("bad.db", view_rows);
        view_run_change("bad.db", cases[i].change);
        expect_refused(cases[i].says);
        assert_int_equal(remove(kit_path("bad.db")), 0);
    }
}

static void comments_and_blanks_of_a_schema_may_differ(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct err err = {0};
    view_run_write("bare.db", view_rows);
    sqlite3 *db = open_run("bare.db");
    assert_int_equal(sqlite3_exec(db, SCHEMA, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < schema.n; i++) {
        struct buf plain = {0};
        script_plain(&plain, schema.items[i].statement, NULL);
        char *update = sqlite3_mprintf("UPDATE sqlite_schema SET sql = %.*Q WHERE name = %Q",
                                       (int)plain.len, plain.data, schema.items[i].name);
        assert_int_equal(sqlite3_exec(db, update, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(update);
        buf_free(&plain);
    }
    sqlite3_close(db);
    if (store_open_read(&s, kit_path("bare.db"), &err)) {
        fail_msg("%s", err.msg);
    }
    store_close(s);
}

static void every_command_looks_before_it_reads(void **state)
{
    (void)state;
    static const char says[] = "holds a trigger \"t\", which gapscope does not make";
    static const char *const commands[] = {
        "gapscope top $T/bad.db",
        "gapscope neuron $T/bad.db L0N5",
        "gapscope hypo $T/bad.db",
        "gapscope trigrams $T/bad.db",
        "gapscope digest $T/bad.db",
        "gapscope report $T/bad.db -o $T/bad.html",
        "gapscope export $T/bad.db --format csv -o $T/bad",
        "gapscope merge -o $T/merged.db $T/bad.db $T/run.db",
        ("echo '{\"text\":\"a\"}' >$T/a.jsonl; gapscope scan --model model/demo/gelu-1l -o"
         " $T/bad.db $T/a.jsonl"),
    };
    view_run_write("bad.db", view_rows);
    view_run_change("bad.db", "CREATE TRIGGER t AFTER DELETE ON hit BEGIN DELETE FROM pair; END");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        kit_expect(1, says, "%s", commands[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_and_column_says_what_it_is),
        cmocka_unit_test(a_file_has_the_tables_and_columns_that_the_scripts_say),
        cmocka_unit_test(the_digest_is_of_every_column_but_paths_in_the_order_of_the_key),
        cmocka_unit_test(columns_that_hold_json_do),
        cmocka_unit_test(what_is_no_script_is_refused_with_its_line),
        cmocka_unit_test(views_give_what_their_definitions_by_hand_give),
        cmocka_unit_test(a_view_is_in_no_digest),
        cmocka_unit_test(a_file_that_holds_anything_else_is_refused_by_its_name),
        cmocka_unit_test(comments_and_blanks_of_a_schema_may_differ),
        cmocka_unit_test(every_command_looks_before_it_reads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
