/*
 * finite.h - log-probs of a unit that are no numbers
 *
 * Finite weights can overflow: log-probs are then NaN or infinite, or beyond what sums hold
 * (fixed.h).  Results leave such tokens out and count them; here a scan finds them while a unit is
 * at hand, so that it can refuse the model, or say where the first one is.
 */
#ifndef GAPSCOPE_SCAN_WORK_FINITE_H
#define GAPSCOPE_SCAN_WORK_FINITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/results/unit.h"
#include "scan/load/lineup.h"

/* Those of the first model of the lineup that has any. */
struct not_finite {
    uint64_t n;   // log-probs; 0: all models' are numbers
    uint64_t of;  // of so many
    size_t model; // of the lineup
    uint64_t doc; // the first one's document, in its shard
    size_t at;    // its token in the document, from 0
    size_t byte;  // where that begins in the document's text; SIZE_MAX with --ids
    double value;
};

/* Looks at logprob[n_models][tokens of the unit].  Tokens that belong to no document count nowhere,
 * nor here. */
struct not_finite finite_look(const struct unit_tokens *unit, const double *const *logprob,
                              size_t n_models);

/* "gelu-1l: 3 of 913 log-probs of a unit are not finite; the first is of token 17 of document 3,
 * byte 40: NaN" */
#define FINITE_TEXT ((size_t)448)
void finite_text(char text[FINITE_TEXT], const struct not_finite *f, const struct lineup *l);

/* Fills *err with that and the way out; returns its code. */
int finite_refuse(const struct not_finite *f, const struct lineup *l, struct err *err);

#endif
