/*
 * shell.h - commands in a shell, and what they print: for tests of the program as people run it
 *
 * "gapscope" in a command is the program under test, $T a folder that is removed at the end.
 */
#ifndef GAPSCOPE_TESTS_KIT_SHELL_H
#define GAPSCOPE_TESTS_KIT_SHELL_H

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

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "tests/kit/folder.h" // $T in commands

struct ran {
    int status;
    struct buf out, err; // NUL-terminated
};

static void read_output(struct buf *to, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    to->len = 0;
    assert_int_equal(file_read(path, (size_t)1 << 30, to, NULL), 0);
    buf_append(to, "", 1, NULL);
    to->len--;
}

/* Runs a shell command in the tree's root; "gapscope" is the program under test. */
static void run(struct ran *r, const char *command)
{
    struct buf line = {0};
    buf_printf(&line, NULL, "gapscope() { '%s' \"$@\"; }; T=%s; { %s ; } >$T/.out 2>$T/.err",
               GAPSCOPE_PROGRAM, folder, command);
    const int status = system(line.data);
    assert_true(WIFEXITED(status));
    r->status = WEXITSTATUS(status);
    read_output(&r->out, ".out");
    read_output(&r->err, ".err");
    buf_free(&line);
}

static void ran_free(struct ran *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
}

/* A command, its status, what it says on standard error (NULL: nothing), what it prints (""
 * nothing, NULL: not looked at). */
struct shell_case {
    const char *command;
    int status;
    const char *err; // NULL: nothing, "": anything
    const char *out;
};

static void check_cases(const struct shell_case *cases, size_t n)
{
    struct ran r = {0};
    for (size_t i = 0; i < n; i++) {
        run(&r, cases[i].command);
        const bool err_right =
            cases[i].err ? strstr(r.err.data, cases[i].err) != NULL : r.err.len == 0;
        const bool out_right = !cases[i].out || strcmp(r.out.data, cases[i].out) == 0;
        if (r.status != cases[i].status || !err_right || !out_right) {
            fail_msg("%s\nstatus %d, wanted %d\nstderr: %s\nwanted: %s\nstdout: %.400s\nwanted: %s",
                     cases[i].command, r.status, cases[i].status, r.err.data,
                     cases[i].err ? cases[i].err : "nothing", r.out.data,
                     cases[i].out ? cases[i].out : "anything");
        }
    }
    ran_free(&r);
}
#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof *(cases))

#endif
