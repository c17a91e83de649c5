#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "corpora/units.h"

static const struct units_options defaults = {0};
static const struct units_options jsonl = {.source = {.format = SOURCE_JSONL}};

static char folder[] = "/tmp/gapscope-test-XXXXXX";

/* Tests run in the folder, and name its files relative to it. */
static void put(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(len ? fwrite(data, 1, len, f) : 0, len);
    assert_int_equal(fclose(f), 0);
}

/*
 * Makes JSONL from letters: A is a text of 100 000 bytes, B of 262 144 (a unit), C of 262 143, L of
 * 3 MiB without a line end (three pieces); e is an empty text, x a line that is not JSON, and '_' a
 * blank line.
 */
static void make(struct buf *out, const char *letters)
{
    out->len = 0;
    for (; *letters; letters++) {
        const size_t len = *letters == 'A'   ? 100000
                           : *letters == 'B' ? 262144
                           : *letters == 'C' ? 262143
                           : *letters == 'L' ? 3 << 20
                                             : 0;
        if (*letters == 'x') {
            assert_int_equal(buf_append(out, "bad\n", 4, NULL), 0);
        } else if (*letters == '_') {
            assert_int_equal(buf_append(out, " \n", 2, NULL), 0);
        } else {
            assert_int_equal(buf_append(out, "{\"text\":\"", 9, NULL), 0);
            assert_int_equal(buf_reserve(out, len + 1, NULL), 0);
            memset(out->data + out->len, 'a', len);
            out->len += len;
            assert_int_equal(buf_append(out, "\"}\n", 3, NULL), 0);
        }
    }
}

/* Appends zstd frames of at most 'step' bytes each. */
static void add_zstd(struct buf *out, const char *data, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        const size_t n = len - at < step ? len - at : step;
        assert_int_equal(buf_reserve(out, ZSTD_compressBound(n), NULL), 0);
        const size_t used =
            ZSTD_compress(out->data + out->len, out->cap - out->len, data + at, n, 1);
        assert_false(ZSTD_isError(used));
        out->len += used;
    }
}

static void put_gzip(const char *path, const char *data, size_t len)
{
    gzFile f = gzopen(path, "wb1");
    assert_non_null(f);
    assert_int_equal(len ? gzwrite(f, data, (unsigned)len) : 0, len);
    assert_int_equal(gzclose(f), Z_OK);
}

/* Appends "(FIRST-LAST:DOCS xREJECTS)", the numbers of the documents, and $ for a last unit. */
static void describe(const struct unit *u, struct buf *out)
{
    assert_int_equal(buf_append(out, "(", 1, NULL), 0);
    if (u->n_docs) {
        assert_int_equal(buf_printf(out, NULL, "%d-%d:%zu", (int)u->docs[0].number,
                                    (int)u->docs[u->n_docs - 1].number, u->n_docs),
                         0);
    }
    const int n_rejects = (int)rejects_total(&u->rejects);
    if (n_rejects) {
        assert_int_equal(buf_printf(out, NULL, "%sx%d", u->n_docs ? " " : "", n_rejects), 0);
    }
    assert_int_equal(buf_append(out, ")$", u->last ? 2 : 1, NULL), 0);
}

/* Describes all units of a corpus, with "NUMBER@SHARD" before each if 'numbered'. */
static const char *units_of(const char *const *paths, size_t n, const struct units_options *options,
                            bool numbered)
{
    static char text[1000];
    struct shards shards;
    struct units *r;
    struct unit u = {0};
    struct err err = {0};
    struct buf out = {0};
    assert_int_equal(shards_open(&shards, paths, n, NULL), 0);
    assert_int_equal(units_open(&r, &shards, options, NULL), 0);
    assert_int_equal(units_tell_raw(r), 0);
    uint64_t bytes = 0, seen = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += shards.items[i].bytes;
    }
    for (;;) {
        if (units_next(r, &u, &err) != 0) {
            fail_msg("%s", err.msg);
        }
        if (u.number == UNIT_END) {
            break;
        }
        assert_int_equal(u.number, seen++);
        assert_true(units_tell_raw(r) <= bytes);
        if (numbered) {
            assert_int_equal(buf_printf(&out, NULL, "%d@%d", (int)u.number, (int)u.shard), 0);
        }
        describe(&u, &out);
        size_t at = 0;
        for (size_t i = 0; i < u.n_docs; i++) { // they tile the unit
            assert_int_equal(u.docs[i].at, at);
            at += u.docs[i].len;
        }
        assert_int_equal(at, options->ids ? u.n_ids : u.text.len);
    }
    assert_int_equal(units_tell_raw(r), bytes);
    assert_int_equal(units_next(r, &u, &err), 0); // the end is repeated
    assert_int_equal(u.number, UNIT_END);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.len ? out.data : "");
    buf_free(&out);
    unit_free(&u);
    units_close(r);
    shards_free(&shards);
    return text;
}

static const struct {
    const char *letters, *units;
} cuts[] = {
    {"", ""},
    {"___", ""},
    {"A", "(0-0:1)$"},
    {"e", "(0-0:1)$"},
    {"AA", "(0-1:2)$"},
    {"AAA", "(0-2:3)$"}, // full at the very end: no empty unit follows
    {"AAAAAAA", "(0-2:3)(3-5:3)(6-6:1)$"},
    {"B", "(0-0:1)$"},
    {"BBB", "(0-0:1)(1-1:1)(2-2:1)$"},
    {"Be", "(0-0:1)(1-1:1)$"}, // an empty one does not go into a full unit
    {"Ce", "(0-1:2)$"},
    {"CeA", "(0-2:3)$"},
    {"CAA", "(0-1:2)(2-2:1)$"},
    {"eeBee", "(0-2:3)(3-4:2)$"},
    {"_A__A_", "(0-1:2)$"},
    // Pieces are documents.
    {"L", "(0-0:1)(1-1:1)(2-2:1)$"},
    {"ALA", "(0-1:2)(2-2:1)(3-3:1)(4-4:1)$"},
    // Rejects belong to the unit of the next document; those at the end belong to the last unit.
    {"AxA", "(0-2:2 x1)$"},
    {"xxAxA", "(2-4:2 x3)$"},
    {"Bx", "(0-0:1 x1)$"},
    {"BxA", "(0-0:1)(2-2:1 x1)$"},
    {"BxxxxxBxx", "(0-0:1)(6-6:1 x7)$"},
    {"Lx", "(0-0:1)(1-1:1)(2-2:1 x1)$"},
    {"xL", "(1-1:1 x1)(2-2:1)(3-3:1)$"},
    {"x", "(x1)$"},
    {"_xx_", "(x2)$"},
};

static void units_are_cut_by_bytes_of_text_however_they_are_read(void **state)
{
    (void)state;
    struct buf text = {0}, zstd = {0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        make(&text, cuts[i].letters);
        put("a.jsonl", text.data, text.len);
        put_gzip("a.jsonl.gz", text.data, text.len);
        const char *const plain[] = {"a.jsonl"}, *const gz[] = {"a.jsonl.gz"};
        assert_string_equal(units_of(plain, 1, &jsonl, false), cuts[i].units);
        assert_string_equal(units_of(gz, 1, &jsonl, false), cuts[i].units);
        static const size_t steps[] = {1000, 4096, 99999, 1 << 20, 1 << 30};
        for (size_t k = 0; k < sizeof steps / sizeof *steps && text.len > 0; k++) {
            zstd.len = 0;
            add_zstd(&zstd, text.data, text.len, steps[k]);
            put("a.jsonl.zst", zstd.data, zstd.len);
            const char *const zst[] = {"a.jsonl.zst"};
            if (strcmp(units_of(zst, 1, &jsonl, false), cuts[i].units) != 0) {
                fail_msg("%s, frames of %zu: %s", cuts[i].letters, steps[k],
                         units_of(zst, 1, &jsonl, false));
            }
        }
    }
    buf_free(&text);
    buf_free(&zstd);
}

static void a_unit_holds_at_most_16384_documents(void **state)
{
    (void)state;
    static char letters[32770];
    memset(letters, 'e', 32769);
    struct buf text = {0};
    make(&text, letters);
    put("a.jsonl", text.data, text.len);
    const char *const paths[] = {"a.jsonl"};
    assert_string_equal(units_of(paths, 1, &jsonl, false),
                        "(0-16383:16384)(16384-32767:16384)(32768-32768:1)$");
    buf_free(&text);
}

static void damage_belongs_to_the_last_unit(void **state)
{
    (void)state;
    static const struct {
        const char *letters, *units;
        uint64_t line, byte; // of the damage
    } cases[] = {
        {"", "(x1)$", 1, 0},
        {"A", "(0-0:1 x1)$", 2, 100012},
        {"B", "(0-0:1 x1)$", 2, 262156},
        {"BA", "(0-0:1)(1-1:1 x1)$", 3, 362168},
        {"BBx", "(0-0:1)(1-1:1 x2)$", 4, 524316},
    };
    struct buf text = {0}, zstd = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(&text, cases[i].letters);
        zstd.len = 0;
        add_zstd(&zstd, text.data, text.len, 1 << 30);
        add_zstd(&zstd, "{\"text\":\"lost\"}\n", 16, 16);
        put("a.jsonl.zst", zstd.data, zstd.len - 3);
        const char *const paths[] = {"a.jsonl.zst"};
        if (strcmp(units_of(paths, 1, &jsonl, false), cases[i].units) != 0) {
            fail_msg("%s: %s", cases[i].letters, units_of(paths, 1, &jsonl, false));
        }

        struct shards shards;
        struct units *r;
        struct unit u = {0};
        assert_int_equal(shards_open(&shards, paths, 1, NULL), 0);
        assert_int_equal(units_open(&r, &shards, &jsonl, NULL), 0);
        while (!u.last) {
            assert_int_equal(units_next(r, &u, NULL), 0);
        }
        const struct reject_place *place = &u.rejects.places[REJECT_TRUNCATED_STREAM][0];
        char why[200];
        snprintf(why, sizeof why,
                 "byte %zu: the file ends inside a zstd frame: an interrupted copy?", zstd.len - 3);
        assert_int_equal(u.rejects.n[REJECT_TRUNCATED_STREAM], 1);
        assert_int_equal(place->line, cases[i].line);
        assert_int_equal(place->byte, cases[i].byte);
        assert_string_equal(place->why, why);
        unit_free(&u);
        units_close(r);
        shards_free(&shards);
    }
    buf_free(&text);
    buf_free(&zstd);
}

static void a_unit_tells_the_first_places_of_its_own_rejects(void **state)
{
    (void)state;
    struct buf text = {0};
    make(&text, "xxxxBxxxxxB");
    put("a.jsonl", text.data, text.len);
    const char *const paths[] = {"a.jsonl"};
    struct shards shards;
    struct units *r;
    struct unit u = {0};
    assert_int_equal(shards_open(&shards, paths, 1, NULL), 0);
    assert_int_equal(units_open(&r, &shards, &jsonl, NULL), 0);
    static const struct {
        uint64_t n, line, byte; // of the first
    } expected[] = {{4, 1, 0}, {5, 6, 262172}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(units_next(r, &u, NULL), 0);
        assert_int_equal(u.rejects.n[REJECT_BAD_JSON], expected[i].n);
        for (size_t k = 0; k < REJECT_PLACES; k++) {
            const struct reject_place *place = &u.rejects.places[REJECT_BAD_JSON][k];
            assert_int_equal(place->line, expected[i].line + k);
            assert_int_equal(place->byte, expected[i].byte + 4 * k);
            assert_string_equal(place->why, "column 1: unexpected character");
        }
    }
    unit_free(&u);
    units_close(r);
    shards_free(&shards);
    buf_free(&text);
}

static void units_are_numbered_through_the_shards(void **state)
{
    (void)state;
    struct buf text = {0};
    make(&text, "AAAA");
    put("a.jsonl", text.data, text.len);
    put("b.jsonl", "", 0);
    put("c.jsonl", "\n\n", 2);
    make(&text, "xx");
    put("d.jsonl", text.data, text.len);
    put("e.txt", "one text", 8);
    put("f.jsonl", "\n", 1);
    const char *const paths[] = {"f.jsonl", "e.txt", "d.jsonl", "c.jsonl", "b.jsonl", "a.jsonl"};
    // e.txt is a text; d.jsonl is none, whatever its first byte: its name says that it is JSONL
    assert_string_equal(units_of(paths, 6, &defaults, true),
                        "0@0(0-2:3)1@0(3-3:1)$2@3(x2)$3@4(0-0:1)$");
    assert_string_equal(units_of(paths, 6, &jsonl, true), "0@0(0-2:3)1@0(3-3:1)$2@3(x2)$3@4(x1)$");
    assert_string_equal(units_of(NULL, 0, &defaults, true), "");
    buf_free(&text);
}

static void documents_have_their_text_and_domain(void **state)
{
    (void)state;
    static const char text[] = "{\"text\":\"one\",\"source\":\"web\"}\n"
                               "{\"text\":\"\",\"source\":\"web\"}\n"
                               "{\"text\":\"t\\ud800o\",\"source\":\"books\"}\n"
                               "{\"text\":\"three\"}\n"
                               "{\"text\":\"four\",\"source\":\"books\",\"a\":{\"b\":\"deep\"}}\n";
    put("a.jsonl", text, sizeof text - 1);
    static const struct {
        const char *text, *domain, *deep;
    } expected[] = {{"one", "web", NULL},
                    {"", "web", NULL},
                    {"t\xef\xbf\xbdo", "books", NULL},
                    {"three", NULL, NULL},
                    {"four", "books", "deep"}};
    for (int deep = 0; deep < 2; deep++) {
        const char *const paths[] = {"a.jsonl"};
        const struct units_options options = {.source = {.domain = deep ? "a.b" : NULL}};
        struct shards shards;
        struct units *r;
        struct unit u = {0};
        assert_int_equal(shards_open(&shards, paths, 1, NULL), 0);
        assert_int_equal(units_open(&r, &shards, &options, NULL), 0);
        assert_int_equal(units_next(r, &u, NULL), 0);
        assert_int_equal(u.n_docs, 5);
        assert_int_equal(u.repaired, 1);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(u.docs[i].number, i);
            assert_int_equal(u.docs[i].len, strlen(expected[i].text));
            assert_memory_equal(u.text.data + u.docs[i].at, expected[i].text, u.docs[i].len);
            const char *domain = deep ? expected[i].deep : expected[i].domain;
            assert_int_equal(u.docs[i].domain == SIZE_MAX, !domain);
            if (domain) {
                assert_string_equal(u.names.data + u.docs[i].domain, domain);
            }
        }
        assert_int_equal(u.names.len, deep ? 5 : 4 + 6 + 6); // one for both of "web"
        unit_free(&u);
        units_close(r);
        shards_free(&shards);
    }
}

/* Makes n lists of 1024 ids: the first id is the list's number modulo 1000, the others are 5. */
static void make_lists(struct buf *out, int n)
{
    out->len = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(buf_printf(out, NULL, "{\"ids\":[%d", i % 1000), 0);
        for (int k = 1; k < 1024; k++) {
            assert_int_equal(buf_append(out, ",5", 2, NULL), 0);
        }
        assert_int_equal(buf_append(out, "]}\n", 3, NULL), 0);
    }
}

static void lists_of_ids_are_cut_too(void **state)
{
    (void)state;
    struct buf text = {0}, zstd = {0};
    const struct units_options options = {.ids = true, .n_ctx = 1024, .d_vocab = 1000};
    const char *const paths[] = {"a.jsonl"}, *const zst[] = {"a.jsonl.zst", "b.jsonl", "a.jsonl"};
    make_lists(&text, 64);
    put("a.jsonl", text.data, text.len);
    assert_string_equal(units_of(paths, 1, &options, false), "(0-63:64)$");
    make_lists(&text, 130);
    put("a.jsonl", text.data, text.len);
    assert_string_equal(units_of(paths, 1, &options, false), "(0-63:64)(64-127:64)(128-129:2)$");

    // Damage is counted and the corpus goes on; numbers begin again in each shard.
    add_zstd(&zstd, text.data, text.len, 1 << 30);
    put("a.jsonl.zst", zstd.data, zstd.len);
    put("b.jsonl", "{\"ids\":[7]}\n", 12);
    assert_string_equal(units_of(zst, 3, &options, true),
                        "0@0(0-63:64)1@0(64-127:64)2@0(128-129:2)$"
                        "3@1(0-63:64)4@1(64-127:64)5@1(128-129:2)$6@2(0-0:1)$");
    add_zstd(&zstd, text.data, 2000, 2000);
    put("a.jsonl.zst", zstd.data, zstd.len - 3);
    assert_string_equal(units_of(zst, 3, &options, true),
                        "0@0(0-63:64)1@0(64-127:64)2@0(128-129:2)$"
                        "3@1(0-63:64)4@1(64-127:64)5@1(128-129:2 x1)$6@2(0-0:1)$");

    struct shards shards;
    struct units *r;
    struct unit u = {0};
    assert_int_equal(shards_open(&shards, paths, 1, NULL), 0);
    assert_int_equal(units_open(&r, &shards, &options, NULL), 0);
    for (size_t unit = 0; unit < 3; unit++) {
        assert_int_equal(units_next(r, &u, NULL), 0);
        assert_int_equal(u.n_ids, unit < 2 ? 65536 : 2048);
        for (size_t i = 0; i < u.n_docs; i++) {
            assert_int_equal(u.docs[i].len, 1024);
            assert_int_equal(u.docs[i].domain, SIZE_MAX);
            assert_int_equal(u.ids[u.docs[i].at], 64 * unit + i);
            assert_int_equal(u.ids[u.docs[i].at + 1023], 5);
        }
    }
    unit_free(&u);
    units_close(r);
    shards_free(&shards);
    buf_free(&text);
    buf_free(&zstd);
}

/* Reads units until one fails; returns how many came before. */
static int units_before_error(const struct shards *shards, const struct units_options *options,
                              struct err *err)
{
    struct units *r;
    struct unit u = {0};
    int n = 0;
    assert_int_equal(units_open(&r, shards, options, NULL), 0);
    while (units_next(r, &u, err) == 0 && u.number != UNIT_END) {
        n++;
    }
    unit_free(&u);
    units_close(r);
    return n;
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    static const struct {
        bool ids;
        const char *second; // the second shard's bytes; the first shard is good
        size_t len;
        int code;
        const char *message;
    } cases[] = {
        {true, "{\"ids\":[1]}\n{\"ids\":[]}\n", 23, ERR_FORMAT,
         "b.jsonl: line 2: \"ids\" is empty"},
        {true, "{\"ids\":[100]}\n", 14, ERR_LIMIT,
         "b.jsonl: line 1: id 0 is 100; the vocabulary has 100"},
        {true, "{\"ids\":[1,2,3]}\n", 16, ERR_LIMIT,
         "b.jsonl: line 1: 3 ids; a window holds at most 2"},
        {false, "PAR1....", 8, ERR_TRUNCATED, "b.jsonl: 8 bytes: a Parquet file has 12 at least"},
        {false, "\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00", 10, ERR_UNSUPPORTED,
         "b.jsonl: byte 0: the zstd frame needs dict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const paths[] = {"a.jsonl", "b.jsonl"};
        const struct units_options options = {.ids = cases[i].ids, .n_ctx = 2, .d_vocab = 100};
        put("a.jsonl", "{\"text\":\"a\",\"ids\":[1]}\n", 23);
        put("b.jsonl", cases[i].second, cases[i].len);
        struct shards shards;
        struct err err = {0};
        assert_int_equal(shards_open(&shards, paths, 2, NULL), 0);
        assert_int_equal(units_before_error(&shards, &options, &err), 1);
        assert_int_equal(err.code, cases[i].code);
        if (strncmp(err.msg, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("%s", err.msg);
        }
        shards_free(&shards);
    }
}

enum change { SHRINK, GROW, REMOVE, REWRITE };

static void apply(enum change change, const struct buf *text)
{
    if (change == SHRINK) {
        assert_int_equal(truncate("b.jsonl", (off_t)text->len - 1000000), 0);
    } else if (change == GROW) {
        FILE *f = fopen("b.jsonl", "ab");
        assert_non_null(f);
        assert_int_equal(fwrite("\n", 1, 1, f), 1);
        assert_int_equal(fclose(f), 0);
    } else if (change == REMOVE) {
        assert_int_equal(unlink("b.jsonl"), 0);
    } else {
        FILE *f = fopen("b.jsonl", "r+b");
        assert_non_null(f);
        assert_int_equal(fwrite("[", 1, 1, f), 1);
        assert_int_equal(fclose(f), 0);
    }
}

static void a_shard_that_changes_ends_the_reading(void **state)
{
    (void)state;
    static const struct {
        enum change change;
        int code;
        const char *message;
    } cases[] = {
        {SHRINK, ERR_MISMATCH,
         "b.jsonl: changed since the scan began: 3000480 bytes, 4000480 then"},
        {GROW, ERR_MISMATCH, "b.jsonl: changed since the scan began: 4000481 bytes, 4000480 then"},
        {REMOVE, ERR_NOT_FOUND, "b.jsonl: No such file or directory"},
        {REWRITE, ERR_MISMATCH,
         "b.jsonl: changed since the scan began: its size is the same, its first or last 64 KiB "
         "are not"},
    };
    struct buf text = {0};
    char letters[41];
    memset(letters, 'A', 40);
    letters[40] = '\0';
    make(&text, letters); // 14 units
    // It changes before its first unit is read, or behind the reader's back.
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        const bool meanwhile = i % 2;
        put("a.jsonl", "{\"text\":\"a\"}\n", 13);
        put("b.jsonl", text.data, text.len);
        const char *const paths[] = {"a.jsonl", "b.jsonl"};
        struct shards shards;
        struct units *r;
        struct unit u = {0};
        struct err err = {0};
        assert_int_equal(shards_open(&shards, paths, 2, NULL), 0);
        assert_int_equal(units_open(&r, &shards, &defaults, NULL), 0);
        for (int k = 0; k <= meanwhile; k++) {
            assert_int_equal(units_next(r, &u, &err), 0);
        }
        apply(cases[i / 2].change, &text);
        int rc;
        int n = 0;
        while ((rc = units_next(r, &u, &err)) == 0 && u.number != UNIT_END) {
            assert_false(u.last);
            n++;
        }
        assert_int_equal(rc, cases[i / 2].code);
        assert_string_equal(err.msg, cases[i / 2].message);
        // If it shrinks 10 of the shard's units are left, else 14: one was read, the last fails.
        assert_int_equal(n, !meanwhile ? 0 : cases[i / 2].change == SHRINK ? 8 : 12);
        unit_free(&u);
        units_close(r);
        shards_free(&shards);
    }
    buf_free(&text);
}

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder) || chdir(folder) != 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") != 0 ? -1 : system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_cut_by_bytes_of_text_however_they_are_read),
        cmocka_unit_test(a_unit_holds_at_most_16384_documents),
        cmocka_unit_test(damage_belongs_to_the_last_unit),
        cmocka_unit_test(a_unit_tells_the_first_places_of_its_own_rejects),
        cmocka_unit_test(units_are_numbered_through_the_shards),
        cmocka_unit_test(documents_have_their_text_and_domain),
        cmocka_unit_test(lists_of_ids_are_cut_too),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(a_shard_that_changes_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
