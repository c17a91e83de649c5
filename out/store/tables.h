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

/* Writes the tables of the run and of its collectors anew; full: as collector.h's write(). */
int store_tables_write(const struct sql *s, const struct run *run, const struct results *results,
                       bool full, struct err *err);

#endif
