/*
 * slurm_script.h - a script for sbatch that does a scan in parts, and merges them
 *
 * It is a head of #SBATCH lines and variables, and slurm_body.sh.
 */
#ifndef GAPSCOPE_SCAN_CMD_SLURM_SCRIPT_H
#define GAPSCOPE_SCAN_CMD_SLURM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"

struct slurm_script {
    const char *program, *directory; // absolute: gapscope, and where paths of 'words' begin
    const char *output, *folder;     // absolute: run.db, and where parts and logs are
    const char *partition;           // NULL: Slurm's own
    const char *stop_after;          // seconds; NULL: before the time limit
    bool record;
    size_t parts, cpus, restarts;
    uint64_t minutes;   // time limit of a part
    uint64_t memory_mb; // of a part
    uint64_t merge_mb;  // of the merge
    const char *memory; // in place of memory_mb, as --mem takes it; NULL
    char *const *words; // [n_words] of gapscope scan
    size_t n_words;
};

/* Reads a time limit as sbatch does: minutes, minutes:seconds, hours:minutes:seconds, days-hours,
 * days-hours:minutes, days-hours:minutes:seconds; seconds are rounded up.  Errors: ERR_USAGE. */
int slurm_minutes(const char *text, uint64_t *minutes, struct err *err);

/* Writes the script.  Environment variables that say where models are go into it.
 * Errors: ERR_NOMEM. */
int slurm_script_write(FILE *to, const struct slurm_script *s, struct err *err);

#endif
