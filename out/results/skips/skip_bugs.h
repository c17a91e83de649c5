/*
 * skip_bugs.h - where two skip-trigrams of a head cross, and how a scan's numbers judge it
 *
 * A crossing is A ... B1 -> C1 and A ... B2 -> C2 of one head with other B and other C, each true
 * in the text: a rate of SKIP_TRUE_RATE or more at SKIP_TRUE_PLACES places of SKIP_TRUE_DOCS documents
 * or more.  It overrates C2 if at A ... B1 the base's mean P(C2) is SKIP_OVER_P or more and
 * SKIP_OVER times the rate of C2 or more, each by the lower end of a 95 % interval clustered by
 * document (the second of the difference, place by place).  That A and the head do it is then
 * tried on the model.
 *
 * A model fixes it if its mean P(C2) is at most half-way between rate and base and SKIP_SURE
 * standard errors below the base's, and its mean ln P(C1) at the same places not more than
 * SKIP_SURE standard errors below the base's: standard errors of the difference, place by place.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_BUGS_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_BUGS_H

#include <stdbool.h>

#include "out/results/skips/skip_sums.h"

#define SKIP_TRUE_RATE 0.05
#define SKIP_TRUE_PLACES 20
#define SKIP_TRUE_DOCS 5
#define SKIP_OVER_P 0.02
#define SKIP_INTERVAL 1.959963984540054 // standard errors on either side: 95 %
#define SKIP_SURE 2.0                   // standard errors

struct skip_crossing {
    uint32_t skip1, skip2;  // A ... B1 -> C1, A ... B2 -> C2: items of the shape
    uint32_t cell1, cell2;  // of A ... B1 with C1, and with C2
    struct skip_mean p;     // the base's P(C2) at A ... B1
    double rate;            // of C2 there
    double p_low, over_low; // lower ends: of P(C2), and of it less SKIP_OVER times the rate
    double excess;          // places times what P(C2) is above the rate
};

/* How many there are at each stage. */
struct skip_funnel {
    uint64_t found; // skip-trigrams
    uint64_t seen;  // that have a place
    uint64_t real;  // that are true in the text
    uint64_t crossings, overrated;
};

/* The crossings that overrate C2, by excess, the greatest first: *out [*n], which the caller frees.
 * Errors: ERR_NOMEM. */
int skip_bugs_find(struct skip_crossing **out, size_t *n, struct skip_funnel *funnel,
                   const struct skip_sums *k, struct err *err);

/* What a model beside the base does at the places of a crossing. */
struct skip_repair {
    double p;                 // mean P(C2)
    struct skip_mean p_less;  // less the base's
    struct skip_mean c1_less; // mean ln P(C1) less the base's
    bool fixed;
};
struct skip_repair skip_bugs_repair(const struct skip_sums *k, const struct skip_crossing *x,
                                    size_t model);

#endif
