/*
 * gaps_tables.h - writes the tables of gaps.sql
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_GAPS_TABLES_H
#define GAPSCOPE_OUT_RESULTS_GAPS_GAPS_TABLES_H

#include <stdbool.h>

#include "corpora/base/err.h"
#include "out/results/gaps/tally.h"
#include "out/results/run.h"
#include "out/sql/sql.h"

/* All of them anew; the table 'shard' alone where 'full' is false.  Errors: sql.h's. */
int gaps_tables_write(const struct sql *s, const struct run *run, const struct tally *tally,
                      bool full, struct err *err);

/* The tables of hypotheses, but for domains': part of the above. */
int gaps_tables_hypotheses(const struct sql *s, const struct run *run, const struct tally *tally,
                           struct err *err);

#endif
