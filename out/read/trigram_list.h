/*
 * trigram_list.h - which trigrams of a run are listed, and in which order
 *
 *     trigram_list_read -> trigram_page_read of ids[0 .. n) -> trigram_list_free
 */
#ifndef GAPSCOPE_OUT_READ_TRIGRAM_LIST_H
#define GAPSCOPE_OUT_READ_TRIGRAM_LIST_H

#include "out/read/names.h"
#include "out/read/trigram_facts.h"

struct trigram_options {
    const char *pair;            // its name; NULL: the run's first
    const char *a, *b, *c;       // texts of the tokens, or NULL
    const char *token;           // a part of one of them, or NULL
    const char *model, *verdict; // only this model's, only this verdict; NULL: all
    const char *sort;            // one of trigram_orders; NULL: the first
    size_t min_docs;             // SIZE_MAX: it was not said
    bool all;                    // also those that do not beat the base or were not tested
};

extern const char *const trigram_orders[]; // NULL ends the list
#define TRIGRAM_ORDERS_OF_PAIRS 2          // the first, which a run of one model does not have

struct trigram_list {
    struct trigram_run run;
    struct run_state state;
    struct pairs pairs; // chosen is NULL in a run of one model
    int64_t model;      // the one whose verdicts are shown; -1: all
    size_t order;
    bool every;   // all are listed, as 'all' says or since there is no pair
    int64_t *ids; // [n] in the order of the list
    size_t n;
    uint64_t n_all, n_beating; // of the run
};

/* ERR_NOT_FOUND where the run has no trigrams at all; else 0. */
int trigrams_any(struct reader *r);

/* trigram_list_free() ends *l, {0} before, in any case.  Errors: ERR_USAGE (sort, verdict),
 * ERR_NOT_FOUND (pair, model; no trigrams). */
int trigram_list_read(struct trigram_list *l, struct reader *r, const struct trigram_options *o);
void trigram_list_free(struct trigram_list *l);

#endif
