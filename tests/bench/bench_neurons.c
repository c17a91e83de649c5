/*
 * bench_neurons.c - what neurons cost, in ns per activation on one core
 *
 *     bench_neurons [UNITS [HYPOTHESES]]        12 units, 60 hypotheses
 *
 * Units of 64k tokens in 300 documents through one layer of 2048 neurons with gelu's activations.
 * Hypotheses label as in text: every twelfth 20 to 40 % of all tokens, the others 1 to 5 %.  Prints
 * the first unit and the median of the last third, in which little enters the lists any more; then
 * the kernels alone, on the data of a unit.  'end' counts the last chunk of tokens into histograms,
 * 1024 of them; what is then left of 'blocks' are lists and the other chunks.  Memory is what
 * malloc() has given to the worker and to the whole, once all is in.
 */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "out/results/neurons/act_kernels.h"
#include "out/results/neurons/unit_neurons.h"

#define N 2048
#define TOKENS 65536
#define DOCS 300
#define BLOCK 1024 // tokens: four windows
#define WINDOW 256
#define ROWS 128 // as part.c adds them
#define UNITS_MAX 100

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

/* Bytes that are allocated. */
static double allocated(void)
{
    const struct mallinfo2 m = mallinfo2();
    return (double)(m.uordblks + m.hblkhd);
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p) {
        fprintf(stderr, "bench_neurons: no memory\n");
        exit(1);
    }
    return p;
}

// --- a unit -------------------------------------------------------------------------------------

static float gelu[1 << 16];

static void make_gelu(void)
{
    for (size_t i = 0; i < 1 << 16; i++) {
        const double normal =
            sqrt(-2 * log(next_real() + 1e-300)) * cos(6.283185307179586 * next_real());
        const double x = 1.2 * normal - 0.6;
        gelu[i] = (float)(x * 0.5 * erfc(-x / sqrt(2)));
    }
}

/* No two alike. */
static void make_acts(float *acts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t random = next_random();
        acts[i] = gelu[random & 0xffff] * (1 + (float)(random >> 40) * 0x1p-28f);
    }
}

static struct {
    uint32_t *ids, *ends, *pos;
    uint64_t *labels, *gave_up;
    struct unit_tokens_doc docs[DOCS];
    struct unit_token_set *sets;
    uint32_t **at;
} u;

static void make_unit(const struct neurons_shape *shape)
{
    const size_t n_words = neurons_n_words(shape), n_sets = neurons_n_sets(shape);
    u.ids = room(TOKENS, sizeof *u.ids);
    u.ends = room(TOKENS, sizeof *u.ends);
    u.pos = room(TOKENS, sizeof *u.pos);
    u.labels = room(TOKENS * n_words + 1, sizeof *u.labels);
    u.gave_up = room(DOCS * n_words + 1, sizeof *u.gave_up);
    u.sets = room(n_sets, sizeof *u.sets);
    u.at = room(n_sets, sizeof *u.at);
    for (uint32_t i = 0; i < TOKENS; i++) {
        u.ids[i] = (uint32_t)(next_random() % 48262);
        u.ends[i] = 4 * i;
        u.pos[i] = i % WINDOW + 1;
    }
    for (size_t d = 0; d < DOCS; d++) {
        const size_t begin = d * TOKENS / DOCS;
        u.docs[d] = (struct unit_tokens_doc){
            .begin = begin, .n = (d + 1) * TOKENS / DOCS - begin, .test = next_random() % 2};
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        const double share = h % 12 == 0 ? 0.2 + 0.2 * next_real() : 0.01 + 0.04 * next_real();
        struct unit_token_set *set = &u.sets[set_labelled(h)];
        uint32_t *at = room(TOKENS, sizeof *at);
        u.at[set_labelled(h)] = at;
        for (uint32_t i = 0; i < TOKENS; i++) {
            const bool is = next_real() < share;
            at[set->n] = i;
            set->n += is;
            u.labels[i * n_words + h / 64] |= (uint64_t)is << (h % 64);
        }
        set->at = at;
    }
}

struct took {
    double begin, blocks, end, add;
};

static int run_unit(struct unit_neurons *p, struct neurons *whole,
                    struct unit_neurons_cutoffs *cutoffs, uint64_t number, float *acts,
                    struct took *took, struct err *err)
{
    const size_t windows[BLOCK / WINDOW] = {WINDOW, WINDOW, WINDOW, WINDOW};
    const struct unit_labels labels = {.n_hypotheses = whole->shape->n_hypotheses,
                                       .sets = u.sets,
                                       .words = u.labels,
                                       .gave_up = u.gave_up};
    const struct unit_tokens unit = {.n = TOKENS,
                                     .ids = u.ids,
                                     .ends = u.ends,
                                     .pos = u.pos,
                                     .docs = u.docs,
                                     .n_docs = DOCS,
                                     .labels = &labels};
    for (size_t i = 0; i < TOKENS; i++) { // other contexts
        u.ids[i] = (u.ids[i] + 12345) % 48262;
    }
    for (size_t d = 0; d < DOCS; d++) {
        u.docs[d].number = number * DOCS + d;
    }
    *took = (struct took){0};
    const double t0 = seconds();
    unit_neurons_cutoffs_of(cutoffs, whole);
    int rc = unit_neurons_begin(p, &unit, cutoffs, err);
    took->begin = seconds() - t0;
    for (size_t at = 0; at < TOKENS && !rc; at += BLOCK) {
        make_acts(acts, (BLOCK + BLOCK / WINDOW) * N);
        const double t1 = seconds();
        rc = unit_neurons_block(p, 0, at, windows, BLOCK / WINDOW, acts, err);
        took->blocks += seconds() - t1;
    }
    const double t2 = seconds();
    rc = rc ? rc : unit_neurons_end(p, err);
    const double t3 = seconds();
    rc = rc ? rc : neurons_add(whole, p, err);
    took->end = t3 - t2;
    took->add = seconds() - t3;
    return rc;
}

// --- kernels ------------------------------------------------------------------------------------

/* Nothing enters any list. */
static void time_row(const struct act_kernels *kern, const float *acts, int32_t *fixed,
                     uint16_t *bins)
{
    int32_t *top = room(N, sizeof *top), *bottom = room(N, sizeof *bottom);
    uint32_t *salt = room(N, sizeof *salt), *hash = room((1 + BINS_GROUPS) * N, sizeof *hash);
    uint8_t *flags = room(N, 1);
    unsigned any = 0;
    for (size_t i = 0; i < N; i++) {
        top[i] = INT32_MAX;
        bottom[i] = INT32_MIN;
        salt[i] = (uint32_t)next_random();
    }
    const struct act_limits limits = {top, bottom, salt, hash, hash, hash};
    const double t0 = seconds();
    for (uint32_t k = 0; k < 16 * BLOCK; k++) {
        any |= kern->row(acts + k % BLOCK * N, N, k, &limits, fixed + k % ROWS * N,
                         bins + k % ROWS * N, flags);
    }
    printf("  row        %6.3f%s\n", (seconds() - t0) / (16.0 * BLOCK * N) * 1e9,
           any > 7 ? " " : "");
    free(top);
    free(bottom);
    free(salt);
    free(hash);
    free(flags);
}

static void time_turn(const struct act_kernels *kern, const uint16_t *bins)
{
    const size_t stride = 16384 + 16; // as unit_neurons.c has it
    uint16_t *to = room(N * stride, sizeof *to);
    memset(to, 1, N * stride * sizeof *to); // pages are there
    const double t0 = seconds();
    for (size_t at = 0; at < 16384; at += ROWS) {
        kern->turn(bins, ROWS, N, to + at * ACT_TURNED, stride);
    }
    printf("  turn       %6.3f\n", (seconds() - t0) / (16384.0 * N) * 1e9);
    free(to);
}

/* All sets of both halves, row by row of a unit. */
static void time_sums(const struct act_kernels *kern, const struct neurons_shape *shape,
                      const int32_t *fixed)
{
    const size_t n_sets = neurons_n_sets(shape);
    int64_t *sums = room(2 * n_sets * 2 * N, sizeof *sums);
    uint64_t *squares = room(4 * N, sizeof *squares);
    int32_t *shift = room(N, sizeof *shift);
    double *powers = room(2 * N, sizeof *powers);
    double took[3] = {0};
    for (size_t begin = 0; begin < TOKENS; begin += ROWS) {
        const double t0 = seconds();
        uint8_t all[ROWS];
        for (size_t i = 0; i < ROWS; i++) {
            all[i] = (uint8_t)i;
        }
        kern->sums(fixed, N, all, ROWS, sums, sums + N);
        for (size_t h = 0; h < shape->n_hypotheses; h++) {
            const struct unit_token_set *s = &u.sets[set_labelled(h)];
            static size_t at[1000];
            uint8_t rows[ROWS];
            size_t n = 0;
            at[h] = begin == 0 ? 0 : at[h];
            while (at[h] < s->n && s->at[at[h]] < begin + ROWS) {
                rows[n++] = (uint8_t)(s->at[at[h]++] - begin);
            }
            int64_t *own = sums + (2 + 4 * h + 2 * (begin / 256 % 2)) * N;
            kern->sums(fixed, N, rows, n, own, own + N);
        }
        const double t1 = seconds();
        kern->squares(fixed, N, all, ROWS, squares, squares + N);
        took[0] += t1 - t0;
        const double t2 = seconds();
        kern->powers(fixed, N, all, ROWS, shift, powers, powers + N);
        took[1] += t2 - t1;
        took[2] += seconds() - t2;
    }
    printf("  sums       %6.3f\n  squares    %6.3f\n  powers     %6.3f\n",
           took[0] / TOKENS / N * 1e9, took[1] / TOKENS / N * 1e9, took[2] / TOKENS / N * 1e9);
    free(shift);
    free(powers);
    free(sums);
    free(squares);
}

// --- all ----------------------------------------------------------------------------------------

static int by_blocks(const void *a, const void *b)
{
    const struct took *x = a, *y = b;
    return (x->blocks > y->blocks) - (x->blocks < y->blocks);
}

static void print_unit(const char *what, const struct took *t)
{
    const double per = (double)TOKENS * N * 1e-9;
    printf("  %-11s%6.3f: begin %.3f, blocks %.3f, end %.3f, into the whole %.3f\n", what,
           (t->begin + t->blocks + t->end + t->add) / per, t->begin / per, t->blocks / per,
           t->end / per, t->add / per);
}

static int measure(const struct neurons_shape *shape, size_t n_units, struct err *err)
{
    static struct took took[UNITS_MAX];
    float *acts = room((BLOCK + BLOCK / WINDOW) * N, sizeof *acts);
    int32_t *fixed = room(ROWS * N, sizeof *fixed);
    uint16_t *bins = room(ROWS * N, sizeof *bins);
    struct neurons *whole = NULL;
    struct unit_neurons *p = NULL;
    struct unit_neurons_cutoffs *cutoffs = NULL;
    struct buf bytes = {0};
    int rc = neurons_new(&whole, shape, err);
    rc = rc ? rc : unit_neurons_new(&p, shape, err);
    rc = rc ? rc : unit_neurons_cutoffs_new(&cutoffs, shape, err);
    make_unit(shape);
    for (size_t i = 0; i < n_units && !rc; i++) {
        rc = run_unit(p, whole, cutoffs, i, acts, &took[i], err);
    }
    if (!rc) {
        const struct act_kernels *kern = act_kernels_best();
        printf("%d neurons, %zu hypotheses, units of %d tokens; kernels %s; ns per activation\n", N,
               shape->n_hypotheses, TOKENS, kern->name);
        print_unit("first unit", &took[0]);
        const size_t n_last = n_units / 3 > 0 ? n_units / 3 : 1;
        struct took *last = took + n_units - n_last;
        qsort(last, n_last, sizeof *last, by_blocks);
        print_unit("later", &last[n_last / 2]);
        time_row(kern, acts, fixed, bins);
        time_sums(kern, shape, fixed);
        time_turn(kern, bins);
        const double t0 = seconds();
        rc = neurons_save(whole, 0, &bytes, err);
        rc = rc ? rc : neurons_save(whole, 1, &bytes, err);
        printf("  saved in %.0f ms: %.1f MB\n", (seconds() - t0) * 1e3, (double)bytes.len * 1e-6);
    }
    buf_free(&bytes);
    unit_neurons_cutoffs_free(cutoffs);
    const double all = allocated();
    unit_neurons_free(p);
    const double without = allocated();
    neurons_free(whole);
    printf("  memory: a worker %.1f MB, the whole %.1f MB\n", (all - without) * 1e-6,
           (without - allocated()) * 1e-6);
    free(acts);
    free(fixed);
    free(bins);
    return rc;
}

int main(int argc, char **argv)
{
    const int n_units = argc > 1 ? atoi(argv[1]) : 12;
    const int n_hypotheses = argc > 2 ? atoi(argv[2]) : 60;
    if (n_units < 1 || n_units > UNITS_MAX || n_hypotheses < 0 || n_hypotheses > 1000) {
        fprintf(stderr, "usage: bench_neurons [UNITS [HYPOTHESES]]\n");
        return 2;
    }
    const struct neurons_layer layer = {.n = N};
    const struct neurons_shape shape = {.layers = &layer,
                                        .n_layers = 1,
                                        .n = N,
                                        .n_hypotheses = (size_t)n_hypotheses,
                                        .examples = 20};
    struct err err = {0};
    make_gelu();
    const int rc = measure(&shape, (size_t)n_units, &err);
    if (rc) {
        fprintf(stderr, "bench_neurons: %s\n", err.msg);
    }
    return rc != 0;
}
