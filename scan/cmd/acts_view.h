/*
 * acts_view.h - neurons and heads of one window, as JSON and for people
 */
#ifndef GAPSCOPE_SCAN_CMD_ACTS_VIEW_H
#define GAPSCOPE_SCAN_CMD_ACTS_VIEW_H

#include <stddef.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "model/load/model.h"
#include "model/tokenizer/tokenizer.h"
#include "out/text/screen.h"
#include "scan/load/windows.h"

/* A neuron or a head that was asked for, of one model. */
struct acts_unit {
    const char *name; // as it was written, "L0N5", without its model
    size_t layer, index;
    float *values; // of the current window: a neuron's [n]; a head's attention [n][n_ctx], row i
                   // is how much position i looks at positions 0 to i
};

/* What was asked for of a model, in the order asked for. */
struct acts_model {
    const struct model *model;
    struct acts_unit *neurons, *heads;
    size_t n_neurons, n_heads;
    size_t n_ctx; // of the run
};

/* One line: doc, window, ids, ends, and "acts" where there are neurons, "pattern" where there are
 * heads. */
void acts_view_json(const struct acts_model *models, size_t n, const struct window *w, FILE *to);

/* Tables: the activations of neurons by token, and where each head looks from each token.
 * t: NULL where tokens are shown as ids.  s: its width and colour.  Errors: ERR_NOMEM. */
int acts_view_put(const struct acts_model *models, size_t n, const struct window *w,
                  const struct tokenizer *t, const struct screen *s, FILE *to, struct err *err);

#endif
