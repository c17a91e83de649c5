/*
 * score_answers.h - score --answers: which tokens hypotheses say would follow, and how likely they are
 *
 *     score_answers_new -> score_answers_find for each window, in order -> ... -> score_answers_free
 */
#ifndef GAPSCOPE_SCAN_CMD_SCORE_ANSWERS_H
#define GAPSCOPE_SCAN_CMD_SCORE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "miners/core/miner.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"

/* A labelled token of a window, and what would follow it. */
struct score_place {
    uint32_t hypothesis;
    uint32_t at; // in the window's ids
    uint32_t ids[MINER_ANSWERS_MAX];
    uint32_t n; // 1 or 2
};

/* Those of a window; {0} at first. */
struct score_places {
    struct score_place *items; // [n], ascending by (hypothesis, at)
    size_t n, cap;
    bool *gave_up; // [hypotheses] on the window's document
};
void score_places_free(struct score_places *p);

/* Makes room in *logprob for what a model says of the places, and sets it to NaN: it says nothing.
 * p: NULL is allowed.  Errors: ERR_NOMEM. */
int score_places_reserve(const struct score_places *p, float **logprob, size_t *cap,
                         struct err *err);

/* Sets logprob[p->n][MINER_ANSWERS_MAX] of the places at position 'at' of their window, where a model
 * has these logits, whose log-sum-exp is lse.  p: NULL is allowed. */
void score_places_look(const struct score_places *p, size_t at, const float *logits, double lse,
                       float *logprob);

struct score_answers;

/* Hypotheses of a YAML file, each of which answers; path NULL: none, *out is not set.  ids: the input
 * is lists of ids.  Errors: hypotheses_load()'s; ERR_USAGE (one does not answer, ids). */
int score_answers_new(struct score_answers **out, const char *path, bool ids,
                      const struct lineup *lineup, struct err *err);
void score_answers_free(struct score_answers *a); // NULL is allowed

/* The places of a window of text; all windows of a document come behind one another, from its first
 * on.  Errors: labeller_run()'s. */
int score_answers_find(struct score_answers *a, const struct window *w, struct score_places *out,
                       struct err *err);

/*
 * "answers":{"at":{"HYPOTHESIS":[3]},"ids":{"HYPOTHESIS":[[12,15]]},"logprob":{"MODEL":{"HYPOTHESIS":
 * [[-1.5,-2.5]]}}}: begin, what each model says, and jsonout_end() twice.  A hypothesis that gave up on the
 * document has null.  logprob: as above; NULL: the model does not say.
 */
void score_answers_begin(const struct score_answers *a, const struct score_places *places,
                         struct jsonout *j);
void score_answers_write(const struct score_answers *a, const struct score_places *places,
                         const char *model, const float *logprob, struct jsonout *j);

#endif
