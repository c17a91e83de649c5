/*
 * endings.h - what the ending of a file's name says about the file
 */
#ifndef GAPSCOPE_CORPORA_ENDINGS_H
#define GAPSCOPE_CORPORA_ENDINGS_H

#include <stdbool.h>

/* Whether the name ends in .zst, .zstd or .gz.  A name that consists of an ending alone has no
 * ending, here and below. */
bool endings_say_compressed(const char *name);

/* Whether the name ends in 'ending'; a compressed file's .zst, .zstd or .gz does not count. */
bool endings_end_with(const char *name, const char *ending);

#endif
