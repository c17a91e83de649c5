/*
 * part_file.h - where the run.db of a part is until the part is finished: run.db.partial
 *
 * An engine that looks for the files of parts (Snakemake, Nextflow, a script) takes a file under
 * its name for a whole one, so the part gets it when all its units are in.
 *
 *     part_file_choose -> part_file_open -> part_file_reopen where there is more to do -> part_file_finish
 *
 * Files that are not of a part have their name from the beginning, and nothing happens to them.
 */
#ifndef GAPSCOPE_SCAN_WORK_PART_FILE_H
#define GAPSCOPE_SCAN_WORK_PART_FILE_H

#include <stdbool.h>

#include "corpora/base/err.h"
#include "out/results/run.h"
#include "out/store/store.h"

struct part_file {
    const char *name; // the final one
    char *path;       // where the run is now: 'name', or the same with STORE_PARTIAL behind it
    bool is_part;
    const char *scratch; // folder of --scratch; NULL: none
    char *folder, *work; // a folder of its own in it, and the file there that SQLite writes
};

/* Opens the run where it is; with --scratch a copy of it in that folder, which every checkpoint copies
 * back.  Errors: store_open()'s, ERR_IO. */
int part_file_open(struct part_file *f, struct store **s, bool *exists, struct err *err);

/* Looks which of the two is there; a finished file stays where it is, and with 'anew' (--force) is
 * only replaced in the end.  Errors: ERR_USAGE (both are there), ERR_NOMEM. */
int part_file_choose(struct part_file *f, const char *name, bool is_part, bool anew,
                     struct err *err);

/* Also removes what is in the folder of --scratch, when the store is closed.  {0} is allowed. */
void part_file_free(struct part_file *f);

/*
 * A finished file that more units are to be added to (of another part, or of a corpus that was not
 * counted yet) is renamed before the first of them, and *s is opened anew under the new name.  run:
 * what it holds.  Errors: ERR_IO, store_open()'s, ERR_LIMIT (another process has written it).
 */
int part_file_reopen(struct part_file *f, struct store **s, const struct run *run, struct err *err);

/* The part is finished: closes *s and gives the file its name.  Errors: ERR_IO. */
int part_file_finish(struct part_file *f, struct store **s, struct err *err);

#endif
