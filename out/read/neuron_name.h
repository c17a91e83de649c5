/*
 * neuron_name.h - neurons and sites as a command line names them: L0N424, --site pre
 */
#ifndef GAPSCOPE_OUT_READ_NEURON_NAME_H
#define GAPSCOPE_OUT_READ_NEURON_NAME_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/load/model.h"

/* "L0N424" at the beginning of text: layer 0, index 424, both only read, not checked against a
 * model.  Returns its length, 0 where none stands there. */
size_t neuron_name_read(const char *text, size_t *layer, size_t *index);

/* The text of --site; SITE_DEFAULT for NULL.  Errors: ERR_USAGE. */
int site_read(const char *text, enum site *out, struct err *err);

#endif
