/* Property: a run.db of a stranger, in whose tables and bytes anything has changed, is shown by every
 * command that reads one, or refused with a reason: what is printed is text that drives no terminal,
 * or JSON, and no byte outside of buffers is read.
 *
 * The input: a byte that chooses a command (255: all of them), then changes, whose first byte says
 * what is changed.  Those of cells and rows name a table and a column, by their places in the
 * scripts, and a row (255: all rows; else all that have in the column what this one has).  The last
 * change may be of the file's bytes, 4 each: where, 3 bytes of the lowest first, modulo the file's
 * size, and what. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/store/schema.h"
#include "out/store/store.h"
#include "scan/cmd/commands.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/view_rows.h"
#include "tests/kit/remove_all.h"

#define UNITS_HERE 6 // of the run that is changed; the other part has the rest
#define ALL 255
#define WORDS_MOST 16
#define BYTES_MOST ((size_t)1 << 28) // of what a command prints

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/gapscope-fuzz-XXXXXX";
static struct buf whole; // the run's file, before it is changed
static struct script schema;
static struct json_parser *parser;

enum prints { TEXT, JSON };

static const struct called {
    int (*run)(int argc, char **argv);
    const char *words; // @run.db and @o: the changed run, and where an output goes
    enum prints prints;
} commands[] = {
    {cmd_top, "top @run.db", TEXT},
    {cmd_top, "top @run.db --worst --pair base:one+two", TEXT},
    {cmd_top, "top @run.db --tokens", TEXT},
    {cmd_top, "top @run.db --domains", TEXT},
    {cmd_top, "top @run.db --kinds", TEXT},
    {cmd_top, "top @run.db --compare", TEXT},
    {cmd_top, "top @run.db --compare --json", JSON},
    {cmd_top, "top @run.db --json", JSON},
    {cmd_top, "top @run.db --tokens --json", JSON},
    {cmd_top, "top @run.db --domains --json", JSON},
    {cmd_battery, "battery @run.db", TEXT},
    {cmd_battery, "battery @run.db --class digit --base one", TEXT},
    {cmd_battery, "battery @run.db --class digit --json", JSON},
    {cmd_neuron, "neuron @run.db L0N5", TEXT},
    {cmd_neuron, "neuron @run.db one:L0N5 --all --examples 3", TEXT},
    {cmd_neuron, "neuron @run.db L0N5 --json", JSON},
    {cmd_suggest, "suggest @run.db --all", TEXT},
    {cmd_hypo, "hypo @run.db", TEXT},
    {cmd_hypo, "hypo @run.db --json", JSON},
    {cmd_hypo, "hypo @run.db base64 --all", TEXT},
    {cmd_hypo, "hypo @run.db digits --neuron one:L0N5", TEXT},
    {cmd_hypo, "hypo @run.db base64 --json", JSON},
    {cmd_trigrams, "trigrams @run.db --all --min-docs 0", TEXT},
    {cmd_trigrams, "trigrams @run.db --all --sort gain --model one", TEXT},
    {cmd_trigrams, "trigrams @run.db --all --min-docs 0 --json", JSON},
    {cmd_trigrams, "trigrams @run.db --id 0", TEXT},
    {cmd_trigrams, "trigrams @run.db --id 0 --json", JSON},
    {cmd_report, "report @run.db -o @o.html", TEXT},
    {cmd_report, "report @run.db --max-mb 0 --hits 2 --examples 1 -o @o.html", TEXT},
    {cmd_export, "export @run.db --format csv --force -o @o", TEXT},
    {cmd_export, "export @run.db --format jsonl --force -o @o", TEXT},
    {cmd_export, "export @run.db --format neuronrecord --force -o @o", TEXT},
    {cmd_export, "export @run.db --format neuronpedia --force -o @o", TEXT},
    {cmd_merge, "merge --force -o @o.db @run.db @rest.db", TEXT},
    {cmd_merge, "merge --force -o @o.db @rest.db @run.db", TEXT},
    {cmd_digest, "digest @run.db", TEXT},
    {cmd_heads, "heads @run.db --sort dla", TEXT},
    {cmd_heads, "heads @run.db --json", JSON},
    {cmd_head, "head @run.db one:L0H1", TEXT},
    {cmd_head, "head @run.db one:L0H1 --json", JSON},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* The path of a name in the folder, valid for the next few calls. */
static const char *in_folder(const char *name)
{
    static char paths[4][96];
    static size_t n;
    char *path = paths[n++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

/* In place of libc's, for SQLite too: a disk that is waited for makes no finding. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

// --- the run ------------------------------------------------------------------------------------

static void clean(void)
{
    remove_all(folder);
    buf_free(&whole);
    script_free(&schema);
    json_parser_free(parser);
}

static void sql(sqlite3 *db, const char *statement)
{
    check(sqlite3_exec(db, statement, NULL, NULL, NULL) == SQLITE_OK);
}

/* The part of the sample's run with the units [from, end). */
static void make_part(const char *name, uint64_t from, uint64_t end)
{
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    struct store *s = NULL;
    bool exists;
    for (uint64_t unit = from; unit < end; unit++) {
        sample_add_unit(&r, t, unit);
    }
    r.counted = true;
    r.n_units = SAMPLE_UNITS;
    check(store_open(&s, in_folder(name), &exists, NULL) == 0);
    check(store_checkpoint(s, &r, &results, true, NULL, NULL) == 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
}

static void make_runs(void)
{
    sqlite3 *db = NULL;
    check(mkdtemp(folder) != NULL);
    atexit(clean);
    setenv("NO_COLOR", "1", 1);
    unsetenv("COLUMNS");
    parser = json_parser_new();
    check(parser && schema_read(&schema, NULL) == 0);
    make_part("run.db", 0, UNITS_HERE);
    make_part("rest.db", UNITS_HERE, SAMPLE_UNITS);
    check(sqlite3_open(in_folder("run.db"), &db) == SQLITE_OK);
    sql(db, view_no_rows);
    sql(db, view_rows);
    sql(db, view_trigram_rows);
    sql(db, "INSERT INTO head VALUES(1, 0, 1, 40, 36, 20, 1, 0.1, 0.2, 0.3, 0.05, 0.06, 1.5, 2.25,"
            " 0.75, -0.125, 0.01, 0.5, 0.25, 0.9, 0.1, 0.2, 0.3, 0.4, 'previous+induction');"
            "INSERT INTO head_label VALUES(0, 1, 0, 1, 12, 0.5, -0.25, 0.03);"
            "INSERT INTO head_example VALUES(1, 0, 1, 'helps', 1, 2.5, 1, 2, 8, 9, 1, '[2,5,6]',"
            " '[[1,2,0.75],[0,5,0.25]]'), (1, 0, 1, 'random', 1, -1, 0, 2, 0, 1, 0, '[3]', '[]')");
    sql(db, "INSERT INTO gap_credit VALUES(0, 1, 0, 5, 2, 1.5), (1, 1, 0, 5, 1, -1)");
    check(sqlite3_close(db) == SQLITE_OK);
    check(file_read(in_folder("run.db"), BYTES_MOST, &whole, NULL) == 0);
}

// --- changes ------------------------------------------------------------------------------------

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

/* SQL: what does not belong into most columns. */
static const char *const values[] = {
    "NULL",
    "''",
    "'abc'",
    "'['",
    "'{\"a\":1}'",
    "'[[0,5],[1],[2,-3],7,[99,1],[1,1e308],[2,1e308],[3,\"x\"]]'",
    "'[[1,9223372036854775807],[2,9223372036854775807]]'",
    "'[1e999,-1e999,null,\"x\",{}]'",
    "'[0,1,2,3,4294967296,-1,1e300,18446744073709551615]'",
    "'{\"base\":5,\"others\":[3,{\"model\":7,\"rank\":\"x\",\"top\":[5,[1],[\"a\",\"b\"]],"
    "\"attribution\":{\"logit\":\"l\",\"parts\":{\"x\":\"y\"},\"neurons\":[1,[\"a\"]]}}],"
    "\"around\":{\"tokens\":[1,\"x\",null],\"at\":0,\"gaps\":[1,\"a\"]},\"hypotheses\":5}'",
    "x''",
    "x'00ff1b5b'",
    "CAST(x'41ff80fec0af1b00' AS TEXT)",
    "char(27) || ']0;x' || char(7, 155, 8, 127, 8238, 0, 65)",
    "'</script><!--'",
    "'../' || char(10) || 'x'",
    "0",
    "-1",
    "0.5",
    "4294967296",
    "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "1e308",
    "-1e308",
    "9e999",
    "-9e999",
    "5e-324",
    "replace(hex(zeroblob(2000)), '0', '[')",
    "replace(hex(zeroblob(2000)), '0', char(233))",
    "zeroblob(5000)",
};
#define N_VALUES (sizeof values / sizeof *values)

struct cells {
    const struct script_object *table;
    const char *column;
    uint8_t row;
};

static struct cells read_cells(struct input *in)
{
    const struct script_object *table;
    size_t at = byte(in) % schema.n;
    while (schema.items[at].view) {
        at = (at + 1) % schema.n;
    }
    table = &schema.items[at];
    const char *column = table->columns[byte(in) % table->n_columns].name;
    return (struct cells){table, column, byte(in)};
}

/* What the table refuses stays as it was. */
static void change(sqlite3 *db, const struct buf *statement, const struct cells *c,
                   const struct input *text, bool blob)
{
    sqlite3_stmt *stmt = NULL;
    struct buf all = {0};
    check(buf_printf(&all, NULL, "%s", statement->data) == 0);
    if (c->row != ALL) {
        check(buf_printf(&all, NULL, " WHERE %s IS (SELECT %s FROM %s LIMIT 1 OFFSET %d)",
                         c->column, c->column, c->table->name, c->row % 16) == 0);
    }
    check(sqlite3_prepare_v2(db, all.data, -1, &stmt, NULL) == SQLITE_OK);
    if (text && blob) {
        sqlite3_bind_blob(stmt, 1, text->at, (int)text->left, SQLITE_STATIC);
    } else if (text) {
        sqlite3_bind_text(stmt, 1, (const char *)text->at, (int)text->left, SQLITE_STATIC);
    }
    sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    buf_free(&all);
}

/* INSERT INTO t SELECT a, b + 1, c FROM t: the rows again, with another value in the column. */
static void put_copy(struct buf *statement, const struct cells *c, int more)
{
    check(buf_printf(statement, NULL, "INSERT OR IGNORE INTO %s SELECT ", c->table->name) == 0);
    for (size_t i = 0; i < c->table->n_columns; i++) {
        const char *name = c->table->columns[i].name;
        check(buf_printf(statement, NULL, i > 0 ? ", %s" : "%s", name) == 0);
        if (strcmp(name, c->column) == 0) {
            check(buf_printf(statement, NULL, " + %d", more) == 0);
        }
    }
    check(buf_printf(statement, NULL, " FROM %s", c->table->name) == 0);
}

enum kind { VALUE, NUMBER, BYTES, DELETE, COPY, RAW, KINDS };

static void change_tables(sqlite3 *db, struct input *in, enum kind kind)
{
    struct buf statement = {0};
    struct input text = {0};
    const struct cells c = read_cells(in);
    const uint8_t more = byte(in);
    const char *table = c.table->name;
    switch (kind) {
    case DELETE:
        check(buf_printf(&statement, NULL, "DELETE FROM %s", table) == 0);
        break;
    case COPY:
        put_copy(&statement, &c, (int8_t)more);
        break;
    case BYTES:
        text = (struct input){in->at, more / 2 < in->left ? more / 2 : in->left};
        in->at += text.left;
        in->left -= text.left;
        check(buf_printf(&statement, NULL, "UPDATE OR IGNORE %s SET %s = ?", table, c.column) == 0);
        break;
    case NUMBER:
        check(buf_printf(&statement, NULL, "UPDATE OR IGNORE %s SET %s = %d", table, c.column,
                         (int8_t)more) == 0);
        break;
    default:
        check(buf_printf(&statement, NULL, "UPDATE OR IGNORE %s SET %s = %s", table, c.column,
                         values[more % N_VALUES]) == 0);
    }
    change(db, &statement, &c, text.at ? &text : NULL, more & 1);
    buf_free(&statement);
}

static void write_run(const struct buf *bytes)
{
    FILE *f = fopen(in_folder("run.db"), "wb");
    check(f && fwrite(bytes->data, 1, bytes->len, f) == bytes->len && fclose(f) == 0);
}

static void change_bytes(const struct input *in)
{
    struct buf bytes = {0};
    check(file_read(in_folder("run.db"), BYTES_MOST, &bytes, NULL) == 0);
    for (size_t i = 0; i + 4 <= in->left; i += 4) {
        const uint8_t *d = in->at + i;
        bytes.data[(d[0] | (size_t)d[1] << 8 | (size_t)d[2] << 16) % bytes.len] = (char)d[3];
    }
    write_run(&bytes);
    buf_free(&bytes);
}

static void make_changes(struct input *in)
{
    sqlite3 *db = NULL;
    enum kind kind = VALUE;
    write_run(&whole);
    check(sqlite3_open(in_folder("run.db"), &db) == SQLITE_OK);
    sql(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    while (in->left > 0 && (kind = byte(in) % KINDS) != RAW) {
        change_tables(db, in, kind);
    }
    sql(db, "COMMIT");
    check(sqlite3_close(db) == SQLITE_OK);
    if (kind == RAW) {
        change_bytes(in);
    }
}

// --- what is printed ----------------------------------------------------------------------------

static void check_text(const char *text, size_t len)
{
    for (size_t used; len > 0; text += used, len -= used) {
        const uint32_t c = utf8_decode(text, len, &used);
        check(c != UINT32_MAX && (c == '\n' || (c >= 0x20 && (c < 0x7f || c >= 0xa0))));
        check(!utf8_turns(c));
    }
}

/* Values one after the other, each to the end of a line. */
static void check_json(const char *text, size_t len)
{
    while (len > 0) {
        struct json_object *value = NULL;
        const char *end = memchr(text, '\n', len);
        const size_t line = end ? (size_t)(end - text) + 1 : len;
        check(json_parse(parser, &value, text, line, NULL) == 0);
        json_object_put(value);
        text += line;
        len -= line;
    }
}

static void check_page(void)
{
    struct buf page = {0};
    check(file_read(in_folder("o.html"), BYTES_MOST, &page, NULL) == 0);
    check(utf8_valid_prefix(page.data, page.len) == page.len);
    buf_free(&page);
}

static int call(const struct called *c)
{
    char words[128], paths[WORDS_MOST][128], *argv[WORDS_MOST + 1] = {0};
    int argc = 0;
    snprintf(words, sizeof words, "%s", c->words);
    for (char *rest = words, *word; (word = strtok_r(rest, " ", &rest)) && argc < WORDS_MOST;) {
        snprintf(paths[argc], sizeof *paths, "%s/%s", folder, word + 1);
        argv[argc] = *word == '@' ? paths[argc] : word;
        argc++;
    }
    return c->run(argc, argv);
}

static void run_command(const struct called *c)
{
    FILE *const own_out = stdout, *const own_err = stderr;
    char *out = NULL, *said = NULL;
    size_t out_len = 0, said_len = 0;
    stdout = open_memstream(&out, &out_len);
    stderr = open_memstream(&said, &said_len);
    check(stdout && stderr);
    const int status = call(c);
    check(fclose(stdout) == 0 && fclose(stderr) == 0);
    stdout = own_out;
    stderr = own_err;
    check(status >= 0 && status <= 2 && (status == 0 || said_len > 0) && !mem_was_lost());
    check_text(said, said_len);
    if (c->prints == TEXT) {
        check_text(out, out_len);
    } else if (status == 0) {
        check_json(out, out_len);
    }
    if (status == 0 && c->run == cmd_report) {
        check_page();
    }
    free(out);
    free(said);
    remove_all(in_folder("o"));
    remove_all(in_folder("o_files"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    if (!parser) {
        make_runs();
    }
    if (size == 0) {
        return 0;
    }
    const uint8_t chosen = byte(&in);
    make_changes(&in);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (chosen == ALL || chosen % N_COMMANDS == i) {
            run_command(&commands[i]);
        }
    }
    return 0;
}
