/*
 * folded.h - weights with the norms' weights and centring folded into them
 *
 * Two versions of every circuit are looked at (Elhage et al., "A Mathematical Framework for
 * Transformer Circuits", 2021):
 *
 *     raw      W_E, W_pos, W_Q, W_K, W_V, W_O, W_U as stored
 *     folded   what reads a layer's heads   (W_E[t] - mean) ln1.w, W_pos likewise
 *              what is written              (output - mean) ln_final.w
 *              W_U                          less its mean over the vocabulary
 *
 * No biases, and the norms' scales are taken as 1.  It is what TransformerLens' default processing
 * gives (fold_ln, center_writing_weights, center_unembed), but for norms that do not centre (RMS
 * norms, final_rms), in front of which nothing is centred here.  A model without norms has only W_U's
 * mean taken off.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_FOLDED_H
#define GAPSCOPE_MODEL_EXPLAIN_FOLDED_H

#include <stdbool.h>
#include <stddef.h>

#include "model/load/model.h"

/* out[d_model] = row[d_model] of W_E or W_pos as the heads of a layer read it. */
void folded_read(const struct model *m, bool folded, size_t layer, const float *row, double *out);

/* x[d_model], what a head or the embedding writes, becomes what W_U is multiplied by. */
void folded_write(const struct model *m, bool folded, double *x);

#endif
