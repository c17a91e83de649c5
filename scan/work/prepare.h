/*
 * prepare.h - what a run computes from its models, before its first unit is scanned
 */
#ifndef GAPSCOPE_SCAN_WORK_PREPARE_H
#define GAPSCOPE_SCAN_WORK_PREPARE_H

#include <stdatomic.h>

#include "corpora/base/err.h"
#include "model/tokenizer/tokenizer.h"
#include "out/results/collector.h"
#include "out/results/run.h"
#include "scan/work/predictor.h"

/* Gives the shape of the run's neurons their direct effects, unless it has them or there are none.
 * Once 'stop' is set it stays without.  Errors: ERR_NOMEM. */
int prepare_effects(struct results *results, const struct run *run,
                    const struct predictor *predictors, const atomic_int *stop, struct err *err);

/* Gives the shape of the run's heads what the weights alone say of them, unless it has it or there
 * are none.  t: the models' tokenizer, or NULL.  Once 'stop' is set it stays without.  Errors:
 * ERR_NOMEM. */
int prepare_heads(struct results *results, const struct predictor *predictors,
                  const struct tokenizer *t, const atomic_int *stop, struct err *err);

#endif
