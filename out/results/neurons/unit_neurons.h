/*
 * unit_neurons.h - what a worker makes of the neurons of one unit
 *
 *     unit_neurons_new -> unit_neurons_begin (a unit) -> unit_neurons_block for each layer and
 *     block of windows -> unit_neurons_end
 *              -> neurons_add(whole, part) -> unit_neurons_begin (the next) ...
 *
 * Blocks of windows come layer by layer.  Row by row each activation gives its whole number, its
 * bin, and the question whether it may enter a list (act_kernels.h).  UNIT_ROWS rows are added
 * together to the sums of the sets that they are in; their bins are kept by neuron, UNIT_CHUNK
 * tokens at a time, and counted a few neurons at a time: their histograms then stay in the nearest
 * cache while they are filled.
 *
 * Threads: a part belongs to a worker.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_UNIT_NEURONS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_UNIT_NEURONS_H

#include "out/results/neurons/neurons.h"
#include "out/results/unit.h"

struct unit_neurons;

/* What the lists of a whole let in: what cannot enter them need not be kept by a part. */
struct unit_neurons_cutoffs;
int unit_neurons_cutoffs_new(struct unit_neurons_cutoffs **out, const struct neurons_shape *shape,
                             struct err *err);
void unit_neurons_cutoffs_free(struct unit_neurons_cutoffs *c); // NULL is allowed
void unit_neurons_cutoffs_of(struct unit_neurons_cutoffs *c, const struct neurons *whole);

/* Errors: ERR_NOMEM. */
int unit_neurons_new(struct unit_neurons **out, const struct neurons_shape *shape, struct err *err);
void unit_neurons_free(struct unit_neurons *p); // NULL is allowed

/* Forgets the unit before.  cutoffs: of the whole, or NULL; must stay until unit_neurons_end().
 * Errors: ERR_NOMEM, here and below; the part is then fit for unit_neurons_begin() and
 * unit_neurons_free(). */
int unit_neurons_begin(struct unit_neurons *p, const struct unit_tokens *unit,
                       const struct unit_neurons_cutoffs *cutoffs, struct err *err);

/*
 * Adds what a layer does on a block of windows: tokens [begin, begin + sum of n) of the unit,
 * window k having n[k] of them and 1 + n[k] rows of acts[rows][layers[layer].n], the first that of
 * what stands before its tokens.  Blocks of a layer come in order.
 */
int unit_neurons_block(struct unit_neurons *p, size_t layer, size_t begin, const size_t *n,
                       size_t n_windows, const float *acts, struct err *err);

/* After the last block of the unit. */
int unit_neurons_end(struct unit_neurons *p, struct err *err);

/* Adds a part's unit to a whole of the same shape, and takes its lists.  Errors: ERR_NOMEM, 'to' is
 * then fit to be freed only. */
int neurons_add(struct neurons *to, struct unit_neurons *p, struct err *err);

#endif
