/*
 * score.h - how well a neuron fits a hypothesis, on one half of the documents: a row of table score
 */
#ifndef GAPSCOPE_OUT_READ_SCORE_H
#define GAPSCOPE_OUT_READ_SCORE_H

#include "out/read/row.h"

struct score {
    struct text name, kind; // the hypothesis; or
    struct text neuron;     // "gelu-1l:L0N7"
    int64_t hypothesis, model, layer, idx;
    struct text split; // "dev", "test", "all"
    int64_t n_pos, n_neg, docs_pos;
    double prevalence, mean_pos, mean_neg, r, variance_explained, auroc, auroc_bound;
    double average_precision, average_precision_bound, threshold, precision, recall, f1, mcc,
        mutual_information;
    double mass_covered, top_covered;
};

extern const struct row_kind score_of_neuron;     // of one neuron: 'neuron' is not set
extern const struct row_kind score_of_hypothesis; // of one hypothesis: 'name', 'kind' are not set

#endif
