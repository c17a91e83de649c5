/*
 * scan_resume.h - tests of test_scan_runs.c: runs that are stopped and started again
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_RESUME_H
#define GAPSCOPE_TESTS_SCAN_SCAN_RESUME_H

void killed_runs_end_like_unbroken_ones(void **state);
void an_interrupted_run_goes_on(void **state);
void an_interrupted_run_goes_on_with_the_same_histograms(void **state);
void a_finished_run_has_nothing_left(void **state);
void a_record_that_lacks_what_run_db_has_is_refused(void **state);
void tables_that_lag_behind_the_last_unit_are_written(void **state);
void a_scan_of_nothing_is_finished(void **state);
void another_run_is_refused_unless_forced(void **state);
void another_plugin_under_the_same_name_is_another_hypothesis(void **state);
void the_command_in_a_run_can_be_pasted_into_a_shell(void **state);

#endif
