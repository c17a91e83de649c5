/*
 * Tables in lines of a given width: what is left out, what is split
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/text/table.h"

static const char *const heads[] = {"<name", "n", "much", "AP"};

/* The table in lines of 'width', and whether spare columns are named. */
static void expect(const unsigned char *spare, size_t n_spare, size_t width, const char *wanted)
{
    struct table t = {
        .heads = heads, .n_columns = 4, .n_keys = 1, .spare = spare, .n_spare = n_spare};
    const char *const cells[] = {"one", "1", "1234", "0.5", "three", "20", "5", "0.25"};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        table_text(&t, cells[i]);
    }
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    assert_int_equal(table_put(&t, to, 1, width, NULL), 0);
    fclose(to);
    assert_string_equal(text, wanted);
    free(text);
    table_free(&t);
}

static const char whole[] = " name    n  much    AP\n"
                            " one     1  1234   0.5\n"
                            " three  20     5  0.25\n";

static void what_fits_is_put_whole(void **state)
{
    (void)state;
    static const unsigned char spare[] = {2, 1};
    expect(spare, 2, 100, whole);
    expect(spare, 2, 22, whole);
}

static void spare_columns_are_left_out_one_by_one(void **state)
{
    (void)state;
    static const unsigned char spare[] = {2, 1};
    expect(spare, 2, 21,
           " name    n    AP\n"
           " one     1   0.5\n"
           " three  20  0.25\n"
           " (no room for: much;\n"
           " a wider terminal and\n"
           " --json have them)\n");
    expect(spare, 2, 15,
           " name     AP\n"
           " one     0.5\n"
           " three  0.25\n"
           " (no room for:\n"
           " much, n; a\n"
           " wider terminal\n"
           " and --json\n"
           " have them)\n");
    static const unsigned char other[] = {1, 2}; // a lower column first
    expect(other, 2, 15,
           " name     AP\n"
           " one     0.5\n"
           " three  0.25\n"
           " (no room for:\n"
           " n, much; a\n"
           " wider terminal\n"
           " and --json\n"
           " have them)\n");
}

static void what_is_not_spare_is_split(void **state)
{
    (void)state;
    expect(NULL, 0, 21,
           " name    n  much\n"
           " one     1  1234\n"
           " three  20     5\n"
           "\n"
           " name     AP\n"
           " one     0.5\n"
           " three  0.25\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_put_whole),
        cmocka_unit_test(spare_columns_are_left_out_one_by_one),
        cmocka_unit_test(what_is_not_spare_is_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
