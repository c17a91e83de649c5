/*
 * What a checkpoint costs: a run of 10 pairs over a vocabulary of 48262, every token seen (482,620
 * rows of token_gap, 20,000 hits), written again and again to the file named (default
 * bench_store.db here).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "out/store/store.h"
#include "tests/kit/run_sample.h"

#define MODELS 11
#define PAIRS (MODELS - 1)
#define VOCAB 48262
#define ROUNDS 5

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill_run(struct run *r)
{
    r->n_models = MODELS;
    r->models = calloc(MODELS, sizeof *r->models);
    for (size_t i = 0; i < MODELS; i++) {
        r->models[i] = (struct run_model){.name = strdup("model"),
                                          .path = strdup("path"),
                                          .act_fn = strdup("gelu"),
                                          .site = strdup(""),
                                          .d_vocab = VOCAB,
                                          .n_ctx = 1024};
    }
    r->n_shards = 1;
    r->shards = calloc(1, sizeof *r->shards);
    r->shards[0] = (struct run_shard){.name = strdup("shard"), .path = strdup("path")};
    r->n_pairs = PAIRS;
    r->pairs = calloc(PAIRS, sizeof *r->pairs);
    for (uint32_t i = 0; i < PAIRS; i++) {
        r->pairs[i] = (struct run_pair){.base = 0, .n_others = 1, .others = {i + 1}};
    }
    r->floor = -6;
    r->top = 1000;
    r->settings = strdup("{}");
    for (size_t i = 0; i < VOCAB; i++) {
        run_add_token(r, " token", 6, NULL);
    }
}

/* Documents of 1000 tokens that go through the vocabulary four times. */
static int fill_tally(struct tally *t, struct err *err)
{
    enum { N = 1000 };
    static uint32_t ids[N], ends[N], pos[N];
    static double values[MODELS][N];
    static char text[N * 6];
    const double *logprob[MODELS];
    uint64_t random = 1;
    memset(text, 'x', sizeof text);
    for (uint64_t doc = 0; doc < 4 * VOCAB / N + 1; doc++) {
        for (uint32_t i = 0; i < N; i++) {
            ids[i] = (uint32_t)((doc * N + i) % VOCAB);
            ends[i] = (i + 1) * 6;
            pos[i] = i + 1;
            for (size_t m = 0; m < MODELS; m++) {
                random = random * 6364136223846793005U + 1442695040888963407U;
                values[m][i] = -(double)(random >> 40) * 6e-7;
                logprob[m] = values[m];
            }
        }
        const struct tally_doc d = {.number = doc,
                                    .text = text,
                                    .text_len = sizeof text,
                                    .n = N,
                                    .ids = ids,
                                    .ends = ends,
                                    .pos = pos,
                                    .logprob = logprob};
        const int rc = tally_add_whole(t, &d, NULL, NULL, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "bench_store.db";
    struct run r = {0};
    struct results results = {0};
    struct store *s = NULL;
    struct err err = {0};
    bool exists;
    fill_run(&r);
    struct tally *t = sample_results(&results, &r);
    int rc = fill_tally(t, &err);
    if (!rc) {
        rc = store_open(&s, path, &exists, &err);
    }
    for (int full = 1; full >= 0 && !rc; full--) {
        double seconds[ROUNDS];
        for (int i = 0; i < ROUNDS && !rc; i++) {
            const double begin = now();
            rc = store_checkpoint(s, &r, &results, full, NULL, &err);
            seconds[i] = now() - begin;
        }
        qsort(seconds, ROUNDS, sizeof *seconds, compare);
        printf("%s checkpoint: best %.2f s, median %.2f s of %d\n",
               full ? "full (all tables)" : "light (state alone)", seconds[0], seconds[ROUNDS / 2],
               ROUNDS);
    }
    char digest[33];
    const double begin = now();
    if (!rc) {
        rc = store_digest(s, digest, &err);
    }
    printf("digest %s: %.2f s\n", digest, now() - begin);
    store_close(s);
    results_free(&results);
    run_free(&r);
    unlink(path);
    if (rc) {
        fprintf(stderr, "%s\n", err.msg);
    }
    return rc != 0;
}
