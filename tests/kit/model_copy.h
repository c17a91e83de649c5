/*
 * model_copy.h - a copy of a model's folder with other weights
 *
 *     model_copy("model/demo/gelu-1l", folder, change, &context)
 *     small_models(folder): folder/gelu-1l and the other models of one layer, with a few neurons
 */
#ifndef GAPSCOPE_TESTS_KIT_MODEL_COPY_H
#define GAPSCOPE_TESTS_KIT_MODEL_COPY_H

#include <stddef.h>

#define SMALL_D_MLP ((size_t)40) // neurons of a small model; no multiple of 16

struct model_copy_tensor {
    const char *name;
    size_t n_dims;
    size_t shape[8]; // [n_dims]
    float *values;   // [shape]; a change may write less, and then lessens the shape
};

/* Makes the folder 'to' with the config.json and tokenizer.json of 'from', and with its weights as
 * model.safetensors, each tensor as change() leaves it.  A failure is one of the test that calls
 * it. */
void model_copy(const char *from, const char *to,
                void (*change)(struct model_copy_tensor *t, const void *context),
                const void *context);

/* Makes the folder 'dir' with attn-only-1l, gelu-1l and solu-1l of model/demo, of whose neurons
 * only the first SMALL_D_MLP are left: a scan of a few texts with neurons then takes a fifth of the
 * time, since most of it goes into their lists and tables. */
void small_models(const char *dir);

#endif
