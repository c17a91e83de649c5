/*
 * skip_tables.h - skip-trigrams as tables of run.db
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_TABLES_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_TABLES_H

#include "out/results/skips/skip_sums.h"
#include "out/sql/sql.h"

/* Writes skip, skip_model and skip_example anew.  Errors: sql.h's. */
int skip_tables_write(const struct sql *s, const struct skip_sums *k, struct err *err);

#endif
