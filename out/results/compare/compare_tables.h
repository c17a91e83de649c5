/*
 * compare_tables.h - writes the tables of compare.sql
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_TABLES_H
#define GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_TABLES_H

#include "out/results/compare/compare.h"
#include "out/results/gaps/tally.h"
#include "out/sql/sql.h"

/* All of them anew; domains have the ids that they have in the tally's tables.  Errors: sql.h's. */
int compare_tables_write(const struct sql *s, const struct tally *tally, const struct compare *c,
                         struct err *err);

#endif
