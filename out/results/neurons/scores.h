/*
 * scores.h - how well a neuron's activation tells a hypothesis' labels, at natural prevalence
 *
 * Over the tokens of the documents on which the hypothesis did not give up: pos are those that it
 * labels, neg the others.  What needs the order of activations is made of histograms (bins.h),
 * whose bins are as one value; a float that is less than a bin's least is in another bin, so a
 * threshold at a bin's least is exact.  The threshold is the one that gives the best F1 on dev
 * documents (of equal ones the highest), and what is said of it on test documents nobody has
 * chosen.
 *
 * What cannot be had - a mean over nothing, an area with no label - is NaN.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_SCORES_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_SCORES_H

#include "out/results/neurons/neurons.h"

enum { SCORE_DEV = SPLIT_DEV, SCORE_TEST = SPLIT_TEST, SCORE_ALL, SCORES };

struct score {
    uint64_t n_pos, n_neg, docs_pos;
    double prevalence;         // n_pos / n
    double mean_pos, mean_neg; // of the activation
    double r;                  // point-biserial: Pearson's of activation and label
    double variance_explained; // r^2
    double auroc;       // P(pos > neg) + P(pos = neg) / 2 of binned activations (Mann-Whitney)
    double auroc_bound; // that of the activations is no further than this from it
    double average_precision;          // sum of precision x recall gained, bin by bin from the top
    double average_precision_bound;    // that of the activations is no further than this from it
    double threshold;                  // the activation from which on it is taken as a label
    double precision, recall, f1, mcc; // at the threshold
    double mutual_information;         // of label and bin, bits; Miller-Madow corrected
    double mass_covered;               // sum over pos of max(a, 0) / sum over all
};

/* Of neuron i of a layer and hypothesis h: out[SCORE_DEV], ...  row: which of the layer's
 * histograms of h is the neuron's; SIZE_MAX: none, and what is made of them is NaN. */
void scores_of(const struct neurons *n, size_t layer, size_t i, size_t row, size_t h,
               struct score out[SCORES]);

/* A neuron's histograms of a split: of the labelled tokens and of the rest. */
void scores_hists(const struct neurons *n, size_t layer, size_t i, size_t row, size_t h, int split,
                  uint64_t pos[BINS], uint64_t neg[BINS]);

/* The row of neuron i, as above. */
size_t scores_row(const struct neurons_shape *shape, size_t layer, size_t h, size_t i);

/* Of neuron i over all tokens. */
struct neuron_stats {
    uint64_t n, left_out; // tokens whose activation is finite, and the others
    double mean, sd, skewness, kurtosis, share_positive; // kurtosis: 3 for a normal distribution
    float min, max;                                      // NaN where n is 0
    uint64_t hist[BINS];
};
void scores_neuron(const struct neurons *n, size_t layer, size_t i, struct neuron_stats *out);

#endif
