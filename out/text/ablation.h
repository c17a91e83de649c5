/*
 * ablation.h - what `gapscope top --ablated` shows: the loss without each component
 */
#ifndef GAPSCOPE_OUT_TEXT_ABLATION_H
#define GAPSCOPE_OUT_TEXT_ABLATION_H

#include "out/read/ablation.h"
#include "out/text/screen.h"

/* rows[n] of n_max that were asked for.  hypothesis: the name of the one that they have gaps of; NULL:
 * none.  Errors: ERR_NOMEM. */
int put_ablation(const struct screen *s, const struct ablation_row *rows, size_t n, size_t n_max,
                 const char *hypothesis, struct err *err);

/* An object for each row, on a line. */
void json_ablation(FILE *to, const struct ablation_row *rows, size_t n, const char *hypothesis);

#endif
