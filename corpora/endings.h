/*
 * endings.h - what the ending of a file's name says of it
 */
#ifndef GAPSCOPE_CORPORA_ENDINGS_H
#define GAPSCOPE_CORPORA_ENDINGS_H

#include <stdbool.h>

/* .zst, .zstd or .gz.  A name that is nothing but an ending has none, here and below. */
bool endings_say_compressed(const char *name);

/* Does the name end so, a compressed file's before .zst, .zstd or .gz? */
bool endings_end_with(const char *name, const char *ending);

#endif
