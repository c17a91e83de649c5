/*
 * rules.h - the rules that a suggestion is made of, as YAML, and which tokens of a text they label
 *
 * Labels are those of the miners themselves (miners/hypotheses.h), of the contexts that a run keeps:
 * about 64 tokens.  So built-in miners that look at a whole document are not among them.
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_RULES_H
#define GAPSCOPE_SCAN_SUGGEST_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "miners/hypotheses.h"
#include "miners/labeller.h"
#include "scan/suggest/sample.h"
#include "scan/suggest/vocabulary.h"

/* The rules that are tried for every neuron. */
struct rules {
    const struct vocabulary *vocabulary;
    struct hypotheses hypotheses;
    struct labeller *labeller;
    double *places;  // [hypotheses.n] tokens of the corpus that one labels, at least; 0: not known
    uint8_t *labels; // of a context
    size_t cap;
};

/* rules_free() ends *rules, {0} before, in any case.  Without texts there are none. */
int rules_new(struct rules *rules, struct reader *r, const struct vocabulary *v);
void rules_free(struct rules *rules);

/* Rule i in YAML, as it stands behind "- " or "{": regex: '...', mark: next. */
const char *rules_yaml(size_t i);

/* bits[(s->n_tokens + 63) / 64] of rule i. */
int rules_label(struct rules *rules, size_t i, const struct sample *s, uint64_t *bits,
                struct err *err);

/* The same of a rule in YAML; *spec, if asked for, is a new string. */
int rules_label_yaml(struct rules *rules, const char *yaml, size_t len, const struct sample *s,
                     uint64_t *bits, struct err *err);

#endif
