/*
 * bench_trigrams.c - what trigrams cost a scan, in ns per token on one core, beside its neurons
 *
 *     bench_trigrams [TRIGRAMS [RANKS [LAYERS]]]        500 trigrams, of the first 1000 tokens, 1
 *
 * Units of 64k tokens in 300 documents, of a vocabulary of 48262 by Zipf's law; layers of 2048
 * neurons, each in blocks of four windows.  Trigrams are of tokens as frequent as in the text, but
 * of the RANKS most frequent ones.  Two models, one pair.  Prints of the last of four units: how
 * many tokens are in a group, and in how many; what begin, blocks, documents and the merge into
 * the whole take; and of the same blocks what unit_neurons_block() takes with 60 hypotheses and with none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "out/results/neurons/act_kernels.h"
#include "out/results/neurons/unit_neurons.h"
#include "out/results/trigrams/trigrams.h"

#define N 2048
#define VOCAB 48262
#define TOKENS 65536
#define DOCS 300
#define WINDOW 256
#define WINDOWS 4 // a block
#define BLOCK (WINDOWS * WINDOW)
#define UNITS 4
#define LAYERS_MOST 16
#define HYPOTHESES 60

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); // others may use the core too
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double next_real(void)
{
    return (double)(next_random() >> 11) * 0x1p-53;
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) {
        fprintf(stderr, "bench_trigrams: no memory\n");
        exit(1);
    }
    return p;
}

// --- text ---------------------------------------------------------------------------------------

/* P(rank r) as 1 / (r + 2.7), r from 1, up to 'most' (Zipf and Mandelbrot). */
static uint32_t zipf(size_t most)
{
    const double all = log(((double)most + 3.2) / 3.2);
    const double rank = 3.2 * exp(next_real() * all) - 3.2;
    return (uint32_t)(rank < (double)most ? rank : (double)most - 1);
}

static struct trigrams_shape *make_shape(size_t n, size_t ranks, size_t n_layers, struct err *err)
{
    struct trigram *items = room(n, sizeof *items);
    size_t layers[LAYERS_MOST];
    for (size_t i = 0; i < n;) {
        items[i] = (struct trigram){.a = zipf(ranks), .b = zipf(ranks), .c = zipf(ranks)};
        bool again = false;
        for (size_t k = 0; k < i && !again; k++) {
            again = memcmp(&items[k].a, &items[i].a, 3 * sizeof items[i].a) == 0;
        }
        i += !again;
    }
    for (size_t l = 0; l < n_layers; l++) {
        layers[l] = N;
    }
    struct trigrams_shape *shape = NULL;
    if (trigrams_shape_make(&shape, items, n, 2, 1, layers, n_layers, err)) {
        fprintf(stderr, "bench_trigrams: %s\n", err->msg);
        exit(1);
    }
    free(items);
    return shape;
}

static struct {
    uint32_t ids[TOKENS], ends[TOKENS], pos[TOKENS];
    double logprob[2][TOKENS];
    struct unit_tokens_doc docs[DOCS];
    struct unit_tokens_doc unit_neurons_docs[DOCS];
    uint32_t at[HYPOTHESES][TOKENS];
    struct unit_token_set sets[1 + 2 * HYPOTHESES];
    uint64_t labels[TOKENS], gave_up[DOCS];
} u;

static void make_unit(uint64_t number)
{
    memset(u.labels, 0, sizeof u.labels);
    for (uint32_t i = 0; i < TOKENS; i++) {
        u.ids[i] = zipf(VOCAB);
        u.ends[i] = 4 * i;
        u.pos[i] = i % WINDOW + 1;
        u.logprob[0][i] = -8 * next_real();
        u.logprob[1][i] = -8 * next_real();
    }
    for (size_t d = 0; d < DOCS; d++) {
        const size_t begin = d * TOKENS / DOCS, n = (d + 1) * TOKENS / DOCS - begin;
        u.docs[d] = (struct unit_tokens_doc){.begin = begin, .n = n};
        u.unit_neurons_docs[d] =
            (struct unit_tokens_doc){.number = number * DOCS + d, .begin = begin, .n = n};
    }
    for (size_t h = 0; h < HYPOTHESES; h++) { // as bench_neurons.c has them
        const double share = h % 12 == 0 ? 0.2 + 0.2 * next_real() : 0.01 + 0.04 * next_real();
        struct unit_token_set *set = &u.sets[set_labelled(h)];
        *set = (struct unit_token_set){.at = u.at[h]};
        for (uint32_t i = 0; i < TOKENS; i++) {
            const bool is = next_real() < share;
            u.at[h][set->n] = i;
            set->n += is;
            u.labels[i] |= (uint64_t)is << h;
        }
    }
}

/* No two alike; what they are matters little to sums. */
static void make_acts(float *acts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        acts[i] = (float)(next_random() >> 40) * 0x1p-22f - 1;
    }
}

// --- a scan -------------------------------------------------------------------------------------

struct took {
    double begin, blocks, docs, merge;
    double part[2]; // blocks, with hypotheses and without
};

struct scan {
    const struct trigrams_shape *shape;
    struct trigrams *worker, *whole;
    struct neurons *neurons[2];
    struct unit_neurons *parts[2];
    struct unit_neurons_cutoffs *cutoffs[2];
    float *acts; // a block's
    struct took took;
};

#define FLOOR (-18.0) // nats
static const struct run_pair pair = {.base = 0, .n_others = 1, .others = {1}};
static const size_t windows[WINDOWS] = {WINDOW, WINDOW, WINDOW, WINDOW};

static int run_parts(struct scan *s, int which, size_t n_layers, struct err *err)
{
    const struct unit_labels labels = {
        .n_hypotheses = which == 0 ? HYPOTHESES : 0, .sets = u.sets, .words = u.labels, .gave_up = u.gave_up};
    const struct unit_tokens unit = {.n = TOKENS,
                                     .ids = u.ids,
                                     .ends = u.ends,
                                     .pos = u.pos,
                                     .docs = u.unit_neurons_docs,
                                     .n_docs = DOCS,
                                     .labels = &labels};
    unit_neurons_cutoffs_of(s->cutoffs[which], s->neurons[which]);
    int rc = unit_neurons_begin(s->parts[which], &unit, s->cutoffs[which], err);
    for (size_t l = 0; l < n_layers; l++) {
        for (size_t at = 0; at < TOKENS && !rc; at += BLOCK) {
            make_acts(s->acts, (BLOCK + WINDOWS) * N);
            const double t0 = seconds();
            rc = unit_neurons_block(s->parts[which], l, at, windows, WINDOWS, s->acts, err);
            s->took.part[which] += seconds() - t0;
        }
    }
    rc = rc ? rc : unit_neurons_end(s->parts[which], err);
    return rc ? rc : neurons_add(s->neurons[which], s->parts[which], err);
}

static int run_trigrams(struct scan *s, uint64_t number, struct err *err)
{
    const struct unit_tokens unit = {
        .ids = u.ids, .pos = u.pos, .n = TOKENS, .docs = u.docs, .n_docs = DOCS};
    const double t0 = seconds();
    int rc = trigrams_begin(s->worker, &unit, err);
    s->took.begin = seconds() - t0;
    for (size_t l = 0; l < s->shape->n_layers && !rc; l++) {
        for (size_t at = 0; at < TOKENS; at += BLOCK) {
            make_acts(s->acts, (BLOCK + WINDOWS) * N);
            const double t1 = seconds();
            trigrams_block(s->worker, l, at, windows, WINDOWS, s->acts);
            s->took.blocks += seconds() - t1;
        }
    }
    const double t2 = seconds();
    for (size_t d = 0; d < DOCS && !rc; d++) {
        const size_t begin = u.docs[d].begin;
        const double *const rows[] = {u.logprob[0] + begin, u.logprob[1] + begin};
        const struct tally_doc doc = {.number = number * DOCS + d,
                                      .n = u.docs[d].n,
                                      .ids = u.ids + begin,
                                      .ends = u.ends + begin,
                                      .pos = u.pos + begin,
                                      .logprob = rows};
        rc = trigrams_add_doc(s->worker, d, &doc, &pair, FLOOR, err);
    }
    const double t3 = seconds();
    rc = rc ? rc : trigrams_merge(s->whole, s->worker, err);
    s->took.docs = t3 - t2;
    s->took.merge = seconds() - t3;
    return rc;
}

// --- said of it ---------------------------------------------------------------------------------

static uint32_t group_of(const uint32_t *of, size_t n, uint32_t id)
{
    return id < n ? of[id] : UINT32_MAX;
}

/* Of the unit's tokens: in a group; groups of each. */
static void print_groups(const struct trigrams *t)
{
    const struct trigrams_shape *s = t->shape;
    size_t n_in = 0, n_places = 0, n_items = 0;
    uint64_t n_groups = 0;
    for (size_t i = 1; i < TOKENS; i++) {
        n_in += group_of(s->of_b, s->n_ids, u.ids[i]) != UINT32_MAX ||
                group_of(s->of_a, s->n_ids, u.ids[i - 1]) != UINT32_MAX;
    }
    for (size_t g = 0; g < s->n_groups; g++) {
        n_groups += t->tokens[g];
    }
    for (size_t i = 0; i < s->n; i++) {
        n_places += t->items[i].n;
        n_items += t->items[i].n > 0;
    }
    printf("  of the tokens %.1f %% are in a group, in %.2f each; %zu groups, %zu places of %zu of "
           "the trigrams\n",
           100.0 * (double)n_in / TOKENS, (double)n_groups / (double)n_in, s->n_groups, n_places,
           n_items);
}

static void print_took(const struct took *t)
{
    const double per = TOKENS * 1e-9, all = t->begin + t->blocks + t->docs + t->merge;
    printf("  trigrams %8.1f: begin %.1f, blocks %.1f, documents %.1f, into the whole %.1f\n",
           all / per, t->begin / per, t->blocks / per, t->docs / per, t->merge / per);
    printf("  unit_neurons_block %6.1f with %d hypotheses: trigrams are %.1f %%\n",
           t->part[0] / per, HYPOTHESES, 100 * all / t->part[0]);
    printf("  unit_neurons_block %6.1f with none: trigrams are %.1f %%\n", t->part[1] / per,
           100 * all / t->part[1]);
}

static int measure(struct scan *s, size_t n_layers, struct err *err)
{
    struct neurons_layer layers[LAYERS_MOST];
    for (size_t l = 0; l < n_layers; l++) {
        layers[l] = (struct neurons_layer){.layer = (uint32_t)l, .n = N, .first = l * N};
    }
    struct neurons_shape shapes[2];
    int rc = trigrams_new(&s->worker, s->shape, err);
    rc = rc ? rc : trigrams_new(&s->whole, s->shape, err);
    for (int i = 0; i < 2 && !rc; i++) {
        shapes[i] = (struct neurons_shape){.layers = layers,
                                           .n_layers = n_layers,
                                           .n = n_layers * N,
                                           .n_hypotheses = i ? 0 : HYPOTHESES,
                                           .examples = 20};
        rc = neurons_new(&s->neurons[i], &shapes[i], err);
        rc = rc ? rc : unit_neurons_new(&s->parts[i], &shapes[i], err);
        rc = rc ? rc : unit_neurons_cutoffs_new(&s->cutoffs[i], &shapes[i], err);
    }
    s->acts = room((BLOCK + WINDOWS) * N, sizeof *s->acts);
    for (uint64_t unit = 0; unit < UNITS && !rc; unit++) {
        s->took = (struct took){0};
        make_unit(unit);
        rc = run_parts(s, 0, n_layers, err);
        rc = rc ? rc : run_parts(s, 1, n_layers, err);
        rc = rc ? rc : run_trigrams(s, unit, err);
    }
    if (!rc) {
        print_groups(s->worker);
        print_took(&s->took);
    }
    for (int i = 0; i < 2; i++) {
        unit_neurons_cutoffs_free(s->cutoffs[i]);
        unit_neurons_free(s->parts[i]);
        neurons_free(s->neurons[i]);
    }
    trigrams_free(s->worker);
    trigrams_free(s->whole);
    free(s->acts);
    return rc;
}

int main(int argc, char **argv)
{
    const int n = argc > 1 ? atoi(argv[1]) : 500, ranks = argc > 2 ? atoi(argv[2]) : 1000;
    const int n_layers = argc > 3 ? atoi(argv[3]) : 1;
    if (n < 1 || n > 10000 || ranks < 30 || ranks > VOCAB || n_layers < 1 ||
        n_layers > LAYERS_MOST) {
        fprintf(stderr, "usage: bench_trigrams [TRIGRAMS [RANKS [LAYERS]]]\n");
        return 2;
    }
    struct err err = {0};
    struct trigrams_shape *shape = make_shape((size_t)n, (size_t)ranks, (size_t)n_layers, &err);
    struct scan s = {.shape = shape};
    printf("%d trigrams, of the first %d tokens; %d layers of %d neurons; kernels %s; ns a token\n",
           n, ranks, n_layers, N, act_kernels_best()->name);
    const int rc = measure(&s, (size_t)n_layers, &err);
    if (rc) {
        fprintf(stderr, "bench_trigrams: %s\n", err.msg);
    }
    trigrams_shape_free(shape);
    return rc != 0;
}
