/*
 * report_kit.h - a page of `gapscope report`, and its chunks read back from the file
 */
#ifndef GAPSCOPE_TESTS_KIT_REPORT_KIT_H
#define GAPSCOPE_TESTS_KIT_REPORT_KIT_H

#include <stddef.h>

#include <json-c/json.h>

#include "corpora/base/mem.h"

/* A folder with the run.db of view_run.h: for cmocka_run_group_tests(). */
int set_up(void **state);

extern struct buf page; // the one read last, NUL-terminated

void read_page(const char *name);

/* Makes $T/page.html of $T/run and reads it. */
void make_page(const char *run, const char *options);

/* A chunk of the page; NULL: it has none of that name. */
struct json_object *chunk(const char *name);

size_t count(const char *text, const char *part);

/* chunk: "hits/0"; path: where in it; wanted: JSON. */
struct place {
    const char *chunk, *path, *wanted;
};

void check_places(const struct place *places, size_t n);
#define CHECK_PLACES(places) check_places(places, sizeof(places) / sizeof *(places))

/* Every chunk in the page is whole; returns how many there are. */
size_t check_chunks(void);

#endif
