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

static void a_line_of_a_log_has_the_time_of_day(void **state)
{
    (void)state;
    char text[512] = "";
    FILE *log = tmpfile();
    const int old = dup(STDERR_FILENO);
    assert_non_null(log);
    assert_true(old >= 0);
    fflush(stderr);
    assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
    struct progress p;
    progress_begin(&p, &(struct progress_whole){.command = "scan", .items = "tokens", .n = 200});
    progress_show(&p, &(struct progress_now){.items = 50, .items_now = 50}, false);
    progress_end(&p);
    fflush(stderr);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    close(old);
    rewind(log);
    assert_true(fread(text, 1, sizeof text - 1, log) > 0);
    fclose(log);
    regex_t line;
    assert_int_equal(regcomp(&line,
                             "^gapscope scan: ([01][0-9]|2[0-3]):[0-5][0-9]:[0-6][0-9] 25\\.0 %, "
                             "[0-9]+s left, [0-9.]+ tokens per second, 50 tokens\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    if (regexec(&line, text, 0, NULL, 0) != 0) {
        fail_msg("the log says: %s", text);
    }
    regfree(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_of_a_log_has_the_time_of_day)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
