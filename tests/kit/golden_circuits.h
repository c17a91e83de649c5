/*
 * golden_circuits.h - the files of tests/golden/circuits, and the models that they are of
 */
#ifndef GAPSCOPE_TESTS_KIT_GOLDEN_CIRCUITS_H
#define GAPSCOPE_TESTS_KIT_GOLDEN_CIRCUITS_H

#include "model/load/model.h"
#include "tests/kit/golden.h"

// Those of trained models are in model/demo, the others in tests/golden/models.
static const char *const golden_circuits_names[] = {
    "golden_attn-only-1l",    "golden_attn-only-2l-demo", "golden_attn-only-3l",
    "golden_gelu-1l",         "golden_gelu-2l",           "golden_solu-1l",
    "golden_solu-4l",         "golden_redwood_attn_2l",   "golden_SoLU_1L_v9_old",
    "golden_SoLU_4L_v11_old", "golden_SoLU_8L_v21_old",   "trained_attn-only-1l",
    "trained_attn-only-2l",   "trained_gelu-1l",          "trained_solu-1l",
};
#define GOLDEN_CIRCUITS_FILES (sizeof golden_circuits_names / sizeof *golden_circuits_names)

struct golden_circuits {
    struct model *model;
    struct json_object *json;
};

/* File i and its model, or a failed test. */
static inline struct golden_circuits golden_circuits_load(size_t i)
{
    const char *file = golden_circuits_names[i], *name = strchr(file, '_') + 1;
    struct golden_circuits g = {0};
    struct err err = {0};
    char path[256];
    snprintf(path, sizeof path, "tests/golden/circuits/%s.json", file);
    g.json = golden_json(path);
    snprintf(path, sizeof path, "%s/%s", *file == 't' ? "model/demo" : "tests/golden/models", name);
    if (model_load(&g.model, name, path, &err)) {
        fail_msg("%s", err.msg);
    }
    return g;
}

static inline void golden_circuits_end(struct golden_circuits *g)
{
    json_object_put(g->json);
    model_free(g->model);
}

/* The ids of an array into ids[max]; their number. */
static inline size_t golden_ids(struct json_object *array, uint32_t *ids, size_t max)
{
    const size_t n = json_object_array_length(array);
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)golden_number(array, i);
    }
    return n;
}

#endif
