/*
 * view_run.h - a run.db for tests of what shows one: the run of run_sample.h, and tables of neurons
 * and hypotheses that the test writes
 */
#ifndef GAPSCOPE_TESTS_VIEW_RUN_H
#define GAPSCOPE_TESTS_VIEW_RUN_H

/* Rows of one neuron, L0N5 of model 'one', with all there can be of it, and of three hypotheses;
 * L0N6 has scores alone. */
extern const char view_rows[];

/* A run with tables of neurons and hypotheses, and the rows of 'sql' in them, as $T/name. */
void view_run_write(const char *name, const char *sql);

/* Runs statements on $T/name. */
void view_run_change(const char *name, const char *sql);

#endif
