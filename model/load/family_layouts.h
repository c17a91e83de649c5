/*
 * family_layouts.h - names of the families' tensors, as transformers saves them
 */
#ifndef GAPSCOPE_MODEL_LOAD_FAMILY_LAYOUTS_H
#define GAPSCOPE_MODEL_LOAD_FAMILY_LAYOUTS_H

#include "model/load/families.h"

extern const struct weight_rule layout_gpt2[], layout_gpt_neo[], layout_gpt_neox[], layout_opt[],
    layout_llama[];

/* Tensors that are no weights, by the ends of their names. */
extern const char *const layout_gpt2_buffers[], *const layout_gpt_neo_buffers[],
                                                    *const layout_gpt_neox_buffers[],
                                                        *const layout_rotary_buffers[];

#endif
