/*
 * worker.h - one unit of a corpus from text to aggregates, through all models
 *
 * What a worker makes of a unit depends on the unit alone: its windows are the batches of the
 * forward pass, and no other thread helps.
 *
 * Threads: a worker belongs to one thread; models and tokenizer are shared.
 */
#ifndef GAPSCOPE_SCAN_WORKER_H
#define GAPSCOPE_SCAN_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "corpora/units.h"
#include "out/tally.h"
#include "scan/lineup.h"

struct worker;

/* lineup and shape outlive it.  special: special tokens in the text are recognised.  stop: looked
 * at every few rows; once it is set, worker_run() gives up.  Errors: ERR_NOMEM. */
int worker_new(struct worker **out, const struct lineup *lineup, const struct tally_shape *shape,
               bool special, const atomic_int *stop, struct err *err);

/*
 * Adds everything of unit 'u' to *tally, which is clear.  cutoff: tally_add_doc()'s.
 * *stopped: it gave up, and the tally is worth nothing.  Errors: ERR_NOMEM, ERR_LIMIT.
 */
int worker_run(struct worker *w, const struct unit *u, struct tally *tally, const int64_t *cutoff,
               bool *stopped, struct err *err);

/* Tokens of 'u' that a model would predict.  Errors: as worker_run(). */
int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err);

void worker_free(struct worker *w); // NULL is allowed

#endif
