/*
 * hypothesis_list.h - the hypotheses of a run, each with its best neuron, and what they explain of
 * a gap
 *
 *     hypothesis_list_read -> hypothesis_list_free
 */
#ifndef GAPSCOPE_OUT_READ_HYPOTHESIS_LIST_H
#define GAPSCOPE_OUT_READ_HYPOTHESIS_LIST_H

#include <stdbool.h>

#include "out/read/gaps.h"
#include "out/read/names.h"
#include "out/read/row.h"

/* A hypothesis; its best neuron is that of the greatest average precision on the dev half, and what
 * is shown of that one is of the test half. */
struct hypothesis_row {
    int64_t id;
    struct text name, kind;
    struct json_object *spec;
    int64_t labelled_tokens, docs;
    double prevalence;
    int64_t aborted, tokens_seen;
    struct text predicts; // this or next
    // the best neuron, where a list is read; layer WHOLE_NULL: there is none
    struct text model;
    int64_t layer, idx, n_pos;
    double test_prevalence, average_precision, average_precision_bound, auroc, precision, recall;
};
extern const struct row_kind hypothesis_kind;      // without the best neuron
extern const struct row_kind hypothesis_best_kind; // with it

/* Are its log-probs those of the token after the labelled one? */
bool hypothesis_predicts_next(const struct hypothesis_row *h);

/* What a hypothesis explains of a pair's gap. */
struct ledger_entry {
    int64_t hypothesis;
    struct text name;
    int64_t n, docs;
    double mean_gap, se, mean_gap_rest, se_rest;
    double share_of_gap, share_beyond_earlier, share_of_gain, gain_beyond_earlier;
};
extern const struct row_kind ledger_kind;

struct hypothesis_list {
    struct hypothesis_row *items; // [n]
    size_t n;
    int64_t tokens_seen; // by the hypothesis that has seen most
    struct run_state state;
    struct pairs pairs;
    // for the chosen pair, if there is one
    struct ledger_entry *ledger; // [n_ledger], the greatest share of the gap first
    size_t n_ledger;
    double unexplained_gap, unexplained_gain; // shares
    struct hit *hits;                         // [n_hits] the greatest that no hypothesis labels
    size_t n_hits;
    int64_t hits_kept; // of all
};

/* ERR_NOT_FOUND where the run has no hypotheses at all; else 0. */
int hypothesis_list_any(struct reader *r);

/* pair: its name, NULL for the run's first.  hits: as many at most.
 * hypothesis_list_free() ends *h, {0} before, in any case. */
int hypothesis_list_read(struct hypothesis_list *h, struct reader *r, const char *pair,
                         size_t hits);
void hypothesis_list_free(struct hypothesis_list *h);

#endif
