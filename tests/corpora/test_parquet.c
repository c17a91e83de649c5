#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "corpora/parquet/parquet.h"
#include "corpora/parquet/parquet_footer.h"
#include "tests/kit/golden.h"

// All samples, of which tests/golden/parquet has the small ones; absent in most checkouts.
#define ALL_SAMPLES GAPSCOPE_TOKENIZERS "/../golden/parquet"
#define OUR_SAMPLES "tests/golden/parquet"

static const char *member(struct json_object *o, const char *key)
{
    return json_c_string(json_member(o, key));
}

/* Opens a sample as its entry in expected.json says. */
static int open_sample(struct parquet **out, const char *folder, const char *name,
                       struct json_object *entry, struct err *err)
{
    char path[300];
    const char *column = member(entry, "column");
    column = column || !strstr(name, "GH-45185") ? column : "x";
    column = column || !strstr(name, "GH-6229-DICTHEADER") ? column : "name";
    const struct parquet_options o = {.want = PARQUET_TEXTS_OR_IDS,
                                      .field = column,
                                      .domain = entry ? member(entry, "domain") : NULL};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *out = NULL;
    return parquet_open(out, path, &o, err);
}

static void check_ids(const char *name, uint64_t i, struct json_object *ids,
                      const struct parquet_row *row)
{
    const size_t n = json_object_array_length(ids);
    if (n != row->n_ids) {
        fail_msg("%s: row %llu has %zu ids, not %zu", name, (unsigned long long)i, row->n_ids, n);
    }
    bool any_null = false;
    for (size_t k = 0; k < n; k++) {
        struct json_object *id = json_object_array_get_idx(ids, k);
        any_null = any_null || !id;
        assert_int_equal(row->ids[k], id ? json_object_get_int64(id) : 0);
    }
    assert_int_equal(row->null_id, any_null);
}

/* Compares a row with a line of *.rows.jsonl. */
static void check_row(const char *name, uint64_t i, struct json_object *expected,
                      const struct parquet_row *row)
{
    struct json_object *text = json_member(expected, "text"),
                       *ids = json_member(expected, "tokens");
    ids = ids ? ids : json_member(expected, "input_ids");
    struct json_object *domain = json_member(expected, "domain");
    const size_t domain_len = domain ? (size_t)json_object_get_string_len(domain) : 0;
    if (row->is_null != (!text && !ids)) {
        fail_msg("%s: row %llu is %snull", name, (unsigned long long)i, row->is_null ? "" : "not ");
    }
    if (ids) {
        check_ids(name, i, ids, row);
    } else if (json_object_is_type(text, json_type_int)) {
        assert_int_equal(row->n_ids, 1);
        assert_int_equal(row->ids[0], json_object_get_int64(text));
    } else if (text) {
        const size_t len = (size_t)json_object_get_string_len(text);
        if (row->len != len || memcmp(row->text, json_object_get_string(text), len) != 0) {
            fail_msg("%s: row %llu has another text", name, (unsigned long long)i);
        }
    }
    assert_int_equal(row->domain_len, domain_len);
    if (domain_len) {
        assert_memory_equal(row->domain, json_object_get_string(domain), domain_len);
    }
}

/* Reads all rows and compares them with 'rows' (NULL: with nothing); returns their number, or -1
 * after an error. */
static int64_t read_rows(struct parquet *p, const char *folder, const char *name, const char *rows,
                         struct err *err)
{
    struct buf lines = {0};
    struct json_parser *parser = json_lines_parser_new();
    char path[300];
    if (rows) {
        snprintf(path, sizeof path, "%s/%s", folder, rows);
        assert_int_equal(file_read(path, (size_t)64 << 20, &lines, NULL), 0);
    }
    const char *at = lines.data, *end = lines.data + lines.len;
    int64_t n = 0;
    for (;; n++) {
        struct parquet_row row;
        if (parquet_next(p, &row, err)) {
            n = -1;
        }
        if (n < 0 || row.end) {
            break;
        }
        if (rows) {
            assert_true(at < end);
            const char *lf = memchr(at, '\n', (size_t)(end - at));
            struct json_object *expected = NULL;
            assert_non_null(lf);
            assert_int_equal(json_parse_line(parser, &expected, at, (size_t)(lf - at), NULL), 0);
            check_row(name, (uint64_t)n, expected, &row);
            json_object_put(expected);
            at = lf + 1;
        }
    }
    assert_true(n < 0 || at == end || !rows);
    json_parser_free(parser);
    buf_free(&lines);
    return n;
}

static void check_good(const char *folder, const char *name, struct json_object *entry)
{
    struct parquet *p;
    struct err err = {0};
    const int rc = open_sample(&p, folder, name, entry, &err);
    if (rc == ERR_UNSUPPORTED && json_member(entry, "optional")) {
        return; // one may leave it out
    }
    if (rc) {
        fail_msg("%s", err.msg);
    }
    const int64_t n = read_rows(p, folder, name, member(entry, "rows"), &err);
    if (n != json_object_get_int64(json_member(entry, "n"))) {
        fail_msg("%s: %lld rows; %s", name, (long long)n, err.msg);
    }
    assert_int_equal(parquet_rows(p), n);
    assert_true(parquet_tell(p) <= parquet_bytes(p));
    parquet_close(p);
}

/* A bad file is refused when it is opened, or while it is read after the rows that are whole; or its
 * fault does no harm and it gives exactly the rows of the good one. */
static void check_bad(const char *folder, const char *name, struct json_object *entry,
                      const char *message)
{
    struct parquet *p;
    struct err err = {0};
    const char *lenient = member(entry, "lenient_rows");
    int64_t n = -1;
    if (open_sample(&p, folder, name, entry, &err) == 0) {
        n = read_rows(p, folder, name, lenient, &err);
        struct json_object *before = json_member(entry, "rows_before");
        assert_true(n >= 0 || !before || parquet_rows(p) <= json_object_get_uint64(before));
    }
    parquet_close(p);
    if (n >= 0) {
        if (!lenient) {
            fail_msg("%s: was read, but %s", name, member(entry, "reason"));
        }
        return;
    }
    assert_true(strstr(err.msg, name));
    if (message && !strstr(err.msg, message)) {
        fail_msg("%s: \"%s\" is not in: %s", name, message, err.msg);
    }
}

/* Checks all samples of a folder; returns how many there are. */
static size_t check_folder(const char *folder, struct json_object *messages)
{
    char path[300];
    snprintf(path, sizeof path, "%s/expected.json", folder);
    struct json_object *samples = golden_json(path);
    size_t n = 0;
    json_object_object_foreach(samples, name, entry)
    {
        const char *verdict = member(entry, "verdict");
        if (verdict && strcmp(verdict, "read") == 0) {
            check_good(folder, name, entry);
        } else if (verdict) {
            check_bad(folder, name, entry, member(messages, name));
        }
        n += verdict != NULL;
    }
    json_object_put(samples);
    return n;
}

static void good_files_give_their_rows_and_bad_ones_their_reason(void **state)
{
    (void)state;
    struct json_object *messages = golden_json(OUR_SAMPLES "/messages.json");
    assert_int_equal(check_folder(OUR_SAMPLES, messages), 108);
    if (file_is_regular(ALL_SAMPLES "/expected.json")) {
        assert_true(check_folder(ALL_SAMPLES, messages) > 130);
    } else {
        print_message("only the small samples: %s is not there\n", ALL_SAMPLES);
    }
    json_object_put(messages);
}

/* Reads the column of this name as texts, and as ids; returns how many rows there were. */
static uint64_t try_column(const char *path, const char *field)
{
    uint64_t n = 0;
    for (int want = PARQUET_TEXTS; want <= PARQUET_IDS; want++) {
        struct parquet *p = NULL;
        struct err err = {0};
        const struct parquet_options o = {.want = (enum parquet_want)want, .field = field};
        if (parquet_open(&p, path, &o, &err) == 0) {
            read_rows(p, "", path, NULL, &err);
            n += parquet_rows(p);
        }
        parquet_close(p);
    }
    return n;
}

/* Reads every column that the footer names. */
static uint64_t try_all(const char *path)
{
    struct parquet_footer f;
    struct stat st;
    struct err err = {0};
    uint64_t n = try_column(path, NULL);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    if (parquet_footer_read(&f, fd, (uint64_t)st.st_size, &err) == 0) {
        for (size_t i = 1; i < f.n_nodes; i++) {
            struct buf name = {0};
            assert_int_equal(parquet_footer_path(&f, i, &name, NULL), 0);
            assert_int_equal(buf_append(&name, "", 1, NULL), 0);
            n += try_column(path, name.data);
            buf_free(&name);
        }
        parquet_footer_free(&f);
    }
    close(fd);
    return n;
}

static void finds_of_fuzzers_do_no_harm(void **state)
{
    (void)state;
    DIR *d = opendir(ALL_SAMPLES "/fuzz");
    if (!d) {
        print_message("%s/fuzz is not there\n", ALL_SAMPLES);
        skip();
    }
    size_t n = 0;
    uint64_t rows = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            char path[600];
            snprintf(path, sizeof path, "%s/fuzz/%s", ALL_SAMPLES, e->d_name);
            rows += try_all(path);
            n++;
        }
    }
    closedir(d);
    assert_true(n > 50);
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    print_message("%zu files, %llu rows, %ld MB at most\n", n, (unsigned long long)rows,
                  usage.ru_maxrss / 1000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(usage.ru_maxrss < 300000);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_give_their_rows_and_bad_ones_their_reason),
        cmocka_unit_test(finds_of_fuzzers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
