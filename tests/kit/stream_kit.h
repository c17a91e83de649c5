/*
 * stream_kit.h - reads a stream to its end
 */
#ifndef GAPSCOPE_TESTS_KIT_STREAM_KIT_H
#define GAPSCOPE_TESTS_KIT_STREAM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/mem.h"
#include "corpora/stream.h"

/* Reads to the end or the error, closes the stream, and returns the code. */
static inline int drain(struct stream *s, struct buf *out, struct err *err)
{
    for (;;) {
        const char *bytes;
        size_t len;
        const int rc = stream_read(s, &bytes, &len, err);
        if (rc || len == 0) {
            assert_int_equal(stream_tell(s), out->len);
            if (rc) { // every further call gives the same
                struct err again = {0};
                assert_int_equal(stream_read(s, &bytes, &len, &again), rc);
                assert_string_equal(again.msg, err->msg);
            }
            stream_close(s);
            return rc;
        }
        assert_int_equal(buf_append(out, bytes, len, NULL), 0);
    }
}

#endif
