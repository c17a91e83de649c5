/*
 * ablation.h - what `gapscope top --ablated` shows: the loss without each component
 */
#ifndef GAPSCOPE_OUT_TEXT_ABLATION_H
#define GAPSCOPE_OUT_TEXT_ABLATION_H

#include "out/read/ablation.h"
#include "out/text/screen.h"

/* hypothesis: the name of the one that the rows have gaps of; NULL: none.  Errors: ERR_NOMEM. */
int put_ablation(const struct screen *s, const struct ablation_row *rows, size_t n,
                 const char *hypothesis, struct err *err);

/* An object for each row, on a line. */
void json_ablation(FILE *to, const struct ablation_row *rows, size_t n, const char *hypothesis);

#endif
