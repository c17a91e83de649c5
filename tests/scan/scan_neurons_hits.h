/*
 * scan_neurons_hits.h - tests of test_scan_neurons.c: credit, labels of hits and effects belong together
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_NEURONS_HITS_H
#define GAPSCOPE_TESTS_SCAN_SCAN_NEURONS_HITS_H

void credit_is_the_sum_over_hits(void **state);
void hits_say_which_hypotheses_label_them(void **state);
void effects_have_fifteen_tokens_either_way(void **state);

#endif
