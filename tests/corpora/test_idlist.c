#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/idlist.h"

static char path[] = "/tmp/gapscope-test-XXXXXX";

static void put(const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void lists_come_one_a_line(void **state)
{
    (void)state;
    put("\xef\xbb\xbf{\"ids\":[1,2,3]}\n\n \r\n{\"ids\": [0], \"doc\": "
        "5}\r\n{\"ids\":[99,98,97,96]}");
    struct idlist *l;
    assert_int_equal(idlist_open(&l, path, 4, 100, NULL), 0);
    const uint32_t *ids;
    size_t n;
    assert_int_equal(idlist_next(l, &ids, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[2], 3);
    assert_int_equal(idlist_next(l, &ids, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], 0);
    assert_int_equal(idlist_next(l, &ids, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_int_equal(ids[3], 96);
    assert_int_equal(idlist_next(l, &ids, &n, NULL), 0);
    assert_int_equal(n, 0);
    idlist_close(l);
}

// Each is line 2 of a file; n_ctx is 4 and the vocabulary is 100.
static const struct {
    const char *line;
    int code;
    const char *message;
} bad[] = {
    {"[1,2]", ERR_FORMAT, "no \"ids\"; expected {\"ids\":[1,2,3]}"},
    {"{\"id\":[1]}", ERR_FORMAT, "no \"ids\"; expected {\"ids\":[1,2,3]}"},
    {"{\"ids\":null}", ERR_FORMAT, "no \"ids\"; expected {\"ids\":[1,2,3]}"},
    {"{\"ids\":5}", ERR_FORMAT, "\"ids\" is a number; expected an array"},
    {"{\"ids\":[]}", ERR_FORMAT, "\"ids\" is empty"},
    {"{\"ids\":[1,\"2\"]}", ERR_FORMAT, "id 1 is a string; expected a whole number from 0"},
    {"{\"ids\":[1.0]}", ERR_FORMAT, "id 0 is 1.0; expected a whole number from 0"},
    {"{\"ids\":[1,null]}", ERR_FORMAT, "id 1 is null; expected a whole number from 0"},
    {"{\"ids\":[-1]}", ERR_FORMAT, "id 0 is -1; expected a whole number from 0"},
    {"{\"ids\":[[1]]}", ERR_FORMAT, "id 0 is an array; expected a whole number from 0"},
    {"{\"ids\":[1,2,3,4,5]}", ERR_LIMIT, "5 ids; a window holds at most 4"},
    {"{\"ids\":[99,100]}", ERR_LIMIT, "id 1 is 100; the vocabulary has 100"},
    {"{\"ids\":[4294967296]}", ERR_LIMIT, "id 0 is 4294967296; the vocabulary has 100"},
    {"{\"ids\":[18446744073709551615]}", ERR_LIMIT,
     "id 0 is 18446744073709551615; the vocabulary has 100"},
    {"{\"ids\":[99999999999999999999999]}", ERR_FORMAT,
     "id 0 is 99999999999999999999999; expected a whole number from 0"},
    {"{\"ids\":[NaN]}", ERR_FORMAT, "id 0 is NaN; expected a whole number from 0"},
    {"{\"ids\":[1,2}", ERR_FORMAT, "column 12: "},
    {"not json", ERR_FORMAT, "column 2: "},
};

static void a_list_that_cannot_be_used_is_an_error_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200], message[200];
        snprintf(text, sizeof text, "{\"ids\":[1]}\n%s\n{\"ids\":[1]}\n", bad[i].line);
        snprintf(message, sizeof message, "%s: line 2: %s", path, bad[i].message);
        put(text);
        struct idlist *l;
        assert_int_equal(idlist_open(&l, path, 4, 100, NULL), 0);
        const uint32_t *ids;
        size_t n;
        struct err err = {0};
        assert_int_equal(idlist_next(l, &ids, &n, &err), 0);
        const int rc = idlist_next(l, &ids, &n, &err);
        if (rc != bad[i].code || strncmp(err.msg, message, strlen(message)) != 0) {
            fail_msg("%s: %d %s", bad[i].line, rc, err.msg);
        }
        assert_int_equal(n, 0);
        uint64_t line, byte;
        idlist_tell(l, &line, &byte);
        assert_int_equal(line, 2);
        assert_int_equal(byte, 12);
        idlist_close(l);
    }
}

static void damage_is_an_error(void **state)
{
    (void)state;
    struct idlist *l = NULL;
    struct err err = {0};
    assert_int_equal(idlist_open(&l, "tests/golden/none", 4, 100, &err), ERR_NOT_FOUND);
    assert_int_equal(idlist_open(&l, "tests/golden/zstd/truncated.jsonl.zst", 4, 100, &err), 0);
    const uint32_t *ids;
    size_t n;
    assert_int_equal(idlist_next(l, &ids, &n, &err), ERR_TRUNCATED);
    assert_int_equal(n, 0);
    uint64_t line, byte;
    idlist_tell(l, &line, &byte);
    assert_int_equal(line, 1);
    assert_int_equal(byte, 0);
    assert_int_equal(idlist_tell_raw(l), 2224);
    idlist_close(l);
}

static int make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_come_one_a_line),
        cmocka_unit_test(a_list_that_cannot_be_used_is_an_error_with_its_line),
        cmocka_unit_test(damage_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
