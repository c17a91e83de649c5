/*
 * source_kit.h - a source from memory
 */
#ifndef GAPSCOPE_TESTS_KIT_SOURCE_KIT_H
#define GAPSCOPE_TESTS_KIT_SOURCE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/source.h"

/* Its stream takes in 'step' bytes at a time, or as many as from a file if step is 0. */
static inline struct source *open_memory(const char *name, const void *data, size_t len,
                                         size_t step, const struct source_options *options)
{
    struct stream *stream;
    struct source *s = NULL;
    assert_int_equal(stream_open_memory(&stream, name, data, len, step, NULL), 0);
    assert_int_equal(source_open_stream(&s, stream, options, NULL), 0);
    return s;
}

#endif
