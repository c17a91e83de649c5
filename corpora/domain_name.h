/*
 * domain_name.h - makes the name of a domain fit for use
 */
#ifndef GAPSCOPE_CORPORA_DOMAIN_NAME_H
#define GAPSCOPE_CORPORA_DOMAIN_NAME_H

#include "corpora/base/mem.h"

/* The longest name of a domain; a longer one is cut between two characters. */
#define DOMAIN_NAME_BYTES ((size_t)200)

/* Sets *out to raw[len] as valid UTF-8 of at most DOMAIN_NAME_BYTES bytes and a NUL: U+FFFD stands
 * for invalid bytes and NULs.  Errors: ERR_NOMEM. */
int domain_name(struct buf *out, const char *raw, size_t len, struct err *err);

#endif
