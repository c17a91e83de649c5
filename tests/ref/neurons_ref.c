#include "tests/ref/neurons_ref.h"

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

#include "out/results/neurons/act_kernels.h"

/* Is a token of the document in the set? */
static bool in_set(const struct kit *k, const struct kit_doc *d, size_t i, size_t set)
{
    const size_t n_words = neurons_n_words(k->shape), h = (set - 1) / 2;
    if (set == SET_ALL) {
        return true;
    }
    const uint64_t *words = set_is_labelled(set) ? d->labels + i * n_words : d->gave_up;
    return words[h / 64] >> (h % 64) & 1;
}

static void expect_tokens(const struct kit *k, const struct neurons *whole, int split, size_t set)
{
    uint64_t tokens = 0, docs = 0;
    for (size_t d = 0; d < k->n; d++) {
        uint64_t own = 0;
        for (size_t i = 0; i < k->docs[d].n && k->docs[d].test == (split == SPLIT_TEST); i++) {
            own += in_set(k, &k->docs[d], i, set);
        }
        tokens += own;
        docs += own > 0;
    }
    assert_true(whole->sets[split][set].tokens == tokens);
    assert_true(whole->sets[split][set].docs == docs);
    for (size_t l = 0; l < k->shape->n_layers; l++) {
        assert_int_equal(whole->layers[l].sums[split][set] != NULL, tokens > 0);
        assert_int_equal(whole->layers[l].hist[split][set] != NULL, tokens > 0);
    }
}

static void expect_wide(const struct wide *got, const struct wide *wanted)
{
    assert_memory_equal(got, wanted, sizeof *got);
}

static void expect_sums(const struct kit *k, const struct neurons *whole, int split, size_t set,
                        size_t layer, size_t neuron, size_t row)
{
    struct wide sums[5] = {{{0}}}, positive = {{0}}; // of powers 0 to 4
    uint64_t hist[BINS] = {0}, left_out = 0;
    for (size_t d = 0; d < k->n; d++) {
        const struct kit_doc *doc = &k->docs[d];
        for (size_t i = 0; i < doc->n && doc->test == (split == SPLIT_TEST); i++) {
            if (!in_set(k, doc, i, set)) {
                continue;
            }
            const float a = doc->acts[layer][i * k->shape->layers[layer].n + neuron];
            if (!isfinite(a)) {
                left_out++;
                continue;
            }
            const struct wide x = wide_from_double(nearbyint((double)a * 1048576));
            struct wide power = wide_from(1);
            for (int e = 0; e <= 4; e++) {
                wide_add(&sums[e], &power);
                power = wide_times(&power, &x);
            }
            if (a > 0) {
                wide_add(&positive, &x);
            }
            hist[bins_of(bins_bits(a))]++;
        }
    }
    if (whole->sets[split][set].tokens == 0) {
        return;
    }
    const struct set_sums *s = &whole->layers[layer].sums[split][set][neuron];
    static const struct wide none;
    expect_wide(&s->sum, &sums[1]);
    expect_wide(&s->positive, &positive);
    expect_wide(&s->squares, set_is_labelled(set) ? &none : &sums[2]);
    assert_true(s->left_out == left_out);
    if (set == SET_ALL) { // these are of doubles, but for what is large
        const struct power_sums *powers = &whole->layers[layer].powers[split][neuron];
        const long double scale = wide_to(&sums[4]);
        assert_true(fabsl(wide_to(&powers->fourths) - scale) <= 1e-12L * scale);
        assert_true(fabsl(wide_to(&powers->cubes) - wide_to(&sums[3])) <=
                    1e-12L * powl(scale, 0.75L) * powl(wide_to(&sums[0]) + 1, 0.25L));
    }
    if (row != SIZE_MAX) {
        assert_memory_equal(whole->layers[layer].hist[split][set] + row * BINS, hist, sizeof hist);
    }
}

/* Which of a set's histograms is the neuron's; SIZE_MAX: none. */
static size_t hist_row(const struct kit *k, size_t layer, size_t set, size_t neuron)
{
    const struct neurons_subset *s = neurons_subset(k->shape, layer, set);
    for (size_t row = 0; s && row < s->n; row++) {
        if (s->items[row] == neuron) {
            return row;
        }
    }
    return s ? SIZE_MAX : neuron;
}

static void expect_sets(const struct kit *k, const struct neurons *whole)
{
    for (int split = 0; split < SPLITS; split++) {
        for (size_t set = 0; set < neurons_n_sets(k->shape); set++) {
            expect_tokens(k, whole, split, set);
            for (size_t l = 0; l < k->shape->n_layers; l++) {
                for (size_t i = 0; i < k->shape->layers[l].n; i++) {
                    expect_sums(k, whole, split, set, l, i, hist_row(k, l, set, i));
                }
            }
        }
    }
}

/* A place, and by what it is sorted. */
struct place {
    double key;
    const struct kit_doc *doc;
    size_t i;
};

static uint32_t place_hash(const struct kit_doc *d, size_t i)
{
    const uint64_t place[3] = {d->shard, d->number, i};
    return (uint32_t)XXH3_64bits(place, sizeof place);
}

static uint32_t neuron_hash(const struct kit *k, const struct kit_doc *d, size_t i, size_t layer,
                            size_t neuron)
{
    const uint64_t number = k->shape->layers[layer].first + neuron;
    return act_hash(place_hash(d, i), (uint32_t)XXH3_64bits(&number, sizeof number));
}

/* The tokens of its document that stand before it in its window, up to 'most'. */
static size_t tokens_before(const struct place *p, size_t most)
{
    size_t n = 0;
    while (n < most && n < p->i && p->doc->pos[p->i - n] != 1) {
        n++;
    }
    return n;
}

static bool same_context(const struct place *a, const struct place *b)
{
    const size_t n = tokens_before(a, 8);
    return n == tokens_before(b, 8) && memcmp(a->doc->ids + a->i - n, b->doc->ids + b->i - n,
                                              (n + 1) * sizeof *a->doc->ids) == 0;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->key != y->key                   ? (x->key < y->key ? -1 : 1)
           : x->doc->shard != y->doc->shard   ? (x->doc->shard < y->doc->shard ? -1 : 1)
           : x->doc->number != y->doc->number ? (x->doc->number < y->doc->number ? -1 : 1)
                                              : (x->i > y->i) - (x->i < y->i);
}

/* Of each document's best the first of each context, 'most' of them. */
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

/* The arrays of an example of a place, whose neuron is acts[.. * stride]; rows: of labels. */
static void expect_context(const struct kit *k, const struct example *e, const struct place *p,
                           bool all_labels)
{
    const struct kit_doc *d = p->doc;
    const size_t n_words = neurons_n_words(k->shape), before = tokens_before(p, 47);
    size_t end = p->i + 1;
    while (end < d->n && d->pos[end] != 1 && end - (p->i - before) < 64) {
        end++;
    }
    const size_t first = p->i - before, n = end - first, begin = all_labels ? first : p->i;
    assert_int_equal(e->shard, d->shard);
    assert_true(e->doc == d->number);
    assert_int_equal(e->at, p->i);
    assert_int_equal(e->byte_start, k->texts && p->i > 0 ? d->ends[p->i - 1] : 0);
    assert_int_equal(e->byte_end, k->texts ? d->ends[p->i] : 0);
    assert_int_equal(e->before, before);
    assert_int_equal(e->n_tokens, n);
    assert_memory_equal(e->ids, d->ids + first, n * sizeof *d->ids);
    assert_int_equal(e->n_words, n_words);
    assert_int_equal(e->n_rows, all_labels ? n : 1);
    if (n_words > 0) {
        assert_memory_equal(e->labels, d->labels + begin * n_words, e->n_rows * n_words * 8);
        assert_memory_equal(e->labels + e->n_rows * n_words, d->gave_up, n_words * 8);
    }
    for (size_t h = 0; h < k->shape->n_hypotheses; h++) {
        assert_int_equal(example_labelled(e, h), in_set(k, d, p->i, set_labelled(h)));
        assert_int_equal(example_unknown(e, h), in_set(k, d, p->i, set_left_out(h)));
    }
}

static void expect_list(const struct kit *k, const struct example_list *l, struct place *best,
                        size_t n, size_t most, size_t layer, size_t neuron, bool all_labels)
{
    const size_t stride = k->shape->layers[layer].n;
    n = choose(best, n, most);
    assert_int_equal(l->n, n);
    for (size_t j = 0; j < n; j++) {
        const struct example *e = &l->items[j];
        const float *acts = best[j].doc->acts[layer] + neuron;
        expect_context(k, e, &best[j], all_labels);
        assert_memory_equal(&e->activation, &acts[best[j].i * stride], sizeof e->activation);
        assert_int_equal(e->n_acts, e->n_tokens);
        for (size_t t = 0; t < e->n_tokens; t++) {
            const float wanted = acts[(best[j].i - e->before + t) * stride];
            assert_memory_equal(&e->acts[t], &wanted, sizeof wanted);
        }
    }
}

/* The key of a token in a list of the neuron; infinity: it is not for that list. */
static double key_in_list(const struct kit *k, const struct kit_doc *d, size_t i, size_t layer,
                          size_t neuron, unsigned list)
{
    const float a = d->acts[layer][i * k->shape->layers[layer].n + neuron];
    switch (list) {
    case LIST_TOP:
        return -(double)a;
    case LIST_BOTTOM:
        return (double)a;
    case LIST_RANDOM:
        return neuron_hash(k, d, i, layer, neuron);
    default:
        return bins_group(bins_bits(a)) == (int32_t)(list - LIST_GROUP)
                   ? neuron_hash(k, d, i, layer, neuron)
                   : (double)INFINITY;
    }
}

static size_t add_best(struct place *best, size_t n, const struct place *p)
{
    if (p->key == (double)INFINITY) {
        return n;
    }
    if (n == 0 || best[n - 1].doc != p->doc) {
        best[n++] = *p;
    } else if (by_place(p, &best[n - 1]) < 0) {
        best[n - 1] = *p;
    }
    return n;
}

static void expect_neuron(const struct kit *k, const struct neurons *whole, size_t layer,
                          size_t neuron, struct place *best)
{
    for (unsigned list = 0; list < LISTS; list++) {
        static const size_t mosts[] = {0, 10, 10, 3};
        size_t n = 0;
        const size_t most = list > 0                  ? mosts[list < 3 ? list : 3]
                            : k->shape->examples > 32 ? k->shape->examples
                                                      : 32;
        for (const struct kit_doc *d = k->docs; d < k->docs + k->n; d++) {
            for (size_t i = 0; i < d->n; i++) {
                const struct place p = {key_in_list(k, d, i, layer, neuron, list), d, i};
                n = add_best(best, n, &p);
            }
        }
        expect_list(k, &whole->layers[layer].lists[list * k->shape->layers[layer].n + neuron], best,
                    n, most, layer, neuron, list == LIST_TOP);
    }
}

static void expect_watch(const struct kit *k, const struct neurons *whole, size_t watch,
                         struct place *best)
{
    const struct neurons_watch *w = &k->shape->watches[watch];
    for (int side = 0; side < 2; side++) {
        size_t n = 0;
        for (const struct kit_doc *d = k->docs; d < k->docs + k->n; d++) {
            for (size_t i = 0; i < d->n; i++) {
                const double a =
                    (double)d->acts[w->layer][i * k->shape->layers[w->layer].n + w->neuron];
                const struct place p = {side ? a : -a, d, i};
                if (!in_set(k, d, i, set_left_out(w->hypothesis)) &&
                    in_set(k, d, i, set_labelled(w->hypothesis)) == side) {
                    n = add_best(best, n, &p);
                }
            }
        }
        expect_list(k, &whole->watched[watch][side], best, n, 20, w->layer, w->neuron, true);
    }
}

static void expect_samples(const struct kit *k, const struct neurons *whole, size_t h,
                           struct place *best)
{
    size_t n = 0;
    for (const struct kit_doc *d = k->docs; d < k->docs + k->n; d++) {
        for (size_t i = 0; i < d->n; i++) {
            const struct place p = {place_hash(d, i), d, i};
            n = in_set(k, d, i, set_labelled(h)) ? add_best(best, n, &p) : n;
        }
    }
    const struct example_list *l = &whole->samples[h];
    n = choose(best, n, 32);
    assert_int_equal(l->n, n);
    for (size_t j = 0; j < n; j++) {
        const struct example *e = &l->items[j];
        expect_context(k, e, &best[j], true);
        assert_int_equal(e->n_acts, k->shape->n);
        for (size_t layer = 0; layer < k->shape->n_layers; layer++) {
            const struct neurons_layer *own = &k->shape->layers[layer];
            assert_memory_equal(e->acts + own->first, best[j].doc->acts[layer] + best[j].i * own->n,
                                own->n * sizeof *e->acts);
        }
    }
}

void neurons_ref_expect(const struct kit *k, const struct neurons *whole)
{
    struct place *best = calloc(k->n + 1, sizeof *best);
    expect_sets(k, whole);
    for (size_t layer = 0; layer < k->shape->n_layers; layer++) {
        for (size_t i = 0; i < k->shape->layers[layer].n; i++) {
            expect_neuron(k, whole, layer, i, best);
        }
    }
    for (size_t i = 0; i < k->shape->n_watches; i++) {
        expect_watch(k, whole, i, best);
    }
    for (size_t h = 0; h < k->shape->n_hypotheses; h++) {
        expect_samples(k, whole, h, best);
    }
    free(best);
}
