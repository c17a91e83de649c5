/*
 * choose_skips.h - which skip-trigrams a scan counts: found in the base's weights before it begins
 */
#ifndef GAPSCOPE_SCAN_WORK_CHOOSE_SKIPS_H
#define GAPSCOPE_SCAN_WORK_CHOOSE_SKIPS_H

#include <stdatomic.h>

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "scan/plan/skip_choice.h"
#include "scan/work/engines.h"
#include "scan/work/pipeline.h"

/*
 * Sets them in the results' shape, the same in all parts of a run, unless they are known or none
 * are asked for.  Tokens and their shares are those of the run's first model of counts, else of the
 * corpus' first unit; the final norm's mean scale is that over the first unit.  Special tokens, BOS
 * and EOS are in none.  A line on standard error says how many there are.  Once 'stop' is set they
 * may be missing.
 * Errors: first_unit_layout()'s, skips_find()'s, skip_shape_choose()'s.
 */
int choose_skips(const struct results *results, const struct skip_choice *choice,
                 const struct lineup *lineup, const struct engines *engines,
                 const struct pipeline_options *p, const atomic_int *stop, struct err *err);

#endif
