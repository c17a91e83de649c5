/*
 * heads.h - attention heads in a terminal, and as JSON
 */
#ifndef GAPSCOPE_OUT_TEXT_HEADS_H
#define GAPSCOPE_OUT_TEXT_HEADS_H

#include "out/read/heads.h"
#include "out/text/screen.h"

/* A row each, in their order.  Errors: ERR_NOMEM. */
int put_heads(const struct screen *s, const struct head_row *rows, size_t n, struct err *err);
void json_heads(FILE *to, const struct head_row *rows, size_t n); // a line each

/* A head's page.  Errors: ERR_NOMEM. */
int put_head_page(const struct screen *s, const struct head_page *p, struct err *err);
void json_head_page(FILE *to, const struct head_page *p);

#endif
