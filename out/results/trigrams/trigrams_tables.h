/*
 * trigrams_tables.h - writes the tables of trigrams, but for those of trials (trial_rows.h)
 */
#ifndef GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_TABLES_H
#define GAPSCOPE_OUT_RESULTS_TRIGRAMS_TRIGRAMS_TABLES_H

#include "corpora/base/err.h"
#include "out/results/gaps/tally.h"
#include "out/results/run.h"
#include "out/results/trigrams/trigrams.h"
#include "out/sql/sql.h"

/* The table 'token' is there already.  tally: it knows how many tokens there are in all.
 * Errors: sql.h's. */
int trigrams_write_tables(const struct sql *s, const struct run *run, const struct tally *tally,
                          const struct trigrams *t, struct err *err);

#endif
