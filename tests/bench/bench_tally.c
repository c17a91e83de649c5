/*
 * bench_tally.c - what counting costs, on one core
 *
 *     bench_tally [MODELS]
 *
 * A unit as a scan has them: 64 documents of 1024 tokens, of a vocabulary of 48262 by Zipf's law,
 * through 2 and through MODELS (12) models, the first the base of every other.  In rounds: the unit
 * is counted into a tally that was cleared, with the whole as cutoff; merged into the whole;
 * cleared.  Then the whole is saved and loaded.  Prints the best and the median round.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "out/results/gaps/tally.h"
#include "tests/kit/tally_whole.h"

#define MODELS_MAX 32
#define ROUNDS 15
#define DOCS 64
#define TOKENS 1024
#define VOCAB 48262

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *took, double per, const char *unit)
{
    qsort(took, ROUNDS, sizeof *took, ascending);
    printf("  %-8s best %8.2f  median %8.2f %s\n", what, took[0] / per, took[ROUNDS / 2] / per,
           unit);
}

/* A number in [0, 1). */
static double next_random(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

static struct {
    char text[TOKENS * 4];
    uint32_t ids[TOKENS], ends[TOKENS], pos[TOKENS];
    double logprob[MODELS_MAX][TOKENS];
    const double *rows[MODELS_MAX];
} docs[DOCS];

/* The models agree but for noise, as models do. */
static void make_docs(void)
{
    for (size_t d = 0; d < DOCS; d++) {
        for (uint32_t i = 0; i < TOKENS; i++) {
            docs[d].ids[i] = (uint32_t)(pow(VOCAB, next_random()) - 1);
            docs[d].ends[i] = 4 * (i + 1);
            docs[d].pos[i] = i + 1;
            const double shared = 3 * log(next_random() + 1e-9);
            for (size_t m = 0; m < MODELS_MAX; m++) {
                docs[d].logprob[m][i] = shared + 0.5 * log(next_random() + 1e-9);
            }
        }
        for (size_t i = 0; i < sizeof docs[d].text; i++) {
            docs[d].text[i] = (char)('a' + (int)(next_random() * 26));
        }
        for (size_t m = 0; m < MODELS_MAX; m++) {
            docs[d].rows[m] = docs[d].logprob[m];
        }
    }
}

static int count_unit(struct tally *t, const struct tally *whole, uint64_t round, struct err *err)
{
    int64_t cutoff[2 * MODELS_MAX];
    tally_cutoff(whole ? whole : t, cutoff);
    int rc = 0;
    for (size_t d = 0; d < DOCS && !rc; d++) {
        const struct tally_doc doc = {
            .number = round * DOCS + d,
            .domain = d % 2 ? "even" : "odd",
            .text = docs[d].text,
            .text_len = sizeof docs[d].text,
            .n = TOKENS,
            .ids = docs[d].ids,
            .ends = docs[d].ends,
            .pos = docs[d].pos,
            .logprob = docs[d].rows,
        };
        rc = tally_add_whole(t, &doc, whole ? cutoff : NULL, NULL, err);
    }
    return rc;
}

static int measure(size_t n_models, struct err *err)
{
    struct run_pair pairs[MODELS_MAX] = {0};
    for (uint32_t i = 0; i + 1 < n_models; i++) {
        pairs[i] = (struct run_pair){.base = 0, .n_others = 1, .others = {i + 1}};
    }
    const struct tally_shape shape = {
        .n_models = n_models,
        .n_pairs = n_models - 1,
        .n_shards = 100,
        .d_vocab = VOCAB,
        .pairs = pairs,
        .floor = -6,
        .gap_bins_half = 60,
        .top = 1000,
    };
    double add[ROUNDS], merge[ROUNDS], clear[ROUNDS], save[ROUNDS], load[ROUNDS];
    struct tally *whole = NULL, *unit = NULL, *again = NULL;
    struct buf bytes = {0};
    int rc = tally_new(&whole, &shape, err);
    rc = rc ? rc : tally_new(&unit, &shape, err);
    rc = rc ? rc : tally_new(&again, &shape, err);
    for (int r = 0; r < ROUNDS && !rc; r++) {
        const double t0 = seconds();
        rc = count_unit(unit, whole, (uint64_t)r, err);
        const double t1 = seconds();
        rc = rc ? rc : tally_merge(whole, unit, err);
        const double t2 = seconds();
        tally_clear(unit);
        add[r] = t1 - t0;
        merge[r] = t2 - t1;
        clear[r] = seconds() - t2;
    }
    for (int r = 0; r < ROUNDS && !rc; r++) {
        bytes.len = 0;
        tally_clear(again);
        const double t0 = seconds();
        rc = tally_save(whole, &bytes, err);
        const double t1 = seconds();
        rc = rc ? rc : tally_load(again, bytes.data, bytes.len, err);
        save[r] = t1 - t0;
        load[r] = seconds() - t1;
    }
    if (!rc) {
        printf("%zu models, %zu pairs, a unit of %d tokens; %.1f MB saved\n", n_models,
               shape.n_pairs, DOCS * TOKENS, (double)bytes.len * 1e-6);
        print("add", add, 1e-9 * DOCS * TOKENS * (double)shape.n_pairs, "ns a token and pair");
        print("merge", merge, 1e-3, "ms a unit");
        print("clear", clear, 1e-3, "ms a unit");
        print("save", save, 1e-3, "ms");
        print("load", load, 1e-3, "ms");
    }
    buf_free(&bytes);
    tally_free(whole);
    tally_free(unit);
    tally_free(again);
    return rc;
}

int main(int argc, char **argv)
{
    const int n_models = argc > 1 ? atoi(argv[1]) : 12;
    if (n_models < 2 || n_models > MODELS_MAX) {
        fprintf(stderr, "usage: bench_tally [MODELS]    2 to %d\n", MODELS_MAX);
        return 2;
    }
    struct err err = {0};
    make_docs();
    int rc = measure(2, &err);
    rc = rc || n_models == 2 ? rc : measure((size_t)n_models, &err);
    if (rc) {
        fprintf(stderr, "bench_tally: %s\n", err.msg);
    }
    return rc != 0;
}
