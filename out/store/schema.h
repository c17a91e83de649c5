/*
 * schema.h - run.db's tables and views, as run.sql and the .sql file of each statistic make them
 *
 * The scripts are run.sql and those of collector_kinds.
 */
#ifndef GAPSCOPE_OUT_STORE_SCHEMA_H
#define GAPSCOPE_OUT_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/sql/script.h"
#include "out/sql/sql.h"

/* All scripts together: every kind's tables are there, whether or not a run uses them.  *out begins
 * as {0} and is ended by script_free() in any case. Errors: ERR_NOMEM. */
int schema_read(struct script *out, struct err *err);

/* Whether text in a column of this name, of whatever table or view, is JSON. */
bool schema_holds_json(const struct script *schema, const char *column);

/* Empties every table. */
int schema_clear(const struct script *schema, const struct sql *s, struct err *err);

/* store_digest() of the tables as they stand. */
int schema_digest(const struct script *schema, const struct sql *s, char out[33], struct err *err);

#endif
