/*
 * state.h - the run and what its collectors found, saved in the table 'state' of run.db
 *
 * A key's value is cut into parts, each compressed (state_bytes.h) and with the hash of that.
 */
#ifndef GAPSCOPE_OUT_STORE_STATE_H
#define GAPSCOPE_OUT_STORE_STATE_H

#include "out/results/collector.h"
#include "out/results/run.h"
#include "out/sql/sql.h"

/* Saves the run and the collectors' results, in place of those before, in the caller's transaction.
 * What never changes (shapes, the texts of tokens) is written once.  small: it may take longer
 * (state_bytes.h). */
int state_save(const struct sql *sql, const struct run *run, const struct results *results,
               bool small, struct err *err);

/* The run, and its collectors with what they have found; the caller ends both, the run last.
 * Errors: ERR_FORMAT (the saved state is damaged), ERR_IO, ERR_NOMEM. */
int state_load(const struct sql *sql, struct run *run, struct results *results, struct err *err);

#endif
