/*
 * make_means.h - the means by which the changed models of a scan replace values
 */
#ifndef GAPSCOPE_SCAN_WORK_MAKE_MEANS_H
#define GAPSCOPE_SCAN_WORK_MAKE_MEANS_H

#include <stdatomic.h>

#include "out/results/collector.h"
#include "scan/load/windows.h"
#include "scan/work/engines.h"
#include "scan/work/pipeline.h"

/*
 * Fills the engines' families with the means of the results' shape, where a model needs some.  Those
 * that the shape has not yet are made of the text 'reference', read as 'input' says, or where it is
 * NULL of the corpus' first unit: replaced_warn_few().  Once 'stop' is set they may be missing.
 * Errors: ERR_NOMEM, ERR_NOT_FOUND (the text holds no token), those of reading.
 */
int make_means(struct engines *e, const struct lineup *lineup, const struct results *results,
               const char *reference, const struct input_options *input,
               const struct pipeline_options *p, const atomic_int *stop, struct err *err);

#endif
