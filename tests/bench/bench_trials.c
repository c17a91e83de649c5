/*
 * What a trial of a trigram costs: one core, CPU time.
 *
 *     bench_trials
 *
 * Models: gelu-1l of model/demo, and one of the hub's sizes with random weights.  Minimal pairs:
 * thousands of windows of 42 tokens a second that go through a model and say ln P(C), with what is
 * inside, each alone or those of a context as branches of one stem.  Trials: whole ones a second,
 * of 16 contexts, 4 pairs of fillers and 8 places elsewhere.  Medians of rounds.
 */
#include <stdio.h>

#include "model/explain/trial.h"
#include "tests/bench/rounds.h"
#include "tests/bench/synthetic.h"

#define LENGTH 42
#define OF_CONTEXT 13
#define WINDOWS (TRIAL_CONTEXTS * OF_CONTEXT)
#define ROUNDS 5

static uint32_t tokens[WINDOWS][LENGTH];
static double sum; // so that nothing is left out

static void see(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        sum += (double)leaves[i].acts[k % 100];
    }
}

/* Windows of which those of a context differ in their last two tokens; 'together': as branches. */
static double bench_pairs(struct engine_ctx *run, uint32_t d_vocab, bool together)
{
    static struct engine_branch branches[WINDOWS];
    static struct engine_window stems[WINDOWS];
    static double logprob[WINDOWS];
    const struct engine_leaf_view view = {.site = SITE_POST, .see = see};
    double seconds[ROUNDS];
    for (size_t k = 0; k < WINDOWS; k++) {
        const size_t stem = k / OF_CONTEXT * OF_CONTEXT;
        for (size_t i = 0; i < LENGTH; i++) {
            tokens[k][i] =
                k == stem || i + 2 >= LENGTH ? synthetic_random() % d_vocab : tokens[stem][i];
        }
        stems[k] = (struct engine_window){.tokens = tokens[k], .n = together ? LENGTH - 2 : 0};
        branches[k] = (struct engine_branch){.stem = &stems[together ? stem : k],
                                             .tokens = tokens[k] + stems[k].n,
                                             .n = LENGTH - stems[k].n,
                                             .target = 1};
    }
    for (size_t r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        engine_branches(run, branches, WINDOWS, &view, logprob, NULL);
        seconds[r] = cpu_seconds() - begin;
        sum += logprob[r];
    }
    return WINDOWS / median(seconds, ROUNDS);
}

static double bench_trials(struct trial *t, struct engine_ctx *run, uint32_t d_vocab)
{
    static struct trial_context contexts[TRIAL_CONTEXTS + TRIAL_ELSEWHERE];
    const uint32_t fillers[] = {11, 12, 13, 14, 15, 16};
    double seconds[ROUNDS];
    for (size_t k = 0; k < TRIAL_CONTEXTS + TRIAL_ELSEWHERE; k++) {
        for (size_t i = 0; i < LENGTH; i++) {
            tokens[k][i] = 20 + synthetic_random() % (d_vocab - 20);
        }
        tokens[k][LENGTH - 2] = k < TRIAL_CONTEXTS ? 1 : 4;
        tokens[k][LENGTH - 1] = 2;
        contexts[k] = (struct trial_context){.ids = tokens[k], .n = LENGTH};
    }
    const struct trial_trigram trigram = {.a = 1,
                                          .b = 2,
                                          .c = 3,
                                          .fillers_a = fillers,
                                          .n_fillers_a = 6,
                                          .fillers_b = fillers,
                                          .n_fillers_b = 5,
                                          .contexts = contexts,
                                          .n_contexts = TRIAL_CONTEXTS,
                                          .elsewhere = contexts + TRIAL_CONTEXTS,
                                          .n_elsewhere = TRIAL_ELSEWHERE};
    for (size_t r = 0; r < ROUNDS; r++) {
        struct trial_result result;
        const double begin = cpu_seconds();
        trial_run(t, run, &trigram, &result, NULL);
        seconds[r] = cpu_seconds() - begin;
        sum += result.table.interaction;
    }
    return 1 / median(seconds, ROUNDS);
}

static void bench(const char *name, const struct model *m)
{
    const uint32_t d_vocab = (uint32_t)m->config.d_vocab;
    struct engine *e;
    struct engine_ctx *run;
    struct trial *t;
    if (engine_new(&e, m, kern_best(), PRECISION_DEFAULT, NULL) || engine_ctx_new(&run, e, NULL) ||
        trial_new(&t, e, SITE_POST, NULL)) {
        abort();
    }
    const double alone = bench_pairs(run, d_vocab, false);
    const double together = bench_pairs(run, d_vocab, true);
    printf("%-20s windows/s: alone %.0f, as branches %.0f   trials/s: %.2f\n", name, alone,
           together, bench_trials(t, run, d_vocab));
    trial_free(t);
    engine_ctx_free(run);
    engine_free(e);
}

int main(void)
{
    struct model *demo;
    struct err err = {0};
    if (model_load(&demo, "gelu-1l", "model/demo/gelu-1l", &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    struct model *hub = synthetic_model(1, 512, 8, 2048, 48262, 1024, false, ACT_GELU, false);
    printf("%s\n", kern_best()->name);
    bench("gelu-1l of the demo", demo);
    bench("1 layer of the hub", hub);
    model_free(demo);
    synthetic_free(hub);
    return sum == 0.5;
}
