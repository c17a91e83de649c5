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
    struct tally_shape shape = gaps_shape(&r);
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
        assert_int_equal(gaps_shape(&r).gap_bins_half, cases[i].bins);
    }
    run_free(&r);
}

// --- two runs ----------------------------------------------------------------------------------

static void change(char **text, const char *to)
{
    free(*text);
    *text = strdup(to);
}

/* The sample with neurons of models 1 and 2, two hypotheses, and names of components. */
static struct run with_hypotheses(void)
{
    static const char *const names[] = {"embed", "L0H0", "L0H1"};
    struct run r = sample_run();
    change(&r.models[1].site, "post");
    change(&r.models[2].site, "mid");
    r.n_hypotheses = 2;
    r.hypotheses = calloc(2, sizeof *r.hypotheses);
    r.hypotheses[0] = (struct run_hypothesis){
        .name = strdup("digit"), .kind = strdup("regex"), .spec = strdup("{}")};
    r.hypotheses[1] = (struct run_hypothesis){
        .name = strdup("the"), .kind = strdup("tokens"), .spec = strdup("[1]")};
    r.models[1].n_components = 3;
    r.models[1].components = calloc(3, sizeof *r.models[1].components);
    for (size_t i = 0; i < 3; i++) {
        r.models[1].components[i] = strdup(names[i]);
    }
    return r;
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

static void runs_differ_in_their_hypotheses_and_sites(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "hypotheses: one has the, the other that",
        "hypothesis the: one has tokens [1], the other tokens [2]",
        "hypothesis the: one has tokens [1], the other regex [1]",
        "number of hypotheses: one has 2, the other 1",
        "model two: neurons at site \"mid\" and \"post\"",
        NULL, // names of components follow from the models
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct run a = with_hypotheses(), b = with_hypotheses();
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
            change(&b.models[2].site, "post");
            break;
        default:
            change(&b.models[1].components[0], "pos_embed");
        }
        run_set_done(&b, 3, NULL);
        assert_int_equal(run_same(&a, &b, &err), wanted[i] ? ERR_MISMATCH : 0);
        assert_string_equal(err.msg, wanted[i] ? wanted[i] : "");
        assert_int_equal(run_merge(&a, &b, &err), wanted[i] ? ERR_MISMATCH : 0);
        assert_int_equal(run_is_done(&a, 3), wanted[i] == NULL);
        b.n_hypotheses = 2;
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

static void hypotheses_and_components_are_saved_and_loaded(void **state)
{
    (void)state;
    struct run r = with_hypotheses(), back = {0};
    struct buf bytes = {0}, again = {0};
    struct err err = {0};
    assert_int_equal(run_save(&r, &bytes, &err), 0);
    assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), 0);
    assert_int_equal(run_same(&r, &back, &err), 0);
    assert_int_equal(back.n_hypotheses, 2);
    assert_string_equal(back.hypotheses[1].name, "the");
    assert_string_equal(back.hypotheses[1].kind, "tokens");
    assert_string_equal(back.hypotheses[1].spec, "[1]");
    assert_string_equal(back.models[2].site, "mid");
    assert_int_equal(back.models[0].n_components, 0);
    assert_int_equal(back.models[1].n_components, 3);
    assert_string_equal(back.models[1].components[0], "embed");
    assert_string_equal(back.models[1].components[2], "L0H1");
    assert_int_equal(run_save(&back, &again, &err), 0);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    run_set_done(&back, 0, NULL);
    assert_int_equal(run_merge(&r, &back, &err), 0);
    again.len = 0;
    assert_int_equal(run_save(&back, &again, &err), 0);
    assert_true(again.len > bytes.len); // a unit more
    buf_free(&bytes);
    buf_free(&again);
    run_free(&r);
    run_free(&back);
}

static void a_damaged_run_with_hypotheses_is_refused(void **state)
{
    (void)state;
    struct run r = with_hypotheses();
    struct buf bytes = {0};
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
        cmocka_unit_test(runs_differ_in_their_hypotheses_and_sites),
        cmocka_unit_test(hypotheses_and_components_are_saved_and_loaded),
        cmocka_unit_test(a_damaged_run_with_hypotheses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
