/* The trigrams that a run looks for: of its models, pairs and neurons, what two ask, its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/trigrams/trigrams_collector.h"
#include "tests/kit/run_neurons.h"

static const struct trigram two_trigrams[] = {
    {.a = 1,
     .b = 2,
     .c = 3,
     .count = 40,
     .count_ab = 50,
     .count_bc = 60,
     .count_b = 700,
     .count_c = 800,
     .p = 0.75,
     .p_bigram = 0.01,
     .p_skip = {0.02, 0.03, 0.04, 0.05},
     .p_added = 0.06,
     .n_fillers = {TRIGRAM_FILLERS, 2},
     .fillers = {{4, 5, 6, 7, 8, 9, 0, 3}, {1, 9}}},
    {.a = 2, .b = 2, .c = 2, .count = UINT64_MAX, .p = 1},
};

static struct trigrams_shape *make(const struct run *r, const struct trigram *items, size_t n)
{
    struct trigrams_shape *s = NULL;
    assert_int_equal(trigrams_shape_of(&s, r, items, n, NULL), 0);
    return s;
}

static struct buf save(const struct trigrams_shape *s)
{
    struct buf bytes = {0};
    assert_int_equal(trigrams_shape_save(s, &bytes, NULL), 0);
    return bytes;
}

/* Loads exactly these bytes from the heap, where ASan sees one too far. */
static int load_copy(const struct run *r, const void *bytes, size_t len, struct err *err)
{
    struct trigrams_shape *s = NULL;
    void *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    const int rc = trigrams_shape_load(&s, r, copy, len, err);
    assert_true((rc == 0) == (s != NULL));
    free(copy);
    trigrams_shape_free(s);
    return rc;
}

// --- of a run -----------------------------------------------------------------------------------

static void trigrams_are_of_the_runs_models_pairs_and_neurons(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    struct trigrams_shape *s = make(&r, two_trigrams, 2);
    assert_int_equal(s->n, 2);
    assert_int_equal(s->n_models, 3);
    assert_int_equal(s->n_pairs, 2);
    assert_ptr_equal(s->pairs, r.pairs);
    assert_true(s->floor == r.floor);
    assert_int_equal(s->n_layers, 3);
    assert_int_equal(s->layers[0], 32);
    assert_int_equal(s->layers[2], 5);
    assert_int_equal(s->first_layers[1], 0);
    assert_int_equal(s->first_layers[2], 1);
    assert_int_equal(s->n_groups, 5); // 1 2, 2 2; 2; 1, 2
    trigrams_shape_free(s);
    s = make(&r, two_trigrams, 1);
    assert_int_equal(s->n, 1);
    trigrams_shape_free(s);
    run_free(&r);
    r = sample_run(); // no neurons
    s = make(&r, two_trigrams, 2);
    assert_int_equal(s->n_layers, 0);
    trigrams_shape_free(s);
    run_free(&r);
}

static void trigrams_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    struct trigrams_shape *s = NULL;
    struct trigram items[] = {two_trigrams[0], two_trigrams[1], two_trigrams[0]};
    struct err err = {0};
    assert_int_equal(trigrams_shape_of(&s, &r, items, 3, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "trigrams: one is there twice");
    items[0].n_fillers[1] = TRIGRAM_FILLERS + 1;
    assert_int_equal(trigrams_shape_of(&s, &r, items, 2, &err), ERR_FORMAT);
    assert_null(s);
    run_free(&r);
}

/* n trigrams that share nothing: n groups of each kind. */
static void make_trigrams(struct trigram *items, size_t n)
{
    memset(items, 0, n * sizeof *items);
    for (uint32_t i = 0; i < n; i++) {
        items[i].a = items[i].b = i;
    }
}

static void trigrams_times_neurons_have_a_limit(void **state)
{
    (void)state;
    enum { N = 342 }; // 1026 groups of 2^20 neurons are more than 2^30 sums; 341 are not
    static struct trigram items[N];
    struct run r = sample_run_neurons();
    struct trigrams_shape *s = NULL;
    struct err err = {0};
    make_trigrams(items, N);
    for (size_t m = 0; m < 3; m++) {
        r.models[m].d_vocab = N;
    }
    r.models[2].d_mlp = ((1 << 20) - 32) / 2;
    assert_int_equal(trigrams_shape_of(&s, &r, items, N, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "342 trigrams of 1026 groups of tokens are too many for 1048576 "
                                 "neurons");
    assert_null(s);
    s = make(&r, items, N - 1);
    struct buf bytes = save(s);
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), 0);
    buf_free(&bytes);
    trigrams_shape_free(s);
    r.models[2].d_mlp = r.models[1].d_mlp = 1; // too few to be too many
    s = make(&r, items, N);
    bytes = save(s);
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), 0);
    r.models[2].d_mlp = ((1 << 20) - 32) / 2; // as a file may say
    r.models[1].d_mlp = 32;
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its trigrams");
    buf_free(&bytes);
    trigrams_shape_free(s);
    run_free(&r);
}

// --- two shapes ---------------------------------------------------------------------------------

static void shapes_differ_in_their_trigrams(void **state)
{
    (void)state;
    static const struct {
        size_t n; // of the other's
        uint32_t a, b, c;
        const char *wanted;
    } cases[] = {
        {2, 2, 2, 2, NULL},
        {1, 0, 0, 0, "number of trigrams: one has 2, the other 1"},
        {2, 3, 2, 2, "trigram 1: not the same tokens"},
        {2, 2, 3, 2, "trigram 1: not the same tokens"},
        {2, 2, 2, 3, "trigram 1: not the same tokens"},
    };
    struct run r = sample_run_neurons();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trigram items[] = {two_trigrams[0], two_trigrams[1]};
        struct err err = {0};
        items[1].a = cases[i].a;
        items[1].b = cases[i].b;
        items[1].c = cases[i].c;
        struct trigrams_shape *a = make(&r, two_trigrams, 2), *b = make(&r, items, cases[i].n);
        assert_int_equal(trigrams_shape_same(a, b, &err), cases[i].wanted ? ERR_MISMATCH : 0);
        assert_string_equal(err.msg, cases[i].wanted ? cases[i].wanted : "");
        struct collector x = {&trigrams_collector, a, NULL}, y = {&trigrams_collector, b, NULL};
        const struct results one = {&x, 1}, other = {&y, 1};
        assert_int_equal(results_same(&one, &other, true, &err),
                         cases[i].wanted ? ERR_MISMATCH : 0);
        trigrams_shape_free(a);
        trigrams_shape_free(b);
    }
    run_free(&r);
}

static void runs_differ_where_only_one_looks_for_trigrams(void **state)
{
    (void)state;
    struct run r = sample_run();
    struct trigrams_shape *s = make(&r, two_trigrams, 2);
    struct collector x = {&trigrams_collector, s, NULL};
    const struct results some = {&x, 1}, none = {0};
    struct err err = {0};
    assert_int_equal(results_same(&none, &some, false, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "trigrams: only one has them");
    err.msg[0] = '\0';
    assert_int_equal(results_same(&some, &none, false, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "trigrams: only one has them");
    trigrams_shape_free(s);
    run_free(&r);
}

// --- bytes --------------------------------------------------------------------------------------

static void trigrams_are_saved_and_loaded(void **state)
{
    (void)state;
    for (int neurons = 0; neurons < 2; neurons++) {
        struct run r = neurons ? sample_run_neurons() : sample_run();
        struct trigrams_shape *s = make(&r, two_trigrams, 2), *back = NULL;
        struct err err = {0};
        struct buf bytes = save(s);
        assert_int_equal(trigrams_shape_load(&back, &r, bytes.data, bytes.len, &err), 0);
        assert_int_equal(trigrams_shape_same(s, back, &err), 0);
        assert_int_equal(back->n, 2);
        assert_memory_equal(back->items, two_trigrams, sizeof two_trigrams);
        assert_int_equal(back->n_layers, neurons ? 3 : 0);
        assert_int_equal(back->n_pairs, 2);
        struct buf again = save(back);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        buf_free(&bytes);
        buf_free(&again);
        trigrams_shape_free(s);
        trigrams_shape_free(back);
        run_free(&r);
    }
}

static void damaged_trigrams_are_refused(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    struct trigrams_shape *s = make(&r, two_trigrams, 2);
    struct buf bytes = save(s);
    struct err err = {0};
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(&r, bytes.data, len, NULL), ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(&r, bytes.data, bytes.len, NULL);
            assert_true(rc == 0 || rc == ERR_FORMAT);
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    // the second made the first: its tokens stand 8 numbers, 7 reals, 2 + 10 fillers after them
    const size_t size = 8 * (8 + 7 + 2 + 10);
    size_t first = 0;
    const char tokens[24] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3};
    while (memcmp(bytes.data + first, tokens, sizeof tokens) != 0) {
        first++;
        assert_true(first + sizeof tokens + size <= bytes.len);
    }
    memcpy(bytes.data + first + size, tokens, sizeof tokens);
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its trigrams");
    buf_free(&bytes);
    trigrams_shape_free(s);
    run_free(&r);
}

/* Of the models the least has ten tokens, and the trigrams have 9 as a filler. */
static void tokens_that_a_model_has_not_are_refused(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "the saved run is damaged: a filler",
        "the saved run is damaged: a trigram's token",
    };
    for (size_t i = 0; i < 2; i++) {
        struct run r = sample_run_neurons();
        struct trigrams_shape *s = make(&r, two_trigrams, 2);
        struct buf bytes = save(s);
        struct err err = {0};
        r.models[0].d_vocab = i ? 3 : 9;
        assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_string_equal(err.msg, wanted[i]);
        buf_free(&bytes);
        trigrams_shape_free(s);
        run_free(&r);
    }
}

/* The run is read first, and may say anything, too: no room is made for all that. */
static void a_run_of_too_many_neurons_is_refused(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    struct trigrams_shape *s = make(&r, two_trigrams, 2);
    struct buf bytes = save(s);
    struct err err = {0};
    r.models[1].n_layers = r.models[2].n_layers = (size_t)1 << 32;
    r.models[1].d_mlp = r.models[2].d_mlp = (size_t)1 << 32;
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its trigrams");
    buf_free(&bytes);
    trigrams_shape_free(s);
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trigrams_are_of_the_runs_models_pairs_and_neurons),
        cmocka_unit_test(trigrams_that_cannot_be_are_refused),
        cmocka_unit_test(trigrams_times_neurons_have_a_limit),
        cmocka_unit_test(shapes_differ_in_their_trigrams),
        cmocka_unit_test(runs_differ_where_only_one_looks_for_trigrams),
        cmocka_unit_test(trigrams_are_saved_and_loaded),
        cmocka_unit_test(damaged_trigrams_are_refused),
        cmocka_unit_test(tokens_that_a_model_has_not_are_refused),
        cmocka_unit_test(a_run_of_too_many_neurons_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
