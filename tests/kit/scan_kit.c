#include "tests/kit/scan_kit.h"

#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "tests/kit/golden.h"

// --- a folder and commands in it ----------------------------------------------------------------

char kit_folder[] = "/tmp/gapscope-scan-XXXXXX";

int kit_make_folder(void **state)
{
    (void)state;
    return mkdtemp(kit_folder) ? 0 : -1;
}

int kit_remove_folder(void **state)
{
    (void)state;
    if (getenv("GAPSCOPE_KEEP")) { // to look at what a failed test left
        print_message("kept: %s\n", kit_folder);
        return 0;
    }
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", kit_folder);
    return system(command);
}

const char *kit_path(const char *name)
{
    static char paths[8][160];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", kit_folder, name);
    return path;
}

static void read_output(struct buf *to, const char *name)
{
    to->len = 0;
    assert_int_equal(file_read(kit_path(name), (size_t)1 << 30, to, NULL), 0);
    assert_int_equal(buf_append(to, "", 1, NULL), 0);
    to->len--;
}

static void run_args(struct kit_ran *r, const char *command, va_list args)
{
    char *text = NULL;
    struct buf line = {0};
    assert_true(vasprintf(&text, command, args) > 0);
    buf_printf(&line, NULL, "gapscope() { '%s' \"$@\"; }; T=%s; { %s ; } >$T/.out 2>$T/.err",
               GAPSCOPE_PROGRAM, kit_folder, text);
    const int status = system(line.data);
    free(text);
    buf_free(&line);
    assert_true(WIFEXITED(status));
    r->status = WEXITSTATUS(status);
    read_output(&r->out, ".out");
    read_output(&r->err, ".err");
}

void kit_run(struct kit_ran *r, const char *command, ...)
{
    va_list args;
    va_start(args, command);
    run_args(r, command, args);
    va_end(args);
}

void kit_ran_free(struct kit_ran *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
}

void kit_expect(int status, const char *says, const char *command, ...)
{
    struct kit_ran r = {0};
    va_list args;
    va_start(args, command);
    run_args(&r, command, args);
    va_end(args);
    if (r.status != status || (says && !strstr(r.err.data, says))) {
        fail_msg("%s\nstatus %d, wanted %d\nstderr: %s\nwanted: %s", command, r.status, status,
                 r.err.data, says ? says : "anything");
    }
    kit_ran_free(&r);
}

pid_t kit_start(const char *arguments)
{
    struct buf line = {0};
    buf_printf(&line, NULL, "T=%s; exec '%s' %s 2>$T/.started >/dev/null", kit_folder,
               GAPSCOPE_PROGRAM, arguments);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line.data, (char *)NULL);
        _exit(127);
    }
    buf_free(&line);
    return pid;
}

void kit_digest(char digest[33], const char *name)
{
    struct kit_ran r = {0};
    kit_run(&r, "gapscope digest $T/%s", name);
    if (r.status != 0 || strspn(r.out.data, "0123456789abcdef") != 32) {
        fail_msg("digest of %s: status %d: %s%s", name, r.status, r.out.data, r.err.data);
    }
    snprintf(digest, 33, "%.32s", r.out.data);
    kit_ran_free(&r);
}

// --- corpora ------------------------------------------------------------------------------------

const char *const kit_reasons[KIT_REASONS] = {"bad_json", "not_an_object", "no_text_field"};

static void keep_doc(struct kit_shard *s, const char *domain, size_t read_bytes, const char *text,
                     size_t len)
{
    assert_int_equal(
        mem_reserve(&s->docs, &s->docs_cap, s->n_docs + 1, sizeof *s->docs, "docs", NULL), 0);
    struct kit_doc *doc = &s->docs[s->n_docs++];
    *doc = (struct kit_doc){.number = s->records++, .len = len, .read_bytes = read_bytes};
    snprintf(doc->domain, sizeof doc->domain, "%s", domain);
    doc->text = mem_new(len, 1);
    assert_non_null(doc->text);
    memcpy(doc->text, text, len);
}

static void append_line(struct kit_shard *s, const char *line)
{
    assert_int_equal(buf_printf(&s->bytes, NULL, "%s\n", line), 0);
}

void kit_add(struct kit_shard *s, const char *domain, const char *members, const char *text,
             size_t len)
{
    struct json_object *string = json_object_new_string_len(text, (int)len);
    struct buf line = {0};
    const char *quoted = json_object_to_json_string_ext(string, JSON_C_TO_STRING_NOSLASHESCAPE);
    assert_int_equal(buf_printf(&line, NULL, "{\"text\":%s%s}", quoted, members), 0);
    kit_add_line(s, domain, line.data, len, text, len);
    buf_free(&line);
    json_object_put(string);
}

void kit_add_line(struct kit_shard *s, const char *domain, const char *line, size_t read_bytes,
                  const char *text, size_t len)
{
    append_line(s, line);
    keep_doc(s, domain, read_bytes, text, len);
}

void kit_add_bad(struct kit_shard *s, enum kit_reason reason, const char *line)
{
    append_line(s, line);
    s->rejects[reason]++;
    s->records++;
}

void kit_add_text(struct kit_shard *s, const char *bytes, size_t len, const char *text,
                  size_t text_len)
{
    assert_int_equal(s->records, 0);
    assert_int_equal(buf_append(&s->bytes, bytes, len, NULL), 0);
    keep_doc(s, "", text_len, text, text_len);
}

void kit_compress(struct buf *out, const char *data, size_t len)
{
    const size_t room = ZSTD_compressBound(len);
    assert_int_equal(buf_reserve(out, room, NULL), 0);
    const size_t n = ZSTD_compress(out->data + out->len, room, data, len, 3);
    assert_false(ZSTD_isError(n));
    out->len += n;
}

void kit_write_bytes(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(kit_path(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

void kit_write(const struct kit_shard *s)
{
    const char *suffix = strrchr(s->name, '.');
    if (suffix && strcmp(suffix, ".zst") == 0) {
        struct buf packed = {0};
        kit_compress(&packed, s->bytes.data, s->bytes.len);
        kit_write_bytes(s->name, packed.data, packed.len);
        buf_free(&packed);
        return;
    }
    kit_write_bytes(s->name, s->bytes.data, s->bytes.len);
}

void kit_shard_free(struct kit_shard *s)
{
    for (size_t i = 0; i < s->n_docs; i++) {
        free(s->docs[i].text);
    }
    free(s->docs);
    buf_free(&s->bytes);
}

// --- run.db -------------------------------------------------------------------------------------

sqlite3 *kit_db(const char *name)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(kit_path(name), &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", kit_path(name), sqlite3_errmsg(db));
    }
    sqlite3_busy_timeout(db, 10000);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, va_list args)
{
    char text[1024];
    const int len = vsnprintf(text, sizeof text, sql, args);
    assert_in_range(len, 1, sizeof text - 1);
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    }
    return s;
}

sqlite3_stmt *kit_query(sqlite3 *db, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    sqlite3_stmt *s = prepare(db, sql, args);
    va_end(args);
    return s;
}

bool kit_next(sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        fail_msg("%s: %s", sqlite3_sql(s), sqlite3_errmsg(sqlite3_db_handle(s)));
    }
    if (rc == SQLITE_DONE) {
        sqlite3_finalize(s);
    }
    return rc == SQLITE_ROW;
}

int64_t kit_number(sqlite3 *db, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    sqlite3_stmt *s = prepare(db, sql, args);
    va_end(args);
    if (sqlite3_step(s) != SQLITE_ROW) {
        fail_msg("%s: no row", sqlite3_sql(s));
    }
    const int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

void kit_dump(struct buf *out, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = kit_query(db, "%s", sql);
    while (kit_next(s)) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            if (sqlite3_column_type(s, i) == SQLITE_FLOAT) {
                buf_printf(out, NULL, "%.17g|", sqlite3_column_double(s, i));
            } else {
                const char *text = (const char *)sqlite3_column_text(s, i);
                buf_printf(out, NULL, "%s|", text ? text : "NULL");
            }
        }
        buf_printf(out, NULL, "\n");
    }
    assert_int_equal(buf_append(out, "", 1, NULL), 0); // ends in NUL, also where empty
    out->len--;
}

#define ORDER "ORDER BY pair, side, rank"
#define AROUND "'$.around.gaps'"

void kit_same_hits(sqlite3 *a, sqlite3 *b, double off)
{
    static const char hits[] =
        "SELECT pair, side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start,"
        " byte_end, token, token_text, before, after, duplicates, json_remove(detail, " AROUND "),"
        " json_extract(detail, " AROUND " || '[' || json_extract(detail, '$.around.at') || ']')"
        " FROM hit " ORDER;
    static const char gaps[] = "SELECT value, pair, side, rank, key"
                               " FROM hit, json_each(detail, " AROUND ") " ORDER ", key";
    struct buf x = {0}, y = {0};
    kit_dump(&x, a, hits);
    kit_dump(&y, b, hits);
    assert_string_equal(x.data, y.data);
    buf_free(&x);
    buf_free(&y);
    sqlite3_stmt *of_a = kit_query(a, "%s", gaps), *of_b = kit_query(b, "%s", gaps);
    while (kit_next(of_a)) {
        assert_true(kit_next(of_b));
        const double one = sqlite3_column_double(of_a, 0), two = sqlite3_column_double(of_b, 0);
        if (!(fabs(one - two) <= off)) {
            fail_msg("pair %d, %s, rank %d: gap %d around is %g, not %g",
                     sqlite3_column_int(of_b, 1), (const char *)sqlite3_column_text(of_b, 2),
                     sqlite3_column_int(of_b, 3), sqlite3_column_int(of_b, 4), two, one);
        }
    }
    assert_false(kit_next(of_b));
}
