/*
 * compare_internal.h - what the files of a comparison share
 *
 * Domains are kept as tally_internal.h keeps them, and for the same reason exactly: the documents of
 * the share are some of the tally's, so what the tally keeps of their domains is kept here as well.
 */
#ifndef GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_INTERNAL_H
#define GAPSCOPE_OUT_RESULTS_COMPARE_COMPARE_INTERNAL_H

#include "out/results/compare/compare.h"

void compare_sums_merge(struct compare_sums *to, const struct compare_sums *from);

/* The domain of that name (NULL: none): a new one, or c->other.  *out is valid until the next call.
 * Errors: ERR_NOMEM. */
int compare_domain_get(struct compare *c, const char *name, struct compare_domain **out,
                       struct err *err);

/* Appends one behind the others.  Errors: ERR_NOMEM. */
int compare_domain_append(struct compare *c, const char *name, struct err *err);

/* Ascending by (hash, name). */
int compare_domain_order(const struct compare_domain *a, const struct compare_domain *b);

void compare_domains_clear(struct compare *c);
int compare_domains_merge(struct compare *to, const struct compare *from, struct err *err);

#endif
