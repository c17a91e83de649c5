/*
 * pairs.h - which models a scan compares: --pair BASE:OTHER or BASE:OTHER+OTHER
 */
#ifndef GAPSCOPE_SCAN_PLAN_PAIRS_H
#define GAPSCOPE_SCAN_PLAN_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "out/results/gaps/tally.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

/* The pairs named by 'specs', which use the names of the lineup's first n_named models; with no specs
 * the first model is the base of every other, and with 'bigrams' the first model of bigrams is so too
 * of every other with weights, where the first is none.  *pairs is the caller's to free; NULL where there is only one model.
 * Errors: ERR_USAGE (over RUN_MODELS_MAX models, an unknown model, a model paired with itself, the
 * same pair twice, in whatever order of its others), ERR_NOMEM. */
int pairs_parse(struct run_pair **pairs, size_t *n, const struct arg_list *specs,
                const struct lineup *lineup, size_t n_named, bool bigrams, struct err *err);

/* "attn-only-1l:gelu-1l+solu-1l", a new string that the caller frees; NULL: no memory. */
char *pair_name(const struct run_pair *pair, const struct lineup *lineup);

#endif
