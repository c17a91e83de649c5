/*
 * commands.h - what main() can be asked to do
 *
 * Each takes its own argv (argv[0] is the command's name) and returns the exit status: 0 done,
 * 1 the run could not go on, 2 wrong usage.
 */
#ifndef GAPSCOPE_SCAN_CMD_COMMANDS_H
#define GAPSCOPE_SCAN_CMD_COMMANDS_H

#include "scan/cli/help.h"

int cmd_acts(int argc, char **argv);
int cmd_battery(int argc, char **argv);
int cmd_circuits(int argc, char **argv);
int cmd_count(int argc, char **argv);
int cmd_digest(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_head(int argc, char **argv);
int cmd_heads(int argc, char **argv);
int cmd_label(int argc, char **argv);
int cmd_hypo(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_minimal(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_neuron(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_slurm(int argc, char **argv);
int cmd_suggest(int argc, char **argv);
int cmd_tensors(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_skips(int argc, char **argv);
int cmd_trigrams(int argc, char **argv);
int cmd_watch(int argc, char **argv);

/* What the build and shells ask for, argv[0] of "man", "bash", "zsh" and "models" (names, a line
 * each), on standard output or into the file argv[1]. */
int cmd_complete(const struct command_list *commands, int argc, char **argv);

#endif
