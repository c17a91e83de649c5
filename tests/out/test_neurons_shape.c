/* What is asked of a run's neurons: which there are, what two ask, and its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/neurons/neurons_collector.h"
#include "tests/kit/run_neurons.h"

/* What the tests ask: they change a copy. */
struct asked {
    struct neurons_watch watches[2];
    struct neurons_ask ask;
};

static void ask(struct asked *a)
{
    *a = (struct asked){.watches = {{.layer = 0, .neuron = 31, .hypothesis = 0},
                                    {.layer = 2, .neuron = 4, .hypothesis = 1}},
                        .ask = {.n_watches = 2, .examples = 20}};
    a->ask.watches = a->watches;
}

static struct neurons_shape *make(const struct run *r, const struct asked *a)
{
    struct neurons_shape *s = NULL;
    assert_int_equal(neurons_shape_make(&s, r, &a->ask, NULL), 0);
    return s;
}

/* For 3 layers and 2 hypotheses: neurons 'first' and 4, of the last pair none. */
static void choose_histograms(struct neurons_shape *s, uint32_t first)
{
    struct neurons_subset *subsets = calloc(6, sizeof *subsets);
    for (size_t i = 0; i < 6; i++) {
        uint32_t *items = malloc(2 * sizeof *items);
        items[0] = first;
        items[1] = 4;
        subsets[i] = (struct neurons_subset){.items = items, .n = i == 5 ? 0 : 2};
    }
    neurons_shape_set_subsets(s, subsets);
}

/* Of 42 neurons, an effect each that no other has. */
static void know_effects(struct neurons_shape *s)
{
    const size_t n = 42 * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS;
    struct neurons_effect *effects = calloc(n, sizeof *effects);
    for (size_t i = 0; i < n; i++) {
        effects[i].token = i == 7 ? NEURONS_NO_TOKEN : (uint32_t)i;
        effects[i].value = (float)i / -3;
    }
    neurons_shape_set_effects(s, effects);
}

static struct buf save(const struct neurons_shape *s)
{
    struct buf bytes = {0};
    assert_int_equal(neurons_shape_save(s, &bytes, NULL), 0);
    return bytes;
}

/* Loads exactly these bytes from the heap, where ASan sees one too far. */
static int load_copy(const struct run *r, const void *bytes, size_t len, struct err *err)
{
    struct neurons_shape *s = NULL;
    void *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    const int rc = neurons_shape_load(&s, r, copy, len, err);
    assert_true((rc == 0) == (s != NULL));
    free(copy);
    neurons_shape_free(s);
    return rc;
}

// --- which there are ----------------------------------------------------------------------------

static void neurons_are_those_of_models_with_a_site(void **state)
{
    (void)state;
    static const struct neurons_ask nothing;
    struct neurons_shape *s = NULL;
    struct run r = sample_run();
    assert_int_equal(neurons_shape_make(&s, &r, &nothing, NULL), 0);
    assert_null(s);
    run_free(&r);
    r = sample_run_neurons();
    struct asked a;
    ask(&a);
    s = make(&r, &a);
    static const struct neurons_layer wanted[] = {{1, 0, 32, 0}, {2, 0, 5, 32}, {2, 1, 5, 37}};
    assert_int_equal(s->n_layers, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct neurons_layer *l = &s->layers[i];
        assert_int_equal(l->model, wanted[i].model);
        assert_int_equal(l->layer, wanted[i].layer);
        assert_int_equal(l->n, wanted[i].n);
        assert_int_equal(l->first, wanted[i].first);
    }
    assert_int_equal(s->n, 42);
    assert_int_equal(s->n_hypotheses, 2);
    assert_int_equal(s->n_watches, 2);
    assert_int_equal(s->examples, 20);
    assert_true(neurons_first_layer(s, 0) == SIZE_MAX);
    assert_int_equal(neurons_first_layer(s, 1), 0);
    assert_int_equal(neurons_first_layer(s, 2), 1);
    assert_true(neurons_first_layer(s, 3) == SIZE_MAX);
    assert_true(neurons_first_layer(NULL, 1) == SIZE_MAX);
    neurons_shape_free(s);
    run_free(&r);
}

static void a_watch_of_no_neuron_and_too_many_neurons_are_refused(void **state)
{
    (void)state;
    static const struct neurons_watch wrong[] = {
        {.layer = 3}, {.layer = 0, .neuron = 32}, {.layer = 1, .neuron = 5}, {.hypothesis = 2}};
    struct run r = sample_run_neurons();
    struct err err = {0};
    struct asked a;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct neurons_shape *none = NULL;
        ask(&a);
        struct neurons_shape *s = make(&r, &a);
        a.watches[1] = wrong[i];
        assert_int_equal(neurons_shape_make(&none, &r, &a.ask, &err), ERR_LIMIT);
        assert_string_equal(err.msg, "watched pair 2: there is no such neuron");
        assert_null(none);
        struct neurons_watch own[] = {s->watches[0], wrong[i]};
        struct neurons_shape damaged = *s;
        damaged.watches = own;
        struct buf bytes = save(&damaged);
        assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_string_equal(err.msg, "the saved run is damaged: its neurons, or a watched pair");
        buf_free(&bytes);
        neurons_shape_free(s);
    }
    a.ask.n_watches = 0;
    r.models[2].d_mlp = ((1 << 20) - 32) / 2;
    struct neurons_shape *s = make(&r, &a);
    assert_int_equal(s->n, 1 << 20);
    neurons_shape_free(s);
    r.models[2].d_mlp++;
    assert_int_equal(neurons_shape_make(&s, &r, &a.ask, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "neurons: at most 1048576");
    r.models[2].d_mlp = 0;
    assert_int_equal(neurons_shape_make(&s, &r, &a.ask, &err), ERR_LIMIT);
    r.models[2].n_layers = (size_t)1 << 32;
    assert_int_equal(neurons_shape_make(&s, &r, &a.ask, &err), ERR_LIMIT);
    run_free(&r);
}

// --- two shapes ---------------------------------------------------------------------------------

static void shapes_differ_in_what_they_ask_of_neurons(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "watched pair 1: not the same",
        "watched pair 2: not the same",
        "watched pair 2: not the same",
        "number of watched pairs: one has 2, the other 1",
        "examples: one has 20, the other 21",
        "histograms: one has 0, the other 1",
        NULL,
    };
    struct run r = sample_run_neurons();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct asked a, b;
        struct err err = {0};
        ask(&a);
        ask(&b);
        switch (i) {
        case 0:
            b.watches[0].neuron--;
            break;
        case 1:
            b.watches[1].layer--;
            break;
        case 2:
            b.watches[1].hypothesis = 0;
            break;
        case 3:
            b.ask.n_watches--;
            break;
        case 4:
            b.ask.examples++;
            break;
        case 5:
            b.ask.histograms++;
            break;
        default:
            break;
        }
        struct neurons_shape *x = make(&r, &a), *y = make(&r, &b);
        if (!wanted[i]) { // an effect is no result
            know_effects(y);
        }
        for (int fixed = 0; fixed < 2; fixed++) {
            assert_int_equal(neurons_shape_same(x, y, fixed, &err), wanted[i] ? ERR_MISMATCH : 0);
            assert_string_equal(err.msg, wanted[i] ? wanted[i] : "");
        }
        neurons_shape_free(x);
        neurons_shape_free(y);
    }
    run_free(&r);
}

/* Runs merge where their results are the same, what is fixed before a scan too. */
static void histograms_merge_where_they_are_of_the_same_neurons(void **state)
{
    (void)state;
    // what a part chose: 0 nothing yet, else its first neurons
    static const struct {
        uint32_t to, from;
        int rc;
    } cases[] = {
        {1, 1, 0}, {1, 2, ERR_MISMATCH}, {0, 1, ERR_MISMATCH}, {1, 0, ERR_MISMATCH}, {0, 0, 0}};
    struct run r = sample_run_neurons();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a;
        struct err err = {0};
        ask(&a);
        a.ask.histograms = 4;
        struct neurons_shape *to = make(&r, &a), *from = make(&r, &a);
        if (cases[i].to) {
            choose_histograms(to, cases[i].to);
        }
        if (cases[i].from) {
            choose_histograms(from, cases[i].from);
        }
        struct collector x = {&neurons_collector, to, NULL}, y = {&neurons_collector, from, NULL};
        const struct results one = {&x, 1}, other = {&y, 1};
        assert_int_equal(results_same(&one, &other, false, &err), 0);
        assert_int_equal(results_same(&one, &other, true, &err), cases[i].rc);
        assert_true(!cases[i].rc || strstr(err.msg, "the parts chose other neurons"));
        assert_int_equal(neurons_shape_same(to, from, true, &err), cases[i].rc);
        neurons_shape_free(to);
        neurons_shape_free(from);
    }
    run_free(&r);
}

// --- bytes --------------------------------------------------------------------------------------

static void shapes_are_saved_and_loaded(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    for (int known = 0; known < 4; known++) { // 1: histograms were chosen, 2: effects are known
        struct asked a;
        struct err err = {0};
        ask(&a);
        a.ask.histograms = 4;
        struct neurons_shape *s = make(&r, &a), *back = NULL;
        if (known & 1) {
            choose_histograms(s, 3);
        }
        if (known & 2) {
            know_effects(s);
        }
        struct buf bytes = save(s);
        assert_int_equal(neurons_shape_load(&back, &r, bytes.data, bytes.len, &err), 0);
        assert_int_equal(neurons_shape_same(s, back, true, &err), 0);
        assert_int_equal(back->watches[1].neuron, 4);
        assert_int_equal(back->histograms, 4);
        assert_int_equal(back->n, 42);
        assert_int_equal(back->subsets != NULL, known & 1);
        if (known & 1) {
            assert_int_equal(back->subsets[4].n, 2);
            assert_int_equal(back->subsets[4].items[0], 3);
            assert_int_equal(back->subsets[5].n, 0);
        }
        assert_int_equal(back->effects != NULL, known >> 1);
        if (known & 2) {
            assert_memory_equal(back->effects, s->effects,
                                42 * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS * sizeof *s->effects);
        }
        struct buf again = save(back);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        buf_free(&bytes);
        buf_free(&again);
        neurons_shape_free(s);
        neurons_shape_free(back);
    }
    run_free(&r);
}

static void a_damaged_shape_is_refused(void **state)
{
    (void)state;
    struct run r = sample_run_neurons();
    struct asked a;
    ask(&a);
    struct neurons_shape *s = make(&r, &a);
    choose_histograms(s, 3);
    struct buf bytes = save(s);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(&r, bytes.data, len, NULL), ERR_FORMAT);
    }
    size_t refused = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(&r, bytes.data, bytes.len, NULL);
            assert_true(rc == 0 || rc == ERR_FORMAT);
            refused += rc == ERR_FORMAT;
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    assert_true(refused > bytes.len * 6); // few are as good as what was there
    buf_append(&bytes, "x", 1, NULL);
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, NULL), ERR_FORMAT);
    know_effects(s);
    buf_free(&bytes);
    bytes = save(s);
    for (size_t len = 0; len < bytes.len; len += 61) {
        assert_int_equal(load_copy(&r, bytes.data, len, NULL), ERR_FORMAT);
    }
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, NULL), 0);
    buf_free(&bytes);
    neurons_shape_free(s);
    run_free(&r);
}

/* The run is read first, and may say anything, too. */
static void a_run_without_such_neurons_is_refused(void **state)
{
    (void)state;
    struct run r = sample_run_neurons(), none = sample_run();
    struct asked a;
    struct err err = {0};
    ask(&a);
    a.ask.n_watches = 0;
    struct neurons_shape *s = make(&r, &a);
    struct buf bytes = save(s);
    assert_int_equal(load_copy(&none, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: it has no neurons");
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), 0);
    r.models[1].n_layers = (size_t)1 << 32;
    assert_int_equal(load_copy(&r, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its neurons, or a watched pair");
    buf_free(&bytes);
    neurons_shape_free(s);
    run_free(&none);
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neurons_are_those_of_models_with_a_site),
        cmocka_unit_test(a_watch_of_no_neuron_and_too_many_neurons_are_refused),
        cmocka_unit_test(shapes_differ_in_what_they_ask_of_neurons),
        cmocka_unit_test(histograms_merge_where_they_are_of_the_same_neurons),
        cmocka_unit_test(shapes_are_saved_and_loaded),
        cmocka_unit_test(a_damaged_shape_is_refused),
        cmocka_unit_test(a_run_without_such_neurons_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
