/*
 * bench_forward - the reference pass and the engine at the sizes of the hub's models, synthetic
 * weights
 *
 * One window of n_ctx = 1024 random ids on one thread.  The reference: layers, then logits and
 * log-sum-exp of every position.  The engine, with every table of kernels that this CPU can run:
 * engine_score(), and for 'layers' engine_look() at one position.  Prints the best and the median
 * of 3 rounds by the thread's CPU time, and the rate of arithmetic (2 flop a multiply-add;
 * attention counts what is below the diagonal).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/engine.h"
#include "model/forward.h"
#include "model/logprob.h"
#include "scan/base/mem.h"

enum { D_MODEL = 512, N_HEADS = 8, D_HEAD = 64, D_MLP = 2048, D_VOCAB = 48262, N_CTX = 1024 };
enum { ROUNDS = 3, ROWS = 24 };

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* n numbers around 0, about as large as trained weights. */
static float *weights(size_t n)
{
    float *w = mem_new(n, sizeof *w);
    if (!w) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        w[i] = ((float)next_random() / 4294967296.0f - 0.5f) * 0.2f;
    }
    return w;
}

/* The weights are never freed: the program ends with them. */
static struct model *synthetic(bool attn_only, enum act_fn act_fn)
{
    const size_t qkv = (size_t)N_HEADS * D_MODEL * D_HEAD;
    struct layer *l = mem_zero(1, sizeof *l);
    struct model *m = mem_zero(1, sizeof *m);
    if (!l || !m) {
        abort();
    }
    *l = (struct layer){
        .ln1_w = weights(D_MODEL),
        .ln1_b = weights(D_MODEL),
        .W_Q = weights(qkv),
        .W_K = weights(qkv),
        .W_V = weights(qkv),
        .b_Q = weights(N_HEADS * D_HEAD),
        .b_K = weights(N_HEADS * D_HEAD),
        .b_V = weights(N_HEADS * D_HEAD),
        .W_O = weights(qkv),
        .b_O = weights(D_MODEL),
        .ln2_w = weights(D_MODEL),
        .ln2_b = weights(D_MODEL),
        .W_in = weights((size_t)D_MODEL * D_MLP),
        .b_in = weights(D_MLP),
        .ln_mlp_w = weights(D_MLP),
        .ln_mlp_b = weights(D_MLP),
        .W_out = weights((size_t)D_MODEL * D_MLP),
        .b_out = weights(D_MODEL),
    };
    *m = (struct model){
        .config = {.n_layers = 1,
                   .d_model = D_MODEL,
                   .n_heads = N_HEADS,
                   .d_head = D_HEAD,
                   .d_mlp = attn_only ? 0 : D_MLP,
                   .n_ctx = N_CTX,
                   .d_vocab = D_VOCAB,
                   .attn_only = attn_only,
                   .act_fn = act_fn,
                   .norm = NORM_LN,
                   .eps = 1e-5f},
        .W_E = weights((size_t)D_VOCAB * D_MODEL),
        .W_pos = weights((size_t)N_CTX * D_MODEL),
        .layers = l,
        .ln_final_w = weights(D_MODEL),
        .ln_final_b = weights(D_MODEL),
        .W_U = weights((size_t)D_MODEL * D_VOCAB),
        .b_U = weights(D_VOCAB),
    };
    return m;
}

static double flop_per_token(const struct config *c)
{
    const double qkvo = 4.0 * D_MODEL * N_HEADS * D_HEAD;
    const double attention =
        (double)N_CTX * N_HEADS * D_HEAD; // q k and pattern v, half of n_ctx each
    const double mlp = c->attn_only ? 0 : 2.0 * D_MODEL * D_MLP;
    return 2 * (qkvo + attention + mlp + (double)D_MODEL * D_VOCAB);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_line(const char *name, const char *kern, const struct model *m, double *layers,
                       double *all, double check)
{
    qsort(layers, ROUNDS, sizeof *layers, by_value);
    qsort(all, ROUNDS, sizeof *all, by_value);
    printf("%-13s %-10s %7.0f  %7.0f  %7.0f  %6.1f   (check %.6f)\n", name, kern,
           layers[ROUNDS / 2] / N_CTX * 1e6, all[0] / N_CTX * 1e6, all[ROUNDS / 2] / N_CTX * 1e6,
           flop_per_token(&m->config) * N_CTX / all[ROUNDS / 2] * 1e-9, check);
}

static void ignore(void *context, size_t k, const float *logits)
{
    (void)context, (void)k, (void)logits;
}

static void bench_engine(const char *name, const struct model *m, const struct kern *kern)
{
    struct engine *e;
    struct engine_run *run;
    if (engine_new(&e, m, kern, NULL) || engine_run_new(&run, e, NULL)) {
        abort();
    }
    static uint32_t tokens[N_CTX];
    static double logprob[N_CTX];
    for (size_t i = 0; i < N_CTX; i++) {
        tokens[i] = next_random() % D_VOCAB;
    }
    const struct engine_window window = {.tokens = tokens, .n = N_CTX, .logprob = logprob};
    const struct engine_pick pick = {.window = &window};
    double layers[ROUNDS], all[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double begin = cpu_seconds();
        engine_look(run, &pick, 1, ignore, NULL, NULL);
        layers[r] = cpu_seconds() - begin;
        begin = cpu_seconds();
        engine_score(run, &window, 1, NULL);
        all[r] = cpu_seconds() - begin;
    }
    print_line(name, kern->name, m, layers, all, logprob[0]);
    engine_run_free(run);
    engine_free(e);
}

static void bench(const char *name, const struct model *m)
{
    for (const struct kern *const *k = kern_all(); *k; k++) {
        if (kern_runs(*k)) {
            bench_engine(name, m, *k);
        }
    }
    struct forward *f;
    float *logits = mem_new((size_t)ROWS * D_VOCAB, sizeof *logits);
    uint32_t ids[N_CTX];
    if (!logits || forward_new(&f, m, NULL)) {
        abort();
    }
    for (size_t i = 0; i < N_CTX; i++) {
        ids[i] = next_random() % D_VOCAB;
    }
    double layers[ROUNDS], all[ROUNDS], sum = 0;
    for (int r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        forward_run(f, ids, N_CTX, NULL);
        layers[r] = cpu_seconds() - begin;
        for (size_t from = 0; from < N_CTX; from += ROWS) {
            const size_t count = N_CTX - from < ROWS ? N_CTX - from : ROWS;
            forward_logits(f, from, count, logits);
            for (size_t i = 0; i < count; i++) {
                sum += logprob_log_sum_exp(logits + i * D_VOCAB, D_VOCAB);
            }
        }
        all[r] = cpu_seconds() - begin;
    }
    print_line(name, "reference", m, layers, all, sum / ROUNDS / N_CTX);
    forward_free(f);
    free(logits);
}

int main(void)
{
    printf("one window of %d tokens, one thread, CPU time of %d rounds\n", N_CTX, ROUNDS);
    printf("                          us a token                 GFLOP/s\n");
    printf("model         kernels     layers     best   median  (median)\n");
    bench("attn-only-1l", synthetic(true, ACT_GELU));
    bench("gelu-1l", synthetic(false, ACT_GELU));
    bench("solu-1l", synthetic(false, ACT_SOLU_LN));
    return 0;
}
