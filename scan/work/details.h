/*
 * details.h - the details of a unit's hits: what models said before a token, and which parts of
 * them spoke for it
 *
 *     a tally's hits -> tokens -> every model of their pairs looks at them once more -> JSON
 *
 *     {"base": VIEW, "others": [VIEW, ...], "around": {"at": 5, "tokens": [id, ...],
 *      "gaps": [0.31, ...]}, "domain": "code"}     and what details_more() adds
 *     VIEW: {"model": "gelu-1l", "rank": 3, "entropy": 2.1, "top": [[id, logprob], ...],
 *            "attribution": {"logit": 4.1, "parts": {"embed": 1.6, ..., "L0H0": 0.2, ...},
 *                            "neurons": [["L0N77", 0.9], ...]}}
 *
 * Of counts there is no attribution, and of those that choose with hindsight (:skip, :oracle) the
 * model's name alone.
 *
 * rank: of the true token, from 1; top: the ten most likely; attribution: of the true token's logit
 * less its mean over the vocabulary (model/explain/attribution.h), neurons: the ten of the largest effects,
 * not of attention-only models.
 *
 * around: the tokens of the document that lie wholly in what the hit shows of its text (before, its
 * own, after), tokens[at] being its own; of a list of ids the DETAILS_IDS_BEFORE before it and the
 * DETAILS_IDS_AFTER after it, without the first of the list, which is context.  gaps: the pair's at
 * each, in nats with two decimals, enough for a tint: its own exact, those beside it as scanned
 * (each side of a gap within the precision's bound).  All are predicted, so none is null.
 *
 * domain: the document's; not of one without.  The table of domains may count it in "(other)".
 *
 * A detail depends on its document alone (with rows packed, on its unit), bit for bit.
 *
 * Threads: one thread at a time.
 */
#ifndef GAPSCOPE_SCAN_WORK_DETAILS_H
#define GAPSCOPE_SCAN_WORK_DETAILS_H

#include <stdatomic.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/pass/engine.h"
#include "out/results/gaps/tally.h"
#include "scan/load/layout.h"
#include "scan/work/predictor.h"

// Tokens around a hit where there is no text: about as many as fill its bytes of text elsewhere.
#define DETAILS_IDS_BEFORE 40
#define DETAILS_IDS_AFTER 20

struct details;

/* The models, each with a run of it, and the pairs; all outlive *out.  Errors: ERR_NOMEM. */
int details_new(struct details **out, const struct predictor *predictors, size_t n,
                struct predictor_ctx *const *runs, const struct tally_shape *shape,
                struct err *err);
void details_free(struct details *d); // NULL is allowed

/* Writes more members, a jsonout_key() and a value each, into the detail of a token of the layout.
 * They depend on the token's document alone. */
typedef void details_more(void *context, size_t token, struct jsonout *j);

/* The unit that a tally is of. */
struct details_unit {
    const struct layout *layout;
    uint32_t shard;
    const struct engine_window *windows; // [layout->n_windows], their logprob not wanted
    const double *const *logprob;        // [n_models][layout->n] as scanned
    const char *domains;                 // names, as the unit's documents point into them
    details_more *more;                  // NULL: nothing
    void *context;
};

/* Gives every hit of the unit's tally its detail.  stop: looked at every few milliseconds; once it
 * is not 0, hits may have none.  Errors: ERR_NOMEM. */
int details_add(struct details *d, const struct details_unit *unit, struct tally *tally,
                const atomic_int *stop, struct err *err);

#endif
