/*
 * heads_tables.h - the tables of attention heads in run.db
 */
#ifndef GAPSCOPE_OUT_RESULTS_HEADS_HEADS_TABLES_H
#define GAPSCOPE_OUT_RESULTS_HEADS_HEADS_TABLES_H

#include "out/results/heads/heads.h"
#include "out/sql/sql.h"

/* Writes them anew.  Errors: sql.h's. */
int heads_write_tables(const struct sql *sql, const struct heads *h, struct err *err);

#endif
