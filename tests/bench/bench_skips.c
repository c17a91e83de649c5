/*
 * What looking for skip-trigrams costs: seconds until the 500 strongest are known.
 *
 *     bench_skips [THREADS]
 *
 * Models: attn-only-1l of model/demo, and one of the hub's sizes with random weights, whose tokens
 * have shares as in text (1 / rank).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/explain/skips.h"
#include "tests/bench/synthetic.h"

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void bench(const char *name, const struct model *m, size_t n_threads)
{
    const size_t d_vocab = m->config.d_vocab;
    struct skips_rule rule = {.most = 500, .window = 64, .frequent = 1e-6};
    uint64_t *counts = malloc(d_vocab * sizeof *counts);
    struct engine *e = NULL;
    struct skips_item *items = NULL;
    size_t n = 0;
    struct err err = {0};
    if (!counts || engine_new(&e, m, kern_best(), PRECISION_EXACT, &err)) {
        abort();
    }
    for (size_t i = 0; i < d_vocab; i++) {
        counts[i] = 10000000 / (i + 1);
    }
    const struct skips_text text = {.counts = counts, .bos = 0, .scale = 1};
    const double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (skips_find(&items, &n, e, &rule, &text, n_threads, NULL, &err)) {
        abort();
    }
    printf("%-14s %zu skip-trigrams in %.2f s, %.2f s of the cores", name, n,
           seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    if (n > 0) {
        printf("; the strongest: head %u, %u ... %u -> %u, strength %.4g", items[0].head,
               items[0].a, items[0].b, items[0].c, items[0].strength);
    }
    printf("\n");
    free(items);
    free(counts);
    engine_free(e);
}

int main(int argc, char **argv)
{
    const size_t n_threads = argc > 1 ? (size_t)atoi(argv[1]) : 2;
    struct model *demo = NULL;
    struct err err = {0};
    if (model_load(&demo, "demo", "model/demo/attn-only-1l", &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    bench("demo", demo, n_threads);
    struct model *hub = synthetic_model(1, 768, 12, 0, (size_t)atoi(argc > 2 ? argv[2] : "48262"),
                                        1024, true, ACT_GELU, false);
    bench("hub", hub, n_threads);
    synthetic_free(hub);
    model_free(demo);
    return 0;
}
