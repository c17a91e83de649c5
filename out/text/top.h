/*
 * top.h - what `gapscope top` shows: where the models of a pair differ most
 */
#ifndef GAPSCOPE_OUT_TEXT_TOP_H
#define GAPSCOPE_OUT_TEXT_TOP_H

#include <stdbool.h>

#include "out/read/gaps.h"
#include "out/text/screen.h"

/* items[n]: rows of gap_kind(list), as gaps_read() gives them. */
void put_gaps(const struct screen *s, enum gap_list list, const void *items, size_t n, bool worst);

/* An object a line, each with the name of the pair. */
void json_gaps(FILE *to, enum gap_list list, const void *items, size_t n, const struct pair *pair);

#endif
