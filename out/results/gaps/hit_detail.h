/*
 * hit_detail.h - why a hit: what the models said there, and what stands around it, as data
 *
 * A detail is one block of memory, ended with free().  It depends on its document alone (with rows
 * packed, on its unit), bit for bit.  hit_detail_json() writes it for run.db:
 *
 *     {"base": VIEW, "others": [VIEW, ...], "around": {"at": 5, "tokens": [id, ...],
 *      "gaps": [0.31, ...]}, "domain": "code", "hypotheses": ["base64", ...]}
 *     VIEW: {"model": "gelu-1l", "rank": 3, "entropy": 2.1, "top": [[id, logprob], ...],
 *            "attribution": {"logit": 4.1, "parts": {"embed": 1.6, ..., "L0H0": 0.2, ...},
 *                            "neurons": [["L0N77", 0.9], ...]}}
 *
 * Count models have no attribution; a model that does not look gives VIEW its name alone.  Where a
 * document has no domain, or the run no hypotheses, those keys are missing.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_HIT_DETAIL_H
#define GAPSCOPE_OUT_RESULTS_GAPS_HIT_DETAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "out/results/run.h"
#include "out/results/token_view.h"

#define HIT_GAP_NONE INT32_MIN // the pair has no gap there

struct hit_detail {
    uint32_t n_views;
    const struct token_view *views; // [n_views]: of the pair's base, then of its others

    // tokens around the hit, all of its document
    uint32_t at, n;
    const uint32_t *ids;  // [n], ids[at] its own
    const int32_t *gaps;  // [n] of the pair, in hundredths of a nat, or HIT_GAP_NONE
    const char *domain;   // valid UTF-8; NULL: none
    bool has_labels;      // the run has hypotheses
    uint32_t n_labels;    // whose gap is taken at the token
    const uint32_t *labels; // [n_labels] ids of hypotheses, ascending
};

/* A copy of it and all that it points to in one block, for the caller to free().  ERR_NOMEM. */
int hit_detail_copy(struct hit_detail **out, const struct hit_detail *d, struct err *err);

/* A gap (fixed) in hundredths of a nat, rounded half away from 0; HIT_GAP_NONE of FIXED_NONE. */
int32_t hit_detail_hundredths(int64_t gap);

/* Appends it as bytes; and back into a new block.  Errors: ERR_NOMEM, ERR_FORMAT. */
int hit_detail_save(const struct hit_detail *d, struct buf *out, struct err *err);
int hit_detail_load(struct hit_detail **out, const void *bytes, size_t len, struct err *err);

/* Writes it as an object; names come from the run.  What a damaged run.db says of models or
 * hypotheses that there are not is left out. */
void hit_detail_json(struct jsonout *j, const struct hit_detail *d, const struct run *run,
                     const struct run_pair *pair);

#endif
