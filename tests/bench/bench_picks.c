/*
 * What a hit costs a model of the hub's sizes with random weights, one core, CPU time: an exact
 * log-prob, all logits and the row that attribution reads, of one token of a window of 1024.
 *
 *     bench_picks [LAYERS]      1 if not given
 *
 * us a hit: from a kept row; by running its window once for the row, on average over tokens of the
 * window.  The unembedding takes 16 of them together, as those of a unit of text.  us a token:
 * scoring windows, and the same while rows are kept.  Medians of rounds that alternate.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/pass/engine.h"
#include "tests/bench/rounds.h"
#include "tests/bench/synthetic.h"

#define D_MODEL 512
#define D_MLP 2048
#define D_VOCAB 48262
#define N_CTX 1024
#define PICKS 16
#define ROUNDS 5

enum { KEPT, RUN, SCORE, SCORE_KEEPING, FIGURES };

static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    (void)k;
    for (size_t i = 0; i < n; i++) {
        *(double *)context += (double)sights[i].logits[0]; // so that nothing is left out
    }
}

/* Hits from their rows. */
static void answer(struct engine_ctx *ctx, const float *const *rows, const uint32_t *ids,
                   double *sum)
{
    double logprob[PICKS];
    engine_rows_exact(ctx, rows, ids, PICKS, logprob, NULL);
    engine_rows_look(ctx, rows, PICKS, see, sum, NULL);
    *sum += logprob[0];
}

/* Scores the window, and answers PICKS hits of it; where it is run again, once for each, as where
 * each has its own window. */
static void round_of(struct engine_ctx *plain, struct engine_ctx *keeping, size_t size,
                     const struct engine_window *w, float *room, double seconds[FIGURES],
                     double *sum)
{
    struct engine_pick picks[PICKS];
    const float *rows[PICKS];
    uint32_t ids[PICKS];
    bool kept = true;
    for (size_t k = 0; k < PICKS; k++) {
        picks[k] = (struct engine_pick){.window = w, .at = k * (N_CTX / PICKS) + N_CTX / PICKS / 2};
        rows[k] = room + k * size;
        ids[k] = w->tokens[picks[k].at];
    }
    double begin = cpu_seconds();
    engine_score(plain, w, 1, NULL);
    seconds[SCORE] = (cpu_seconds() - begin) / N_CTX;
    begin = cpu_seconds();
    engine_score(keeping, w, 1, NULL);
    seconds[SCORE_KEEPING] = (cpu_seconds() - begin) / N_CTX;
    begin = cpu_seconds();
    for (size_t k = 0; k < PICKS; k++) {
        kept = kept && engine_kept_row(keeping, &picks[k], room + k * size);
    }
    if (kept) {
        answer(keeping, rows, ids, sum);
    }
    seconds[KEPT] = kept ? (cpu_seconds() - begin) / PICKS : 0;
    begin = cpu_seconds();
    for (size_t k = 0; k < PICKS; k++) {
        engine_pick_rows(plain, &picks[k], 1, room + k * size, NULL);
    }
    answer(plain, rows, ids, sum);
    seconds[RUN] = (cpu_seconds() - begin) / PICKS;
}

static void bench(const char *name, size_t n_layers, bool attn_only, enum precision precision)
{
    static uint32_t tokens[N_CTX];
    static double logprob[N_CTX];
    const struct engine_window window = {.tokens = tokens, .n = N_CTX, .logprob = logprob};
    struct model *m =
        synthetic_model(n_layers, D_MODEL, 8, D_MLP, D_VOCAB, N_CTX, attn_only, ACT_GELU, false);
    struct engine *e;
    struct engine_ctx *plain, *keeping;
    if (engine_new(&e, m, kern_best(), precision, NULL) || engine_ctx_new(&plain, e, NULL) ||
        engine_ctx_new(&keeping, e, NULL) || engine_keep_rows(keeping, NULL)) {
        abort();
    }
    float *rows = malloc(PICKS * engine_row_size(e) * sizeof *rows);
    double seconds[FIGURES][ROUNDS], of_round[FIGURES], sum = 0;
    for (size_t i = 0; i < N_CTX; i++) {
        tokens[i] = synthetic_random() % D_VOCAB;
    }
    for (size_t r = 0; r < ROUNDS && rows; r++) {
        round_of(plain, keeping, engine_row_size(e), &window, rows, of_round, &sum);
        for (size_t f = 0; f < FIGURES; f++) {
            seconds[f][r] = of_round[f];
        }
    }
    printf("%s-%zul, %s   us a hit: kept %.0f, run once %.0f   us a token: %.0f, keeping rows %.0f "
           "(%.3f times)   (sum %g)\n",
           name, n_layers, precision_name(precision), median(seconds[KEPT], ROUNDS) * 1e6,
           median(seconds[RUN], ROUNDS) * 1e6, median(seconds[SCORE], ROUNDS) * 1e6,
           median(seconds[SCORE_KEEPING], ROUNDS) * 1e6,
           median(seconds[SCORE_KEEPING], ROUNDS) / median(seconds[SCORE], ROUNDS), sum);
    free(rows);
    engine_ctx_free(plain);
    engine_ctx_free(keeping);
    engine_free(e);
    synthetic_free(m);
}

int main(int argc, char **argv)
{
    const size_t n_layers = argc > 1 ? (size_t)atoi(argv[1]) : 1;
    printf("%s\n", kern_best()->name);
    for (int p = PRECISION_EXACT; p <= PRECISION_FAST; p++) {
        bench("attn-only", n_layers, true, (enum precision)p);
        bench("gelu", n_layers, false, (enum precision)p);
    }
    return 0;
}
