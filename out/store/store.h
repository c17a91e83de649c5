/*
 * store.h - run.db: a SQLite file that is the whole run
 *
 * Tables for people and scripts (SPEC section 4) are written from the tally; the table 'state'
 * holds the run and the tally themselves, from which it is resumed or merged.  A checkpoint is one
 * transaction: whoever opens the file sees one or the next, whole.
 *
 * Threads: a store belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_STORE_STORE_H
#define GAPSCOPE_OUT_STORE_STORE_H

#include "out/results/collector.h"
#include "out/results/run.h"

struct store;

// Behind the name of a part's run.db until the part is finished.
#define STORE_PARTIAL ".partial"

/*
 * Opens or makes run.db at 'path' and locks it against a second writer.
 * exists: true where it holds a run.  Errors: ERR_IO, ERR_FORMAT (no SQLite file, or one that is
 * not ours; of another version; with other tables, views or triggers than we make), ERR_LIMIT
 * (another process writes it), ERR_NOMEM.
 */
int store_open(struct store **out, const char *path, bool *exists, struct err *err);

/*
 * To read only: the last checkpoint, also while another process writes the next.  That one waits
 * for its readers when it has made its tables, so a reader closes soon.
 * Errors: ERR_NOT_FOUND (no file; no checkpoint in it yet), ERR_LIMIT (locked for too long), and as
 * store_open().
 */
int store_open_read(struct store **out, const char *path, struct err *err);
void store_close(struct store *s); // NULL is allowed

/* The run, and its collectors with what they have found; the caller ends both, the run last.
 * Errors: ERR_FORMAT (the saved state is damaged), ERR_IO, ERR_NOMEM. */
int store_load(struct store *s, struct run *run, struct results *results, struct err *err);

/*
 * A checkpoint: everything anew, in one transaction.  meta: pairs of key and value, ended by NULL
 * (or NULL: none); keys not named stay.  The store's own: settings, floor, top, units (where
 * known), units_done, units_in_tables (done when the tables were last written), finished (when, in
 * UTC; '' until then).  full: the tables too, else only state, meta and shard (the tables then stay
 * those of the last full checkpoint).
 *
 * Errors: ERR_IO (a full disk), ERR_LIMIT (a client has been reading for too long; another process
 * wrote), ERR_NOMEM: the file is then as it was, and the next checkpoint may succeed.
 */
int store_checkpoint(struct store *s, const struct run *run, const struct results *results,
                     bool full, const char *const *meta, struct err *err);

/* Writes rows beside those of a checkpoint, in one transaction of their own.  Errors: as
 * store_checkpoint(), and those of write(). */
struct sql;
typedef int store_writer(void *context, const struct sql *sql, struct err *err);
int store_write(struct store *s, store_writer *write, void *context, struct err *err);

/* Forgets everything in it, at once; or in the transaction of the next checkpoint (scan --force), so
 * that what was there stays if that one is never reached. */
int store_clear(struct store *s, struct err *err);
void store_clear_next(struct store *s);

/* From now on every commit is copied to 'target', whole and by a rename (publish.h), before the call
 * that made it returns; where that fails, the call does, and the next one copies it all.
 * Errors: ERR_NOMEM. */
int store_publish_to(struct store *s, const char *target, struct err *err);

/* Whether the file that was opened is no longer at its path. */
bool store_is_gone(const struct store *s);

/* Where the file that is gone is now, with its last checkpoint, as a new string that the caller
 * frees; NULL: it was deleted, and what is in it is lost (or there is no memory). */
char *store_moved_to(const struct store *s);

/* One line, 32 hex digits: XXH3-128 of the rows of all result tables in order; not of meta, state,
 * paths.  Of the tables as they stand: compare after a full checkpoint. */
int store_digest(struct store *s, char out[33], struct err *err);

/* Whether text in a column of this name, of whatever table or view, is JSON. */
bool store_holds_json(const struct store *s, const char *column);

/* SQLite's own handle, to read the tables; ends with the store. */
struct sqlite3 *store_sqlite(struct store *s);

#endif
