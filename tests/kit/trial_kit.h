/*
 * trial_kit.h - what the tests of trials share: an engine at work, and a trigram to ask it about
 */
#ifndef GAPSCOPE_TESTS_KIT_TRIAL_KIT_H
#define GAPSCOPE_TESTS_KIT_TRIAL_KIT_H

#include "model/explain/trial.h"
#include "tests/kit/golden_model.h"
#include "tests/kit/random.h"

#define ASKED_LONGEST 40
#define ASKED_PLACES (TRIAL_CONTEXTS + TRIAL_ELSEWHERE)
#define ASKED_FROM 32 // tokens of contexts and fillers begin here

struct trial_at_work {
    struct engine *engine;
    struct engine_ctx *ctx;
    struct trial *trials;
};

static inline struct trial_at_work trial_start(const struct model *m, const struct kern *k,
                                               enum site site)
{
    struct trial_at_work w;
    assert_int_equal(engine_new(&w.engine, m, k, PRECISION_EXACT, NULL), 0);
    assert_int_equal(engine_ctx_new(&w.ctx, w.engine, NULL), 0);
    assert_int_equal(trial_new(&w.trials, w.engine, site, NULL), 0);
    return w;
}

static inline void trial_stop(struct trial_at_work *w)
{
    trial_free(w->trials);
    engine_ctx_free(w->ctx);
    engine_free(w->engine);
}

struct asked {
    struct trial_trigram trigram;
    struct trial_context contexts[ASKED_PLACES];
    uint32_t ids[ASKED_PLACES][ASKED_LONGEST];
    uint32_t fillers[2][TRIAL_LISTED];
};

/* Asks about (a, b) -> c in random contexts of 2 to 'longest' tokens, elsewhere of 1 to 'longest';
 * fillers and all other tokens are from 'from' on. */
static inline void make_asked(struct asked *q, uint32_t a, uint32_t b, uint32_t c, uint32_t from,
                              uint32_t d_vocab, size_t longest)
{
    for (size_t k = 0; k < ASKED_PLACES; k++) {
        const bool here = k < TRIAL_CONTEXTS;
        const size_t n = (here ? 2 : 1) + k * 5 % (longest - 1);
        for (size_t i = 0; i < n; i++) {
            q->ids[k][i] = from + next_random(d_vocab - from);
        }
        q->ids[k][n - 1] = b;
        if (here) {
            q->ids[k][n - 2] = a;
        }
        q->contexts[k] = (struct trial_context){
            .first = from + next_random(d_vocab - from), .ids = q->ids[k], .n = n};
    }
    for (size_t i = 0; i < TRIAL_LISTED; i++) { // all different
        q->fillers[0][i] = from + (uint32_t)(7 * i);
        q->fillers[1][i] = from + (uint32_t)(7 * i + 3);
    }
    q->trigram = (struct trial_trigram){.a = a,
                                        .b = b,
                                        .c = c,
                                        .fillers_a = q->fillers[0],
                                        .fillers_b = q->fillers[1],
                                        .n_fillers_a = 5,
                                        .n_fillers_b = 6,
                                        .contexts = q->contexts,
                                        .n_contexts = TRIAL_CONTEXTS,
                                        .elsewhere = q->contexts + TRIAL_CONTEXTS,
                                        .n_elsewhere = TRIAL_ELSEWHERE};
}

#endif
