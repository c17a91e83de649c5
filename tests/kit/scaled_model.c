#include "tests/kit/scaled_model.h"

#include <math.h>
#include <string.h>

#include "tests/kit/model_copy.h"

#define NEURON 7

struct how {
    enum scaled what;
    float factor;
};

static void scale(struct model_copy_tensor *t, const void *context)
{
    const struct how *how = context;
    const size_t width = t->n_dims == 2 ? t->shape[1] : 1;
    float *values = t->values;
    if (how->what == SCALED_UNEMBED && strcmp(t->name, "unembed.W_U") == 0) {
        for (size_t i = 0; i < t->shape[0] * width; i++) {
            values[i] *= how->factor;
        }
    } else if (how->what == SCALED_NEURON && strcmp(t->name, "blocks.0.mlp.W_in") == 0) {
        float most = 0;
        for (size_t i = 0; i < t->shape[0]; i++) {
            most = fmaxf(most, fabsf(values[i * width + NEURON]));
        }
        for (size_t i = 0; i < t->shape[0]; i++) {
            values[i * width + NEURON] *= how->factor / most;
        }
    } else if (how->what == SCALED_NEURON && strcmp(t->name, "blocks.0.mlp.W_out") == 0) {
        memset(values + NEURON * width, 0, width * sizeof *values);
    }
}

void scaled_write(const char *dir, enum scaled what, float factor)
{
    const struct how how = {.what = what, .factor = factor};
    model_copy("model/demo/gelu-1l", dir, scale, &how);
}
