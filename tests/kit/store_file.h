/*
 * store_file.h - a run.db for each test
 */
#ifndef GAPSCOPE_TESTS_KIT_STORE_FILE_H
#define GAPSCOPE_TESTS_KIT_STORE_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corpora/base/err.h"
#include "tests/kit/folder.h"

static char path[64]; // of the test's run.db, a new one each

static int new_path(void **state)
{
    (void)state;
    static int n;
    snprintf(path, sizeof path, "%s/run%d.db", folder, n++);
    return 0;
}

static void ok(int rc, const struct err *err)
{
    if (rc) {
        fail_msg("%s", err->msg);
    }
}

#endif
