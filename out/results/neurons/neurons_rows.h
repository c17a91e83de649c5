/*
 * neurons_rows.h - columns that several tables of neurons have: whose row it is, a place with its
 * context, and JSON
 *
 * JSON texts are in x->json, which the next call for the same one overwrites; they end in NUL.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_ROWS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_NEURONS_ROWS_H

#include "out/results/neurons/neurons.h"
#include "out/results/run.h"
#include "out/sql/sql.h"

/* What the writers of these tables share. */
struct neuron_rows {
    const struct sql *s;
    const struct run *run;
    const struct neurons *neurons;
    const struct neurons_shape *shape;
    struct buf json[3]; // texts of the current row
    struct err *err;
};

/* model, layer, idx */
void neuron_rows_id(struct rows *w, const struct neurons_layer *layer, size_t i);

/* shard, doc, byte_start, byte_end, token_index, tokens, activations; uses json[0] and [1]. sample:
 * the example has the activations of other neurons; 'activation' is what is known of this one. */
void neuron_rows_place(struct neuron_rows *x, struct rows *w, const struct example *e, bool sample,
                       float activation);

/* [[bin, n], ...] of the bins that are not empty. */
int neuron_rows_hist(struct buf *b, const uint64_t hist[BINS], struct err *err);

/* The hypotheses that label the token: [h, ...]; and the tokens of the context that h labels. */
int neuron_rows_labels(struct buf *b, const struct example *e, size_t n_hypotheses,
                       struct err *err);
int neuron_rows_labelled(struct buf *b, const struct example *e, size_t h, struct err *err);

/* A list of neuron i of layer l. */
const struct example_list *neuron_rows_list(const struct neuron_rows *x, size_t l, size_t list,
                                            size_t i);

/* Writes all tables of neurons anew.  Errors: sql.h's. */
int neurons_write_tables(const struct sql *s, const struct run *run, const struct neurons *neurons,
                         struct err *err);

/* Part of it: the tables score, split_hist and counterexample. */
int neurons_write_scores(struct neuron_rows *x);

#endif
