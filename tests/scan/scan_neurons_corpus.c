#include "tests/scan/scan_neurons_corpus.h"

#include "tests/kit/golden.h"

#include "corpora/base/file.h"

#define N_DOCS (KIT_SLOW ? 12 : 20)
#define DOC_BYTES ((size_t)(KIT_SLOW ? 300 : 500))

int make_corpus(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    struct kit_shard s = {.name = "corpus.jsonl"};
    struct buf code = {0}, prose = {0};
    assert_int_equal(file_read("tests/texts/code.txt", (size_t)1 << 20, &code, NULL), 0);
    assert_int_equal(file_read("tests/texts/prose.txt", (size_t)1 << 20, &prose, NULL), 0);
    for (size_t i = 0; i < N_DOCS; i++) {
        const struct buf *from = i % 2 ? &code : &prose;
        const size_t at = i / 2 * DOC_BYTES;
        assert_true(at + DOC_BYTES <= from->len);
        size_t begin = at, end = at + DOC_BYTES;
        while (begin < end && (from->data[begin] & 0xc0) == 0x80) {
            begin++; // whole characters
        }
        while (end > begin && (from->data[end] & 0xc0) == 0x80) {
            end--;
        }
        kit_add(&s, "", "", from->data + begin, end - begin);
        if (i == 3) {
            kit_add(&s, "", "", "", 0);
        }
    }
    kit_add(&s, "", "", code.data, DOC_BYTES * 5);
    kit_write(&s);
    small_models(kit_path("m"));
    kit_shard_free(&s);
    buf_free(&code);
    buf_free(&prose);
    return 0;
}

void need_all(void)
{
    if (!file_is_regular(kit_path("all.db"))) {
        kit_expect(0, NULL,
                   "gapscope scan" ATTN GELU SOLU HYPOTHESES
                   "--pair attn-only-1l:gelu-1l --pair attn-only-1l:gelu-1l+solu-1l --top 20 "
                   "--precision exact --threads 2 -o $T/all.db" CORPUS);
    }
}

void expect_number(sqlite3 *db, int64_t wanted, const char *sql)
{
    const int64_t n = kit_number(db, "%s", sql);
    if (n != wanted) {
        fail_msg("%s: %lld, wanted %lld", sql, (long long)n, (long long)wanted);
    }
}

double real(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = kit_query(db, "%s", sql);
    assert_true(kit_next(s));
    const double value = sqlite3_column_double(s, 0);
    assert_false(kit_next(s));
    return value;
}

void assert_same_rows(sqlite3 *a, sqlite3 *b, const char *sql)
{
    struct buf x = {0}, y = {0};
    kit_dump(&x, a, sql);
    kit_dump(&y, b, sql);
    assert_true(x.len > 0);
    if (strcmp(x.data, y.data) != 0) {
        fail_msg("%s: differ", sql);
    }
    buf_free(&x);
    buf_free(&y);
}

void assert_same_digest(const char *name, const char *wanted)
{
    char a[33], b[33];
    kit_digest(a, name);
    kit_digest(b, wanted);
    assert_string_equal(a, b);
}

void assert_views_work(const char *name)
{
    static const char *const views[] = {
        "hypo %s",        "hypo %s word",    "hypo %s never",
        "hypo %s --json", "neuron %s L0N0",  "neuron %s gelu-1l:L0N7",
        "top %s",         "top %s --tokens", "hypo %s word --json"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char command[160];
        struct kit_ran r = {0};
        snprintf(command, sizeof command, views[i], kit_path(name));
        kit_run(&r, "gapscope %s", command);
        const struct buf *said = r.status == 0 ? &r.out : &r.err;
        if (r.status > 2 || said->len < 20 || strstr(said->data, "nan")) {
            fail_msg("gapscope %s: status %d: %s%s", command, r.status, r.out.data, r.err.data);
        }
        kit_ran_free(&r);
    }
}
