/*
 * missing_units.h - which units a merged file lacks, in words
 */
#ifndef GAPSCOPE_SCAN_CMD_MISSING_UNITS_H
#define GAPSCOPE_SCAN_CMD_MISSING_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* The exit status of a file that is whole in itself, but not of the whole corpus. */
#define STATUS_INCOMPLETE 3

/* Is the unit in the file? */
typedef bool missing_units_has(const void *file, uint64_t unit);

/*
 * Says on standard error which of the units 0 to n - 1 are missing, and how to get them; at least
 * one is.  command: "scan" or "count", which makes parts.
 *
 *     gapscope merge: m.db: incomplete: 4 of 12 units are missing: those of --part 0/3
 *     gapscope merge: m.db: incomplete: 3 of 12 units are missing: 2, 5-6
 */
void missing_units_print(const char *path, const char *command, uint64_t n, missing_units_has *has,
                         const void *file);

#endif
