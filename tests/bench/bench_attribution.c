/*
 * What it costs to say why: a model of the hub's sizes with random weights, one core, CPU time.
 *
 *     bench_attribution [LAYERS]      1 if not given
 *
 * us a hit: all that a detail needs of 256 of the 1024 tokens of a window, and the attribution's
 * part of it.  Seconds a layer: the effects of its 2048 neurons on 48262 tokens, and of as many
 * tokens on them.  Medians of rounds.
 */
#include <stdio.h>

#include "model/explain/attribution.h"
#include "model/explain/effects.h"
#include "model/pass/engine.h"
#include "model/pass/logprob.h"
#include "tests/bench/rounds.h"
#include "tests/bench/synthetic.h"

#define D_MODEL 512
#define D_MLP 2048
#define D_VOCAB 48262
#define N_CTX 1024
#define PICKS 256
#define ROUNDS 5

struct look {
    struct attributor *attributor;
    const struct engine_pick *picks;
    float *components;
    size_t n_components;
    double sum;         // so that nothing is left out
    double attribution; // seconds
};

/* As a hit's detail has it. */
static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct look *look = context;
    struct attribution a[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        uint32_t top[10];
        const double lse = logprob_log_sum_exp(sights[i].logits, D_VOCAB);
        look->sum += logprob_entropy(sights[i].logits, D_VOCAB, lse);
        look->sum += (double)logprob_top(sights[i].logits, D_VOCAB, 10, top);
        a[i].components = look->components + i * look->n_components;
    }
    const double begin = cpu_seconds();
    attribute(look->attributor, look->picks + k, sights, n, a);
    look->attribution += cpu_seconds() - begin;
    look->sum += (double)a[0].logit;
}

static void bench_hits(const struct engine *e, size_t n_layers)
{
    static uint32_t tokens[N_CTX];
    static struct engine_pick picks[PICKS];
    const struct engine_window window = {.tokens = tokens, .n = N_CTX};
    double seconds[2][ROUNDS];
    struct engine_ctx *run;
    struct attributor *attributor;
    if (engine_ctx_new(&run, e, NULL) || attributor_new(&attributor, e, NULL)) {
        abort();
    }
    for (size_t i = 0; i < N_CTX; i++) {
        tokens[i] = synthetic_random() % D_VOCAB;
    }
    for (size_t k = 0; k < PICKS; k++) {
        picks[k] = (struct engine_pick){.window = &window, .at = k * (N_CTX / PICKS)};
    }
    struct look look = {.attributor = attributor,
                        .picks = picks,
                        .n_components = attribution_n_components(engine_model(e))};
    look.components = malloc(ENGINE_SIGHTS * look.n_components * sizeof *look.components);
    if (!look.components) {
        abort();
    }
    for (size_t r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        look.attribution = 0;
        engine_look(run, picks, PICKS, see, &look, NULL);
        seconds[0][r] = cpu_seconds() - begin;
        seconds[1][r] = look.attribution;
    }
    printf("layers: %zu   us a hit: %.0f, of which attribution %.1f\n", n_layers,
           median(seconds[0], ROUNDS) / PICKS * 1e6, median(seconds[1], ROUNDS) / PICKS * 1e6);
    free(look.components);
    attributor_free(attributor);
    engine_ctx_free(run);
}

static void bench_effects(const struct engine *e)
{
    static struct effects out[D_MLP];
    double seconds[2][ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        if (effects_output(e, 0, 0, D_MLP, out, NULL, NULL)) {
            abort();
        }
        const double middle = cpu_seconds();
        if (effects_input(e, 0, D_MLP, out, NULL, NULL)) {
            abort();
        }
        seconds[0][r] = middle - begin;
        seconds[1][r] = cpu_seconds() - middle;
    }
    printf("seconds a layer: effects on output tokens %.2f, of input tokens %.2f\n",
           median(seconds[0], ROUNDS), median(seconds[1], ROUNDS));
}

int main(int argc, char **argv)
{
    const size_t n_layers = argc > 1 ? (size_t)atoi(argv[1]) : 1;
    struct model *m =
        synthetic_model(n_layers, D_MODEL, 8, D_MLP, D_VOCAB, N_CTX, false, ACT_GELU, false);
    struct engine *e;
    if (engine_new(&e, m, kern_best(), PRECISION_DEFAULT, NULL)) {
        abort();
    }
    printf("%s\n", kern_best()->name);
    bench_hits(e, n_layers);
    bench_effects(e);
    engine_free(e);
    synthetic_free(m);
    return 0;
}
