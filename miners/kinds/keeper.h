/*
 * keeper.h - a small process between us and a program that we run: what it starts ends with it
 *
 *     gapscope --fork, exec of itself--> keeper --fork, exec--> program --> whatever it starts
 *
 * A program may put its children into sessions of their own and let their parents end, so that
 * neither a process group nor the tree of parents leads to them any more.  The keeper is their
 * subreaper (prctl): whoever loses its parent becomes its child, and it kills its children until
 * there are none.  It does so when the program ends and when we let go of it, also where we are
 * killed: it sees the end of a pipe.  A fork alone would not do: it would keep all our memory.
 *
 * A program (main.c) begins with both calls:
 *
 *     if (keeper_is_called(argc, argv)) { return keeper_main(argv); }
 *     keeper_enable();
 */
#ifndef GAPSCOPE_MINERS_KINDS_KEEPER_H
#define GAPSCOPE_MINERS_KINDS_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

/* What the keeper runs as: /proc/self/exe is this program, whatever it is called. */
#define KEEPER_PROGRAM "/proc/self/exe"

bool keeper_is_called(int argc, char **argv);

/* The keeper's work; ends as the program does, with its status or by its signal. */
int keeper_main(char **argv);

/* From now on child.h puts a keeper in front of its programs, if the system has what it needs. */
void keeper_enable(void);
bool keeper_is_enabled(void);

/* The keeper's arguments for a program's, ended by NULL: the caller frees the array and nothing in
 * it.  numbers[2][12]: room for text in it.  life: the reading end of the pipe whose end it waits
 * for; report: where errno goes (4 bytes) if the program cannot be run.  NULL: no memory. */
char **keeper_argv(char *const *argv, int life, int report, char numbers[2][12]);

#endif
