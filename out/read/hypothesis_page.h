/*
 * hypothesis_page.h - one hypothesis of a run: where it holds, which neurons fit it, and where one
 * of them disagrees with it
 *
 *     hypothesis_page_read -> hypothesis_page_free
 */
#ifndef GAPSCOPE_OUT_READ_HYPOTHESIS_PAGE_H
#define GAPSCOPE_OUT_READ_HYPOTHESIS_PAGE_H

#include "out/read/histogram.h"
#include "out/read/hypothesis_list.h"
#include "out/read/place.h"
#include "out/read/score.h"

struct hypothesis_domain {
    struct text domain; // NULL: documents without a domain
    int64_t tokens_seen, labelled_tokens;
    double prevalence;
};
extern const struct row_kind hypothesis_domain_kind;

/* Where a neuron and a hypothesis disagree. */
struct counterexample {
    struct text kind; // fires_without, silent_with
    int64_t rank;
    struct place place;
};
extern const struct row_kind counterexample_kind;

enum half { HALF_DEV, HALF_TEST, HALVES };
extern const char *const half_names[HALVES];

struct hypothesis_page {
    struct hypothesis_row hypothesis; // without its best neuron
    char *spec_text;                  // its spec as it stands
    struct run_state state;
    struct hypothesis_domain *domains; // [n_domains], by prevalence
    size_t n_domains;
    int64_t domains_kept;
    struct score *scores; // [n_scores], the best neurons first
    size_t n_scores;
    int64_t n_ranked; // neurons that have an average precision on the dev half

    // the neuron that was asked for, or the best one; NULL: none was tested
    char *neuron_name;
    struct half_of_tokens { // does not depend on the neuron
        bool known;
        double prevalence;
        uint64_t n; // tokens
    } halves[HALVES];
    double threshold; // of firing, frozen on the dev half; NaN: not known
    double max, min;  // of its activation
    struct bins bins;
    uint64_t *labelled[HALVES], *rest[HALVES]; // [bins.n]
    uint64_t n_labelled[HALVES], n_rest[HALVES];
    struct counterexample *counterexamples; // [n_counterexamples]
    size_t n_counterexamples;
};

struct hypothesis_page_options {
    const char *neuron;                       // as a user wrote it; NULL: the best one
    size_t domains, neurons, counterexamples; // at most; counterexamples: of each kind
    bool all; // scores on dev, test and both of every neuron; else of all but the first test alone
};

/* hypothesis_page_free() ends *p, {0} before, in any case.
 * Errors: ERR_NOT_FOUND (no such hypothesis or neuron). */
int hypothesis_page_read(struct hypothesis_page *p, struct reader *r, const char *name,
                         const struct hypothesis_page_options *o);
void hypothesis_page_free(struct hypothesis_page *p);

#endif
