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
    assert_int_equal(idlist_open(&l, path, NULL, 4, 100, NULL), 0);
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
    {"[1,2]", ERR_FORMAT,
     "no \"ids\", \"input_ids\" or \"tokens\"; expected {\"ids\":[1,2,3]}, or --field"},
    {"{\"id\":[1]}", ERR_FORMAT,
     "no \"ids\", \"input_ids\" or \"tokens\"; expected {\"ids\":[1,2,3]}, or --field"},
    {"{\"ids\":null}", ERR_FORMAT,
     "no \"ids\", \"input_ids\" or \"tokens\"; expected {\"ids\":[1,2,3]}, or --field"},
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
        assert_int_equal(idlist_open(&l, path, NULL, 4, 100, NULL), 0);
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

/* Reads all lists of the file; "key:ids ids|..." */
static void read_all(char *out, size_t size, const char *field)
{
    struct idlist *l;
    const uint32_t *ids;
    size_t n, at = 0;
    assert_int_equal(idlist_open(&l, path, field, 4, 100, NULL), 0);
    assert_null(idlist_key(l));
    out[0] = '\0';
    for (;;) {
        struct err err = {0};
        if (idlist_next(l, &ids, &n, &err)) {
            snprintf(out + at, size - at, "%s", err.msg + strlen(path));
            break;
        }
        if (n == 0) {
            break;
        }
        at += (size_t)snprintf(out + at, size - at, "%s", idlist_key(l));
        for (size_t i = 0; i < n; i++) {
            at += (size_t)snprintf(out + at, size - at, " %d", (int)ids[i]);
        }
        at += (size_t)snprintf(out + at, size - at, "|");
    }
    idlist_close(l);
}

static void the_ids_are_found_under_other_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field, *found;
    } cases[] = {
        {"{\"input_ids\":[1,2]}\n{\"tokens\":[3]}\n{\"tokens\":[\"a\"],\"ids\":[4]}", NULL,
         "input_ids 1 2|tokens 3|ids 4|"},
        {"{\"ids\":null,\"input_ids\":[1]}", NULL, "input_ids 1|"},
        {"{\"tokens\":[\"the\"]}", NULL,
         ": line 1: id 0 is a string; expected a whole number from 0"},
        {"{\"input_ids\":[]}", NULL, ": line 1: \"input_ids\" is empty"},
        {"{\"a\":{\"b\":[1]},\"ids\":[2]}\n{\"a.b\":[3],\"a\":{\"b\":[4]}}", "a.b", "a.b 1|a.b 3|"},
        {"{\"ids\":[2]}", "a.b", ": line 1: no \"a.b\", which must hold the ids"},
        {"{\"x\":5}", "x", ": line 1: \"x\" is a number; expected an array"},
        // other shapes than JSONL
        {"[{\"ids\":[1]},\n{\"ids\":[2,3]}]", NULL, "ids 1|ids 2 3|"},
        {"{\n\"ids\": [\n1,\n2\n]\n}\n{\n\"ids\": [3]}", NULL, "ids 1 2|ids 3|"},
        {"\x1e{\"ids\":[1]}\n\x1e{\"ids\":[2]}\n", NULL, "ids 1|ids 2|"},
        {"[{\"ids\":[1]},", NULL,
         "ids 1|: byte 13: the file ends inside its JSON array: an interrupted copy?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char found[300];
        put(cases[i].text);
        read_all(found, sizeof found, cases[i].field);
        assert_string_equal(found, cases[i].found);
    }
}

static void what_holds_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"\x93NUMPY\1", "PK\3\4", "%PDF-1.4"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct idlist *l = NULL;
        struct err err = {0};
        put(files[i]);
        assert_int_equal(idlist_open(&l, path, NULL, 4, 100, &err), ERR_UNSUPPORTED);
        assert_null(strstr(err.msg, "--format"));
        assert_null(l);
    }
    struct idlist *l = NULL;
    assert_int_equal(idlist_open(&l, path, "", 4, 100, NULL), ERR_USAGE);
}

static void damage_is_an_error(void **state)
{
    (void)state;
    struct idlist *l = NULL;
    struct err err = {0};
    assert_int_equal(idlist_open(&l, "tests/golden/none", NULL, 4, 100, &err), ERR_NOT_FOUND);
    assert_int_equal(idlist_open(&l, "tests/golden/zstd/truncated.jsonl.zst", NULL, 4, 100, &err),
                     0);
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
        cmocka_unit_test(the_ids_are_found_under_other_names),
        cmocka_unit_test(what_holds_no_json_is_refused),
        cmocka_unit_test(damage_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
