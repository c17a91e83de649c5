/*
 * tables.h - writes the result tables of run.db: all but 'state' and 'meta'
 */
#ifndef GAPSCOPE_OUT_STORE_TABLES_H
#define GAPSCOPE_OUT_STORE_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/sql/sql.h"

int store_tables_create(const struct sql *s, struct err *err);
int store_tables_clear(const struct sql *s, struct err *err);

/* store_digest() of the tables as they stand. */
int store_tables_digest(const struct sql *s, char out[33], struct err *err);

/* Writes the tables of the run and of its collectors anew; full: as collector.h's write(). */
int store_tables_write(const struct sql *s, const struct run *run, const struct results *results,
                       bool full, struct err *err);

#endif
