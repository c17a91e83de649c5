/*
 * skip_sums.h - what a scan keeps of skip-trigrams and their crossings
 *
 * Of each cell (skip_shape.h) and place: does C follow, and of each model P(C), ln P(C), and how
 * these differ from the base's.  All are sums of whole numbers with standard errors clustered by
 * document (fixed.h), so wholes merge exactly.  A place where a model gives no number counts in the
 * others' sums alone.
 *
 * Of each pair up to SKIP_PLACES places are kept, one a document, those of the lowest hash of where
 * they stand, among the places whose latest A is at most SKIP_REACH tokens before B.
 *
 * Threads: a whole belongs to whoever holds the run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_SUMS_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_SUMS_H

#include <stddef.h>

#include "out/results/examples.h"
#include "out/results/fixed.h"
#include "out/results/skips/skip_shape.h"

#define SKIP_PLACES 16
#define SKIP_REACH 55                           // tokens before B that are kept
#define SKIP_AFTER 6                            // and behind it
#define SKIP_OVER 4                             // times as likely as it is true: a bug
#define SKIP_P_ONE ((double)((int64_t)1 << 32)) // unit of probabilities: 2^-32

/* Of a model, in a row of sums, behind whether C follows. */
enum skip_sum {
    SKIP_P,            // P(C)
    SKIP_LOGPROB,      // ln P(C)
    SKIP_P_LESS,       // P(C) less the base's; of the base less SKIP_OVER where C follows
    SKIP_LOGPROB_LESS, // ln P(C) less the base's; of the base nothing
    SKIP_SUMS
};

static inline size_t skip_row(size_t n_models)
{
    return 1 + SKIP_SUMS * n_models;
}

static inline size_t skip_at(size_t model, enum skip_sum sum)
{
    return 1 + SKIP_SUMS * model + (size_t)sum;
}

struct skip_sums {
    const struct skip_shape *shape;
    struct moments *rows;        // [n_cells][skip_row(n_models)]
    struct example_list *places; // [n_pairs]; 'acts': the models' ln P of the token behind B
};

/* Of a shape that is chosen.  Errors: ERR_NOMEM, here and below. */
int skip_sums_new(struct skip_sums **out, const struct skip_shape *s, struct err *err);
void skip_sums_free(struct skip_sums *k); // NULL is allowed

/* Adds 'from', of the same shape, and takes its lists. */
int skip_sums_merge(struct skip_sums *to, struct skip_sums *from, struct err *err);

/* As bytes, and back into a new one.  Equal ones give equal bytes.  Errors: ERR_FORMAT, too. */
int skip_sums_save(const struct skip_sums *k, struct buf *out, struct err *err);
int skip_sums_load(struct skip_sums *k, const void *bytes, size_t len, struct err *err);

/* A mean and its standard error, clustered by document; NaN: not known. */
struct skip_mean {
    double mean, se;
};

/* How often C follows at the places of a cell; what a model has there. */
struct skip_mean skip_rate(const struct skip_sums *k, size_t cell);
struct skip_mean skip_mean(const struct skip_sums *k, size_t cell, size_t model, enum skip_sum sum);

/* Places of a cell, and documents with one. */
const struct moments *skip_follows(const struct skip_sums *k, size_t cell);

#endif
