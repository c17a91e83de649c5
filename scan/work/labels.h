/*
 * labels.h - what all hypotheses say of a unit's tokens
 *
 * unit.h has the forms in which they are kept.
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
#include "out/results/unit.h"
#include "scan/load/layout.h"

struct labels;

/* The hypotheses and 'stop' outlive it.  stop: once it is set, labels_make() ends soon.  Errors:
 * ERR_NOMEM, labeller_new()'s. */
int labels_new(struct labels **out, const struct hypotheses *hypotheses, const atomic_int *stop,
               struct err *err);
void labels_free(struct labels *l); // NULL is allowed

/* Labels the documents of a layout, forgetting those before.  Where it is stopped, the rest is left
 * unlabelled, and none of it means anything.  Errors: labeller_run()'s, with the document. */
int labels_make(struct labels *l, const struct layout *layout, struct err *err);

/* The labels of the layout, in all forms; valid until the next labels_make(). */
const struct unit_labels *labels_of_unit(const struct labels *l);

#endif
