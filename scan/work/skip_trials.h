/*
 * skip_trials.h - the bugs of a finished scan: crossings of skip-trigrams, tried on its models
 *
 * Tried are the crossings that overrate C2 by the scan's numbers (out/results/skips/skip_bugs.h).
 * A bug needs A, whose replacement makes mean ln P(C2) fall by SKIP_TRIALS_FALL or more, and the
 * head, at 0 by SKIP_TRIALS_HEAD of that or more, at the places that the scan has kept.  Of each
 * model of weights that fixes a bug, heads and neurons are examined there.  What comes out depends
 * on the run's results and the models alone, not on threads.
 */
#ifndef GAPSCOPE_SCAN_WORK_SKIP_TRIALS_H
#define GAPSCOPE_SCAN_WORK_SKIP_TRIALS_H

#include "scan/work/trials.h"

#define SKIP_TRIALS_FALL 0.6931471805599453 // nats: ln 2
#define SKIP_TRIALS_HEAD 0.5

/* Is the run finished, and does it look for skip-trigrams? */
bool skip_trials_are_due(const struct run *run, const struct results *results);

/*
 * Tries them, writes the tables skip_bug, skip_fix and skip_component, and meta's 'skips', which
 * says of how many skip-trigrams and crossings the bugs are; once t->stop is set nothing is
 * written.  t->engines: the base's is not NULL.  *n_bugs: how many bugs there are.
 * Errors: ERR_NOMEM, ERR_IO (a thread), store_write()'s.
 */
int skip_trials_run(const struct trials *t, struct store *s, size_t *n_bugs, struct err *err);

#endif
