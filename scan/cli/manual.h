/*
 * manual.h - the man page gapscope(1), from the tables of options
 */
#ifndef GAPSCOPE_SCAN_CLI_MANUAL_H
#define GAPSCOPE_SCAN_CLI_MANUAL_H

#include <stdio.h>

#include "scan/cli/help.h"

void manual_put(FILE *to, const struct command_list *l);

#endif
