/*
 * All that a whole holds against a slow reference, which sees all tokens at once; and that it is
 * the same, byte for byte, however the documents came to it.
 */
#include <float.h>
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
#include "tests/ref/neurons_ref.h"

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

/* Third and fourth powers are rounded unit by unit: in other units they differ in the last bits.
 * Checks that, and makes both 0. */
static void compare_powers(struct neurons *a, struct neurons *b)
{
    for (size_t k = 0; k < SPLITS * a->shape->n_layers; k++) {
        struct power_sums *x = a->layers[k / SPLITS].powers[k % SPLITS];
        struct power_sums *y = b->layers[k / SPLITS].powers[k % SPLITS];
        for (size_t i = 0; i < a->shape->layers[k / SPLITS].n; i++) {
            const long double fourths = wide_to(&x[i].fourths), other = wide_to(&y[i].fourths);
            assert_true(fabsl(fourths - other) <= 1e-12L * fourths);
            x[i] = y[i] = (struct power_sums){0};
        }
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
    neurons_ref_expect(&k, whole);
    for (int i = 0; i < rounds; i++) {
        struct neurons *again = kit_anyhow(&k, &random);
        struct neurons *without = kit_whole(&k); // its powers
        expect_same(without, whole);
        compare_powers(again, without);
        expect_same(again, without);
        neurons_free(again);
        neurons_free(without);
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
    neurons_ref_expect(&k, whole);
    neurons_free(whole);
    neurons_free(fresh);
    kit_free(&k);
}

static bool is(const struct wide *x, __int128 wanted)
{
    const struct wide w = wide_from(wanted);
    return memcmp(x, &w, sizeof w) == 0;
}

/* They are counted, and in no sum, histogram or list. */
static void infinities_and_nan_are_left_out(void **state)
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
    static const uint64_t top[] = {5, 0};
    const struct example_list *lists = whole->layers[0].lists;
    uint64_t in_hist = 0;
    for (unsigned list = 0; list < LISTS; list++) {
        assert_true(lists[list].n <= 2);
    }
    assert_true(lists[LIST_TOP].n == 2 && lists[LIST_BOTTOM].n == 2 && lists[LIST_RANDOM].n == 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lists[LIST_TOP].items[i].doc, top[i]);
        assert_int_equal(lists[LIST_BOTTOM].items[i].doc, top[1 - i]);
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        in_hist += whole->layers[0].hist[SPLIT_DEV][SET_ALL][bin];
    }
    const struct set_sums *s = whole->layers[0].sums[SPLIT_DEV][SET_ALL];
    assert_true(in_hist == 2 && s->left_out == 4 && s->beyond == 0);
    assert_true(is(&s->sum, 3 << 20) && is(&s->positive, 3 << 20));
    assert_true(is(&s->squares, (__int128)5 << 40));
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
        d->acts[0][2 * i] = FLT_MAX;
        d->acts[0][2 * i + 1] = -1024;
        d->labels[i] = 1;
    }
    struct neurons *whole = kit_whole(&k);
    const struct set_sums *all = whole->layers[0].sums[SPLIT_TEST][SET_ALL];
    const struct set_sums *labelled = whole->layers[0].sums[SPLIT_TEST][set_labelled(0)];
    const __int128 sum = (__int128)TOKENS << 30, squares = (__int128)TOKENS << 60;
    const struct wide tokens = wide_from(TOKENS);
    const struct wide large = wide_from_double(ldexp((double)FLT_MAX, 20));
    struct wide wanted = wide_times(&tokens, &large);
    assert_memory_equal(&all[0].sum, &wanted, sizeof wanted);
    assert_memory_equal(&all[0].positive, &wanted, sizeof wanted);
    assert_memory_equal(&labelled[0].sum, &wanted, sizeof wanted);
    for (int power = 2; power <= 4; power++) {
        const struct power_sums *powers = whole->layers[0].powers[SPLIT_TEST];
        const struct wide *got = power == 2   ? &all[0].squares
                                 : power == 3 ? &powers->cubes
                                              : &powers->fourths;
        wanted = wide_times(&wanted, &large);
        assert_memory_equal(got, &wanted, sizeof wanted);
    }
    assert_true(is(&all[1].sum, -sum) && is(&all[1].positive, 0) && is(&all[1].squares, squares));
    assert_true(is(&labelled[1].sum, -sum) && is(&labelled[1].positive, 0));
    assert_true(all[0].beyond == TOKENS && labelled[1].beyond == TOKENS && all[0].left_out == 0);
    // more than 16 bits a unit
    assert_true(whole->layers[0].hist[SPLIT_TEST][SET_ALL][BINS - 1] == TOKENS);
    assert_true(whole->layers[0].hist[SPLIT_TEST][SET_ALL][BINS + bins_of(bins_bits(-1024))] ==
                TOKENS);
    for (int i = 0; i < 30; i++) {
        struct neurons *twin = kit_reload(whole);
        assert_int_equal(neurons_merge(whole, twin, NULL), 0);
        neurons_free(twin);
    }
    all = whole->layers[0].sums[SPLIT_TEST][SET_ALL];
    assert_true(is(&all[1].sum, -sum * (1 << 30)) && is(&all[1].squares, squares << 30));
    assert_true(wide_to(&all[0].squares) ==
                wide_to(&wanted) * 0x1p30L / (long double)FLT_MAX / (long double)FLT_MAX / 0x1p40L);
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
        cmocka_unit_test(infinities_and_nan_are_left_out),
        cmocka_unit_test(sums_hold_the_greatest_activations),
        cmocka_unit_test(damaged_bytes_are_refused_or_save_to_the_same),
        cmocka_unit_test(neurons_of_another_shape_are_refused),
        cmocka_unit_test(a_list_that_cannot_be_is_refused),
        cmocka_unit_test(memory_is_told_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
