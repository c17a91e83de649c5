#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/shards.h"

static char folder[] = "/tmp/gapscope-test-XXXXXX";

/* Tests run in the folder, and name its files relative to it. */
static void put(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* 150 000 bytes: byte i is i * i / 1000 modulo 251. */
static const char *pattern(void)
{
    static char text[150000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i * i / 1000 % 251);
    }
    return text;
}

// Hashes are XXH64 of `head -c 65536 FILE; tail -c 65536 FILE`.
static const struct {
    size_t len; // of pattern()
    uint64_t hash;
} hashes[] = {
    {0, UINT64_C(0xef46db3751d8e999)},     {1, UINT64_C(0x9aaba41ffa2da101)},
    {65535, UINT64_C(0x2663991ddb9c2142)}, {65536, UINT64_C(0xda6ec7f9c65e35b7)},
    {65537, UINT64_C(0xbbac2a25cc977b10)}, {150000, UINT64_C(0x707b90bf65b2d5a7)},
};

static void a_shard_is_its_name_size_and_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        put("x/shard.jsonl", pattern(), hashes[i].len);
        const char *const paths[] = {"x//shard.jsonl"};
        struct shards s;
        assert_int_equal(shards_open(&s, paths, 1, NULL), 0);
        assert_int_equal(s.n, 1);
        assert_string_equal(s.items[0].path, "x//shard.jsonl");
        assert_string_equal(s.items[0].name, "shard.jsonl");
        assert_int_equal(s.items[0].bytes, hashes[i].len);
        if (s.items[0].hash != hashes[i].hash) {
            fail_msg("%zu bytes: %016" PRIx64, hashes[i].len, s.items[0].hash);
        }
        assert_int_equal(shard_check(&s.items[0], NULL), 0);
        shards_free(&s);
    }
}

static void shards_are_sorted_by_what_they_are(void **state)
{
    (void)state;
    put("x/b", "1", 1);
    put("y/a", "22", 2);
    put("x/a", "333", 3); // as y/a by name, longer
    put("z/b", "2", 1);   // as x/b by name and size; of XXH64 "22" < "11"
    static const char *const orders[][4] = {{"x/a", "x/b", "y/a", "z/b"},
                                            {"z/b", "y/a", "x/b", "x/a"},
                                            {"./y/a", "x/b", "z/b", "./x/a"}};
    for (size_t i = 0; i < 3; i++) {
        struct shards s;
        assert_int_equal(shards_open(&s, orders[i], 4, NULL), 0);
        static const char expected[] = "yxzx";
        char folders[5] = "";
        for (size_t k = 0; k < s.n; k++) {
            folders[k] = strrchr(s.items[k].path, '/')[-1];
        }
        assert_string_equal(folders, expected);
        shards_free(&s);
    }
}

static void a_name_that_is_no_utf8_is_repaired(void **state)
{
    (void)state;
    put("x/\xff", "1", 1);
    const char *const paths[] = {"x/\xff"};
    struct shards s;
    assert_int_equal(shards_open(&s, paths, 1, NULL), 0);
    assert_string_equal(s.items[0].name, "\xef\xbf\xbd");
    assert_string_equal(s.items[0].path, "x/\xff");
    shards_free(&s);
}

static void what_cannot_be_a_shard_is_refused(void **state)
{
    (void)state;
    put("x/a", "1", 1);
    put("y/a", "1", 1);
    put("x/b", "1", 1);
    assert_int_equal(mkfifo("x/pipe", 0600), 0);
    static const struct {
        const char *paths[3];
        int code;
        const char *message;
    } cases[] = {
        {{"x/b", "x/a", "y/a"},
         ERR_MISMATCH,
         "x/a: the same shard as y/a (name, size, first and last 64 KiB are equal); name one of "
         "them, or rename one if they differ"},
        {{"x/b", "x/a", "x/b"}, ERR_MISMATCH, "x/b: named twice"},
        {{"x/a", "x", "x/b"},
         ERR_IO,
         "x: is a folder; `gapscope pack x -o corpus.jsonl.zst` makes a corpus of the files in it"},
        {{"x/a", "x/none", "x/b"}, ERR_NOT_FOUND, "x/none: No such file or directory"},
        {{"x/a", "x/a/b", "x/b"}, ERR_NOT_FOUND, "x/a/b: Not a directory"},
        {{"x/a", "x/b", "-"},
         ERR_IO,
         "-: standard input cannot be read again, as a scan must be able to; write it to a file "
         "first"},
        {{"x/pipe", "x/b", "x/a"},
         ERR_IO,
         "x/pipe: is not a regular file; a scan must be able to read its corpus again: write it to "
         "a "
         "file first"},
        {{"/dev/null", "x/b", "x/a"},
         ERR_IO,
         "/dev/null: is not a regular file; a scan must be able "
         "to read its corpus again: write it to a file first"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct shards s = {0};
        struct err err = {0};
        assert_int_equal(shards_open(&s, cases[i].paths, 3, &err), cases[i].code);
        assert_string_equal(err.msg, cases[i].message);
        assert_null(s.items);
    }
    assert_int_equal(unlink("x/pipe"), 0);
}

static void a_shard_that_changed_is_told(void **state)
{
    (void)state;
    put("x/a", pattern(), 150000);
    const char *const paths[] = {"x/a"};
    struct shards s;
    struct err err = {0};
    assert_int_equal(shards_open(&s, paths, 1, NULL), 0);

    put("x/a", pattern(), 149999);
    assert_int_equal(shard_check(&s.items[0], &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "x/a: changed since the scan began: 149999 bytes, 150000 then");

    static const struct {
        size_t at; // offset of the byte that differs
        bool seen;
    } cases[] = {{0, true},      {65535, true}, {65536, false},
                 {84463, false}, {84464, true}, {149999, true}};
    static char other[150000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(other, pattern(), sizeof other);
        other[cases[i].at] ^= 1;
        put("x/a", other, sizeof other);
        assert_int_equal(shard_check(&s.items[0], &err), cases[i].seen ? ERR_MISMATCH : 0);
        if (cases[i].seen) {
            assert_string_equal(err.msg, "x/a: changed since the scan began: its size is the same, "
                                         "its first or last 64 KiB are not");
        }
    }
    assert_int_equal(unlink("x/a"), 0);
    assert_int_equal(shard_check(&s.items[0], &err), ERR_NOT_FOUND);
    shards_free(&s);
}

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder) || chdir(folder) != 0 || mkdir("x", 0700) != 0 ||
                   mkdir("y", 0700) != 0 || mkdir("z", 0700) != 0
               ? -1
               : 0;
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
        cmocka_unit_test(a_shard_is_its_name_size_and_ends),
        cmocka_unit_test(shards_are_sorted_by_what_they_are),
        cmocka_unit_test(a_name_that_is_no_utf8_is_repaired),
        cmocka_unit_test(what_cannot_be_a_shard_is_refused),
        cmocka_unit_test(a_shard_that_changed_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
