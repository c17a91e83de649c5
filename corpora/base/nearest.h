/*
 * nearest.h - guesses which names a misspelt word was meant to be
 */
#ifndef GAPSCOPE_CORPORA_BASE_NEAREST_H
#define GAPSCOPE_CORPORA_BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_MAX 3 // names that are offered

struct nearest {
    char text[256];
};

/* "; did you mean a, b or c?" for those of 'names' that 'word' may stand for, the nearest first, each
 * behind 'before' ("--" of an option); "" where there is none. */
struct nearest nearest_names(const char *word, const char *before, const char *const *names,
                             size_t n);

#endif
