/*
 * head_scores.h - what kind of head is it?  Detection scores of every head of a model
 *
 * The model reads random tokens twice, so that nothing but the repetition is to be attended to:
 *
 *     BOS  t_1 ... t_T  t_1 ... t_T      HEAD_SCORES_SEQUENCES times, of different tokens each
 *
 * With P the attention of a head, [query][key], the scores are these means of P[i][j] over queries
 * i of a sequence and over the sequences (Olsson et al., "In-context Learning and Induction Heads",
 * 2022; TransformerLens' demos):
 *
 *     previous_token   j = i - 1       over all i >= 1
 *     duplicate_token  j = i - T       over i > T: the same token before
 *     induction        j = i - T + 1   over i > T: what came after the same token before
 *     bos              j = 0           over all i >= 1
 *     self             j = i           over all i >= 1
 *
 * The pass is that of forward.h and no kernel is used, so that all machines of one C library agree
 * to the last bit, whatever number of threads the program has.
 *
 * Threads: any; what is given is only read.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_HEAD_SCORES_H
#define GAPSCOPE_MODEL_EXPLAIN_HEAD_SCORES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

#define HEAD_SCORES_SEQUENCES ((size_t)50)
#define HEAD_SCORES_PERIOD ((size_t)50) // the greatest T
#define HEAD_SCORES_KIND 0.4            // a head is of a kind from this score on

struct head_scores {
    double previous_token, duplicate_token, induction, bos, self; // 0 to 1; NAN where T is 0
    double copying, copying_raw; // of the OV circuit (copying.h), folded and raw: -1 to 1; NAN
                                 // where it does nothing
};

/* T: HEAD_SCORES_PERIOD, or as much as fits into n_ctx, or how many tokens may be drawn. */
size_t head_scores_period(const struct model *m, uint32_t bos, const bool *left_out);

/*
 * Writes the scores of all heads to out[n_layers][n_heads].  left_out[d_vocab]: tokens that are not
 * drawn, as are special ones and those that the tokenizer does not have; NULL: none.  BOS is never
 * drawn; it is below d_vocab.  Once 'stop' (or NULL) is set, what is written is undefined.
 * Errors: ERR_NOMEM.
 */
int head_scores_make(const struct model *m, uint32_t bos, const bool *left_out,
                     struct head_scores *out, const atomic_int *stop, struct err *err);

/* Draws the sequence of this number: ids[2 T + 1], the same for all models of one vocabulary and T.
 * Errors: ERR_NOMEM. */
int head_scores_sequence(const struct model *m, uint32_t bos, const bool *left_out, size_t number,
                         uint32_t *ids, struct err *err);

/* Adds the means over one sequence of period T > 0, pattern[2 T + 1][2 T + 1], to those of *sum. */
void head_scores_add(struct head_scores *sum, const float *pattern, size_t T);

/* What kind of head it is, by its scores: all of "previous", "duplicate" and (not in layer 0, where
 * nothing before it can tell it of previous tokens) "induction" that are at least HEAD_SCORES_KIND,
 * joined by "+"; if none, "bos" or "self", the greater where both are; else "". */
static inline const char *head_kind(size_t layer, const struct head_scores *s)
{
    static const char *const kinds[] = {
        "",          "previous",           "duplicate",           "previous+duplicate",
        "induction", "previous+induction", "duplicate+induction", "previous+duplicate+induction",
    };
    const size_t kind = (size_t)(s->previous_token >= HEAD_SCORES_KIND) +
                        2 * (size_t)(s->duplicate_token >= HEAD_SCORES_KIND) +
                        4 * (size_t)(layer > 0 && s->induction >= HEAD_SCORES_KIND);
    if (kind == 0 && s->bos >= HEAD_SCORES_KIND && !(s->self > s->bos)) {
        return "bos";
    }
    if (kind == 0 && s->self >= HEAD_SCORES_KIND) {
        return "self";
    }
    return kinds[kind];
}

#endif
