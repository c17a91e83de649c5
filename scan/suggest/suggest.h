/*
 * suggest.h - hypotheses for the neurons of a run, as a YAML file that a scan can judge
 *
 * Threads: one; it may take a second per some dozens of neurons.
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_SUGGEST_H
#define GAPSCOPE_SCAN_SUGGEST_SUGGEST_H

#include <stdio.h>

#include "out/read/reader.h"

struct suggest_options {
    const char *const *names; // [n_names] of neurons
    size_t n_names;
    bool all;     // every neuron of the run
    size_t terms; // of a suggestion, at most
};

struct suggest_summary {
    size_t n_neurons, n_suggested;
    size_t n_left_out; // suggestions beyond what a file may hold: those of the least F1
};

/* Writes the file to 'to'.  Errors: ERR_NOT_FOUND (no such neuron; nothing was found for any). */
int suggest_write(FILE *to, struct reader *r, const struct suggest_options *o,
                  struct suggest_summary *summary);

#endif
