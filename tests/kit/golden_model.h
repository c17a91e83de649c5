/*
 * golden_model.h - the models of tests/golden/models
 */
#ifndef GAPSCOPE_TESTS_KIT_GOLDEN_MODEL_H
#define GAPSCOPE_TESTS_KIT_GOLDEN_MODEL_H

#include "model/load/model.h"
#include "tests/kit/golden.h"

static const char *const golden_names[] = {
    "attn-only-1l",   "attn-only-2l-demo", "attn-only-3l",    "gelu-1l",
    "gelu-2l",        "solu-1l",           "solu-4l",         "redwood_attn_2l",
    "SoLU_1L_v9_old", "SoLU_4L_v11_old",   "SoLU_8L_v21_old",
};
#define GOLDEN_CIRCUITS 7 // the first of them have a circuits.json
#define GOLDEN_NAMES (sizeof golden_names / sizeof *golden_names)

/* The caller ends it with model_free(). */
static inline struct model *golden_model(const char *name)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "tests/golden/models/%s", name);
    if (model_load(&m, name, dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

#endif
