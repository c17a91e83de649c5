/*
 * All that is kept of trigrams against a slow reference, which sees all tokens at once and looks
 * for each trigram at each of them; and that it is the same, byte for byte, however the documents
 * came to it.
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

#include "out/results/trigrams/trigrams.h"
#include "tests/kit/trigrams_kit.h"
#include "tests/ref/trigrams_ref.h"

// --- shapes -------------------------------------------------------------------------------------

static struct trigrams_shape *shape_of(const struct trigram *items, size_t n, size_t n_layers)
{
    struct trigrams_shape *s = NULL;
    struct err err = {0};
    if (trigrams_shape_make(&s, items, n, MODELS, PAIRS, n_layers ? widths : NULL, n_layers,
                            &err)) {
        fail_msg("%s", err.msg);
    }
    return s;
}

/* n of all trigrams of a few words, in any order. */
static struct trigrams_shape *some_shape(size_t n, size_t n_layers, uint64_t seed)
{
    static const uint32_t words[] = {0, 1, 2, 3, 9};
    struct trigram all[80];
    uint64_t random = seed;
    for (uint32_t i = 0; i < 80; i++) {
        const size_t at = next(&random, i + 1);
        all[i] = all[at];
        all[at] = (struct trigram){.a = i / 20, .b = i / 5 % 4, .c = words[i % 5]};
    }
    assert_true(n <= 80);
    return shape_of(all, n, n_layers);
}

static void groups_are_shared_by_what_has_the_same_tokens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        const size_t n = 1 + seed * 4;
        struct trigrams_shape *s = some_shape(n, 1, seed);
        bool used[80] = {false};
        size_t n_used = 0;
        for (size_t i = 0; i < n; i++) {
            const struct trigram *x = &s->items[i];
            const struct trigram_groups *g = &s->groups[i];
            const uint32_t own[] = {g->ab, g->b, g->a};
            for (size_t k = 0; k < 3; k++) {
                assert_true(own[k] < s->n_groups);
                n_used += !used[own[k]];
                used[own[k]] = true;
            }
            assert_true(g->ab < s->n_ab && g->b >= s->n_ab && g->b < s->n_ab + s->n_b &&
                        g->a >= s->n_ab + s->n_b);
            for (size_t j = 0; j < i; j++) {
                const struct trigram *y = &s->items[j];
                const struct trigram_groups *h = &s->groups[j];
                assert_int_equal(g->ab == h->ab, x->a == y->a && x->b == y->b);
                assert_int_equal(g->b == h->b, x->b == y->b);
                assert_int_equal(g->a == h->a, x->a == y->a);
            }
        }
        assert_int_equal(s->n_groups, n_used);
        trigrams_shape_free(s);
    }
}

static void items_stay_as_they_were_given(void **state)
{
    (void)state;
    struct trigram items[] = {{.a = 5, .b = 1, .c = 2, .count = 7, .p = 0.5, .n_fillers = {8, 1}},
                              {.a = 0, .b = 3, .c = 2}};
    size_t layers[] = {4, 9};
    struct trigrams_shape *s = NULL;
    items[0].fillers[0][7] = 77;
    items[0].fillers[1][0] = 78;
    assert_int_equal(trigrams_shape_make(&s, items, 2, 1, 0, layers, 2, NULL), 0);
    const struct trigram was = items[0];
    memset(items, 0, sizeof items);
    memset(layers, 0, sizeof layers);
    assert_memory_equal(&s->items[0], &was, sizeof was);
    assert_int_equal(s->items[1].b, 3);
    assert_int_equal(s->layers[0], 4);
    assert_int_equal(s->layers[1], 9);
    assert_int_equal(s->n_ids, 6);
    trigrams_shape_free(s);
    trigrams_shape_free(NULL);
}

static void trigrams_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct trigrams_shape *s = NULL;
    struct err err = {0};
    struct trigram items[] = {{.a = 1, .b = 2, .c = 3},
                              {.a = 1, .b = 2, .c = 4},
                              {.a = 3, .b = 2, .c = 1},
                              {.a = 1, .b = 2, .c = 3, .p = 0.5}};
    assert_int_equal(trigrams_shape_make(&s, items, 4, 1, 1, widths, 1, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "trigrams: one is there twice");
    for (size_t side = 0; side < 2; side++) {
        items[1].n_fillers[side] = TRIGRAM_FILLERS + 1;
        assert_int_equal(trigrams_shape_make(&s, items, 3, 1, 1, widths, 1, &err), ERR_FORMAT);
        assert_string_equal(err.msg, "trigrams: fillers");
        items[1].n_fillers[side] = TRIGRAM_FILLERS;
    }
    assert_null(s);
    assert_int_equal(trigrams_shape_make(&s, items, 3, 1, 1, widths, 1, &err), 0);
    trigrams_shape_free(s);
}

// --- at random ----------------------------------------------------------------------------------

/* Against the reference, and again in 'rounds' other ways. */
static void check(const struct trigrams_shape *shape, size_t n_docs, size_t most_tokens,
                  uint64_t seed, int rounds)
{
    struct world w;
    uint64_t random = seed;
    world_make(&w, shape, n_docs, most_tokens, seed);
    struct trigrams *whole = whole_of(&w);
    trigrams_ref_expect(&w, whole);
    for (int i = 0; i < rounds; i++) {
        struct trigrams *again = anyhow_of(&w, &random);
        expect_same(again, whole);
        trigrams_free(again);
    }
    struct trigrams *back = reload(whole);
    trigrams_ref_expect(&w, back);
    trigrams_free(back);
    trigrams_free(whole);
    world_free(&w);
}

static void a_whole_is_what_the_tokens_say_however_it_came_about(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct trigrams_shape *shape = some_shape(1 + 7 * (seed % 12), LAYERS, seed);
        check(shape, 10 + 4 * seed, seed % 3 ? 40 : TOKENS_MOST, seed, 5);
        trigrams_shape_free(shape);
    }
}

static void models_may_have_no_neurons(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(30, 0, 7);
    check(shape, 40, 60, 7, 4);
    trigrams_shape_free(shape);
}

static void one_trigram_is_enough(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 0, .b = 1, .c = 2}, {.a = 1, .b = 1, .c = 1}};
    for (size_t i = 0; i < 2; i++) {
        struct trigrams_shape *shape = shape_of(&items[i], 1, 2);
        assert_int_equal(shape->n_groups, 3);
        check(shape, 60, 60, 3 + i, 4);
        trigrams_shape_free(shape);
    }
}

/* What the corpus at random is to have: all of it must be met, or the tests above say little. */
static void the_random_corpus_has_all_kinds_of_places(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(80, 0, 1);
    struct world w;
    world_make(&w, shape, DOCS_MOST, TOKENS_MOST, 1);
    struct trigrams *t = whole_of(&w);
    size_t n_full = 0, n_elsewhere_full = 0, n_rare = 0, n_long = 0, n_dropped = 0;
    for (size_t i = 0; i < shape->n; i++) {
        const struct trigram_sums *s = &t->items[i];
        n_full += s->places.n == TRIGRAM_PLACES;
        n_elsewhere_full += s->elsewhere.n == TRIGRAM_ELSEWHERE;
        n_rare += s->n > 0 && s->places.n < TRIGRAM_PLACES && s->docs > s->places.n;
        n_dropped += s->docs > s->places.n;
        for (size_t k = 0; k < s->places.n; k++) {
            n_long += s->places.items[k].n_tokens == 1 + 31 + 1 + 8;
        }
    }
    assert_true(n_full > 3 && n_elsewhere_full > 3 && n_rare > 3 && n_long > 3 && n_dropped > 3);
    trigrams_free(t);
    world_free(&w);
    trigrams_shape_free(shape);
}

// --- by hand ------------------------------------------------------------------------------------

/* Ten tokens in two windows, of which neuron 0 does 1, 2, ... 10 and neuron 1 does -1 each time. */
static void ten_tokens_are_as_by_hand(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 3, .b = 2, .c = 3}, {.a = 1, .b = 2, .c = 3}};
    static const size_t layer = 2;
    static const uint32_t ids[] = {1, 2, 3, 1, 1, 2, /**/ 3, 2, 3, 1};
    static const uint32_t pos[] = {1, 2, 3, 4, 5, 6, /**/ 1, 2, 3, 4};
    static const uint32_t ends[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const double base[] = {-1, -2, -0.5, -1, -1, -3, -1, -4, -7, -1};
    static const double other[] = {-1, -2, -0.25, -1, -1, -3, -1, -4, -1, -1};
    static const double *const rows[] = {base, other};
    static const float acts[] = {77, 77, 1, -1, 2, -1, 3, -1, 4,  -1, 5, -1, 6, -1, // window 0
                                 77, 77, 7, -1, 8, -1, 9, -1, 10, -1};
    static const size_t windows[] = {6, 4};
    static const struct unit_tokens_doc doc = {.n = 10, .first = 15};
    static const struct unit_tokens unit = {
        .ids = ids, .pos = pos, .n = 10, .docs = &doc, .n_docs = 1};
    const struct tally_doc seen = {
        .number = 4, .n = 10, .ids = ids, .ends = ends, .pos = pos, .logprob = rows};
    struct trigrams_shape *shape;
    assert_int_equal(trigrams_shape_make(&shape, items, 2, 2, 1, &layer, 1, NULL), 0);
    struct trigrams *t = new_one(shape);
    assert_int_equal(trigrams_begin(t, &unit, NULL), 0);
    trigrams_block(t, 0, 0, windows, 2, acts);
    assert_int_equal(trigrams_add_doc(t, 0, &seen, pairs, FLOOR, NULL), 0);

    // (3, 2) -> 3 at token 8; the base is beyond the floor there: -1 - -6
    assert_int_equal(t->items[0].n, 1);
    assert_int_equal(t->items[0].docs, 1);
    assert_true(t->logprob[0] == -7 * FIXED_ONE && t->logprob[1] == -1 * FIXED_ONE);
    assert_true(t->gap[0].sum == 5 * FIXED_ONE && t->gap[0].n == 1 && t->gap[0].docs == 1);
    assert_int_equal(t->items[0].places.items[0].at, 8);
    assert_int_equal(t->items[0].places.items[0].n_tokens, 5);
    assert_memory_equal(t->items[0].places.items[0].ids, ((uint32_t[]){15, 3, 2, 3, 1}), 20);
    assert_int_equal(t->items[0].places.items[0].before, 3);
    // (1, 2) -> 3 at token 2, and not at 6, which begins a window
    assert_int_equal(t->items[1].n, 1);
    assert_true(t->logprob[2] == -FIXED_ONE / 2 && t->logprob[3] == -FIXED_ONE / 4);
    assert_true(t->gap[1].sum == FIXED_ONE / 4);
    assert_int_equal(t->items[1].places.items[0].at, 2);
    assert_memory_equal(t->items[1].places.items[0].ids, ((uint32_t[]){15, 1, 2, 3, 1, 1, 2}), 28);
    // 2 behind another token than 1: at 7 alone
    assert_int_equal(t->items[1].elsewhere.n, 1);
    assert_int_equal(t->items[1].elsewhere.items[0].at, 7);
    assert_true(t->items[1].elsewhere.items[0].acts[0] == -4.0f);
    // than 3: at 1 or 5, the one document's least

    uint64_t cells[TRIGRAM_CELLS];
    double mean[TRIGRAM_CELLS];
    trigrams_cells(t, 0, 10, cells); // 7 | 1 5 | 3 9 | 0 2 4 6 8
    assert_memory_equal(cells, ((uint64_t[]){1, 2, 2, 5}), sizeof cells);
    trigrams_means(t, 0, 0, 0, 55 * (__int128)FIXED_ONE, 10, mean);
    assert_memory_equal(mean, ((double[]){8, 4, 7, 5}), sizeof mean);
    trigrams_means(t, 0, 0, 1, -10 * (__int128)FIXED_ONE, 10, mean);
    assert_memory_equal(mean, ((double[]){-1, -1, -1, -1}), sizeof mean);
    trigrams_cells(t, 1, 10, cells); // 1 5 | 7 | 4 | 0 2 3 6 8 9
    assert_memory_equal(cells, ((uint64_t[]){2, 1, 1, 6}), sizeof cells);
    trigrams_means(t, 1, 0, 0, 55 * (__int128)FIXED_ONE, 10, mean);
    assert_memory_equal(mean, ((double[]){4, 8, 5, 34.0 / 6}), sizeof mean);
    trigrams_free(t);
    trigrams_shape_free(shape);
}

/* A document of one token again and again, with one activation. */
static void make_repeats(struct world *w, const struct trigrams_shape *shape, size_t n, float act)
{
    *w = (struct world){.shape = shape, .n = 1, .docs = room(1, sizeof *w->docs)};
    w->docs[0].n = n;
    for (uint32_t i = 0; i < n; i++) {
        w->docs[0].ids[i] = 1;
        w->docs[0].pos[i] = i + 1;
        w->docs[0].acts[0][i][0] = act;
    }
}

static void a_token_repeated_is_all_three(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 1, .b = 1, .c = 1}};
    struct trigrams_shape *shape = shape_of(items, 1, 1);
    struct world w;
    make_repeats(&w, shape, 10, 2);
    struct trigrams *t = whole_of(&w);
    uint64_t cells[TRIGRAM_CELLS];
    double mean[TRIGRAM_CELLS];
    assert_int_equal(t->items[0].n, 8);
    trigrams_cells(t, 0, 10, cells); // the first has none before it
    assert_memory_equal(cells, ((uint64_t[]){9, 1, 0, 0}), sizeof cells);
    trigrams_means(t, 0, 0, 0, 20 * (__int128)FIXED_ONE, 10, mean);
    assert_true(mean[TRIGRAM_AB] == 2 && mean[TRIGRAM_XB] == 2);
    assert_true(isnan(mean[TRIGRAM_AX]) && isnan(mean[TRIGRAM_XX]));
    assert_int_equal(t->items[0].elsewhere.n, 0);
    trigrams_free(t);
    world_free(&w);
    trigrams_shape_free(shape);
}

static void activations_are_summed_below_1024(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 1, .b = 1, .c = 1}};
    static const struct {
        float act;
        int64_t fixed;
    } cases[] = {
        {1024, 0},      {1023.9999f, (1 << 30) - 128}, // 1024 - 2^-13: floats there are 2^-14 apart
        {1e30f, 0},     {INFINITY, 0},
        {NAN, 0},       {-1024.5f, 0},
        {-INFINITY, 0}, {0x1p-21f, 0}, // ties to even
        {0x3p-21f, 2},  {-0x3p-21f, -2}};
    struct trigrams_shape *shape = shape_of(items, 1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        make_repeats(&w, shape, 10, cases[i].act);
        struct trigrams *t = whole_of(&w), *back = reload(t);
        assert_true(t->sums[0][shape->groups[0].ab * 7] == 9 * cases[i].fixed);
        assert_true(t->sums[0][shape->groups[0].b * 7] == 10 * cases[i].fixed);
        assert_true(back->sums[0][shape->groups[0].b * 7] == 10 * cases[i].fixed);
        trigrams_free(t);
        trigrams_free(back);
        world_free(&w);
    }
    trigrams_shape_free(shape);
}

/* 2^33 tokens, each as large as can be: more than the corpus of a test, so two halves are set. */
static void the_greatest_sums_merge_and_save(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 1, .b = 2, .c = 3}};
    struct trigrams_shape *shape = shape_of(items, 1, 1);
    struct trigrams *a = new_one(shape), *b = new_one(shape);
    const uint32_t group = shape->groups[0].b;
    a->tokens[group] = b->tokens[group] = UINT64_C(1) << 32;
    for (size_t k = 0; k < 2; k++) {
        a->sums[0][group * 7 + k] = b->sums[0][group * 7 + k] =
            k ? -(INT64_C(1) << 62) : (INT64_C(1) << 62) - 1;
    }
    struct trigrams *back = reload(a);
    assert_int_equal(trigrams_merge(b, back, NULL), 0);
    assert_true(b->sums[0][group * 7] == INT64_MAX - 1);
    assert_true(b->sums[0][group * 7 + 1] == INT64_MIN);
    struct trigrams *again = reload(b);
    double mean[TRIGRAM_CELLS];
    trigrams_means(again, 0, 0, 1, INT64_MIN, UINT64_C(1) << 33, mean);
    assert_true(mean[TRIGRAM_XB] == -1024);
    trigrams_free(a);
    trigrams_free(b);
    trigrams_free(back);
    trigrams_free(again);
    trigrams_shape_free(shape);
}

// --- units --------------------------------------------------------------------------------------

static void a_unit_forgets_the_one_before(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(40, LAYERS, 5);
    struct world w;
    const struct doc *docs[DOCS_MOST];
    world_make(&w, shape, 40, 60, 5);
    for (size_t i = 0; i < w.n; i++) {
        docs[i] = &w.docs[i];
    }
    struct trigrams *worker = new_one(shape), *fresh = new_one(shape), *empty = new_one(shape);
    run_unit(worker, &w, docs, 30, NULL);
    run_unit(worker, &w, docs + 30, 10, NULL);
    run_unit(fresh, &w, docs + 30, 10, NULL);
    expect_same(worker, fresh);
    run_unit(worker, &w, docs, 0, NULL); // no document at all
    expect_same(worker, empty);
    run_unit(worker, &w, docs + 3, 1, NULL); // one without tokens
    assert_int_equal(w.docs[3].n, 0);
    expect_same(worker, empty);
    struct trigrams *whole = reload(fresh);
    assert_int_equal(trigrams_begin(worker, &(struct unit_tokens){0}, NULL), 0);
    assert_int_equal(trigrams_merge(whole, worker, NULL), 0); // adds nothing
    expect_same(whole, fresh);
    trigrams_free(whole);
    trigrams_free(worker);
    trigrams_free(fresh);
    trigrams_free(empty);
    world_free(&w);
    trigrams_shape_free(shape);
}

/* A unit that failed half-way, or was stopped: begun, some layers done, no documents added. */
static void a_unit_left_half_way_is_forgotten_too(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(40, LAYERS, 6);
    struct world w;
    world_make(&w, shape, 20, 60, 6);
    const struct doc *docs[] = {&w.docs[0], &w.docs[1], &w.docs[2], &w.docs[4]};
    struct unit u = {0};
    struct trigrams *worker = new_one(shape), *fresh = new_one(shape);
    unit_make(&u, docs, 4);
    assert_int_equal(trigrams_begin(worker, &u.tokens, NULL), 0);
    give_block(worker, &u, 0, 0, SIZE_MAX, NULL);
    give_block(worker, &u, 1, 0, 1, NULL);
    run_unit(worker, &w, docs + 1, 2, NULL);
    run_unit(fresh, &w, docs + 1, 2, NULL);
    expect_same(worker, fresh);
    unit_free(&u);
    trigrams_free(worker);
    trigrams_free(fresh);
    world_free(&w);
    trigrams_shape_free(shape);
}

// --- bytes --------------------------------------------------------------------------------------

/* Loads exactly these bytes from the heap, where ASan sees one too far; what loads saves to the
 * same, merges, and has numbers. */
static int load_copy(const struct trigrams_shape *shape, const void *bytes, size_t len)
{
    struct trigrams *t = new_one(shape);
    struct err err = {0};
    void *copy = room(len, 1);
    memcpy(copy, bytes, len);
    const int rc = trigrams_load(t, copy, len, &err);
    if (rc) {
        assert_non_null(strstr(err.msg, "the saved trigrams are damaged"));
    } else {
        struct buf again = save(t);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, bytes, len);
        buf_free(&again);
        struct trigrams *whole = new_one(shape);
        double mean[TRIGRAM_CELLS];
        for (size_t i = 0; i < shape->n; i++) {
            trigrams_means(t, i, 0, 0, 5, 5, mean);
        }
        assert_int_equal(trigrams_merge(whole, t, NULL), 0);
        trigrams_free(whole);
    }
    free(copy);
    trigrams_free(t);
    return rc;
}

static void damaged_bytes_are_refused_or_save_to_the_same(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(6, 1, 9);
    struct world w;
    world_make(&w, shape, 8, 12, 9);
    struct trigrams *t = whole_of(&w);
    struct buf bytes = save(t);
    size_t refused = 0;
    assert_true(bytes.len > 500);
    assert_int_equal(load_copy(shape, bytes.data, bytes.len), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(shape, bytes.data, len), ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(shape, bytes.data, bytes.len);
            assert_true(rc == 0 || rc == ERR_FORMAT);
            refused += rc != 0;
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    assert_in_range(refused, bytes.len / 2, bytes.len * 8 - 1);
    assert_int_equal(buf_append(&bytes, "", 1, NULL), 0);
    assert_int_equal(load_copy(shape, bytes.data, bytes.len), ERR_FORMAT);
    buf_free(&bytes);
    trigrams_free(t);
    world_free(&w);
    trigrams_shape_free(shape);
}

static void trigrams_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const struct trigram items[] = {{.a = 1, .b = 2, .c = 3}, {.a = 2, .b = 2, .c = 3}};
    static const struct trigram shared[] = {{.a = 1, .b = 2, .c = 3}, {.a = 1, .b = 2, .c = 4}};
    static const struct {
        const struct trigram *items;
        size_t n, n_models, n_pairs, n_layers;
    } others[] = {{items, 1, 3, 2, 2},
                  {shared, 2, 3, 2, 2}, // groups
                  {items, 2, 2, 2, 2},
                  {items, 2, 3, 1, 2},
                  {items, 2, 3, 2, 1}};
    struct trigrams_shape *shape = shape_of(items, 2, 2);
    struct trigrams *t = new_one(shape);
    struct buf bytes = save(t);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct trigrams_shape *other;
        struct err err = {0};
        assert_int_equal(trigrams_shape_make(&other, others[i].items, others[i].n,
                                             others[i].n_models, others[i].n_pairs, widths,
                                             others[i].n_layers, NULL),
                         0);
        struct trigrams *to = new_one(other);
        assert_int_equal(trigrams_load(to, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_string_equal(err.msg, "the saved trigrams are damaged: the beginning");
        trigrams_free(to);
        trigrams_shape_free(other);
    }
    buf_free(&bytes);
    trigrams_free(t);
    trigrams_shape_free(shape);
}

static void memory_is_told_within_reason(void **state)
{
    (void)state;
    struct trigrams_shape *shape = some_shape(80, LAYERS, 1);
    const uint64_t sums = shape->n_groups * (7 + 33 + 1) * 8;
    assert_in_range(trigrams_memory(shape), sums, sums + shape->n * 1000);
    trigrams_shape_free(shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_shared_by_what_has_the_same_tokens),
        cmocka_unit_test(items_stay_as_they_were_given),
        cmocka_unit_test(trigrams_that_cannot_be_are_refused),
        cmocka_unit_test(a_whole_is_what_the_tokens_say_however_it_came_about),
        cmocka_unit_test(models_may_have_no_neurons),
        cmocka_unit_test(one_trigram_is_enough),
        cmocka_unit_test(the_random_corpus_has_all_kinds_of_places),
        cmocka_unit_test(ten_tokens_are_as_by_hand),
        cmocka_unit_test(a_token_repeated_is_all_three),
        cmocka_unit_test(activations_are_summed_below_1024),
        cmocka_unit_test(the_greatest_sums_merge_and_save),
        cmocka_unit_test(a_unit_forgets_the_one_before),
        cmocka_unit_test(a_unit_left_half_way_is_forgotten_too),
        cmocka_unit_test(damaged_bytes_are_refused_or_save_to_the_same),
        cmocka_unit_test(trigrams_of_another_shape_are_refused),
        cmocka_unit_test(memory_is_told_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
