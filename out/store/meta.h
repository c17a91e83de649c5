/*
 * meta.h - values of run.db's table 'meta' that hold what several runs or machines said
 */
#ifndef GAPSCOPE_OUT_STORE_META_H
#define GAPSCOPE_OUT_STORE_META_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/store/store.h"

/* *list becomes "old; value" unless value is one of the old ones.  *list is malloc()ed, NULL: none
 * so far.  Errors: ERR_NOMEM, *list as it was. */
int meta_join(char **list, const char *value, struct err *err);

/* The value of a key; NULL: not there.  free() it.  Errors: ERR_NOMEM, ERR_FORMAT. */
int meta_get(char **out, struct store *s, const char *key, struct err *err);

/* The number that a key has; 0 where it has none. */
uint64_t meta_number(struct store *s, const char *key);

/* Has the key a value other than ""? */
bool meta_says(struct store *s, const char *key);

#endif
