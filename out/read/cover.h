/*
 * cover.h - how many hypotheses it takes to cover a neuron's top examples
 *
 * Greedy: the hypothesis that labels most of them, then the one that labels most of what is left,
 * and so on; the rarer one among equals.  A neuron of one meaning is covered by one.  A hypothesis
 * that labels more than COVER_BROAD of all tokens would cover any neuron: such are listed apart.
 */
#ifndef GAPSCOPE_OUT_READ_COVER_H
#define GAPSCOPE_OUT_READ_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "out/read/reader.h"

#define COVER_BROAD 0.2

struct cover {
    size_t n_examples;
    size_t n_none; // that no hypothesis covers, those that are broad left out
    struct cover_rule {
        int64_t id;
        char *name;
        double prevalence;
        size_t labelled; // of the examples
        size_t more;     // that no step before it covers
        bool taken;
    } * rules; // [n_rules], all hypotheses of the run
    size_t n_rules, rules_cap;
    size_t *steps; // [n_steps], indices into rules
    size_t n_steps;
};

/* key: model, layer, index.  cover_free() ends *c, {0} before, in any case. */
int cover_read(struct cover *c, struct reader *r, const int64_t key[3]);
void cover_free(struct cover *c);

bool cover_is_broad(const struct cover_rule *r);

/* As a member "cover" of the open object. */
void cover_json(const struct cover *c, struct jsonout *j);

#endif
