/*
 * labels.h - what all hypotheses say of a unit's tokens
 *
 * Three forms of the same: a bit for each token and hypothesis; for each set of neurons.h its
 * tokens; for each document and hypothesis the labelled tokens.
 *
 * Threads: labels belong to one thread; what is compiled in the hypotheses is shared.
 */
#ifndef GAPSCOPE_SCAN_WORK_LABELS_H
#define GAPSCOPE_SCAN_WORK_LABELS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "miners/hypotheses.h"
#include "out/results/gaps/tally.h"
#include "out/results/neurons/unit_neurons.h"
#include "scan/load/layout.h"

struct labels;

/* The hypotheses outlive it.  Errors: ERR_NOMEM, labeller_new()'s. */
int labels_new(struct labels **out, const struct hypotheses *hypotheses, struct err *err);
void labels_free(struct labels *l); // NULL is allowed

/* Labels the documents of a layout, forgetting those before.  stop: once it is set, the rest is
 * left unlabelled, and none of it means anything.  Errors: labeller_run()'s, with the document. */
int labels_make(struct labels *l, const struct layout *layout, const atomic_int *stop,
                struct err *err);

/* All valid until the next labels_make(). */
const uint64_t *labels_words(const struct labels *l);   // [layout->n][words a token]
const uint64_t *labels_gave_up(const struct labels *l); // [layout->n_docs][words a token]
const struct unit_token_set *labels_sets(const struct labels *l);

/* Of document d: out[hypotheses->n]. */
void labels_of_doc(const struct labels *l, size_t d, struct tally_labels *out);

#endif
