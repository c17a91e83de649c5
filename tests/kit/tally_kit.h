/*
 * tally_kit.h - shapes, bytes and documents for tests of a tally
 */
#ifndef GAPSCOPE_TESTS_KIT_TALLY_KIT_H
#define GAPSCOPE_TESTS_KIT_TALLY_KIT_H

#include "out/results/gaps/tally.h"
#include "tests/ref/tally_ref.h"

#define PAIRS_MOST 40 // of any tally here

extern const struct run_pair pairs[3];

struct tally_shape shape_of(size_t top, size_t domains_max);

struct tally *new_tally(const struct tally_shape *shape);

struct buf save(const struct tally *t);

void expect_bytes(const struct tally *t, const struct buf *wanted);

extern size_t n_details; // asked for since it was last set to 0

/* Counts the document; with the cutoff of 'whole', unless that is NULL. */
void add(struct tally *t, struct ref_doc *d, const struct tally *whole);

/* The documents in their order. */
struct tally *count_in_order(const struct tally_shape *shape, struct ref_doc *docs);

/* A document of two models and n tokens of the words 'ids' (all 0: NULL) in one window. */
void add_by_hand(struct tally *t, uint64_t number, const char *domain, size_t n,
                 const uint32_t *ids, const double *base, const double *other);

#endif
