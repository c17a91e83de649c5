/*
 * scan_hits.h - tests of test_scan.c: hits and their details are as the reference
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_HITS_H
#define GAPSCOPE_TESTS_SCAN_SCAN_HITS_H

void hits_are_as_the_reference(void **state);
void details_hold_the_top_tokens_and_entropy(void **state);
void every_detail_has_parts_that_make_the_logit(void **state);
void hits_stand_among_their_neighbours(void **state);
void hits_name_the_domain_of_their_document(void **state);

#endif
