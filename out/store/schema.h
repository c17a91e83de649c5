/*
 * schema.h - run.db's tables and views, as run.sql and the .sql file of each statistic make them
 *
 * CMakeLists.txt lists the files and puts their text into the program: a statistic adds its own
 * there.  Its tables take the next free places in the digest, which have no gap.
 */
#ifndef GAPSCOPE_OUT_STORE_SCHEMA_H
#define GAPSCOPE_OUT_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/sql/script.h"
#include "out/sql/sql.h"

/* The files, made by CMake. */
struct schema_script {
    const char *name; // its path in the source tree
    const char *text;
};
extern const struct schema_script schema_scripts[]; // [schema_n_scripts]
extern const size_t schema_n_scripts;

/* All scripts together; *out begins as {0} and is ended by script_free() in any case.
 * Errors: ERR_NOMEM. */
int schema_read(struct script *out, struct err *err);

/* Whether text in a column of this name, of whatever table or view, is JSON. */
bool schema_holds_json(const struct script *schema, const char *column);

/* Empties every table. */
int schema_clear(const struct script *schema, const struct sql *s, struct err *err);

/* store_digest() of the tables as they stand. */
int schema_digest(const struct script *schema, const struct sql *s, char out[33], struct err *err);

#endif
