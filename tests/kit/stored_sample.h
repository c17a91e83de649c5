/*
 * stored_sample.h - the run of run_sample.h, written to a run.db and read from it
 */
#ifndef GAPSCOPE_TESTS_KIT_STORED_SAMPLE_H
#define GAPSCOPE_TESTS_KIT_STORED_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "out/results/gaps/tally.h"
#include "out/store/store.h"

/* A run and what it has found. */
struct whole {
    struct run run;
    struct results results;
    struct tally *tally; // the results'
};

void whole_begin(struct whole *w);

void whole_end(struct whole *w);

struct store *open_store(bool wanted);

void checkpoint(struct store *s, const struct whole *w, bool full, const char *const *meta);

/* A file with units [0, n) of the sample, of n_units (0: not known). */
void write_sample(uint64_t n, uint64_t n_units);

int load(struct whole *w, struct err *err);

#endif
