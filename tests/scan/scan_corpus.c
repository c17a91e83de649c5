#include "tests/scan/scan_corpus.h"

#include "tests/kit/golden.h"

#include <math.h>

#include "corpora/base/file.h"

struct kit_shard shards[SHARDS] = {
    [CODE] = {.name = "a-code.jsonl.zst"},   [DOCS] = {.name = "b-docs.jsonl"},
    [LONG] = {.name = "c-long.txt"},         [ONLY_BAD] = {.name = "d-only-bad.jsonl"},
    [NOTHING] = {.name = "e-nothing.jsonl"}, [RUNS] = {.name = "f-runs.jsonl"}};

struct ref ref;
sqlite3 *db;

/* A file of the tree as documents of about 'size' bytes, cut at line ends; at most 'max' docs. */
static void add_file(struct kit_shard *s, const char *path, size_t size, size_t max,
                     const char *domain, const char *members)
{
    struct buf text = {0};
    struct err err = {0};
    if (file_read(path, (size_t)1 << 20, &text, &err)) {
        fail_msg("%s", err.msg);
    }
    size_t at = 0;
    for (size_t n = 0; n < max && at < text.len; n++) {
        size_t len = text.len - at;
        if (len > size) {
            const char *line_end = memrchr(text.data + at, '\n', size);
            len = line_end ? (size_t)(line_end + 1 - (text.data + at)) : len;
        }
        kit_add(s, domain, members, text.data + at, len);
        at += len;
    }
    buf_free(&text);
}

static void make_code(struct kit_shard *s)
{
    static const char *const paths[] = {"tests/scan/texts/sources.txt",
                                        "tests/scan/texts/more-sources.txt",
                                        "tests/texts/code.txt"};
    const size_t n = KIT_SLOW ? 2 : sizeof paths / sizeof *paths;
    for (size_t i = 0; i < n; i++) {
        add_file(s, paths[i], KIT_SLOW ? 700 : 3000, KIT_SLOW ? 2 : 12,
                 i % 2 ? "lib \"b\"" : "code",
                 i % 2 ? ",\"meta\":{\"set\":\"lib \\\"b\\\"\"}" : ",\"meta\":{\"set\":\"code\"}");
    }
}

#define SET(name) ",\"meta\":{\"set\":\"" name "\"}"
#define ADD(s, domain, members, text) kit_add(s, domain, members, text, sizeof(text) - 1)
#define ADD_LINE(s, domain, line, read, text)                                                      \
    kit_add_line(s, domain, line, sizeof(read) - 1, text, sizeof(text) - 1)

/* Every digit is a token, and 5 divides the 255 of a window: two windows with the same contexts and
 * the same gaps, of which the first must stand. */
static void add_repeated_window(struct kit_shard *s)
{
    struct buf text = {0};
    for (size_t i = 0; i < 2 * 255 / 5; i++) {
        buf_append(&text, "13579", 5, NULL);
    }
    kit_add(s, "", "", text.data, text.len);
    buf_free(&text);
}

/* Good and bad, near-duplicates, nothing at all, and letters of many kinds. */
static void make_docs(struct kit_shard *s)
{
    ADD(s, "docs", SET("docs"), "");
    kit_add_bad(s, KIT_BAD_JSON, "{\"text\":\"never closed");
    const size_t size = KIT_SLOW ? 900 : 3000, max = KIT_SLOW ? 1 : 6;
    add_file(s, "tests/texts/prose.txt", size, max, "docs", SET("docs"));
    kit_add_bad(s, KIT_NOT_AN_OBJECT, "[\"text\"]");
    add_file(s, "LICENSE", size, 1, "licences", ",\"source\":\"licences\"");
    ADD(s, "", "", "");
    add_file(s, "LICENSE", size, 1, "docs", SET("docs")); // the same again
    kit_add_bad(s, KIT_NO_TEXT_FIELD, "{\"meta\":{\"set\":\"docs\"}}");
    kit_add_bad(s, KIT_NO_TEXT_FIELD, "{\"text\":17}");
    add_file(s, "model/demo/README.md", size, 2, "", "");
    add_file(s, "LICENSE", KIT_SLOW ? 700 : 1000, 1, "licences", SET("licences"));
    ADD(s, "pile", ",\"meta\":{\"set\":\"docs\",\"pile_set_name\":\"pile\"},\"source\":\"x\"",
        "Gr\xc3\xbc\xc3\x9f"
        "e aus K\xc3\xb6ln, \xe4\xbd\xa0\xe5\xa5\xbd "
        "\xd0\xbc\xd0\xb8\xd1\x80 \xf0\x9f\x91\x8b\xf0\x9f\x8f\xbd! na\xc3\xafve caf\xc3\xa9");
    // e + U+0301 becomes one letter (NFC), and a lone surrogate U+FFFD
    ADD_LINE(s, "\xc3\xa9t\xc3\xa9",
             "{\"meta\":{\"set\":\"\xc3\xa9t\xc3\xa9\"},\"text\":\"cafe\xcc\x81 noir, re\xcc\x81"
             "sume\xcc\x81\"}",
             "cafe\xcc\x81 noir, re\xcc\x81sume\xcc\x81", "caf\xc3\xa9 noir, r\xc3\xa9sum\xc3\xa9");
    ADD_LINE(s, "", "{\"text\":\"half \\ud83d a pair\",\"meta\":[1],\"source\":7}",
             "half \xef\xbf\xbd a pair", "half \xef\xbf\xbd a pair");
    ADD(s, "docs", SET("docs"), "x");
    add_repeated_window(s);
    kit_add_bad(s, KIT_BAD_JSON, "no JSON at all \xff\xfe");
    kit_add_bad(s, KIT_BAD_JSON, "{\"text\":\"two\"} {\"text\":\"values\"}");
    kit_add_bad(s, KIT_BAD_JSON, "}");
    kit_add_bad(s, KIT_NOT_AN_OBJECT, "null");
    add_file(s, "CHANGELOG.md", size, 1, "docs", SET("docs"));
}

/* One text over many windows, with a byte that is no UTF-8 in the middle. */
static void make_long(struct kit_shard *s)
{
    struct buf text = {0}, raw = {0}, shown = {0};
    assert_int_equal(file_read("tests/corpora/test_stream.c", (size_t)1 << 20, &text, NULL), 0);
    const size_t half = KIT_SLOW ? 900 : 9000;
    assert_true(text.len > 2 * half);
    buf_append(&raw, text.data, half, NULL);
    buf_append(&shown, text.data, half, NULL);
    buf_append(&raw, "\xff", 1, NULL);
    buf_append(&shown, "\xef\xbf\xbd", 3, NULL);
    buf_append(&raw, text.data + half, half, NULL);
    buf_append(&shown, text.data + half, half, NULL);
    kit_add_text(s, raw.data, raw.len, shown.data, shown.len);
    buf_free(&text);
    buf_free(&raw);
    buf_free(&shown);
}

/* Over 256 KiB in few tokens, so that the shard is cut into units. */
static void make_runs(struct kit_shard *s)
{
    static const char *const first[] = {"A rule: ", "Another rule: "};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0};
        buf_append(&text, first[i], strlen(first[i]), NULL);
        for (size_t k = 0; k < 1040; k++) {
            buf_append(&text,
                       "================================================================"
                       "================================================================",
                       128, NULL);
        }
        kit_add(s, "rules", SET("rules"), text.data, text.len);
        buf_free(&text);
    }
    ADD(s, "rules", SET("rules"), "After the cut: a unit of its own.\n");
    kit_add_bad(s, KIT_BAD_JSON, "{");
}

static void make_corpus(void)
{
    make_code(&shards[CODE]);
    make_docs(&shards[DOCS]);
    make_long(&shards[LONG]);
    kit_add_bad(&shards[ONLY_BAD], KIT_NO_TEXT_FIELD, "{}");
    kit_add_bad(&shards[ONLY_BAD], KIT_BAD_JSON, "{]");
    buf_append(&shards[NOTHING].bytes, "\n \n", 3, NULL);
    make_runs(&shards[RUNS]);
    for (size_t i = 0; i < SHARDS; i++) {
        kit_write(&shards[i]);
    }
}

int score_corpus(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    make_corpus();
    struct kit_ran r = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        kit_run(&r, "gapscope score" KIT_MODELS "$T/%s", shards[i].name);
        assert_int_equal(r.status, i == ONLY_BAD); // nothing of it is read
        ref_read(&ref, i, &shards[i], r.out.data);
    }
    ref_finish(&ref);
    kit_ran_free(&r);
    return 0;
}

int end_corpus(void **state)
{
    sqlite3_close(db);
    ref_free(&ref);
    for (size_t i = 0; i < SHARDS; i++) {
        kit_shard_free(&shards[i]);
    }
    return kit_remove_folder(state);
}

sqlite3 *results(void)
{
    if (!db) {
        fail_msg("there is no run.db to look at");
    }
    return db;
}

void assert_close(double value, double wanted, const char *what)
{
    if (!(fabs(value - wanted) <= NEAR) && !(isnan(value) && isnan(wanted))) {
        fail_msg("%s is %.9g, not %.9g", what, value, wanted);
    }
}

double number(sqlite3_stmt *row, int i)
{
    return sqlite3_column_type(row, i) == SQLITE_NULL ? NAN : sqlite3_column_double(row, i);
}

const char *text(sqlite3_stmt *row, int i)
{
    const char *value = (const char *)sqlite3_column_text(row, i);
    return value ? value : "";
}

void assert_column_text(sqlite3_stmt *row, int i, const char *wanted)
{
    if (strcmp(text(row, i), wanted) != 0) {
        fail_msg("%s is '%s', not '%s'", sqlite3_column_name(row, i), text(row, i), wanted);
    }
}

int64_t model_id(size_t m)
{
    return kit_number(results(), "SELECT id FROM model WHERE name='%s'", ref_models[m]);
}

int64_t pair_id(size_t p)
{
    const struct ref_pair *pair = &ref_pairs[p];
    char others[64] = "";
    for (size_t k = 0; k < pair->n_others; k++) {
        const size_t len = strlen(others);
        snprintf(others + len, sizeof others - len, "%s%d", k ? "," : "",
                 (int)model_id(pair->others[k]));
    }
    return kit_number(results(), "SELECT id FROM pair WHERE base=%d AND json(others)='[%s]'",
                      (int)model_id(pair->base), others);
}

int64_t shard_id(size_t shard)
{
    return kit_number(results(), "SELECT id FROM shard WHERE name='%s'", shards[shard].name);
}

void count_in(struct ref_count *c, double value, double lo, double hi)
{
    // equal log-probs stay equal when rounded: their gap of 0 is sure
    c->least += value >= (lo == 0 ? lo : lo + NEAR) && value < hi - NEAR;
    c->least += lo == 0 && value > 0 && value < NEAR ? -1ULL : 0;
    c->most += value >= lo - NEAR && value < hi + NEAR && !(hi == 0 && value == 0);
}

void assert_counted(uint64_t n, struct ref_count c, const char *what)
{
    if (n < c.least || n > c.most) {
        fail_msg("%s is %llu, not %llu to %llu", what, (unsigned long long)n,
                 (unsigned long long)c.least, (unsigned long long)c.most);
    }
}
