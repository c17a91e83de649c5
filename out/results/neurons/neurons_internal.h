/*
 * neurons_internal.h - what the files of neurons.h share
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_INTERNAL_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_INTERNAL_H

#include "out/results/neurons/neurons.h"

/* How many neurons of a layer have histograms of a set. */
static inline size_t neurons_n_hists(const struct neurons_shape *shape, size_t layer, size_t set)
{
    const struct neurons_subset *subset = neurons_subset(shape, layer, set);
    return subset ? subset->n : shape->layers[layer].n;
}

/* Makes room for a set's sums and histograms of a layer, unless there is.  ERR_NOMEM. */
int neurons_reserve_set(struct neurons *n, size_t layer, int split, size_t set, struct err *err);

void neurons_sums_add(struct set_sums *to, const struct set_sums *x);
void neurons_sums_subtract(struct set_sums *from, const struct set_sums *x);

/* Take what of these lists belongs to the whole; they are empty then.  ERR_NOMEM.
 * lists: [LISTS * n of the layer]; watched: [n_watches]; samples: [n_hypotheses]. */
int neurons_take_layer(struct neurons *to, size_t layer, struct example_list *lists,
                       struct err *err);
int neurons_take_hypotheses(struct neurons *to, struct example_list (*watched)[2],
                            struct example_list *samples, struct err *err);

#endif
