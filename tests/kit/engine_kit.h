/*
 * engine_kit.h - what the tests of the engine share
 */
#ifndef GAPSCOPE_TESTS_KIT_ENGINE_KIT_H
#define GAPSCOPE_TESTS_KIT_ENGINE_KIT_H

#include "model/pass/engine.h"
#include "tests/kit/golden_model.h"

// The contract is 1e-4 nats; the largest error found is 1.5e-5 (an old 8-layer SoLU).
#define ENGINE_MAX_NATS 2e-5

/* What is promised of a precision, in nats: the mean, the 99th percentile and the greatest
 * error. */
static const struct {
    double mean, p99, most;
} engine_promises[] = {{1e-5, 2e-5, 2e-5}, {1e-3, 1e-3, 1e-3}, {2e-3, 1e-2, 5e-2}};

/* One of the models that come with gapscope.  The caller ends it with model_free(). */
static inline struct model *demo_model(const char *name)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "model/demo/%s", name);
    if (model_load(&m, name, dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENGINE_SLOW 1
#else
#define ENGINE_SLOW 0
#endif

/* Whether tests of all precisions try this table.  A sanitizer makes plain C very slow. */
static inline bool engine_is_tried(const struct kern *k)
{
    return kern_runs(k) && (!ENGINE_SLOW || k == kern_best());
}

struct engine_at_work {
    struct engine *engine;
    struct engine_ctx *ctx;
};

static inline struct engine_at_work engine_start(const struct model *m, const struct kern *k,
                                                 enum precision precision)
{
    struct engine_at_work w;
    assert_int_equal(engine_new(&w.engine, m, k, precision, NULL), 0);
    assert_int_equal(engine_ctx_new(&w.ctx, w.engine, NULL), 0);
    return w;
}

static inline void engine_stop(struct engine_at_work *w)
{
    engine_ctx_free(w->ctx);
    engine_free(w->engine);
}

#endif
