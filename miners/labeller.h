/*
 * labeller.h - one thread's miners at work
 *
 *     labeller_new -> for each document, for each hypothesis: labeller_run -> labeller_free
 *
 * Threads: a labeller belongs to one thread, which also makes the calls from first to last (a
 * program that labels ends with the thread that started it); the hypotheses are shared, read only,
 * and outlive it.
 */
#ifndef GAPSCOPE_MINERS_LABELLER_H
#define GAPSCOPE_MINERS_LABELLER_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "miners/core/miner.h"
#include "miners/hypotheses.h"

struct labeller;
int labeller_new(struct labeller **out, const struct hypotheses *h, struct err *err);
void labeller_free(struct labeller *l); // NULL is allowed

/* Labels a document by hypothesis i < h->n: label[doc->n] becomes 0s and 1s; all 0 where it gave
 * up.  A document without tokens is done at once.  Errors: as miner_kind's, with the hypothesis'
 * name. */
int labeller_run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err);

#endif
