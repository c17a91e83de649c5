/*
 * hypotheses.h - what `gapscope hypo` shows: all hypotheses of a run, or one of them
 */
#ifndef GAPSCOPE_OUT_TEXT_HYPOTHESES_H
#define GAPSCOPE_OUT_TEXT_HYPOTHESES_H

#include <stdbool.h>

#include "corpora/base/err.h"
#include "out/read/hypothesis_list.h"
#include "out/read/hypothesis_page.h"
#include "out/text/screen.h"

/* All of them, each with its best neuron; the first 'most' rows of the ledger of a pair; what no
 * hypothesis explains.  Errors: ERR_NOMEM. */
int put_hypotheses(const struct screen *s, const struct hypothesis_list *h, size_t most,
                   struct err *err);
void json_hypotheses(FILE *to, const struct hypothesis_list *h);

/* One of them.  chosen: its neuron is the one that was asked for, not the best; all: as in
 * hypothesis_page_options.  Errors: ERR_NOMEM. */
int put_hypothesis_page(const struct screen *s, const struct hypothesis_page *p, bool chosen,
                        bool all, struct err *err);
void json_hypothesis_page(FILE *to, const struct hypothesis_page *p);

#endif
