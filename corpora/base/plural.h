/*
 * plural.h - the end of a noun behind a number, in messages: "1 document", "2 documents"
 */
#ifndef GAPSCOPE_CORPORA_BASE_PLURAL_H
#define GAPSCOPE_CORPORA_BASE_PLURAL_H

#include <stdint.h>

static inline const char *plural_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

#endif
