/*
 * bench_engine - what the CPU can do, what the kernels reach of it, and what a token costs
 *
 * One thread; times are the thread's CPU time, the best and the median of several rounds; rounds of
 * what is compared alternate.  Ceilings: the instruction alone, in registers.  Tiles: operands in
 * the first-level cache, k = 512.  Unembedding: the fused pass over 48262 tokens with exponentials,
 * rescoring and all, from packed rows to log-probs.  Models: a window of 1024 random ids through
 * synthetic weights of the hub's sizes; the error is that of the log-probs against f32, whose own
 * is measured against float64 by the tests.
 *
 * gpt2: the sizes of GPT-2 small, beside the reference pass, which is plain C.
 *
 *     bench_engine [ceilings | tiles | models | tables | outliers | gpt2]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pass/engine.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "model/pass/product.h"
#include "tests/bench/rounds.h"
#include "tests/bench/synthetic.h"

enum { D_MODEL = 512, N_HEADS = 8, D_MLP = 2048, D_VOCAB = 48262, N_CTX = 1024 };
enum { ROUNDS = 5 };

// --- ceilings -----------------------------------------------------------------------------------

#ifdef __x86_64__
#include <immintrin.h>

/* 12 chains hide the latency of two units.  Best of ROUNDS, in operations a second. */
#define CEILING(function, target_set, type, op, ops)                                               \
    __attribute__((target(target_set))) static double function(void)                               \
    {                                                                                              \
        const int n = 3000000;                                                                     \
        double best = 1e9;                                                                         \
        for (int r = 0; r < ROUNDS; r++) {                                                         \
            type x = {0}, a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x,  \
                 a9 = x, a10 = x, a11 = x;                                                         \
            const double begin = cpu_seconds();                                                    \
            for (int i = 0; i < n; i++) {                                                          \
                __asm__ volatile(op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9)       \
                                     op(10) op(11)                                                 \
                                 : "+v"(a0), "+v"(a1), "+v"(a2), "+v"(a3), "+v"(a4), "+v"(a5),     \
                                   "+v"(a6), "+v"(a7), "+v"(a8), "+v"(a9), "+v"(a10), "+v"(a11)    \
                                 : "v"(x));                                                        \
            }                                                                                      \
            const double took = cpu_seconds() - begin;                                             \
            best = took < best ? took : best;                                                      \
        }                                                                                          \
        return 12.0 * (ops)*n / best;                                                              \
    }

#define FMA(i) "vfmadd231ps %12, %12, %" #i "\n"
#define DPWSSD(i) "vpdpwssd %12, %12, %" #i "\n"
#define DPBUSD(i) "vpdpbusd %12, %12, %" #i "\n"
#define VEX_DPWSSD(i) "%{vex%} vpdpwssd %12, %12, %" #i "\n"
#define VEX_DPBUSD(i) "%{vex%} vpdpbusd %12, %12, %" #i "\n"
CEILING(fma512, "avx512f", __m512, FMA, 32)
CEILING(fma256, "avx2,fma", __m256, FMA, 16)
CEILING(dpwssd512, "avx512f", __m512i, DPWSSD, 64)
CEILING(dpbusd512, "avx512f", __m512i, DPBUSD, 128)
CEILING(dpwssd256, "avx2", __m256i, VEX_DPWSSD, 32)
CEILING(dpbusd256, "avx2", __m256i, VEX_DPBUSD, 64)

__attribute__((target("amx-tile,amx-int8"))) static double tdpbssd(void)
{
    const int n = 200000;
    double best = 1e9;
    kern_named("amx")->s8->begin();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (int r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        for (int i = 0; i < n; i++) {
            _tile_dpbssd(0, 4, 5);
            _tile_dpbssd(1, 4, 5);
            _tile_dpbssd(2, 4, 5);
            _tile_dpbssd(3, 4, 5);
        }
        const double took = cpu_seconds() - begin;
        best = took < best ? took : best;
    }
    kern_named("amx")->s8->end();
    return 4.0 * 2 * 16 * 16 * 64 * n / best;
}

static const struct {
    const char *table, *name;
    double (*f32)(void), (*s16)(void), (*s8)(void);
    double s16_share; // of the instruction's rate that s16 products can have
} ceilings[] = {
    {"amx", "vfmadd231ps zmm, tdpbssd", fma512, tdpbssd, tdpbssd, 0.25},
    {"vnni", "vfmadd231ps, vpdpwssd, vpdpbusd zmm", fma512, dpwssd512, dpbusd512, 1},
    {"avxvnni", "vfmadd231ps, vpdpwssd, vpdpbusd ymm", fma256, dpwssd256, dpbusd256, 1},
};
#define N_CEILINGS (sizeof ceilings / sizeof *ceilings)
#endif

/* Operations a second that the instructions of this table's f32 (0), s16 (1), s8 (2) could do in
 * registers; 0: not known. */
static double ceiling(const struct kern *k, int format)
{
    double rate = 0;
#ifdef __x86_64__
    static double known[N_CEILINGS][3];
    for (size_t i = 0; i < N_CEILINGS; i++) {
        if (strcmp(ceilings[i].table, k->name) == 0) {
            double *at = &known[i][format];
            if (*at == 0) {
                *at = format == 0   ? ceilings[i].f32()
                      : format == 1 ? ceilings[i].s16() * ceilings[i].s16_share
                                    : ceilings[i].s8();
            }
            rate = *at;
        }
    }
#else
    (void)k, (void)format;
#endif
    return rate;
}

static void print_share(double rate, double of)
{
    if (of > 0) {
        printf(" %6.0f (%3.0f %%)", rate * 1e-9, 100 * rate / of);
    } else {
        printf(" %6.0f        ", rate * 1e-9);
    }
}

static void bench_ceilings(void)
{
    printf("\nceilings, instructions in registers, Gop/s  f32     s16      s8\n");
#ifdef __x86_64__
    for (size_t i = 0; i < N_CEILINGS; i++) {
        const struct kern *k = kern_named(ceilings[i].table);
        if (kern_runs(k)) {
            printf("  %-38s %7.0f %7.0f %7.0f\n", ceilings[i].name, ceiling(k, 0) * 1e-9,
                   ceiling(k, 1) * 1e-9, ceiling(k, 2) * 1e-9);
        }
    }
#endif
}

// --- tiles --------------------------------------------------------------------------------------

static double tile_f32(const struct kern_f32 *f)
{
    const size_t k = D_MODEL;
    float *x = product_alloc(k * f->rows, 4), *w = product_alloc(k * f->cols, 4);
    union product_tile out;
    memset(x, 0, k * f->rows * 4);
    memset(w, 0, k * f->cols * 4);
    double best = 1e9;
    const size_t n = 2000;
    for (int r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        for (size_t i = 0; i < n; i++) {
            f->tile(out.f32, x, w, k);
        }
        const double took = cpu_seconds() - begin;
        best = took < best ? took : best;
    }
    free(x);
    free(w);
    return 2.0 * (double)(f->rows * f->cols * k * n) / best;
}

static double tile_dot(const struct dot *d)
{
    const size_t k = D_MODEL;
    char *x = product_alloc(dot_x_size(d, k), 1), *w = product_alloc(dot_w_size(d, k), 1);
    union product_tile out;
    memset(x, 0, dot_x_size(d, k));
    memset(w, 0, dot_w_size(d, k));
    double best = 1e9;
    const size_t n = 3000;
    for (int r = 0; r < ROUNDS; r++) {
        const double begin = cpu_seconds();
        dot_begin(d);
        for (size_t i = 0; i < n; i++) {
            d->tile(out.s32, x, w, k);
        }
        dot_end(d);
        const double took = cpu_seconds() - begin;
        best = took < best ? took : best;
    }
    free(x);
    free(w);
    return 2.0 * (double)(d->rows * d->cols * k * n) / best;
}

static double unembed_seconds(const struct model *m, const struct kern *k, enum precision p)
{
    struct unembed *u;
    struct unembed_ctx *r;
    if (unembed_new(&u, m, k, p, NULL) || unembed_ctx_new(&r, u, N_CTX, NULL)) {
        abort();
    }
    static uint32_t ids[N_CTX];
    static double logprob[N_CTX];
    float *x = synthetic_weights((size_t)N_CTX * D_MODEL, 0, 1);
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        const double begin = cpu_seconds();
        unembed_score(r, x, ids, N_CTX, false, logprob, NULL);
        const double took = cpu_seconds() - begin;
        best = took < best ? took : best;
    }
    free(x);
    unembed_ctx_free(r);
    unembed_free(u);
    return best;
}

static void bench_tiles(void)
{
    struct model *m =
        synthetic_model(1, D_MODEL, N_HEADS, D_MLP, D_VOCAB, N_CTX, true, ACT_GELU, false);
    printf("\nkernels, Gop/s and share of the ceiling; the unembedding, us a token and share\n");
    printf("  table    format  tile in cache      fused unembedding\n");
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern *k = kern_at(t);
        const struct dot *const dots[] = {NULL, k->s16, k->s8};
        static const char *const names[] = {"f32", "s16", "s8"};
        for (int f = 0; f < 3 && kern_runs(k); f++) {
            if (f > 0 && !dots[f]) {
                continue;
            }
            const double tile = f ? tile_dot(dots[f]) : tile_f32(k->f32);
            const double whole = unembed_seconds(m, k, (enum precision)f);
            const double ops = 2.0 * N_CTX * D_MODEL * D_VOCAB;
            printf("  %-8s %-5s", k->name, names[f]);
            print_share(tile, ceiling(k, f));
            printf("   %7.1f us", whole / N_CTX * 1e6);
            print_share(ops / whole, ceiling(k, f));
            printf("\n");
            fflush(stdout);
        }
    }
}

// --- models -------------------------------------------------------------------------------------

static const char *const precisions[] = {"exact", "default", "fast"};

struct measured {
    double best, median;   // seconds for N_CTX tokens
    double mean, p99, max; // nats off f32
};

/* All precisions of one table, their rounds one after the other in turn. */
static void measure(const struct model *m, const struct kern *k, struct measured out[3])
{
    static uint32_t tokens[N_CTX];
    static double logprob[3][N_CTX], times[3][ROUNDS];
    struct engine *e[3];
    struct engine_ctx *run[3];
    for (size_t i = 0; i < N_CTX; i++) {
        tokens[i] = synthetic_random() % D_VOCAB;
    }
    for (int p = 0; p < 3; p++) {
        if (engine_new(&e[p], m, k, (enum precision)p, NULL) ||
            engine_ctx_new(&run[p], e[p], NULL)) {
            abort();
        }
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int p = 0; p < 3; p++) {
            const struct engine_window w = {.tokens = tokens, .n = N_CTX, .logprob = logprob[p]};
            const double begin = cpu_seconds();
            engine_score(run[p], &w, 1, NULL);
            times[p][r] = cpu_seconds() - begin;
        }
    }
    for (int p = 0; p < 3; p++) {
        double off[N_CTX], sum = 0;
        for (size_t i = 0; i < N_CTX; i++) {
            off[i] = fabs(logprob[p][i] - logprob[0][i]);
            sum += off[i];
        }
        out[p].median = median(times[p], ROUNDS);
        out[p].best = times[p][0];
        qsort(off, N_CTX, sizeof *off, rounds_by_value);
        out[p].mean = sum / N_CTX;
        out[p].p99 = off[N_CTX * 99 / 100];
        out[p].max = off[N_CTX - 1];
        engine_ctx_free(run[p]);
        engine_free(e[p]);
    }
}

static void bench_model(const char *name, const struct kern *k, size_t n_layers, bool attn_only,
                        enum act_fn act, bool outliers)
{
    struct model *m = synthetic_model(n_layers, D_MODEL, N_HEADS, D_MLP, D_VOCAB, N_CTX, attn_only,
                                      act, outliers);
    struct measured r[3];
    measure(m, k, r);
    for (int p = 0; p < 3; p++) {
        printf("  %-14s %-8s %-8s %7.1f %7.1f   %5.2f x", name, k->name, precisions[p],
               r[p].best / N_CTX * 1e6, r[p].median / N_CTX * 1e6, r[0].median / r[p].median);
        if (p) {
            printf("   %.1e %.1e %.1e", r[p].mean, r[p].p99, r[p].max);
        }
        printf("\n");
    }
    fflush(stdout);
    synthetic_free(m);
}

static void models_head(void)
{
    printf(
        "  model          kernels  precision  best  median    exact   off f32: mean, 99 %%, most "
        "(nats)\n");
}

static void bench_models(bool tables)
{
    static const struct {
        const char *name;
        bool attn_only;
        enum act_fn act;
    } kinds[] = {
        {"attn-only", true, ACT_GELU}, {"gelu", false, ACT_GELU}, {"solu", false, ACT_SOLU_LN}};
    printf("\nmodels, us a token\n");
    models_head();
    for (size_t i = 0; i < 3 && !tables; i++) {
        for (size_t n = 1; n <= 4; n++) {
            char name[32];
            snprintf(name, sizeof name, "%s-%zul", kinds[i].name, n);
            bench_model(name, kern_best(), n, kinds[i].attn_only, kinds[i].act, false);
        }
    }
    for (size_t t = 0; kern_at(t) && tables; t++) {
        if (kern_runs(kern_at(t))) {
            bench_model("gelu-1l", kern_at(t), 1, false, ACT_GELU, false);
        }
    }
}

static void bench_outliers(void)
{
    printf("\nwith outlier features, us a token\n");
    models_head();
    bench_model("gelu-1l", kern_best(), 1, false, ACT_GELU, true);
    bench_model("solu-1l", kern_best(), 1, false, ACT_SOLU_LN, true);
}

// --- GPT-2 small --------------------------------------------------------------------------------

/* Seconds of the reference pass for the log-probs of N_CTX tokens. */
static double reference_seconds(const struct model *m)
{
    enum { SOME = 32 };
    static uint32_t ids[N_CTX];
    struct forward *f;
    const size_t d_vocab = m->config.d_vocab;
    float *logits = product_alloc(SOME * d_vocab, sizeof *logits);
    double sum = 0;
    for (size_t i = 0; i < N_CTX; i++) {
        ids[i] = synthetic_random() % D_VOCAB;
    }
    if (!logits || forward_new(&f, m, NULL)) {
        abort();
    }
    const double begin = cpu_seconds();
    forward_run(f, ids, N_CTX, NULL);
    for (size_t i = 0; i < N_CTX; i += SOME) {
        forward_logits(f, i, SOME, logits);
        for (size_t k = 0; k < SOME; k++) {
            sum += logprob_log_sum_exp(logits + k * d_vocab, d_vocab);
        }
    }
    const double took = cpu_seconds() - begin;
    forward_free(f);
    free(logits);
    return isfinite(sum) ? took : 0;
}

static void bench_gpt2(void)
{
    struct model *m = synthetic_model(12, 768, 12, 3072, 50257, N_CTX, false, ACT_GELU_NEW, false);
    struct measured r[3];
    printf("\nGPT-2 small, us a token\n");
    const double reference = reference_seconds(m);
    printf("  reference, one round    %8.1f\n", reference / N_CTX * 1e6);
    fflush(stdout);
    measure(m, kern_best(), r);
    for (int p = 0; p < 3; p++) {
        printf("  %-8s %-8s median %8.1f, %4.1f times as fast", kern_best()->name, precisions[p],
               r[p].median / N_CTX * 1e6, reference / r[p].median);
        if (p) {
            printf("; off f32 %.1e %.1e %.1e", r[p].mean, r[p].p99, r[p].max);
        }
        printf("\n");
    }
    synthetic_free(m);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "all";
    const bool all = strcmp(what, "all") == 0;
    if (all || strcmp(what, "ceilings") == 0) {
        bench_ceilings();
    }
    if (all || strcmp(what, "tiles") == 0) {
        bench_tiles();
    }
    if (all || strcmp(what, "models") == 0) {
        bench_models(false);
    }
    if (all || strcmp(what, "tables") == 0) {
        bench_models(true);
    }
    if (all || strcmp(what, "outliers") == 0) {
        bench_outliers();
    }
    if (all || strcmp(what, "gpt2") == 0) {
        bench_gpt2();
    }
    return 0;
}
