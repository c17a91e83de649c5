/*
 * prepare.h - what a run computes once, before its first unit is scanned
 *
 *     plan_make -> prepare_subsets (needs the first unit) -> prepare_effects -> the pipeline
 */
#ifndef GAPSCOPE_SCAN_WORK_PREPARE_H
#define GAPSCOPE_SCAN_WORK_PREPARE_H

#include <stdatomic.h>

#include "corpora/base/err.h"
#include "out/results/neurons/neurons.h"
#include "out/results/run.h"
#include "scan/work/predictor.h"

/* Computes the direct effects of the run's neurons into run->effects, unless they are there.  Once
 * 'stop' is set, run->effects stays NULL.  Errors: ERR_NOMEM. */
int prepare_effects(struct run *run, const struct predictor *predictors, const atomic_int *stop,
                    struct err *err);

/*
 * Gives every hypothesis and layer a subset of run->histograms neurons, in run->neurons: those whose
 * activations correlate best with its labels on the corpus' first unit.  'first' holds that unit's
 * neurons and labels, with empty subsets; it is freed, also on failure.  Errors: ERR_NOMEM.
 */
int prepare_subsets(struct run *run, struct neurons *first, struct err *err);

#endif
