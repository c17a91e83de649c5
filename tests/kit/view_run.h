/*
 * view_run.h - a run.db for tests of what shows one: the run of run_sample.h, and tables of neurons
 * and hypotheses that the test writes
 */
#ifndef GAPSCOPE_TESTS_KIT_VIEW_RUN_H
#define GAPSCOPE_TESTS_KIT_VIEW_RUN_H

#include <stddef.h>

#include <json-c/json.h>

#include "tests/kit/view_rows.h"

/* A run with tables of neurons and hypotheses, and the rows of 'sql' in them, as $T/name. */
void view_run_write(const char *name, const char *sql);

/* Runs statements on $T/name. */
void view_run_change(const char *name, const char *sql);

/* Puts the k-th value that does not belong there, k < VIEW_RUN_DAMAGES, into all rows of a column;
 * returns the statement, valid until the next call. */
#define VIEW_RUN_DAMAGES 15
const char *view_run_damage(const char *name, const char *table, const char *column, size_t k);

/* What the command prints, as one JSON value; NULL: it said why not and ended with 1. */
struct json_object *view_run_json(const char *command);

/* What "example.rows.0" leads to: the path's words are split at dots; NULL: there is nothing. */
struct json_object *follow(struct json_object *value, const char *path);

#endif
