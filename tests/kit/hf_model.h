/*
 * hf_model.h - the models of tests/golden/hf: tiny ones in the layouts of the Hugging Face hub
 */
#ifndef GAPSCOPE_TESTS_KIT_HF_MODEL_H
#define GAPSCOPE_TESTS_KIT_HF_MODEL_H

#include "model/load/model.h"
#include "tests/kit/golden.h"

static const char *const hf_names[] = {
    "gpt2-a", "gpt2-b", "gpt-neo-a", "gpt-neo-b", "pythia-a",      "pythia-b", "neox-sequential",
    "opt-a",  "opt-b",  "llama-a",   "llama-gqa", "llama-headdim", "gemma-a",
};
#define HF_NAMES (sizeof hf_names / sizeof *hf_names)

/* The caller ends it with model_free(). */
static inline struct model *hf_model(const char *name)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "tests/golden/hf/%s", name);
    if (model_load(&m, name, dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

/* The caller ends it with json_object_put(). */
static inline struct json_object *hf_golden(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/hf/%s/golden.json", name);
    return golden_json(path);
}

#endif
