/*
 * tally_whole.h - a document with its hits into a tally at once, its own log-probs being exact
 */
#ifndef GAPSCOPE_TESTS_KIT_TALLY_WHOLE_H
#define GAPSCOPE_TESTS_KIT_TALLY_WHOLE_H

#include <stdlib.h>

#include "out/results/gaps/tally.h"

/* Fills the detail of a token of the document, 'at' its index in it; what 'out' points to stays
 * until the next call. */
struct whole_detail {
    int (*fn)(void *context, size_t pair, size_t at, struct hit_detail *out, struct err *err);
    void *context;
};

/* Hits of the document that have no detail yet get it. */
static inline int whole_details(struct tally *t, const struct tally_doc *doc,
                                const struct whole_detail *detail, struct err *err)
{
    int rc = 0;
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        for (int side = 0; side < 2; side++) {
            const struct tally_hits *hits = &t->pairs[p].hits[side];
            for (size_t i = 0; i < hits->n && !rc; i++) {
                struct tally_hit *h = &hits->items[i];
                struct hit_detail why = {0};
                if (!h->detail && h->shard == doc->shard && h->doc == doc->number) {
                    rc = detail->fn(detail->context, p, h->at, &why, err);
                    rc = rc ? rc : tally_set_detail(h, &why, err);
                }
            }
        }
    }
    return rc;
}

/* detail: NULL for none. */
static inline int tally_add_whole(struct tally *t, const struct tally_doc *doc,
                                  const int64_t *cutoff, const struct whole_detail *detail,
                                  struct err *err)
{
    struct tally_picks picks = {0};
    int rc = tally_add_doc(t, doc, cutoff, &picks, err);
    if (!rc) {
        rc = tally_add_hits(t, doc, &picks, NULL, cutoff, err);
    }
    tally_picks_free(&picks);
    return rc || !detail ? rc : whole_details(t, doc, detail, err);
}

#endif
