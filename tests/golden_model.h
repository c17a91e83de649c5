/*
 * golden_model.h - the models of tests/golden/models
 */
#ifndef GAPSCOPE_TESTS_GOLDEN_MODEL_H
#define GAPSCOPE_TESTS_GOLDEN_MODEL_H

#include "model/model.h"
#include "tests/golden.h"

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
