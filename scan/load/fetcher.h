/*
 * fetcher.h - runs gapscope-fetch, the program that uses a network; and a model that may be fetched
 *
 * gapscope-fetch is looked for beside gapscope, then on PATH.
 */
#ifndef GAPSCOPE_SCAN_LOAD_FETCHER_H
#define GAPSCOPE_SCAN_LOAD_FETCHER_H

#include "model/load/hub.h"

/* Becomes gapscope-fetch with argv (NULL-terminated; argv[0] is replaced).  It only returns if that
 * cannot be started: ERR_NOT_FOUND, ERR_NOMEM. */
int fetcher_become(char **argv, struct err *err);

/*
 * Like hub_resolve().  Of a model that is not found and that the hub may have, GAPSCOPE_FETCH=yes
 * fetches it; where that is not set, the person at the terminal is asked; =no, and without a terminal,
 * the error stands, whose message names the command that fetches it.
 */
int fetcher_resolve(struct hub_place *out, const char *spec, struct err *err);

#endif
