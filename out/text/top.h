/*
 * top.h - what `gapscope top` shows: where the models of a pair differ most
 */
#ifndef GAPSCOPE_OUT_TEXT_TOP_H
#define GAPSCOPE_OUT_TEXT_TOP_H

#include <stdbool.h>

#include "out/read/gaps.h"
#include "out/read/not_finite.h"
#include "out/text/screen.h"

/* items[n]: rows of gap_kind(list), as gaps_read() gives them. */
void put_gaps(const struct screen *s, enum gap_list list, const void *items, size_t n, bool worst);

/* A line for each model that has log-probs which are not finite. */
void put_not_finite(const struct screen *s, const struct not_finite_model *models, size_t n);

/* An object a line, each with the name of the pair, and with models[n_models] of put_not_finite(). */
void json_gaps(FILE *to, enum gap_list list, const void *items, size_t n, const struct pair *pair,
               const struct not_finite_model *models, size_t n_models);

#endif
