/*
 * comparison.h - what `gapscope top --compare` shows: two distributions side by side
 */
#ifndef GAPSCOPE_OUT_TEXT_COMPARISON_H
#define GAPSCOPE_OUT_TEXT_COMPARISON_H

#include "out/read/comparison.h"
#include "out/text/screen.h"

/* Errors: ERR_NOMEM. */
int put_comparison(const struct screen *s, const struct comparison *c, struct err *err);

/* An object for the pair, one for each kind of token, domain and hypothesis, each on a line with the
 * name of the pair and, in "of", with what it is: "pair", "kind", "domain", "hypothesis". */
void json_comparison(FILE *to, const struct comparison *c, const struct pair *pair);

#endif
