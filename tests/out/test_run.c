#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kit/run_sample.h"

// --- units -------------------------------------------------------------------------------------

static void units_are_counted_once(void **state)
{
    (void)state;
    struct run r = {0};
    assert_false(run_is_done(&r, 0));
    assert_int_equal(run_count_done(&r), 0);
    static const uint64_t units[] = {9, 0, 63, 64, 9, 100000, 7};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        assert_int_equal(run_set_done(&r, units[i], NULL), 0);
        assert_true(run_is_done(&r, units[i]));
    }
    assert_int_equal(run_count_done(&r), 6);
    static const uint64_t others[] = {1, 8, 10, 62, 65, 99999, 100001, UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(run_is_done(&r, others[i]));
    }
    run_free(&r);
}

static void a_run_is_finished_when_its_last_unit_is(void **state)
{
    (void)state;
    struct run r = {0};
    assert_false(run_is_finished(&r)); // how many there are is not known
    run_set_done(&r, 0, NULL);
    assert_false(run_is_finished(&r));
    r.counted = true;
    r.n_units = 2;
    assert_false(run_is_finished(&r));
    run_set_done(&r, 1, NULL);
    assert_true(run_is_finished(&r));
    r.n_units = 3;
    assert_false(run_is_finished(&r));
    r.limited = true;
    assert_true(run_is_finished(&r));
    run_free(&r);
    assert_false(run_is_finished(&r));
    r.counted = true; // a corpus without documents
    assert_true(run_is_finished(&r));
}

static void texts_of_tokens_are_valid_and_show_cut_bytes(void **state)
{
    (void)state;
    struct run r = {0};
    static const struct {
        const char *bytes;
        size_t len;
    } tokens[] = {{" the", 4}, {"\xe2\x82", 2}, {"a\0b", 3}, {"", 0}, {"\xc3\xa9\xff!", 4}};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        assert_int_equal(run_add_token(&r, tokens[i].bytes, tokens[i].len, NULL), 0);
    }
    static const char wanted[] = " the\0\\xE2\\x82\0a\\x00b\0\0\xc3\xa9\\xFF!";
    assert_int_equal(r.token_texts.len, sizeof wanted);
    assert_memory_equal(r.token_texts.data, wanted, sizeof wanted);
    run_free(&r);
}

static void the_shape_is_the_least_vocabulary_and_bins_to_the_floor(void **state)
{
    (void)state;
    struct run r = sample_run();
    struct tally_shape shape = run_shape(&r);
    assert_int_equal(shape.d_vocab, 10);
    assert_int_equal(shape.gap_bins_half, 60);
    assert_int_equal(shape.n_models, 3);
    assert_int_equal(shape.n_pairs, 2);
    assert_int_equal(shape.n_shards, 2);
    assert_int_equal(shape.top, 4);
    assert_ptr_equal(shape.pairs, r.pairs);
    static const struct {
        double floor;
        size_t bins;
    } cases[] = {{-0.3, 3}, {-1.1, 11}, {-0.05, 1}, {-5.51, 56}, {-1000, 10000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.floor = cases[i].floor;
        assert_int_equal(run_shape(&r).gap_bins_half, cases[i].bins);
    }
    run_free(&r);
}

// --- two runs ----------------------------------------------------------------------------------

static void change(char **text, const char *to)
{
    free(*text);
    *text = strdup(to);
}

static void runs_differ_in_the_first_thing_that_differs(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "models: one has base, the other b2",
        "model base: the two differ in their sizes",
        "model base: the weights differ (hashes 00000000000000ab and 00000000000000ac)",
        "shards: one has a.jsonl, the other c.jsonl",
        "shard a.jsonl: one has 100 bytes, the other 101",
        "shard a.jsonl: the contents differ",
        "number of shards: one has 2, the other 1",
        "number of pairs: one has 2, the other 1",
        "pair 1: not the same models",
        "floor: one has -6, the other -5",
        "top: one has 4, the other 5",
        "settings: one has \"field\":\"text\"}, the other }",
        "number of models: one has 3, the other 2",
        NULL, // paths, reasons, what is done: the same run
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct run a = sample_run(), b = sample_run();
        const size_t n_models = b.n_models, n_shards = b.n_shards;
        switch (i) {
        case 0:
            change(&b.models[0].name, "b2");
            break;
        case 1:
            b.models[0].n_ctx++;
            break;
        case 2:
            b.models[0].weights_hash++;
            break;
        case 3:
            change(&b.shards[0].name, "c.jsonl");
            break;
        case 4:
            b.shards[0].bytes++;
            break;
        case 5:
            b.shards[0].hash++;
            break;
        case 6:
            b.n_shards--;
            break;
        case 7:
            b.n_pairs--;
            break;
        case 8:
            b.pairs[1].others[1] = 0;
            break;
        case 9:
            b.floor = -5;
            break;
        case 10:
            b.top++;
            break;
        case 11:
            change(&b.settings, "{}");
            break;
        case 12:
            b.n_models--;
            break;
        default:
            change(&b.models[0].path, "/elsewhere");
            change(&b.shards[0].path, "/elsewhere");
            b.counted = true;
            b.n_units = 7;
            run_set_done(&b, 3, NULL);
        }
        struct err err = {0};
        assert_int_equal(run_same(&a, &b, &err), wanted[i] ? ERR_MISMATCH : 0);
        assert_string_equal(err.msg, wanted[i] ? wanted[i] : "");
        b.n_models = n_models;
        b.n_shards = n_shards;
        run_free(&a);
        run_free(&b);
    }
}

static void parts_merge_where_they_do_not_overlap(void **state)
{
    (void)state;
    struct run a = sample_run(), b = sample_run();
    struct err err = {0};
    run_set_done(&a, 0, NULL);
    run_set_done(&a, 2, NULL);
    run_set_done(&b, 1, NULL);
    run_set_done(&b, 1000, NULL);
    b.counted = true;
    b.n_units = 1001;
    b.shards[1].units = 5;
    buf_free(&a.token_texts);
    assert_int_equal(run_merge(&a, &b, &err), 0);
    assert_int_equal(run_count_done(&a), 4);
    assert_true(run_is_done(&a, 1000));
    assert_true(a.counted);
    assert_int_equal(a.n_units, 1001);
    assert_int_equal(a.shards[1].units, 5);
    assert_int_equal(a.token_texts.len, b.token_texts.len);

    assert_int_equal(run_merge(&a, &b, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "2 units are in both (the first is unit 1); parts of a run must "
                                 "not overlap");
    struct run c = sample_run();
    c.counted = true;
    c.n_units = 1000;
    assert_int_equal(run_merge(&a, &c, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "units of the corpus: one has 1001, the other 1000");
    c.counted = false;
    c.n_units = 0;
    c.shards[1].units = 6;
    assert_int_equal(run_merge(&a, &c, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "shard b.jsonl: one has 5 units, the other 6");
    assert_int_equal(run_count_done(&a), 4);
    run_free(&a);
    run_free(&b);
    run_free(&c);
}

// --- bytes -------------------------------------------------------------------------------------

static void a_run_saved_and_loaded_is_the_same(void **state)
{
    (void)state;
    struct run r = sample_run(), back = {0};
    struct buf bytes = {0}, again = {0};
    struct err err = {0};
    run_set_done(&r, 12, NULL);
    r.counted = true;
    r.n_units = 77;
    r.limited = true;
    assert_int_equal(run_save(&r, &bytes, &err), 0);
    assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), 0);
    assert_int_equal(run_same(&r, &back, &err), 0);
    assert_string_equal(back.models[1].path, "/models/one");
    assert_string_equal(back.shards[1].path, "/data/b.jsonl");
    assert_string_equal(back.reasons[1], "too_long");
    assert_int_equal(back.n_reasons, 2);
    assert_true(back.counted);
    assert_int_equal(back.n_units, 77);
    assert_true(back.limited);
    assert_true(run_is_done(&back, 12));
    assert_int_equal(run_count_done(&back), 1);
    assert_int_equal(run_save(&back, &again, &err), 0);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    buf_free(&bytes);
    buf_free(&again);
    run_free(&r);
    run_free(&back);
}

/* Loads exactly these bytes from the heap, where ASan sees one too far. */
static int load_copy(const void *bytes, size_t len)
{
    struct run r = {0};
    void *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    const int rc = run_load(&r, copy, len, NULL);
    free(copy);
    run_free(&r);
    return rc;
}

static void a_damaged_run_is_refused(void **state)
{
    (void)state;
    struct run r = sample_run();
    struct buf bytes = {0};
    run_set_done(&r, 12, NULL);
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(bytes.data, len), ERR_FORMAT);
    }
    buf_append(&bytes, "x", 1, NULL);
    assert_int_equal(load_copy(bytes.data, bytes.len), ERR_FORMAT);
    bytes.len--;
    size_t refused = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            refused += load_copy(bytes.data, bytes.len) == ERR_FORMAT;
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    assert_in_range(refused, bytes.len, bytes.len * 8 - 1); // a changed hash is a hash
    assert_int_equal(load_copy(bytes.data, bytes.len), 0);
    buf_free(&bytes);
    run_free(&r);
}

// --- neurons ------------------------------------------------------------------------------------

/* The sample with neurons of models 1 and 2: layers of 32 and of 5, 5. */
static struct run with_neurons(void)
{
    static const struct neurons_watch watches[] = {{.layer = 0, .neuron = 31, .hypothesis = 0},
                                                   {.layer = 2, .neuron = 4, .hypothesis = 1}};
    struct run r = sample_run();
    change(&r.models[1].site, "post");
    change(&r.models[2].site, "mid");
    r.models[2].n_layers = 2;
    r.models[2].d_mlp = 5;
    r.n_hypotheses = r.n_watches = 2;
    r.hypotheses = calloc(2, sizeof *r.hypotheses);
    r.hypotheses[0] = (struct run_hypothesis){strdup("digit"), strdup("regex"), strdup("{}")};
    r.hypotheses[1] = (struct run_hypothesis){strdup("the"), strdup("tokens"), strdup("[1]")};
    r.watches = malloc(sizeof watches);
    memcpy(r.watches, watches, sizeof watches);
    r.examples = 20;
    assert_int_equal(run_shape_neurons(&r, NULL, NULL), 0);
    return r;
}

/* For 3 layers and 2 hypotheses; the run takes them. */
static void choose_histograms(struct run *r, uint32_t first)
{
    struct neurons_subset *subsets = calloc(6, sizeof *subsets);
    for (size_t i = 0; i < 6; i++) {
        uint32_t *items = malloc(2 * sizeof *items);
        items[0] = first;
        items[1] = 4;
        subsets[i] = (struct neurons_subset){.items = items, .n = i == 5 ? 0 : 2};
    }
    r->histograms = 4;
    assert_int_equal(run_shape_neurons(r, subsets, NULL), 0);
}

static void neurons_are_those_of_models_with_a_site(void **state)
{
    (void)state;
    struct run r = sample_run();
    assert_int_equal(run_shape_neurons(&r, NULL, NULL), 0);
    assert_null(r.neurons);
    run_free(&r);
    r = with_neurons();
    static const struct neurons_layer wanted[] = {{1, 0, 32, 0}, {2, 0, 5, 32}, {2, 1, 5, 37}};
    assert_int_equal(r.neurons->n_layers, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct neurons_layer *l = &r.neurons->layers[i];
        assert_int_equal(l->model, wanted[i].model);
        assert_int_equal(l->layer, wanted[i].layer);
        assert_int_equal(l->n, wanted[i].n);
        assert_int_equal(l->first, wanted[i].first);
    }
    assert_int_equal(r.neurons->n, 42);
    assert_int_equal(r.neurons->n_hypotheses, 2);
    assert_int_equal(r.neurons->n_watches, 2);
    assert_int_equal(r.neurons->examples, 20);
    run_free(&r);
}

static void a_watch_of_no_neuron_and_too_many_neurons_are_refused(void **state)
{
    (void)state;
    static const struct neurons_watch wrong[] = {
        {.layer = 3}, {.layer = 0, .neuron = 32}, {.layer = 1, .neuron = 5}, {.hypothesis = 2}};
    struct run r = with_neurons();
    struct err err = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.watches[1] = wrong[i];
        assert_int_equal(run_shape_neurons(&r, NULL, &err), ERR_LIMIT);
        assert_string_equal(err.msg, "watched pair 2: there is no such neuron");
        assert_int_equal(r.neurons->n, 42); // as it was
        struct buf bytes = {0};
        assert_int_equal(run_save(&r, &bytes, NULL), 0);
        assert_int_equal(load_copy(bytes.data, bytes.len), ERR_FORMAT);
        buf_free(&bytes);
    }
    r.n_watches = 0;
    r.models[2].d_mlp = ((1 << 20) - 32) / 2;
    assert_int_equal(run_shape_neurons(&r, NULL, &err), 0);
    assert_int_equal(r.neurons->n, 1 << 20);
    r.models[2].d_mlp++;
    assert_int_equal(run_shape_neurons(&r, NULL, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "neurons: at most 1048576");
    r.models[2].d_mlp = 0;
    assert_int_equal(run_shape_neurons(&r, NULL, &err), ERR_LIMIT);
    r.models[2].n_layers = (size_t)1 << 32;
    assert_int_equal(run_shape_neurons(&r, NULL, &err), ERR_LIMIT);
    run_free(&r);
}

static void runs_differ_in_what_they_ask_of_neurons(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "hypotheses: one has the, the other that",
        "hypothesis the: one has tokens [1], the other tokens [2]",
        "hypothesis the: one has tokens [1], the other regex [1]",
        "number of hypotheses: one has 2, the other 1",
        "watched pair 1: not the same",
        "watched pair 2: not the same",
        "watched pair 2: not the same",
        "number of watched pairs: one has 2, the other 1",
        "examples: one has 20, the other 21",
        "histograms: one has 0, the other 1",
        "model two: neurons at site \"mid\" and \"post\"",
        NULL,
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct run a = with_neurons(), b = with_neurons();
        const size_t n_hypotheses = b.n_hypotheses;
        struct err err = {0};
        switch (i) {
        case 0:
            change(&b.hypotheses[1].name, "that");
            break;
        case 1:
            change(&b.hypotheses[1].spec, "[2]");
            break;
        case 2:
            change(&b.hypotheses[1].kind, "regex");
            break;
        case 3:
            b.n_hypotheses--;
            break;
        case 4:
            b.watches[0].neuron--;
            break;
        case 5:
            b.watches[1].layer--;
            break;
        case 6:
            b.watches[1].hypothesis = 0;
            break;
        case 7:
            b.n_watches--;
            break;
        case 8:
            b.examples++;
            break;
        case 9:
            b.histograms++;
            break;
        case 10:
            change(&b.models[2].site, "post");
            break;
        default: // an effect is no result
            b.effects = calloc(42 * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS, sizeof *b.effects);
        }
        assert_int_equal(run_same(&a, &b, &err), wanted[i] ? ERR_MISMATCH : 0);
        assert_string_equal(err.msg, wanted[i] ? wanted[i] : "");
        b.n_hypotheses = n_hypotheses;
        run_free(&a);
        run_free(&b);
    }
}

static void histograms_merge_where_they_are_of_the_same_neurons(void **state)
{
    (void)state;
    // what a part chose: 0 nothing yet, else its first neurons
    static const struct {
        uint32_t to, from;
        int rc;
    } cases[] = {{1, 1, 0}, {1, 2, ERR_MISMATCH}, {0, 1, ERR_MISMATCH}, {1, 0, ERR_MISMATCH}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run to = with_neurons(), from = with_neurons();
        struct err err = {0};
        to.histograms = from.histograms = 4;
        if (cases[i].to) {
            choose_histograms(&to, cases[i].to);
        }
        if (cases[i].from) {
            choose_histograms(&from, cases[i].from);
        }
        from.effects = calloc(42 * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS, sizeof *from.effects);
        from.effects[41].token = 9;
        run_set_done(&from, 3, NULL);
        assert_int_equal(run_merge(&to, &from, &err), cases[i].rc);
        assert_int_equal(run_is_done(&to, 3), cases[i].rc == 0);
        assert_int_equal(to.effects != NULL, cases[i].rc == 0);
        assert_true(cases[i].rc || to.effects[41].token == 9);
        assert_true(!cases[i].rc || strstr(err.msg, "the parts chose other neurons"));
        run_free(&to);
        run_free(&from);
    }
}

static void neurons_and_hypotheses_are_saved_and_loaded(void **state)
{
    (void)state;
    for (int chosen = 0; chosen < 2; chosen++) {
        struct run r = with_neurons(), back = {0};
        struct buf bytes = {0}, again = {0};
        struct err err = {0};
        if (chosen) {
            choose_histograms(&r, 3);
        }
        assert_int_equal(run_save(&r, &bytes, &err), 0);
        assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), 0);
        assert_int_equal(run_same(&r, &back, &err), 0);
        assert_string_equal(back.hypotheses[1].name, "the");
        assert_string_equal(back.hypotheses[1].kind, "tokens");
        assert_string_equal(back.hypotheses[1].spec, "[1]");
        assert_int_equal(back.watches[1].neuron, 4);
        assert_int_equal(back.neurons->n, 42);
        assert_int_equal(back.neurons->subsets != NULL, chosen);
        if (chosen) {
            assert_int_equal(back.neurons->subsets[4].n, 2);
            assert_int_equal(back.neurons->subsets[4].items[0], 3);
            assert_int_equal(back.neurons->subsets[5].n, 0);
        }
        run_set_done(&back, 0, NULL);
        assert_int_equal(run_merge(&r, &back, &err), 0);
        assert_int_equal(run_save(&back, &again, &err), 0);
        assert_true(again.len > bytes.len); // a unit more
        buf_free(&bytes);
        buf_free(&again);
        run_free(&r);
        run_free(&back);
    }
}

static void a_damaged_run_with_neurons_is_refused(void **state)
{
    (void)state;
    struct run r = with_neurons();
    struct buf bytes = {0};
    choose_histograms(&r, 3);
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(bytes.data, len), ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(bytes.data, bytes.len);
            assert_true(rc == 0 || rc == ERR_FORMAT);
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    buf_free(&bytes);
    run_free(&r);
}

// --- trigrams -----------------------------------------------------------------------------------

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

static struct run with_trigrams(void)
{
    struct run r = with_neurons();
    assert_int_equal(run_shape_trigrams(&r, two_trigrams, 2, NULL), 0);
    return r;
}

static void trigrams_are_of_the_runs_models_pairs_and_neurons(void **state)
{
    (void)state;
    struct run r = with_trigrams();
    assert_int_equal(r.trigrams->n, 2);
    assert_int_equal(r.trigrams->n_models, 3);
    assert_int_equal(r.trigrams->n_pairs, 2);
    assert_int_equal(r.trigrams->n_layers, 3);
    assert_int_equal(r.trigrams->layers[0], 32);
    assert_int_equal(r.trigrams->layers[2], 5);
    assert_int_equal(r.trigrams->n_groups, 5);                          // 1 2, 2 2; 2; 1, 2
    assert_int_equal(run_shape_trigrams(&r, two_trigrams, 1, NULL), 0); // anew
    assert_int_equal(r.trigrams->n, 1);
    run_free(&r);
    r = sample_run(); // no neurons
    assert_int_equal(run_shape_trigrams(&r, two_trigrams, 2, NULL), 0);
    assert_int_equal(r.trigrams->n_layers, 0);
    run_free(&r);
}

static void trigrams_are_saved_and_loaded(void **state)
{
    (void)state;
    for (int neurons = 0; neurons < 2; neurons++) {
        struct run r = neurons ? with_trigrams() : sample_run(), back = {0};
        struct buf bytes = {0}, again = {0};
        struct err err = {0};
        assert_int_equal(run_shape_trigrams(&r, two_trigrams, 2, NULL), 0);
        run_set_done(&r, 3, NULL);
        assert_int_equal(run_save(&r, &bytes, &err), 0);
        assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), 0);
        assert_int_equal(run_same(&r, &back, &err), 0);
        assert_int_equal(back.trigrams->n, 2);
        assert_memory_equal(back.trigrams->items, two_trigrams, sizeof two_trigrams);
        assert_int_equal(back.trigrams->n_layers, neurons ? 3 : 0);
        assert_int_equal(back.trigrams->n_pairs, 2);
        assert_true(run_is_done(&back, 3));
        assert_int_equal(run_save(&back, &again, &err), 0);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        buf_free(&bytes);
        buf_free(&again);
        run_free(&r);
        run_free(&back);
    }
}

static void runs_differ_in_their_trigrams(void **state)
{
    (void)state;
    static const struct {
        size_t n; // of the other's; 0: none
        uint32_t a, b, c;
        const char *wanted;
    } cases[] = {
        {2, 2, 2, 2, NULL},
        {0, 0, 0, 0, "number of trigrams: one has 2, the other 0"},
        {1, 0, 0, 0, "number of trigrams: one has 2, the other 1"},
        {2, 3, 2, 2, "trigram 1: not the same tokens"},
        {2, 2, 3, 2, "trigram 1: not the same tokens"},
        {2, 2, 2, 3, "trigram 1: not the same tokens"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run a = with_trigrams(), b = with_neurons();
        struct trigram items[] = {two_trigrams[0], two_trigrams[1]};
        struct err err = {0};
        items[1].a = cases[i].a;
        items[1].b = cases[i].b;
        items[1].c = cases[i].c;
        if (cases[i].n > 0) {
            assert_int_equal(run_shape_trigrams(&b, items, cases[i].n, NULL), 0);
        }
        assert_int_equal(run_same(&a, &b, &err), cases[i].wanted ? ERR_MISMATCH : 0);
        assert_string_equal(err.msg, cases[i].wanted ? cases[i].wanted : "");
        run_set_done(&b, 3, NULL);
        assert_int_equal(run_merge(&a, &b, &err), cases[i].wanted ? ERR_MISMATCH : 0);
        assert_int_equal(run_is_done(&a, 3), cases[i].wanted == NULL);
        run_free(&a);
        run_free(&b);
    }
    struct run none = with_neurons(), some = with_trigrams();
    struct err err = {0};
    assert_int_equal(run_same(&none, &some, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "number of trigrams: one has 0, the other 2");
    run_free(&none);
    run_free(&some);
}

static void trigrams_that_cannot_be_leave_the_run_as_it_was(void **state)
{
    (void)state;
    struct run r = with_trigrams();
    struct trigram items[] = {two_trigrams[0], two_trigrams[1], two_trigrams[0]};
    struct err err = {0};
    assert_int_equal(run_shape_trigrams(&r, items, 3, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "trigrams: one is there twice");
    items[0].n_fillers[1] = TRIGRAM_FILLERS + 1;
    assert_int_equal(run_shape_trigrams(&r, items, 2, &err), ERR_FORMAT);
    assert_int_equal(r.trigrams->n, 2);
    assert_memory_equal(r.trigrams->items, two_trigrams, sizeof two_trigrams);
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
    struct run r = with_neurons();
    struct err err = {0};
    make_trigrams(items, N);
    r.n_watches = 0;
    for (size_t m = 0; m < 3; m++) {
        r.models[m].d_vocab = N;
    }
    r.models[2].d_mlp = ((1 << 20) - 32) / 2;
    assert_int_equal(run_shape_neurons(&r, NULL, NULL), 0);
    assert_int_equal(run_shape_trigrams(&r, items, N, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "342 trigrams of 1026 groups of tokens are too many for 1048576 "
                                 "neurons");
    assert_null(r.trigrams);
    assert_int_equal(run_shape_trigrams(&r, items, N - 1, &err), 0);
    struct buf bytes = {0};
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    assert_int_equal(load_copy(bytes.data, bytes.len), 0);
    bytes.len = 0;
    r.models[2].d_mlp = r.models[1].d_mlp = 1; // too few to be too many
    assert_int_equal(run_shape_neurons(&r, NULL, NULL), 0);
    assert_int_equal(run_shape_trigrams(&r, items, N, &err), 0);
    r.models[2].d_mlp = ((1 << 20) - 32) / 2; // as a file may say
    r.models[1].d_mlp = 32;
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    struct run back = {0};
    assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its trigrams");
    buf_free(&bytes);
    run_free(&r);
}

static void a_damaged_run_with_trigrams_is_refused(void **state)
{
    (void)state;
    struct run r = with_trigrams();
    struct buf bytes = {0};
    struct err err = {0};
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(bytes.data, len), ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(bytes.data, bytes.len);
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
    struct run back = {0};
    assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the saved run is damaged: its trigrams");
    buf_free(&bytes);
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
        struct run r = with_trigrams(), back = {0};
        struct buf bytes = {0};
        struct err err = {0};
        r.models[0].d_vocab = i ? 3 : 9;
        assert_int_equal(run_save(&r, &bytes, NULL), 0);
        assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_string_equal(err.msg, wanted[i]);
        buf_free(&bytes);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_counted_once),
        cmocka_unit_test(a_run_is_finished_when_its_last_unit_is),
        cmocka_unit_test(texts_of_tokens_are_valid_and_show_cut_bytes),
        cmocka_unit_test(the_shape_is_the_least_vocabulary_and_bins_to_the_floor),
        cmocka_unit_test(runs_differ_in_the_first_thing_that_differs),
        cmocka_unit_test(parts_merge_where_they_do_not_overlap),
        cmocka_unit_test(a_run_saved_and_loaded_is_the_same),
        cmocka_unit_test(a_damaged_run_is_refused),
        cmocka_unit_test(neurons_are_those_of_models_with_a_site),
        cmocka_unit_test(a_watch_of_no_neuron_and_too_many_neurons_are_refused),
        cmocka_unit_test(runs_differ_in_what_they_ask_of_neurons),
        cmocka_unit_test(histograms_merge_where_they_are_of_the_same_neurons),
        cmocka_unit_test(neurons_and_hypotheses_are_saved_and_loaded),
        cmocka_unit_test(a_damaged_run_with_neurons_is_refused),
        cmocka_unit_test(trigrams_are_of_the_runs_models_pairs_and_neurons),
        cmocka_unit_test(trigrams_are_saved_and_loaded),
        cmocka_unit_test(runs_differ_in_their_trigrams),
        cmocka_unit_test(trigrams_that_cannot_be_leave_the_run_as_it_was),
        cmocka_unit_test(trigrams_times_neurons_have_a_limit),
        cmocka_unit_test(a_damaged_run_with_trigrams_is_refused),
        cmocka_unit_test(tokens_that_a_model_has_not_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
