/*
 * memstream.h - a stream that writes into memory, and tells when there was no room
 *
 *     char *text;
 *     size_t len;
 *     FILE *to = memstream_open(&text, &len);
 *     ... fprintf(to, ...) ...
 *     if (fclose(to) != 0) ...          // something is missing; text is NULL
 *     free(text);
 *
 * open_memstream() of the C library closes without an error when what was written did not fit.
 */
#ifndef GAPSCOPE_CORPORA_BASE_MEMSTREAM_H
#define GAPSCOPE_CORPORA_BASE_MEMSTREAM_H

#include <stddef.h>
#include <stdio.h>

/* A stream to write to; NULL if there is no memory.  fclose() sets *text, which the caller frees,
 * and *len; behind text[len] stands a NUL.  Where anything did not fit, fclose() fails and *text is
 * NULL.  Until then *text is NULL and *len 0. */
FILE *memstream_open(char **text, size_t *len);

#endif
