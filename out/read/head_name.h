/*
 * head_name.h - an attention head as a command line names it: L1H3
 */
#ifndef GAPSCOPE_OUT_READ_HEAD_NAME_H
#define GAPSCOPE_OUT_READ_HEAD_NAME_H

#include <stddef.h>

/* "L1H3" at the beginning of text: layer 1, index 3, both only read, not checked against a model.
 * Returns its length, 0 where none stands there. */
size_t head_name_read(const char *text, size_t *layer, size_t *index);

#endif
