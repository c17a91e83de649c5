/*
 * engines.h - the models of a scan, ready to score: each in the precision that keeps its promise
 */
#ifndef GAPSCOPE_SCAN_WORK_ENGINES_H
#define GAPSCOPE_SCAN_WORK_ENGINES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"
#include "out/store/store.h"
#include "scan/load/lineup.h"
#include "scan/work/pipeline.h"
#include "scan/work/precision_check.h"
#include "scan/work/predictor.h"

struct engines {
    size_t n;                          // as many as the lineup has; 0: none are made yet
    struct predictor *predictors;      // [n]
    struct precision_check *checks;    // [n]
    char **check_keys, **check_texts;  // [n] for meta: what the checks said; NULL of counts, and of
                                       // models that share the engine of another
    struct predictor_family *families; // [n_families] the changed models of an engine
    size_t n_families;
    char *kernels;  // of all that has been scanned, for meta
    double epsilon; // nats; no log-prob as scanned is further from the exact one
};

/*
 * Makes them.  Models of the same weights share an engine, and its precision; the values of their
 * changes get common places in the lineup.  resumed: a store whose run was begun with engines that are made again without a
 * check; NULL: it is a new run, and every model is checked on the corpus' first unit, which is said
 * on standard error.  Once 'stop' is set some may be missing.
 * Errors: ERR_NOMEM, those of reading, predictor_leave_out()'s, meta_get()'s.
 */
int engines_make(struct engines *e, struct lineup *lineup, const struct kern *kern,
                 enum precision asked, const struct pipeline_options *p, struct store *resumed,
                 const atomic_int *stop, struct err *err);
void engines_free(struct engines *e); // {0} is allowed

#endif
