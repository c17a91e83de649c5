/*
 * must.h - a call that must succeed
 */
#ifndef GAPSCOPE_TESTS_KIT_MUST_H
#define GAPSCOPE_TESTS_KIT_MUST_H

#include "tests/kit/golden.h"

/* Fails the test with the message if rc is not 0. */
static inline void must(int rc, const struct err *err)
{
    if (rc) {
        fail_msg("%s", err->msg);
    }
}

#endif
