/*
 * store_file.h - a run.db for each test, and what any SQLite client sees in it
 */
#ifndef GAPSCOPE_TESTS_KIT_STORE_FILE_H
#define GAPSCOPE_TESTS_KIT_STORE_FILE_H

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

extern char path[64]; // of the test's run.db, a new one each

int make_store_folder(void **state); // for cmocka_run_group_tests()
int remove_store_folder(void **state);
const char *store_folder(void);
int new_path(void **state); // for cmocka_unit_test_setup()
void ok(int rc, const struct err *err);

void get_digest(char out[33]);

/* Runs statements on the file. */
void sql(const char *text);

/* The rows of a query, "a|b\n" each; the caller frees them. */
struct buf rows_of(const char *query);
void expect_rows(const char *query, const char *wanted);

#endif
