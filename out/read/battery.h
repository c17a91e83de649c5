/*
 * battery.h - the battery of a run: how likely the models find what hypotheses say would follow
 */
#ifndef GAPSCOPE_OUT_READ_BATTERY_H
#define GAPSCOPE_OUT_READ_BATTERY_H

#include "out/read/gaps.h"
#include "out/read/row.h"

/* A class, which is a hypothesis that predicts the next token, on a model; on all documents. */
struct battery_row {
    int64_t hypothesis, model_id;
    struct text name, model;
    int64_t n, docs;                                         // as in table answer, up to
    double logprob_true, logprob_answer, share_answer_first; // n_differ: misfires are of these
    int64_t n_differ;
    double gap, gap_se;               // where it labels, from the base; NaN: no such pair
    double counts_gap, counts_gap_se; // from the bigrams
    struct json_object *heads; // [["L0H2", gap], ...] up to three whose loss there is greatest
    // of two answers; n_either WHOLE_NULL: there are not two
    double logit_difference, logit_difference_se;
    int64_t n_either;
    double share_right, logit_difference_right, logit_difference_right_se;
};
extern const struct row_kind battery_kind;

struct battery {
    struct battery_row *rows; // [n], by hypothesis, then model
    size_t n;
    int64_t base;                  // id of a model; -1: the run has no pairs
    char *base_name, *counts_name; // "": there is none
};

/* base: the name of a model; NULL: the base of the run's first pair.  battery_free() ends *b, {0}
 * before, in any case.  Errors: ERR_NOT_FOUND (no hypothesis predicts the next token, no such model). */
int battery_read(struct battery *b, struct reader *r, const char *base);
void battery_free(struct battery *b);

/* A hit of a pair on a class; tops: [[text, logprob], ...] of its base and its first other. */
struct battery_place {
    struct hit hit;
    struct json_object *base_top, *other_top;
};
extern const struct row_kind battery_place_kind;

/* Up to 'most' hits of the pair that is called base:other on a class, the greatest gaps first; worst:
 * the least.  *n is 0 where there is no such pair.  rows_free() ends *places in any case. */
int battery_places_read(struct battery_place **places, size_t *n, struct reader *r, int64_t base,
                        const struct battery_row *row, size_t most, bool worst);

#endif
