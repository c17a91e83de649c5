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

/* The domains in the order of their ids: by name, all others, "(other)", last.  *out is a new array
 * of *n; it points into the tally.  Errors: ERR_NOMEM. */
int gaps_tables_domains(const struct tally_domain ***out, size_t *n, const struct tally *tally,
                        struct err *err);

#endif
