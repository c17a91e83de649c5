/*
 * choose_tokens.h - the tokens at which neurons have means, where no file of counts says which
 */
#ifndef GAPSCOPE_SCAN_WORK_CHOOSE_TOKENS_H
#define GAPSCOPE_SCAN_WORK_CHOOSE_TOKENS_H

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "scan/work/pipeline.h"

/* Takes the most frequent of the corpus' first unit, the same in all parts of a run, unless they
 * are known, or no means are asked for.  Special tokens that are skipped are not among them.
 * Errors: first_unit_layout()'s. */
int choose_tokens(const struct results *results, const struct pipeline_options *p, struct err *err);

#endif
