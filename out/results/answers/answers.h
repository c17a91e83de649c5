/*
 * answers.h - what hypotheses say would follow, and how likely each model finds it
 *
 * A row is a hypothesis that predicts the next token.  It is counted at each token that follows a
 * labelled one in its document and window, which is the true one; of a hypothesis that has no
 * answer only the true token's log-prob is.  Logits are in f32 from the last residual of the scan's
 * precision; ln P of an answer is that of the true token as scanned, plus the difference of their
 * logits.  Where one of the numbers is not finite the token is counted as such, and in nothing else;
 * where a changed model says nothing, it is not counted.
 *
 * All numbers are whole (fixed.h), so that answers_merge() is associative and commutative.
 *
 * Threads: a shape is shared; an answers belongs to one thread at a time.
 */
#ifndef GAPSCOPE_OUT_RESULTS_ANSWERS_ANSWERS_H
#define GAPSCOPE_OUT_RESULTS_ANSWERS_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/fixed.h"
#include "out/results/run.h"

struct answers_row {
    size_t hypothesis;
    uint32_t n_answers; // 0, 1 or 2; of one that answers itself 1
    bool itself;
    uint32_t ids[RUN_ANSWERS_MAX]; // [n_answers] unless it answers itself
};

struct answers_shape {
    struct answers_row *rows; // [n_rows], ascending by hypothesis
    size_t n_rows, n_models;
    bool asks; // a row has an answer
};

/* *out: NULL where no hypothesis predicts the next token.  Errors: ERR_NOMEM. */
int answers_shape_new(struct answers_shape **out, const struct run *run, struct err *err);
void answers_shape_free(struct answers_shape *s); // NULL is allowed

/* At the tokens of one split, of one row and model. */
struct answers_sums {
    struct moments truth;       // ln P of the true token
    uint64_t n_not_finite;      // tokens left out
    uint64_t n_answered;        // tokens with an answer whose log-prob the model says
    __int128 answer;            // their sum of ln P of the (first) answer
    uint64_t n_differ, n_first; // where that is not the true token; of these where it is likelier

    // of two answers
    struct moments difference; // logit of the first less that of the second
    uint64_t right_halves; // halves of tokens where the true one of the two has the greater logit
    struct moments right;  // where the true token is one of them: its logit less the other's
};

struct answers {
    const struct answers_shape *shape;
    struct answers_sums *sums; // [n_rows][n_models][2] dev, test
};

int answers_new(struct answers **out, const struct answers_shape *shape, struct err *err);
void answers_free(struct answers *a);  // NULL is allowed
void answers_clear(struct answers *a); // as new
void answers_merge(struct answers *to, const struct answers *from);
void answers_sums_merge(struct answers_sums *to, const struct answers_sums *from);

/* The sums of a row and model on a split: 0 dev, 1 test. */
struct answers_sums *answers_at(const struct answers *a, size_t row, size_t model, bool test);

/* As bytes, the same for equal ones; and back into a new one of the same shape, which any bytes may
 * be given.  Errors: ERR_NOMEM, ERR_FORMAT (not such bytes; *a is then fit for answers_free()). */
int answers_save(const struct answers *a, struct buf *out, struct err *err);
int answers_load(struct answers *a, const void *bytes, size_t len, struct err *err);

#endif
