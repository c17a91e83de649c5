/*
 * hit_details.h - the details of a unit's hits: every model of a hit's pair is asked once more
 *
 * Around a hit are the tokens of its document that lie wholly in what the hit shows of its text
 * (before, its own, after); of a list of ids the HIT_IDS_BEFORE before it and the HIT_IDS_AFTER
 * after it, without the first of the list, which is context.  Their gaps are the pair's: the hit's
 * own is exact, those beside it are as scanned (each side of a gap within the precision's bound).
 *
 * The table of domains may count a hit's domain in "(other)".
 *
 * Threads: one thread at a time.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_HIT_DETAILS_H
#define GAPSCOPE_OUT_RESULTS_GAPS_HIT_DETAILS_H

#include "corpora/base/err.h"
#include "out/results/collector.h"
#include "out/results/gaps/tally.h"
#include "out/results/unit.h"

// Tokens around a hit where there is no text: about as many as fill its bytes of text elsewhere.
#define HIT_IDS_BEFORE 40
#define HIT_IDS_AFTER 20

struct hit_details;

/* Working memory.  The shape outlives it.  Errors: ERR_NOMEM. */
int hit_details_new(struct hit_details **out, const struct tally_shape *shape, struct err *err);
void hit_details_free(struct hit_details *d); // NULL is allowed

/* Gives every hit of the unit's tally its detail; once the models say that the scan is stopped,
 * hits may have none.  Errors: ERR_NOMEM, those of models->look(). */
int hit_details_add(struct hit_details *d, const struct unit_tokens *unit,
                    const struct unit_models *models, struct tally *tally, struct err *err);

#endif
