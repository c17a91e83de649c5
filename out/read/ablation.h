/*
 * ablation.h - what a model loses without a component: the pairs of changed models and their wholes
 */
#ifndef GAPSCOPE_OUT_READ_ABLATION_H
#define GAPSCOPE_OUT_READ_ABLATION_H

#include "out/read/row.h"

/* A pair changed:whole. */
struct ablation_row {
    struct text pair, model, changes; // its name, the whole model, what is changed in it
    double share;                     // of the documents
    int64_t tokens, docs;
    double mean_difference, se_difference; // nats per token, unclamped: the loss without it
    double mean_gap, share_other_better;   // clamped; tokens at which the whole is better
    // of one hypothesis: where it labels, and elsewhere
    int64_t n;
    double mean_gap_labelled, se_labelled, mean_gap_rest;
};
extern const struct row_kind ablation_kind;

/* Up to 'most' pairs of a run, the greatest loss first; hypothesis: its id, by whose gap they are
 * then ordered, or -1.  'least': the other way round.  rows_free() ends *rows in any case. */
int ablation_read(struct ablation_row **rows, size_t *n, struct reader *r, int64_t hypothesis,
                  size_t most, bool least);

#endif
