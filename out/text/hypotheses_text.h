/*
 * hypotheses_text.h - what `gapscope hypo` shows: all hypotheses of a run, or one
 */
#ifndef GAPSCOPE_OUT_TEXT_HYPOTHESES_TEXT_H
#define GAPSCOPE_OUT_TEXT_HYPOTHESES_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/read/reader.h"

struct hypo_options {
    const char *pair, *neuron; // as the user wrote them, or NULL
    size_t n;
    bool all; // dev, test and both of every neuron
    bool json;
};

#define HYPO_NEURONS 10 // of one hypothesis, where -n does not say

/* All of them, each with its best neuron; the ledger of a pair; what no hypothesis explains. */
int hypo_put_list(const struct view *v, const struct hypo_options *o, struct err *err);

/* The page of the hypothesis 'name'.  Errors: ERR_NOT_FOUND (no such hypothesis or neuron). */
int hypo_put_page(const struct view *v, const char *name, const struct hypo_options *o,
                  struct err *err);

/* 0, or ERR_NOT_FOUND where the run has no hypotheses at all. */
int hypo_any(const struct view *v, struct err *err);

#endif
