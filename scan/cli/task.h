/*
 * task.h - what an engine that runs many tasks says of this one, in its environment: which part it
 * is to do, and how long it may take
 */
#ifndef GAPSCOPE_SCAN_CLI_TASK_H
#define GAPSCOPE_SCAN_CLI_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"

/* When to stop, and with which status. */
struct task_options {
    const char *stop_after; // of --stop-after; NULL: never
    bool exit_again;        // of --exit-again
};

// clang-format off

/* Rows in a command's table. */
#define TASK_ARGS(options)                                                                         \
    {"stop-after", 0, ARG_STRING, &(options)->stop_after, "SECONDS|auto",                          \
     "save then and exit with 75: run it again; auto: before the\n"                                \
     "time limit that SLURM_JOB_END_TIME says"},                                                   \
    {"exit-again", 0, ARG_FLAG, &(options)->exit_again, NULL,                                      \
     "exit with 75 on SIGTERM, too, after saving"}

// clang-format on

/*
 * Parses the "I/N" of --part, as args_part() does, or "auto/N": I is then the number of this task
 * in a Slurm array (SLURM_ARRAY_TASK_ID), in an indexed job of Kubernetes (JOB_COMPLETION_INDEX),
 * under MPI (OMPI_COMM_WORLD_RANK, PMI_RANK) or of GNU parallel (PARALLEL_SEQ, which counts from
 * 1), and a line on standard error says which it was.
 * Errors: ERR_USAGE (also: none of these is set, several are, or it is no part of N).
 */
int task_part(const char *command, const char *text, size_t *part, size_t *n_parts,
              struct err *err);

/*
 * The moment at which the command is to stop, of progress_clock(); 0: never.  SECONDS count from
 * now, so what is done before signals are caught counts, too.  "auto" leaves a tenth of the time
 * that is left for saving, 30 seconds at least and 10 minutes at most (but no more than a half of
 * it).  Errors: ERR_USAGE.
 */
int task_stop_after(const char *text, double *moment, struct err *err);

/* Lets the command stop then, and as the options say.  Call it after stop_signals_catch(). */
void task_stop(const struct task_options *o, double moment);

#endif
