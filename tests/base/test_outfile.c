/*
 * An output that cannot get its name, and temporary files that cannot be removed: nothing is left
 * without a word.  Linked with --wrap=rename and --wrap=unlink.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "corpora/base/file.h"

static bool no_rename, no_unlink;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

int __wrap_rename(const char *from, const char *to)
{
    errno = EIO;
    return no_rename ? -1 : __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    errno = EACCES;
    return no_unlink ? -1 : __real_unlink(path);
}

static void put(const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

/* An outfile "out" with a file beside its temporary one. */
static void open_both(struct outfile *out)
{
    struct err err = {0};
    assert_int_equal(outfile_open(out, "out", &err), 0);
    assert_int_equal(outfile_beside(out, "-journal", &err), 0);
    assert_string_equal(out->beside + strlen(out->tmp_path), "-journal");
    put(out->beside);
}

static int count_files(void)
{
    FILE *ls = popen("ls -A | wc -l", "r");
    int n = -1;
    assert_int_equal(fscanf(ls, "%d", &n), 1);
    pclose(ls);
    return n;
}

static int enter(void **state)
{
    static char dir[] = "/tmp/gapscope-test-XXXXXX";
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    *state = dir;
    return mkdtemp(dir) ? chdir(dir) : -1;
}

static int leave(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", (const char *)*state);
    no_rename = no_unlink = false;
    return chdir("/") || system(command);
}

static void nothing_stays_beside_an_output(void **state)
{
    (void)state;
    struct outfile out;
    struct err err = {0};
    const char *why;
    open_both(&out);
    assert_int_equal(outfile_commit(&out, &err), 0);
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove("out"), 0);

    open_both(&out);
    outfile_discard(&out);
    assert_int_equal(count_files(), 0);

    open_both(&out);
    outfile_abandon();
    assert_int_equal(count_files(), 0);
    outfile_discard(&out);

    no_rename = true;
    open_both(&out);
    assert_int_equal(outfile_commit(&out, &err), ERR_IO);
    assert_string_equal(err.msg, "out: Input/output error");
    assert_int_equal(count_files(), 0);
    assert_null(outfile_leftover(0, &why));
}

static void what_cannot_be_removed_is_known(void **state)
{
    (void)state;
    struct outfile out;
    struct err err = {0};
    const char *why;
    char tmp[64];
    no_rename = no_unlink = true;
    open_both(&out);
    snprintf(tmp, sizeof tmp, "%s", out.tmp_path);
    assert_int_equal(outfile_commit(&out, &err), ERR_IO);
    assert_string_equal(outfile_leftover(0, &why), tmp);
    assert_string_equal(why, "Permission denied");
    assert_string_equal(outfile_leftover(1, &why) + strlen(tmp), "-journal");
    assert_null(outfile_leftover(2, &why));
}

static void a_mapped_file_is_known_by_its_addresses(void **state)
{
    (void)state;
    struct file_map a, b;
    FILE *f = fopen("a\n", "w");
    assert_true(fputs("some bytes", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(file_map(&a, "a\n", NULL), 0);
    assert_int_equal(file_map(&b, "a\n", NULL), 0);
    assert_string_equal(file_map_path(a.data), "a\\x0A");
    assert_string_equal(file_map_path(b.data + 9), "a\\x0A");
    assert_null(file_map_path(NULL));
    assert_null(file_map_path(&a));
    const unsigned char *gone = a.data;
    file_unmap(&a);
    assert_null(file_map_path(gone));
    assert_string_equal(file_map_path(b.data), "a\\x0A");
    file_unmap(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(nothing_stays_beside_an_output),
        TEST(what_cannot_be_removed_is_known),
        TEST(a_mapped_file_is_known_by_its_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
