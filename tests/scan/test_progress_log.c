/* Progress where standard error is no terminal: lines of a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <regex.h>

#include "scan/cli/progress.h"

/* Fails unless the line that is shown matches the pattern. */
static void check_line(const struct progress_whole *whole, const struct progress_now *now,
                       const char *pattern)
{
    char text[512] = "";
    FILE *log = tmpfile();
    const int old = dup(STDERR_FILENO);
    assert_non_null(log);
    assert_true(old >= 0);
    fflush(stderr);
    assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
    struct progress p;
    progress_begin(&p, whole);
    progress_show(&p, now, false);
    progress_end(&p);
    fflush(stderr);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    close(old);
    rewind(log);
    assert_true(fread(text, 1, sizeof text - 1, log) > 0);
    fclose(log);
    regex_t line;
    assert_int_equal(regcomp(&line, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&line, text, 0, NULL, 0) != 0) {
        fail_msg("the log says: %s", text);
    }
    regfree(&line);
}

static void a_line_of_a_log_has_the_time_of_day(void **state)
{
    (void)state;
    check_line(&(struct progress_whole){.command = "scan", .items = "tokens", .n = 200},
               &(struct progress_now){.items = 50, .items_now = 50},
               "^gapscope scan: ([01][0-9]|2[0-3]):[0-5][0-9]:[0-6][0-9] 25\\.0 %, "
               "[0-9]+s left, [0-9.]+ tokens per second, 50 tokens\n$");
}

/* What other parts do counts as nothing; each has an equal share until the input is read. */
static void the_share_done_is_that_of_the_part(void **state)
{
    (void)state;
    const struct progress_whole whole = {
        .command = "scan", .items = "tokens", .bytes = 1000, .n_parts = 4};
    struct progress_now now = {.items = 9, .items_now = 9, .bytes_others = 400};
    check_line(&whole, &now, " 0\\.0 %, \\? left, ");
    now.bytes_now = 60;
    now.bytes_before = 40;
    check_line(&whole, &now, " 40\\.0 %, [0-9]+s left, ");
    now.read = true;
    now.bytes_others = 800;
    check_line(&whole, &now, " 50\\.0 %, [0-9]+s left, ");
    now.bytes_now = 160;
    check_line(&whole, &now, " 100\\.0 %, 0s left, ");
    // undivided: what was done before is done
    const struct progress_whole all = {.command = "scan", .items = "tokens", .bytes = 1000};
    check_line(&all, &(struct progress_now){.bytes_now = 100, .bytes_before = 150}, " 25\\.0 %, ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_of_a_log_has_the_time_of_day),
                                       cmocka_unit_test(the_share_done_is_that_of_the_part)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
