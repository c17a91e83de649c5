/*
 * scan_neurons_corpus.h - the corpus of test_scan_neurons.c, a run of it, and looks at a run.db
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_NEURONS_CORPUS_H
#define GAPSCOPE_TESTS_SCAN_SCAN_NEURONS_CORPUS_H

#include <sqlite3.h>
#include <stdint.h>

#include "tests/kit/model_copy.h"
#include "tests/kit/scan_kit.h"

#define ATTN " --model $T/m/attn-only-1l " // of small_models()
#define GELU " --model $T/m/gelu-1l "
#define SOLU " --model $T/m/solu-1l "
#define CORPUS " $T/corpus.jsonl "
#define HYPOTHESES                                                                                 \
    " --regex 'word=\\b[a-z]+\\b' --regex 'stop=[.,;]' --regex 'number=\\d+' --regex 'all=(?s).+'" \
    " --regex 'never=zq[xj]{3}' "

/* Sources and prose of this tree, a document without text, and one of many windows; models in
 * $T/m. */
int make_corpus(void **state);

/* all.db: all three models with hypotheses, in f32.  Every test that looks at it calls this first.
 */
void need_all(void);

void expect_number(sqlite3 *db, int64_t wanted, const char *sql);

double real(sqlite3 *db, const char *sql);

void assert_same_rows(sqlite3 *a, sqlite3 *b, const char *sql);

void assert_same_digest(const char *name, const char *wanted);

/* Whoever looks at it is answered, or told why not. */
void assert_views_work(const char *name);

#endif
