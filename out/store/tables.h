/*
 * tables.h - writes the result tables of run.db: all but 'state' and 'meta'
 */
#ifndef GAPSCOPE_OUT_STORE_TABLES_H
#define GAPSCOPE_OUT_STORE_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/results/results.h"
#include "out/results/run.h"
#include "out/sql/sql.h"

struct trigram_test;

/* Writes every table anew; the table 'shard' alone where 'full' is false. */
int store_tables_write(const struct sql *s, const struct run *run, const struct results *results,
                       bool full, struct err *err);

// Parts of store_tables_write(): the tables of neurons, of hypotheses but for domains', of
// trigrams.
int store_neurons_write(const struct sql *s, const struct run *run, const struct neurons *neurons,
                        struct err *err);
int store_hypotheses_write(const struct sql *s, const struct run *run, const struct tally *tally,
                           struct err *err);
int store_trigrams_write(const struct sql *s, const struct run *run, const struct results *results,
                         struct err *err);

/* Writes the tables of trials, in place of what they held. */
int store_trigram_rows(const struct sql *s, const struct trigram_test *tests, size_t n,
                       struct err *err);

#endif
