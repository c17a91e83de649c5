/*
 * scan_corpus.h - the corpus of test_scan.c, its reference, and ways to compare a run.db with it
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_CORPUS_H
#define GAPSCOPE_TESTS_SCAN_SCAN_CORPUS_H

#include <sqlite3.h>

#include "tests/kit/scan_kit.h"
#include "tests/ref/scan_ref.h"

#define NEAR 2e-6                // nats
#define TOP (KIT_SLOW ? 40 : 90) // most of all candidates, but not all

enum { CODE, DOCS, LONG, ONLY_BAD, NOTHING, RUNS, SHARDS };

extern struct kit_shard shards[SHARDS]; // by name, as a run sorts them
extern struct ref ref;
extern sqlite3 *db; // NULL where the scan failed

/* The corpus, scored by `gapscope score`: for cmocka_run_group_tests(). */
int score_corpus(void **state);
int end_corpus(void **state);

/* The run.db; fails the test where the scan failed. */
sqlite3 *results(void);

void assert_close(double value, double wanted, const char *what);

/* Column 'i' as a number; NULL is NaN. */
double number(sqlite3_stmt *row, int i);

const char *text(sqlite3_stmt *row, int i);

void assert_column_text(sqlite3_stmt *row, int i, const char *wanted);

int64_t model_id(size_t m);

int64_t pair_id(size_t p);

int64_t shard_id(size_t shard);

/* How many of values[] lie in [lo, hi): surely, and perhaps, being as near to an end as rounding
 * can move them. */
struct ref_count {
    uint64_t least, most;
};

void count_in(struct ref_count *c, double value, double lo, double hi);

void assert_counted(uint64_t n, struct ref_count c, const char *what);

#endif
