/*
 * neuron_name.h - a neuron as a command line names it: L0N424
 */
#ifndef GAPSCOPE_OUT_READ_NEURON_NAME_H
#define GAPSCOPE_OUT_READ_NEURON_NAME_H

#include <stddef.h>

/* "L0N424" at the beginning of text: layer 0, index 424, both only read, not checked against a
 * model.  Returns its length, 0 where none stands there. */
size_t neuron_name_read(const char *text, size_t *layer, size_t *index);

#endif
