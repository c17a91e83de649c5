/*
 * bench_candidates.c - candidates of a file of counts, and what it costs to find them
 *
 *     bench_candidates FILE.ngrams [COUNT HIGH LOW MOST [NEVER...]]
 *
 * Rule: 10 0.5 0.1 500.  NEVER: ids, else 0.  Prints the funnel, the first 30 candidates by their
 * ids with their fillers, and the best time of three.
 *
 * One core at 2.6 GHz:
 *
 *     demo's corpus, 1.1 M tokens, vocabulary 4096       401 k trigrams    375 candidates  0.06 s
 *     C headers and Python, 89.6 M, vocabulary 50277    6958 k trigrams  19844 candidates  3.4 s
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/counts/candidates.h"

#define ROUNDS 3
#define SHOWN 30

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(int rc, const struct err *err)
{
    if (rc) {
        fprintf(stderr, "bench_candidates: %s\n", err->msg);
        exit(1);
    }
}

static void print_ids(const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%s%u", i ? "," : "  ", ids[i]);
    }
}

static void print(const struct candidates *c)
{
    const struct candidates_funnel *f = &c->funnel;
    printf("%llu trigrams, %llu frequent, %llu predictable; by bigram %llu, by skip %llu, by added "
           "%llu; %llu candidates, %llu kept\n",
           (unsigned long long)f->trigrams, (unsigned long long)f->frequent,
           (unsigned long long)f->predictable, (unsigned long long)f->by_bigram,
           (unsigned long long)f->by_skip, (unsigned long long)f->by_added,
           (unsigned long long)f->candidates, (unsigned long long)f->kept);
    for (size_t i = 0; i < c->n && i < SHOWN; i++) {
        const struct candidate *x = &c->items[i];
        printf("%u %u %u  n %llu of %llu  p %.3f  bigram %.4f  skips %.4f %.4f %.4f %.4f  added "
               "%.4f  worth %.1f",
               x->a, x->b, x->c, (unsigned long long)x->count, (unsigned long long)x->count_ab,
               x->p, x->p_bigram, x->p_skip[0], x->p_skip[1], x->p_skip[2], x->p_skip[3],
               x->p_added, x->worth);
        print_ids(x->fillers[0], x->n_fillers[0]);
        print_ids(x->fillers[1], x->n_fillers[1]);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    struct candidates_rule rule = {.count = 10, .high = 0.5, .low = 0.1, .most = 500};
    uint32_t never[16] = {0};
    size_t n_never = 1;
    struct ngrams *n = NULL;
    struct candidates c;
    struct err err = {0};
    double best = 1e9;
    if (argc != 2 && argc < 6) {
        fprintf(stderr, "bench_candidates FILE.ngrams [COUNT HIGH LOW MOST [NEVER...]]\n");
        return 2;
    }
    if (argc >= 6) {
        rule = (struct candidates_rule){.count = strtoull(argv[2], NULL, 10),
                                        .high = atof(argv[3]),
                                        .low = atof(argv[4]),
                                        .most = strtoull(argv[5], NULL, 10)};
        for (int i = 6; i < argc && i < 6 + 16; i++) {
            never[i - 6] = (uint32_t)strtoul(argv[i], NULL, 10);
            n_never = (size_t)i - 5;
        }
    }
    must(ngrams_open(&n, argv[1], &err), &err);
    for (int round = 0; round < ROUNDS; round++) {
        const double from = seconds();
        must(candidates_find(&c, n, &rule, never, n_never, NULL, &err), &err);
        const double took = seconds() - from;
        best = took < best ? took : best;
        if (round == 0) {
            print(&c);
        }
        candidates_free(&c);
    }
    printf("%.3f s\n", best);
    ngrams_close(n);
    return 0;
}
