/*
 * scan_internal.h - what the files of a scan share
 *
 *     scan.c         opening, running
 *     scan_trials.c  what is tried on the models when every unit is in
 *     dry_run.c      scan_dry_run()
 *     way_out.c      scan_way_out()
 */
#ifndef GAPSCOPE_SCAN_WORK_SCAN_INTERNAL_H
#define GAPSCOPE_SCAN_WORK_SCAN_INTERNAL_H

#include "scan/work/scan.h"

/* Makes the engines, and the means of changed models.  Errors: engines_make()'s, make_means()'s. */
int scan_make_engines(struct scan *s, struct err *err);

/* Whether the run is finished and trigrams, or bugs of skip-trigrams, are not tried yet. */
bool scan_trials_are_due(const struct scan *s);

/* Tries them; the engines are made.  *left: it was stopped before.  Errors: trials_run()'s,
 * skip_trials_run()'s. */
int scan_try_all(struct scan *s, bool *left, struct err *err);

/* Adds to the error that ended a scan what has become of its results, and what helps: the same
 * command resumes the run only if models, corpus and hypotheses are those that it began with. */
int scan_way_out(const struct scan *s, struct err *err);

#endif
