/*
 * scan_internal.h - what the files of a scan share
 *
 *     scan.c      opening, running
 *     dry_run.c   scan_dry_run()
 */
#ifndef GAPSCOPE_SCAN_WORK_SCAN_INTERNAL_H
#define GAPSCOPE_SCAN_WORK_SCAN_INTERNAL_H

#include "scan/work/scan.h"

/* Makes the engines, and the means of changed models.  Errors: engines_make()'s, make_means()'s. */
int scan_make_engines(struct scan *s, struct err *err);

#endif
