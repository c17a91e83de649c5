/*
 * suggestion.h - the hypothesis that gapscope suggest made for a neuron, found by its name
 *
 * It is called as the neuron is, with a dot for the colon: gelu-1l.L0N424.  Characters of a model's
 * name that no hypothesis may have are '-', and a long name is cut.
 */
#ifndef GAPSCOPE_OUT_READ_SUGGESTION_H
#define GAPSCOPE_OUT_READ_SUGGESTION_H

#include <stdint.h>

#define SUGGESTION_NAME 65 // bytes, with the NUL

void suggestion_name(char name[SUGGESTION_NAME], const char *model, int64_t layer, int64_t index);

#endif
