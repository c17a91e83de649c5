/*
 * spec.h - the JSON that says what a hypothesis is: {"mark":"all","regex":"..."}
 */
#ifndef GAPSCOPE_MINERS_SPEC_H
#define GAPSCOPE_MINERS_SPEC_H

#include <stddef.h>

#include "corpora/base/err.h"

/* Adds the member "key":json[len] to *spec, an object whose keys ascend and which has no such key,
 * where it stands in their order.  *spec is from malloc().  Errors: ERR_NOMEM, it is then as it
 * was. */
int spec_add(char **spec, const char *key, const char *json, size_t len, struct err *err);

#endif
