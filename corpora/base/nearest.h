/*
 * nearest.h - guesses which name a misspelt word was meant to be
 */
#ifndef GAPSCOPE_CORPORA_BASE_NEAREST_H
#define GAPSCOPE_CORPORA_BASE_NEAREST_H

#include <stddef.h>

/* The one of 'names' that 'word' probably stands for, or NULL; for "did you mean ...?". */
const char *nearest_name(const char *word, const char *const *names, size_t n);

#endif
