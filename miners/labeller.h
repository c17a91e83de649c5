/*
 * labeller.h - labels documents by all hypotheses in one thread
 *
 *     labeller_new -> for each document, for each hypothesis: labeller_run -> labeller_free
 *
 * Threads: a labeller belongs to one thread, which makes all calls from first to last (a program
 * that labels ends with the thread that started it).  The hypotheses are shared, read only, and
 * must outlive it.
 */
#ifndef GAPSCOPE_MINERS_LABELLER_H
#define GAPSCOPE_MINERS_LABELLER_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/stop.h"
#include "miners/core/miner.h"
#include "miners/hypotheses.h"

struct labeller;
int labeller_new(struct labeller **out, const struct hypotheses *h, struct err *err);
void labeller_free(struct labeller *l); // NULL is allowed

/* Once *stop, which outlives the labeller, is set, no hypothesis is waited for: its verdict is
 * MINER_GAVE_UP. */
void labeller_watch(struct labeller *l, const atomic_int *stop);

/* Labels a document by hypothesis i < h->n: label[doc->n] becomes 0s and 1s, or all 0 if the miner
 * gave up.  A document without tokens is MINER_DONE.  Errors: those of miner_kind, with the name of
 * the hypothesis. */
int labeller_run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err);

/* The same, and answer[doc->n] of each labelled token becomes what hypothesis i, which answers
 * itself, says would follow it, an id of the vocabulary.  Errors: also ERR_FORMAT (an id that is
 * beyond it). */
int labeller_answer(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                    uint32_t *answer, enum miner_verdict *verdict, struct err *err);

/* Why hypothesis i gave up last, in words; valid until it labels again.  NULL: it
 * reached a limit of its own. */
const char *labeller_why(const struct labeller *l, size_t i);

#endif
