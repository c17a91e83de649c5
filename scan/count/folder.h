/*
 * folder.h - the folder in which a count works: "OUT.work", and the runs that it holds
 *
 *     count_folder_open -> count_folder_resume -> write, take (workers) -> remove?, close
 *
 * A run names its units and is there whole or not at all, so a later process takes over what is
 * done.  One process at a time holds the folder's lock.
 *
 * Threads: several may call count_folder_write() at once; the others need the caller's lock.
 */
#ifndef GAPSCOPE_SCAN_COUNT_FOLDER_H
#define GAPSCOPE_SCAN_COUNT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams_run.h"

struct count_folder {
    char *path;
    int lock;                // of the open file "lock"; -1: none
    uint64_t fingerprint;    // of the count whose runs these are
    struct ngrams_run *runs; // [n_runs]
    size_t n_runs, runs_cap;
    uint64_t *done; // [done_cap] words, a bit for each unit that is in a run
    size_t done_cap;
};

/* Makes the folder "<path><ext>" or opens it, and locks it; count_folder_close() ends *f in any
 * case.  Errors: ERR_IO, ERR_LIMIT (another process holds the lock), ERR_NOMEM. */
int count_folder_open(struct count_folder *f, const char *path, const char *ext,
                      uint64_t fingerprint, struct err *err);

/* Takes over the runs of this count and removes what is damaged or not finished.  'force': removes
 * another count's too.  Errors: ERR_MISMATCH (another count's runs), ERR_FORMAT, ERR_IO,
 * ERR_NOMEM. */
int count_folder_resume(struct count_folder *f, bool force, struct err *err);

/* Is the unit in a run? */
bool count_folder_has(const struct count_folder *f, uint64_t unit);

/* Units in all runs. */
uint64_t count_folder_n_units(const struct count_folder *f);

/* Makes f->done reach to the unit before n_units.  Errors: ERR_NOMEM. */
int count_folder_reserve(struct count_folder *f, uint64_t n_units, struct err *err);

/* Writes the keys as a run of these units, which 'keys' then no longer hold, and opens it.
 * Errors: ngrams_keys_write()'s and ngrams_run_open()'s. */
int count_folder_write(const struct count_folder *f, struct ngrams_keys *keys,
                       const uint64_t *units, size_t n_units, uint64_t docs, struct ngrams_run *run,
                       struct err *err);

/* Takes over an open run; *run is then {0}.  Errors: ERR_FORMAT (a unit is in two runs),
 * ERR_NOMEM. */
int count_folder_take(struct count_folder *f, struct ngrams_run *run, struct err *err);

/* Removes the folder's files and the folder. */
void count_folder_remove(struct count_folder *f);

/* Frees what is held; files stay. */
void count_folder_close(struct count_folder *f);

#endif
