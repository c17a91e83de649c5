/*
 * complete.h - scripts by which a shell completes command lines, from the tables of options
 *
 * Both ask `gapscope __complete models` which models there are.
 */
#ifndef GAPSCOPE_SCAN_CLI_COMPLETE_H
#define GAPSCOPE_SCAN_CLI_COMPLETE_H

#include <stdio.h>

#include "scan/cli/help.h"

void complete_bash(FILE *to, const struct command_list *l);
void complete_zsh(FILE *to, const struct command_list *l);

#endif
