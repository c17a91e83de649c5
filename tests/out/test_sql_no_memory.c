/*
 * SQL when an allocation fails, each one after the other: some functions of SQLite then give another
 * value and no error, json_valid() 0 for one.  That memory was lacking must be known then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "out/sql/sql.h"
#include "tests/kit/failing_malloc.h"

#if !FAILING_MALLOC

int main(void)
{
    return 77; // a sanitizer has an allocator of its own
}

#else

enum outcome { SAME, AN_ERROR, KNOWN, UNKNOWN, NONE_CAME };

/* What a process says that asks while the nth allocation fails. */
static enum outcome ask(const char *text, int64_t wanted, long nth)
{
    struct sql s = {.path = "memory"};
    struct err err;
    int64_t got = -1;
    sql_watch_memory();
    if (sqlite3_open_v2(":memory:", &s.db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        return UNKNOWN;
    }
    before_failure = nth;
    const int rc = sql_int(&s, text, &got, &err);
    const bool none = none_came();
    sqlite3_close(s.db);
    if (none) {
        return !rc && got == wanted ? NONE_CAME : UNKNOWN;
    }
    return rc ? AN_ERROR : mem_was_lost() ? KNOWN : got == wanted ? SAME : UNKNOWN;
}

/* Asks in processes of their own until no allocation is left to fail; counts the outcomes. */
static void ask_failing(const char *text, int64_t wanted, size_t n[NONE_CAME])
{
    enum outcome outcome = SAME;
    for (long nth = 0; outcome != NONE_CAME; nth++) {
        int status;
        assert_true(nth < 2000);
        const pid_t pid = fork();
        if (pid == 0) {
            _exit((int)ask(text, wanted, nth));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        outcome = (enum outcome)WEXITSTATUS(status);
        assert_true(outcome <= NONE_CAME);
        n[outcome < NONE_CAME ? outcome : SAME]++;
    }
}

static void another_value_is_never_taken_for_the_true_one(void **state)
{
    (void)state;
    size_t n[NONE_CAME] = {0};
    ask_failing("SELECT iif(json_valid('[[1,2],[3,4]]'), json_array_length('[[1,2],[3,4]]'), 0)", 2,
                n);
    ask_failing("SELECT count(*) FROM json_each(iif(json_valid('[1,2,3]'), '[1,2,3]', '[]'))", 3,
                n);
    ask_failing("SELECT sum(length(x)) FROM (WITH RECURSIVE r(x) AS (SELECT 'a' UNION ALL SELECT x "
                "|| 'bcdefgh' FROM r LIMIT 40) SELECT x FROM r ORDER BY x DESC)",
                5500, n);
    assert_int_equal(n[UNKNOWN], 0);
    assert_true(n[AN_ERROR] > 0);
    assert_true(n[KNOWN] > 0);
    printf("%zu errors, %zu known\n", n[AN_ERROR], n[KNOWN]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_value_is_never_taken_for_the_true_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
