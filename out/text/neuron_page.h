/*
 * neuron_page.h - what `gapscope neuron` shows
 */
#ifndef GAPSCOPE_OUT_TEXT_NEURON_PAGE_H
#define GAPSCOPE_OUT_TEXT_NEURON_PAGE_H

#include "corpora/base/err.h"
#include "out/read/neuron_page.h"
#include "out/text/screen.h"

/* Errors: ERR_NOMEM. */
int put_neuron_page(const struct screen *s, const struct neuron_page *p, struct err *err);
void json_neuron_page(FILE *to, const struct neuron_page *p);

#endif
