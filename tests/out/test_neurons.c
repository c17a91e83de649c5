/*
 * All that a whole holds against a slow reference, which sees all tokens at once; and that it is
 * the same, byte for byte, however the documents came to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <xxhash.h>

#include "out/results/neurons/act_kernels.h"
#include "tests/kit/neurons_kit.h"

// --- shapes -------------------------------------------------------------------------------------

static const struct neurons_layer two_layers[] = {{.model = 0, .layer = 0, .n = 7, .first = 0},
                                                  {.model = 2, .layer = 1, .n = 33, .first = 7}};
static const struct neurons_watch watches[] = {{.layer = 1, .neuron = 32, .hypothesis = 1},
                                               {.layer = 0, .neuron = 3, .hypothesis = 0},
                                               {.layer = 1, .neuron = 0, .hypothesis = 2},
                                               {.layer = 0, .neuron = 3, .hypothesis = 1}};
static const uint32_t some[] = {0, 2, 3, 6}, others[] = {1, 31, 32}, one[] = {5};
static const struct neurons_subset subsets[] = {{some, 4},   {one, 1}, {one, 0},
                                                {others, 3}, {one, 1}, {some, 4}};

static struct neurons_shape shape_of(size_t n_hypotheses, size_t n_watches, uint32_t examples)
{
    return (struct neurons_shape){.layers = two_layers,
                                  .n_layers = 2,
                                  .n = 40,
                                  .n_hypotheses = n_hypotheses,
                                  .watches = watches,
                                  .n_watches = n_watches,
                                  .examples = examples};
}

// --- what is expected of sets -------------------------------------------------------------------

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

static void expect_sums(const struct kit *k, const struct neurons *whole, int split, size_t set,
                        size_t layer, size_t neuron, size_t row)
{
    __int128 sum = 0, positive = 0, squares = 0;
    uint64_t hist[BINS] = {0};
    for (size_t d = 0; d < k->n; d++) {
        const struct kit_doc *doc = &k->docs[d];
        for (size_t i = 0; i < doc->n && doc->test == (split == SPLIT_TEST); i++) {
            if (!in_set(k, doc, i, set)) {
                continue;
            }
            const float a = doc->acts[layer][i * k->shape->layers[layer].n + neuron];
            const double capped = fmax(-1024, fmin(1024, (double)a));
            const int64_t fixed = (int64_t)nearbyint(capped * 1048576);
            sum += fixed;
            positive += fixed > 0 ? fixed : 0;
            squares += (__int128)fixed * fixed;
            hist[bins_of(bins_bits(a))]++;
        }
    }
    if (whole->sets[split][set].tokens == 0) {
        return;
    }
    const struct set_sums *s = &whole->layers[layer].sums[split][set][neuron];
    assert_true(s->sum == sum);
    assert_true(s->positive == positive);
    assert_true(s->squares == (set_is_labelled(set) ? 0 : squares));
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

// --- what is expected of lists ------------------------------------------------------------------

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

static void expect_whole(const struct kit *k, const struct neurons *whole)
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

// --- tests --------------------------------------------------------------------------------------

static void expect_same(const struct neurons *a, const struct neurons *b)
{
    for (size_t piece = 0; piece <= a->shape->n_layers; piece++) {
        struct buf one_bytes = kit_save(a, piece), other = kit_save(b, piece);
        assert_int_equal(one_bytes.len, other.len);
        assert_memory_equal(one_bytes.data, other.data, other.len);
        buf_free(&one_bytes);
        buf_free(&other);
    }
}

/* Against the reference, and again in 'rounds' other ways. */
static void check(const struct neurons_shape *shape, size_t n_docs, size_t most_tokens,
                  uint64_t seed, int rounds)
{
    struct kit k;
    uint64_t random = seed;
    kit_make(&k, shape, n_docs, most_tokens, seed);
    struct neurons *whole = kit_whole(&k);
    expect_whole(&k, whole);
    for (int i = 0; i < rounds; i++) {
        struct neurons *again = kit_anyhow(&k, &random);
        expect_same(again, whole);
        neurons_free(again);
    }
    neurons_free(whole);
    kit_free(&k);
}

static void a_whole_is_what_the_tokens_say_however_it_came_about(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const struct neurons_shape shape = shape_of(3, seed % 5, seed % 2 ? 20 : 40);
        check(&shape, 60, seed % 2 ? 30 : 300, seed, 6);
    }
}

/* Units of more than a chunk of tokens, documents of more than one, windows over many blocks. */
static void long_documents_take_many_chunks(void **state)
{
    (void)state;
    const struct neurons_shape shape = shape_of(3, 4, 20);
    check(&shape, 12, 9000, 3, 3);
    check(&shape, 3, 20000, 6, 2);
}

static void hypotheses_may_be_many_or_none(void **state)
{
    (void)state;
    const struct neurons_shape many = shape_of(70, 4, 20), none = shape_of(0, 0, 5);
    check(&many, 40, 40, 11, 3);
    check(&none, 40, 40, 12, 3);
}

static void histograms_may_be_of_some_neurons_alone(void **state)
{
    (void)state;
    struct neurons_shape shape = shape_of(3, 2, 20);
    shape.subsets = subsets;
    check(&shape, 40, 60, 21, 4);
    check(&shape, 6, 9000, 22, 2);
}

static void a_corpus_without_tokens_gives_a_new_whole(void **state)
{
    (void)state;
    const struct neurons_shape shape = shape_of(3, 2, 20);
    struct kit k = {.shape = &shape};
    kit_add_doc(&k, 0, 0, false, 0);
    kit_add_doc(&k, 0, 1, true, 0);
    struct neurons *whole = kit_whole(&k), *fresh;
    assert_int_equal(neurons_new(&fresh, &shape, NULL), 0);
    expect_same(whole, fresh);
    expect_whole(&k, whole);
    neurons_free(whole);
    neurons_free(fresh);
    kit_free(&k);
}

/* NaN is above all else, and of its own sign's side. */
static void infinities_and_nan_have_their_places(void **state)
{
    (void)state;
    const struct neurons_layer layer = {.n = 1};
    const struct neurons_shape shape = {.layers = &layer, .n_layers = 1, .n = 1, .examples = 5};
    static const float acts[] = {1, INFINITY, NAN, -INFINITY, -NAN, 2};
    struct kit k = {.shape = &shape};
    for (uint32_t i = 0; i < 6; i++) {
        struct kit_doc *d = kit_add_doc(&k, 0, i, false, 1);
        d->ids[0] = i;
        d->acts[0][0] = acts[i];
    }
    struct neurons *whole = kit_whole(&k), *again = kit_reload(whole);
    expect_same(whole, again);
    static const uint64_t top[] = {2, 1, 5, 0, 3, 4};
    const struct example_list *lists = whole->layers[0].lists;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(lists[LIST_TOP].items[i].doc, top[i]);
        assert_int_equal(lists[LIST_BOTTOM].items[i].doc, top[5 - i]);
    }
    const struct set_sums *s = whole->layers[0].sums[SPLIT_DEV][SET_ALL];
    assert_true(s->sum == ((__int128)1 << 20) * (1 + 1024 + 1024 - 1024 + 1024 + 2));
    assert_true(s->positive == ((__int128)1 << 20) * (1 + 1024 + 1024 + 1024 + 2));
    neurons_free(whole);
    neurons_free(again);
    kit_free(&k);
}

/* A million tokens in a unit, and the whole doubled 60 times. */
static void sums_hold_the_greatest_activations(void **state)
{
    (void)state;
    enum { TOKENS = 1000000 };
    const struct neurons_layer layer = {.n = 2};
    const struct neurons_shape shape = {
        .layers = &layer, .n_layers = 1, .n = 2, .n_hypotheses = 1, .examples = 1};
    struct kit k = {.shape = &shape};
    struct kit_doc *d = kit_add_doc(&k, 0, 0, true, TOKENS);
    for (size_t i = 0; i < TOKENS; i++) {
        d->ids[i] = 1;
        d->acts[0][2 * i] = 1e30f;
        d->acts[0][2 * i + 1] = -1024;
        d->labels[i] = 1;
    }
    struct neurons *whole = kit_whole(&k);
    const struct set_sums *all = whole->layers[0].sums[SPLIT_TEST][SET_ALL];
    const struct set_sums *labelled = whole->layers[0].sums[SPLIT_TEST][set_labelled(0)];
    const __int128 sum = (__int128)TOKENS << 30, squares = (__int128)TOKENS << 60;
    assert_true(all[0].sum == sum && all[0].positive == sum && all[0].squares == squares);
    assert_true(all[1].sum == -sum && all[1].positive == 0 && all[1].squares == squares);
    assert_true(labelled[0].sum == sum && labelled[1].sum == -sum && labelled[1].positive == 0);
    assert_true(whole->layers[0].hist[SPLIT_TEST][SET_ALL][BINS - 1] == TOKENS);
    assert_true(whole->layers[0].hist[SPLIT_TEST][SET_ALL][BINS] == TOKENS);
    for (int i = 0; i < 30; i++) {
        struct neurons *twin = kit_reload(whole);
        assert_int_equal(neurons_merge(whole, twin, NULL), 0);
        neurons_free(twin);
    }
    all = whole->layers[0].sums[SPLIT_TEST][SET_ALL];
    assert_true(all[0].sum == sum << 30 && all[1].sum == -sum * (1 << 30));
    assert_true(all[1].squares == squares << 30);
    neurons_free(whole);
    kit_free(&k);
}

// --- bytes --------------------------------------------------------------------------------------

static int load(const struct neurons_shape *shape, size_t piece, const char *bytes, size_t len,
                struct err *err)
{
    struct neurons *n;
    assert_int_equal(neurons_new(&n, shape, NULL), 0);
    char *copy = malloc(len ? len : 1); // where ASan sees one too far
    memcpy(copy, bytes, len);
    const int rc = neurons_load(n, piece, copy, len, err);
    free(copy);
    if (!rc) { // then it is the one writing of what was read
        struct buf again = kit_save(n, piece);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, bytes, len);
        buf_free(&again);
    }
    neurons_free(n);
    return rc;
}

static void damaged_bytes_are_refused_or_save_to_the_same(void **state)
{
    (void)state;
    const struct neurons_shape shape = shape_of(3, 2, 20);
    struct kit k;
    uint64_t random = 1;
    kit_make(&k, &shape, 12, 12, 5);
    struct neurons *whole = kit_whole(&k);
    for (size_t piece = 0; piece <= 2; piece++) {
        struct buf bytes = kit_save(whole, piece);
        size_t refused = 0, tried = 0;
        for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 200) {
            assert_int_equal(load(&shape, piece, bytes.data, len, NULL), ERR_FORMAT);
        }
        for (size_t at = 0; at < bytes.len; at += 1 + bytes.len / 2000) {
            const char was = bytes.data[at];
            bytes.data[at] = (char)(was ^ (char)(1 + kit_random(&random, 255)));
            refused += load(&shape, piece, bytes.data, bytes.len, NULL) == ERR_FORMAT;
            bytes.data[at] = was;
            tried++;
        }
        assert_in_range(refused, tried / 20, tried - 1); // a changed activation is one
        buf_append(&bytes, "", 1, NULL);
        struct err err = {0};
        assert_int_equal(load(&shape, piece, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_string_equal(err.msg, "the saved neurons are damaged: something follows it");
        buf_free(&bytes);
    }
    neurons_free(whole);
    kit_free(&k);
}

static void neurons_of_another_shape_are_refused(void **state)
{
    (void)state;
    const struct neurons_shape shape = shape_of(3, 2, 20);
    struct neurons_shape wrong[] = {shape_of(2, 2, 20), shape_of(3, 1, 20), shape_of(3, 2, 21),
                                    shape_of(3, 2, 20)};
    static const char *const says[] = {"hypotheses", "watches", "examples", "layers"};
    struct neurons *n;
    struct err err;
    wrong[3].n_layers = 1;
    assert_int_equal(neurons_new(&n, &shape, NULL), 0);
    struct buf bytes = kit_save(n, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(load(&wrong[i], 0, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, says[i]));
    }
    buf_free(&bytes);
    bytes = kit_save(n, 1);
    assert_int_equal(load(&shape, 2, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved neurons are damaged: a layer's neurons");
    buf_free(&bytes);
    neurons_free(n);
}

/* The two places of a list, in a whole that has no more. */
static void a_list_that_cannot_be_is_refused(void **state)
{
    (void)state;
    const struct neurons_layer layer = {.n = 1};
    const struct neurons_shape shape = {.layers = &layer, .n_layers = 1, .n = 1, .examples = 5};
    struct kit k = {.shape = &shape};
    for (uint32_t i = 0; i < 2; i++) {
        struct kit_doc *d = kit_add_doc(&k, 0, i, false, 1);
        d->ids[0] = i;
        d->acts[0][0] = (float)i;
    }
    for (int which = 0; which < 3; which++) {
        static const char *const says[] = {"out of order", "same context twice", "an example"};
        struct neurons *whole = kit_whole(&k);
        struct example *items = whole->layers[0].lists[LIST_TOP].items;
        struct err err;
        if (which == 0) {
            const struct example first = items[0];
            items[0] = items[1];
            items[1] = first;
        } else if (which == 1) {
            items[1].context = items[0].context;
        } else {
            items[1].before = 1; // of one token
        }
        struct buf bytes = kit_save(whole, 1);
        assert_int_equal(load(&shape, 1, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, says[which]));
        buf_free(&bytes);
        neurons_free(whole);
    }
    kit_free(&k);
}

/* 600 documents fill most lists. */
static void memory_is_told_within_reason(void **state)
{
    (void)state;
    const struct neurons_shape shape = shape_of(3, 2, 20);
    struct neurons_memory told;
    uint64_t held = 0;
    struct kit k;
    kit_make(&k, &shape, 600, 40, 9);
    struct neurons *whole = kit_whole(&k);
    neurons_memory(&shape, shape.n_hypotheses, &told);
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < LISTS * two_layers[l].n; i++) {
            const struct example_list *list = &whole->layers[l].lists[i];
            held += list->cap * sizeof *list->items;
            for (size_t j = 0; j < list->n; j++) {
                const struct example *e = &list->items[j];
                held += (e->n_rows + 1) * e->n_words * 8 + (e->n_tokens + e->n_acts) * 4;
            }
        }
        for (size_t s = 0; s < SPLITS * neurons_n_sets(&shape); s++) {
            const bool is = whole->layers[l].sums[s % SPLITS][s / SPLITS] != NULL;
            held += is ? two_layers[l].n * (sizeof(struct set_sums) + BINS * 8) : 0;
        }
    }
    assert_true(held < told.whole + told.whole / 2 && held > told.whole / 3);
    assert_true(told.part > 40 * 16384 && told.part < 2 * told.whole);
    neurons_free(whole);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_is_what_the_tokens_say_however_it_came_about),
        cmocka_unit_test(long_documents_take_many_chunks),
        cmocka_unit_test(hypotheses_may_be_many_or_none),
        cmocka_unit_test(histograms_may_be_of_some_neurons_alone),
        cmocka_unit_test(a_corpus_without_tokens_gives_a_new_whole),
        cmocka_unit_test(infinities_and_nan_have_their_places),
        cmocka_unit_test(sums_hold_the_greatest_activations),
        cmocka_unit_test(damaged_bytes_are_refused_or_save_to_the_same),
        cmocka_unit_test(neurons_of_another_shape_are_refused),
        cmocka_unit_test(a_list_that_cannot_be_is_refused),
        cmocka_unit_test(memory_is_told_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
