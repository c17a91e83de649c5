#include "tests/ref/trigrams_ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <xxhash.h>

/* Token i of the document stands right behind another of its window. */
static bool follows(const struct doc *d, size_t i)
{
    return i > 0 && d->window[i] == d->window[i - 1];
}

static bool is_place(const struct doc *d, size_t i, const struct trigram *t)
{
    return i >= 2 && follows(d, i) && follows(d, i - 1) && d->ids[i] == t->c &&
           d->ids[i - 1] == t->b && d->ids[i - 2] == t->a && !d->skipped[i] && !d->skipped[i - 1];
}

static bool has_a_before(const struct doc *d, size_t i, const struct trigram *t)
{
    return follows(d, i) && d->ids[i - 1] == t->a;
}

/* round(2^20 x), ties to even, within 1024; no number is 1024. */
static int64_t slow_fixed(double x)
{
    return isnan(x) ? 1 << 30 : (int64_t)nearbyint(fmax(-1024, fmin(1024, x)) * 1048576);
}

/* The same of an activation, but 0 from 1024 on in size, and of what is no number. */
static int64_t slow_activation(double a)
{
    return fabs(a) < 1024 ? slow_fixed(a) : 0;
}

#define NO_GAP INT64_MIN

/* May a log-prob be summed? */
static bool is_number(double logprob)
{
    return logprob >= -274877906944.0 && logprob <= 1024; // -2^38
}

static int64_t slow_logprob(double a)
{
    return (int64_t)nearbyint(a * 1048576);
}

/* NO_GAP where a log-prob is no number. */
static int64_t slow_gap(const struct doc *d, size_t i, const struct run_pair *pair)
{
    int64_t least = INT64_MAX;
    for (size_t k = 0; k < pair->n_others; k++) {
        const double base = d->logprob[pair->base][i], other = d->logprob[pair->others[k]][i];
        if (!is_number(base) || !is_number(other)) {
            return NO_GAP;
        }
        const int64_t gap = slow_logprob(fmax(other, -6)) - slow_logprob(fmax(base, -6));
        least = gap < least ? gap : least;
    }
    return least;
}

static void expect_places(const struct world *w, const struct trigrams *t, size_t item)
{
    const struct trigram *tri = &w->shape->items[item];
    uint64_t n = 0, docs = 0, logprob_n[MODELS] = {0};
    __int128 logprob[MODELS] = {0};
    for (const struct doc *d = w->docs; d < w->docs + w->n; d++) {
        uint64_t own = 0;
        for (size_t i = 0; i < d->n; i++) {
            own += is_place(d, i, tri);
            for (size_t m = 0; m < MODELS && is_place(d, i, tri); m++) {
                const bool is = is_number(d->logprob[m][i]);
                logprob[m] += is ? slow_logprob(d->logprob[m][i]) : 0;
                logprob_n[m] += is;
            }
        }
        n += own;
        docs += own > 0;
    }
    assert_int_equal(t->items[item].n, n);
    assert_int_equal(t->items[item].docs, docs);
    for (size_t m = 0; m < MODELS; m++) {
        assert_true(t->logprob[item * MODELS + m] == logprob[m]);
        assert_int_equal(t->logprob_n[item * MODELS + m], logprob_n[m]);
    }
}

static void expect_gap(const struct world *w, const struct trigrams *t, size_t item, size_t pair)
{
    const struct moments *got = &t->gap[item * PAIRS + pair];
    struct moments wanted = {0};
    for (const struct doc *d = w->docs; d < w->docs + w->n; d++) {
        __int128 sum = 0;
        int64_t n = 0;
        for (size_t i = 0; i < d->n; i++) {
            if (is_place(d, i, &w->shape->items[item]) && slow_gap(d, i, &pairs[pair]) != NO_GAP) {
                sum += slow_gap(d, i, &pairs[pair]);
                n++;
            }
        }
        wanted.docs += n > 0;
        wanted.n += (uint64_t)n;
        wanted.sum += sum;
        wanted.sum_sq += sum * sum;
        wanted.sum_n += sum * n;
        wanted.n_sq += (__int128)n * n;
    }
    assert_int_equal(got->docs, wanted.docs);
    assert_int_equal(got->n, wanted.n);
    assert_true(got->sum == wanted.sum);
    assert_true(got->sum_sq == wanted.sum_sq);
    assert_true(got->sum_n == wanted.sum_n);
    assert_true(got->n_sq == wanted.n_sq);
}

struct cell_sums {
    uint64_t tokens[TRIGRAM_CELLS], all;
    __int128 acts[TRIGRAM_CELLS]; // of one neuron
};

static void add_cells(struct cell_sums *s, const struct world *w, const struct trigram *t,
                      size_t layer, size_t neuron)
{
    for (const struct doc *d = w->docs; d < w->docs + w->n; d++) {
        for (size_t i = 0; i < d->n; i++) {
            if (d->skipped[i]) {
                continue;
            }
            const bool a = has_a_before(d, i, t), b = d->ids[i] == t->b;
            const int cell = a && b ? TRIGRAM_AB : b ? TRIGRAM_XB : a ? TRIGRAM_AX : TRIGRAM_XX;
            s->all++;
            s->tokens[cell]++;
            s->acts[cell] += slow_activation((double)d->acts[layer][i][neuron]);
        }
    }
}

/* Groups, cells and means.  A mean is of exact sums: a last digit of a double may differ. */
static void expect_cells(const struct world *w, const struct trigrams *t, size_t item, size_t layer,
                         size_t neuron)
{
    struct cell_sums s = {0};
    const struct trigram_groups *g = &w->shape->groups[item];
    add_cells(&s, w, &w->shape->items[item], layer, neuron);
    uint64_t cells[TRIGRAM_CELLS];
    trigrams_cells(t, item, s.all, cells);
    assert_memory_equal(cells, s.tokens, sizeof cells);
    assert_int_equal(t->tokens[g->ab], s.tokens[TRIGRAM_AB]);
    assert_int_equal(t->tokens[g->b], s.tokens[TRIGRAM_AB] + s.tokens[TRIGRAM_XB]);
    assert_int_equal(t->tokens[g->a], s.tokens[TRIGRAM_AB] + s.tokens[TRIGRAM_AX]);
    if (layer >= w->shape->n_layers) {
        return;
    }
    const int64_t *sums = t->sums[layer] + neuron;
    const size_t width = widths[layer];
    assert_true(sums[g->ab * width] == s.acts[TRIGRAM_AB]);
    assert_true(sums[g->b * width] == s.acts[TRIGRAM_AB] + s.acts[TRIGRAM_XB]);
    assert_true(sums[g->a * width] == s.acts[TRIGRAM_AB] + s.acts[TRIGRAM_AX]);
    double mean[TRIGRAM_CELLS];
    __int128 all = 0;
    for (int k = 0; k < TRIGRAM_CELLS; k++) {
        all += s.acts[k];
    }
    trigrams_means(t, item, layer, neuron, all, s.all, mean);
    for (int k = 0; k < TRIGRAM_CELLS; k++) {
        const double wanted = (double)s.acts[k] / 1048576 / (double)s.tokens[k];
        assert_int_equal(isnan(mean[k]), s.tokens[k] == 0);
        assert_true(s.tokens[k] == 0 || fabs(mean[k] - wanted) <= 1e-15 * fabs(wanted));
    }
}

struct place {
    uint32_t key;
    const struct doc *d;
    size_t i;
};

static size_t tokens_before(const struct place *p, size_t most)
{
    size_t n = 0;
    while (n < most && n < p->i && p->d->window[p->i - n - 1] == p->d->window[p->i]) {
        n++;
    }
    return n;
}

static bool same_context(const struct place *a, const struct place *b)
{
    const size_t n = tokens_before(a, 8);
    return n == tokens_before(b, 8) &&
           memcmp(a->d->ids + a->i - n, b->d->ids + b->i - n, (n + 1) * sizeof *a->d->ids) == 0;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->key != y->key               ? (x->key < y->key ? -1 : 1)
           : x->d->shard != y->d->shard   ? (x->d->shard < y->d->shard ? -1 : 1)
           : x->d->number != y->d->number ? (x->d->number < y->d->number ? -1 : 1)
                                          : (x->i > y->i) - (x->i < y->i);
}

/* The first of each context, 'most' of them. */
static size_t choose(struct place *best, size_t n, size_t most)
{
    size_t n_out = 0;
    qsort(best, n, sizeof *best, by_place);
    for (size_t k = 0; k < n && n_out < most; k++) {
        bool again = false;
        for (size_t j = 0; j < n_out && !again; j++) {
            again = same_context(&best[j], &best[k]);
        }
        if (!again) {
            best[n_out++] = best[k];
        }
    }
    return n_out;
}

static void expect_example(const struct world *w, const struct example *e, const struct place *p)
{
    const struct doc *d = p->d;
    const size_t before = tokens_before(p, 31);
    size_t n = before + 1;
    while (n < before + 9 && p->i - before + n < d->n &&
           d->window[p->i - before + n] == d->window[p->i]) {
        n++;
    }
    assert_int_equal(e->key, p->key);
    assert_int_equal(e->shard, d->shard);
    assert_true(e->doc == d->number);
    assert_int_equal(e->at, p->i);
    assert_int_equal(e->byte_start, w->texts && p->i > 0 ? d->ends[p->i - 1] : 0);
    assert_int_equal(e->byte_end, w->texts ? d->ends[p->i] : 0);
    assert_int_equal(e->before, 1 + before);
    assert_int_equal(e->n_tokens, 1 + n);
    assert_int_equal(e->ids[0], d->first);
    assert_memory_equal(e->ids + 1, d->ids + p->i - before, n * sizeof *d->ids);
    assert_int_equal(e->n_acts, MODELS);
    for (size_t m = 0; m < MODELS; m++) {
        const float wanted = (float)d->logprob[m][p->i];
        assert_true(e->acts[m] == wanted || (isnan(e->acts[m]) && isnan(wanted)));
    }
}

static void expect_list(const struct world *w, const struct example_list *l,
                        const struct trigram *t, bool elsewhere)
{
    struct place best[DOCS_MOST];
    size_t n = 0;
    for (const struct doc *d = w->docs; d < w->docs + w->n; d++) {
        struct place own = {.d = NULL};
        for (size_t i = 0; i < d->n; i++) {
            const uint64_t hashed[3] = {d->shard, d->number, i};
            const struct place p = {(uint32_t)XXH3_64bits(hashed, sizeof hashed), d, i};
            const bool other =
                d->ids[i] == t->b && follows(d, i) && d->ids[i - 1] != t->a && !d->skipped[i];
            const bool is = elsewhere ? other : is_place(d, i, t);
            own = is && (!own.d || by_place(&p, &own) < 0) ? p : own;
        }
        if (own.d) {
            best[n++] = own;
        }
    }
    n = choose(best, n, elsewhere ? 8 : 16);
    assert_int_equal(l->n, n);
    for (size_t k = 0; k < n; k++) {
        expect_example(w, &l->items[k], &best[k]);
    }
}

void trigrams_ref_expect(const struct world *w, const struct trigrams *t)
{
    for (size_t item = 0; item < w->shape->n; item++) {
        expect_places(w, t, item);
        for (size_t p = 0; p < PAIRS; p++) {
            expect_gap(w, t, item, p);
        }
        expect_list(w, &t->items[item].places, &w->shape->items[item], false);
        expect_list(w, &t->items[item].elsewhere, &w->shape->items[item], true);
        expect_cells(w, t, item, LAYERS - 1, 0);
        for (size_t l = 0; l < w->shape->n_layers; l++) {
            for (size_t k = 0; k < widths[l]; k++) {
                expect_cells(w, t, item, l, k);
            }
        }
    }
}
