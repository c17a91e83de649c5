/*
 * record.h - scan --record DIR.zarr: every predicted token as a row of Zarr v2 arrays
 *
 *     record_open -> record_begin -> record_unit (by any worker), record_advance (by one thread), ... ->
 *     record_close
 *
 *     DIR.zarr/
 *       shard/ doc/ window/ pos/ token/ logprob/NAME/    one row a predicted token, corpus order
 *         .zarray, 0, 1, 2, ...                          chunks of RECORD_CHUNK rows, zstd
 *       .units/
 *         7, 8, ...                                      units that are not wholly in chunks yet
 *         state                                          how far the chunks go
 *
 * Units finish in any order, and how many rows they have is not known before.  So a worker leaves
 * each as a file of its own in .units/ before it counts as done, and record_advance() moves what
 * follows the last chunk without a hole into chunks.
 *
 * Why a crash at any moment does no harm: every file appears whole, under its name, by a rename
 * after it is on disk.  Chunks are a function of the corpus alone; the state is written after the
 * chunks and shapes that it names, and a unit's file goes only after the state that no longer
 * needs it.  So whatever was done after the state was last written is done again, to the same
 * bytes, and shapes never tell of rows that are not there.  What the record has of units that a
 * run.db does not know (any more) will be given to it again, and is passed over.  Unit files
 * that nothing needs any more are removed when the record is opened, so that a run that was killed
 * ends with the same files as an unbroken one.
 *
 * Any reader of Zarr v2 can look while the scan runs: it sees the rows in whole chunks; the rest of
 * the last chunk comes when the scan ends.
 *
 * Threads: as said at each function.
 */
#ifndef GAPSCOPE_OUT_RESULTS_RECORD_RECORD_H
#define GAPSCOPE_OUT_RESULTS_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/results/run.h"

#define RECORD_CHUNK ((size_t)1 << 18) // rows; 1 MB of log-probs a model before compression

struct record;

/* The rows of a unit. */
struct record_rows {
    size_t n;
    uint32_t shard;
    const uint64_t *doc;          // [n] number in the shard
    const uint32_t *window;       // [n] number in the doc; with --packing rows in the unit
    const uint32_t *pos;          // [n] in the window, from 1
    const uint32_t *token;        // [n] id
    const double *const *logprob; // [record_models()][n] nats, kept as f32; of a changed model NaN
                                  // where it says nothing
};

/*
 * Opens or makes the record of a run's part (units with number % n_parts == part) in folder 'dir'.
 * One that has no state is forgotten first, since it was killed while it was made or cleared.  clear:
 * what is in it is forgotten, if it is a record, but not before record_begin().
 * Errors: ERR_MISMATCH (a folder that is no record, or of another run), ERR_UNSUPPORTED (a model's
 * name cannot be a file's), ERR_FORMAT (a damaged state), ERR_IO, ERR_NOMEM.
 */
int record_open(struct record **out, const char *dir, const struct run *run, uint64_t part,
                uint64_t n_parts, bool clear, struct err *err);

/* Does what record_open() with 'clear' put off, before the first unit; else nothing.
 * Errors: ERR_IO, ERR_NOMEM. */
int record_begin(struct record *r, struct err *err);

/* Leaves a unit's rows on disk.  May be called by several threads at once, for different units.
 * Errors: ERR_IO (a full disk), ERR_NOMEM; nothing is left then. */
int record_unit(struct record *r, uint64_t unit, const struct record_rows *rows, struct err *err);

/*
 * Moves units that are done in 'run' and follow what is in chunks into chunks; once the run's part
 * is wholly done (run->counted), the rest too.  By one thread at a time.
 * Errors: ERR_NOT_FOUND (a unit is done and its rows are not there: the run.db was begun without
 * this record), ERR_CORRUPT (its file is damaged), ERR_IO, ERR_NOMEM; it can be called again.
 */
int record_advance(struct record *r, const struct run *run, struct err *err);

/* Rows in the arrays' shapes. */
uint64_t record_rows_done(const struct record *r);

/* The models whose log-probs it keeps: the first ones of the run, that are not brief. */
size_t record_models(const struct record *r);

void record_close(struct record *r); // NULL is allowed

#endif
