/* The tables of trigrams, and of what tests found: rows by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <sqlite3.h>

#include "out/results/neurons/neurons_collector.h"
#include "out/results/trigrams/trial_rows.h"
#include "out/results/trigrams/trigrams_collector.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"
#include "tests/kit/trigrams_run.h"

// --- its file -----------------------------------------------------------------------------------

static struct store *open_store(void)
{
    struct store *s = NULL;
    struct err err = {0};
    bool exists;
    ok(store_open(&s, path, &exists, &err), &err);
    return s;
}

static void checkpoint(struct store *s, const struct whole *w, bool full)
{
    struct err err = {0};
    ok(store_checkpoint(s, &w->run, &w->results, full, NULL, &err), &err);
}

struct found {
    const struct trigram_test *tests; // [n]
    size_t n;
    const char *n_tested; // for 'meta'
};

/* store_writer: as a scan does it, 'meta' first, so that rows which fail are to take it back. */
static int write_found(void *context, const struct sql *to, struct err *err)
{
    const struct found *f = context;
    struct rows w;
    rows_open(&w, to, "INSERT OR REPLACE INTO meta VALUES('trigrams_tested',?)", err);
    rows_text(&w, f->n_tested);
    rows_next(&w);
    const int rc = rows_close(&w);
    return rc ? rc : trial_rows_write(to, f->tests, f->n, err);
}

static void put_tests(struct store *s, const struct trigram_test *tests, size_t n,
                      const char *n_tested)
{
    struct err err = {0};
    ok(store_write(s, write_found, &(struct found){tests, n, n_tested}, &err), &err);
}

// --- the scan's rows ----------------------------------------------------------------------------

static void rows_are_as_by_hand(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    add_first(&w);
    add_second(&w);
    struct store *s = open_store();
    checkpoint(s, &w, true);
    store_close(s);
    // means: (-2 - 8) / 2, (-0.5 - 1) / 2, (-1 - 7.5) / 2; gaps of pair 0: 1.5 and, from the floor
    // on, 5.  2 stands behind 1 twice, elsewhere twice; 1 is before nothing else; of ten tokens.
    expect_rows("SELECT * FROM trigram WHERE id = 0",
                "0|1|2|3| the|say \"it's\"|\\xE2\\x82|40|50|60|700|800|0.75|0.0625|0.125|0.25|0.375"
                "|0.5|0.3125|2|2|{\"base\":-5,\"one\":-0.75,\"t\\\"wo\":-4.25}|6.5|0|[7,8]|[9]"
                "|2|2|0|6\n");
    // 2 never stands behind itself; behind it are 3 and 3
    expect_rows("SELECT * FROM trigram WHERE id = 1",
                "1|2|2|1|say \"it's\"|say \"it's\"| the|11|0|0|0|0|0.5|NULL|0.0|0.0|0.0|0.0|0.0|0|0"
                "|{}|NULL|0|[]|[]|0|4|2|4\n");
    expect_rows("SELECT count(*), sum(json_valid(mean_logprob)), sum(json_valid(fillers_a)),"
                " sum(json_valid(fillers_b)) FROM trigram",
                "2|2|2|2\n");
    // pair 1: 1 and 0; se: sqrt(2/1 * 2 * 1.75^2) / 2 and the same of 0.5
    expect_rows("SELECT pair, trigram, mean_gap, round(se, 9) FROM trigram_gap",
                "0|0|3.25|1.75\n1|0|0.5|0.5\n");
    expect_rows("SELECT kind, shard, doc, byte_start, byte_end, token_index, tokens, logprobs"
                " FROM trigram_example WHERE trigram = 0 ORDER BY kind, shard",
                "elsewhere|0|5|16|26|3|[1,2,3,2]|NULL\n"
                "elsewhere|1|1099511627776|18|28|1|[5,2]|NULL\n"
                "place|0|5|14|16|2|[1,2,3,2]|[-2,-0.5,-1]\n"
                "place|1|1099511627776|15|17|3|[5,1,2,3]|[-8,-1,-7.5]\n");
    expect_rows("SELECT trigram, kind, min(rank), max(rank), count(*) FROM trigram_example"
                " GROUP BY 1, 2",
                "0|elsewhere|1|2|2\n0|place|1|2|2\n1|elsewhere|1|2|2\n");
    expect_rows("SELECT count(*) FROM trigram_model", "0\n");
    expect_rows("SELECT count(*) FROM trigram_neuron", "0\n");
    whole_end(&w);
}

static void log_probs_that_are_no_numbers_are_null(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    add_first(&w);
    float *acts = w.trigrams->items[0].places.items[0].acts;
    acts[0] = -0.1f;
    acts[1] = -INFINITY;
    acts[2] = NAN;
    struct store *s = open_store();
    checkpoint(s, &w, true);
    store_close(s);
    expect_rows("SELECT logprobs FROM trigram_example WHERE kind = 'place'",
                "[-0.100000001,null,null]\n");
    whole_end(&w);
}

static void without_a_tokenizer_tokens_have_no_text(void **state)
{
    (void)state;
    struct whole w;
    whole_begin(&w);
    buf_free(&w.run.token_texts);
    struct store *s = open_store();
    checkpoint(s, &w, true);
    store_close(s);
    expect_rows("SELECT a, a_text, b_text, c_text, n, gain FROM trigram",
                "1||||0|NULL\n2||||0|NULL\n");
    expect_rows("SELECT count(*) FROM trigram_gap", "0\n");
    whole_end(&w);
}

static void a_later_checkpoint_writes_them_anew(void **state)
{
    (void)state;
    struct whole w;
    char once[33], later[33], again[33];
    whole_begin(&w);
    struct store *s = open_store();
    add_first(&w);
    checkpoint(s, &w, true);
    get_digest(once);
    expect_rows("SELECT n, n_xx FROM trigram WHERE id = 0", "1|2\n");
    add_second(&w);
    checkpoint(s, &w, false); // state alone
    expect_rows("SELECT n, n_xx FROM trigram WHERE id = 0", "1|2\n");
    checkpoint(s, &w, true);
    get_digest(later);
    assert_string_not_equal(later, once);
    expect_rows("SELECT count(*), (SELECT count(*) FROM trigram_gap),"
                " (SELECT count(*) FROM trigram_example) FROM trigram",
                "2|2|6\n");
    store_close(s);

    new_path(NULL);
    struct whole other;
    whole_begin(&other);
    add_second(&other); // in another order
    add_first(&other);
    s = open_store();
    checkpoint(s, &other, true);
    store_close(s);
    get_digest(again);
    assert_string_equal(again, later);
    whole_end(&w);
    whole_end(&other);
}

static struct buf save(const struct trigrams *t)
{
    struct buf bytes = {0};
    assert_int_equal(trigrams_save(t, &bytes, NULL), 0);
    return bytes;
}

static int load(struct whole *w, struct err *err)
{
    struct store *s = NULL;
    ok(store_open_read(&s, path, err), err);
    const int rc = store_load(s, &w->run, &w->results, err);
    whole_find(w);
    store_close(s);
    return rc;
}

static void a_run_loaded_has_the_same_trigrams(void **state)
{
    (void)state;
    struct whole w, back = {0};
    struct err err = {0};
    char once[33], again[33];
    whole_begin(&w);
    add_first(&w);
    add_second(&w);
    struct store *s = open_store();
    checkpoint(s, &w, true);
    store_close(s);
    get_digest(once);
    ok(load(&back, &err), &err);
    assert_int_equal(run_same(&w.run, &back.run, &err), 0);
    // 1 2 stands at tokens 1 and 2: neuron 1 does 1.5 and 2.5 there
    const struct trigrams *t = back.trigrams;
    assert_true(t->sums[1][t->shape->groups[0].ab * 3 + 1] == 4 * FIXED_ONE);
    struct buf a = save(w.trigrams), b = save(t);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
    new_path(NULL);
    s = open_store();
    checkpoint(s, &back, true);
    store_close(s);
    get_digest(again);
    assert_string_equal(again, once);
    whole_end(&w);
    whole_end(&back);
}

static void trigrams_that_are_damaged_in_the_file_are_refused(void **state)
{
    (void)state;
    struct whole w, back = {0};
    struct err err = {0};
    whole_begin(&w);
    add_first(&w);
    struct store *s = open_store();
    checkpoint(s, &w, true);
    store_close(s);
    sql("UPDATE state SET value = zeroblob(9) WHERE key = 'trigrams.0'");
    assert_int_equal(load(&back, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "the file is damaged"));
    sql("DELETE FROM state WHERE key = 'trigrams.0'");
    assert_int_equal(load(&back, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "the saved trigrams are damaged: the beginning"));
    assert_null(back.trigrams);
    whole_end(&w);
}

// --- tests' rows --------------------------------------------------------------------------------

static struct trigram_neuron neurons[] = {
    {.layer = 1,
     .index = 2,
     .kind = "B-only",
     .corpus = {1, 2, 3, 4},
     .corpus_interaction = 5,
     .pairs = {6, 7, 8, 9},
     .interaction = 10,
     .se = 11,
     .direct = 12,
     .written = 13,
     .share = 14,
     .ablated = -15,
     .ablated_se = 16,
     .ablated_elsewhere = 17},
    {.layer = 0,
     .index = 1,
     .kind = "AND-like",
     .corpus = {0.5, NAN, NAN, 0.25},
     .corpus_interaction = NAN,
     .pairs = {NAN, NAN, NAN, NAN},
     .interaction = NAN,
     .se = NAN,
     .direct = NAN,
     .written = NAN,
     .share = NAN,
     .ablated = NAN,
     .ablated_se = NAN,
     .ablated_elsewhere = NAN},
};

static const struct trigram_test tests_found[] = {
    {.trigram = 0,
     .model = 1,
     .contexts = 16,
     .pairs = 128,
     .lp = {-0.5, -2, -3, -4},
     .interaction = 0.5,
     .se = 0.125,
     .verdict = "AND-like",
     .named = 1,
     .half = 3,
     .neurons = neurons,
     .n_neurons = 2},
    {.trigram = 0,
     .model = 0,
     .contexts = 1,
     .pairs = 1,
     .lp = {NAN, -1, NAN, NAN},
     .interaction = NAN,
     .se = NAN,
     .verdict = "no neurons",
     .named = SIZE_MAX},
};

/* A file of the run with its tests. */
static struct store *write_tested(struct whole *w)
{
    whole_begin(w);
    add_first(w);
    struct store *s = open_store();
    checkpoint(s, w, true);
    put_tests(s, tests_found, 2, "1");
    return s;
}

#define MODELS_FOUND                                                                               \
    "0|0|1|1|NULL|-1.0|NULL|NULL|NULL|NULL|no neurons|NULL|NULL|NULL\n"                            \
    "0|1|16|128|-0.5|-2.0|-3.0|-4.0|0.5|0.125|AND-like|0|1|3\n"
#define NEURONS_FOUND                                                                              \
    "0|1|0|1|2|AND-like|0.5|NULL|NULL|0.25|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"      \
    "|NULL|NULL|NULL\n"                                                                            \
    "0|1|1|2|1|B-only|1.0|2.0|3.0|4.0|5.0|6.0|7.0|8.0|9.0|10.0|11.0|12.0|13.0|14.0|-15.0|16.0"     \
    "|17.0\n"

static void expect_found(void)
{
    expect_rows("SELECT * FROM trigram_model ORDER BY trigram, model", MODELS_FOUND);
    expect_rows("SELECT * FROM trigram_neuron ORDER BY trigram, model, layer", NEURONS_FOUND);
    expect_rows("SELECT id, tested FROM trigram", "0|1\n1|0\n");
    expect_rows("SELECT value FROM meta WHERE key = 'trigrams_tested'", "1\n");
}

static void tests_are_rows_by_their_names(void **state)
{
    (void)state;
    struct whole w;
    store_close(write_tested(&w));
    expect_found();
    expect_rows("SELECT contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx, interaction, se, verdict,"
                " layer, idx, half FROM trigram_model WHERE model = 1",
                "16|128|-0.5|-2.0|-3.0|-4.0|0.5|0.125|AND-like|0|1|3\n");
    expect_rows("SELECT rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx, corpus_interaction,"
                " ab, xb, ax, xx, interaction, se, direct, written, share, ablated, ablated_se,"
                " ablated_elsewhere FROM trigram_neuron WHERE layer = 1 AND idx = 2",
                "1|B-only|1.0|2.0|3.0|4.0|5.0|6.0|7.0|8.0|9.0|10.0|11.0|12.0|13.0|14.0|-15.0|16.0"
                "|17.0\n");
    whole_end(&w);
}

static void a_checkpoint_keeps_the_tests(void **state)
{
    (void)state;
    struct whole w;
    struct store *s = write_tested(&w);
    add_second(&w);
    checkpoint(s, &w, true);
    expect_rows("SELECT n FROM trigram WHERE id = 0", "2\n");
    expect_found();
    checkpoint(s, &w, false);
    expect_found();
    store_close(s);
    whole_end(&w);
}

static void tests_are_put_in_place_of_those_before(void **state)
{
    (void)state;
    struct whole w;
    struct store *s = write_tested(&w);
    const struct trigram_test other = {.trigram = 1,
                                       .model = 2,
                                       .verdict = "spread",
                                       .named = 1,
                                       .n_neurons = 1,
                                       .neurons = neurons}; // 'named' is beyond its neurons: none
    put_tests(s, &other, 1, "1");
    expect_rows("SELECT * FROM trigram_model",
                "1|2|0|0|0.0|0.0|0.0|0.0|0.0|0.0|spread|NULL|NULL|NULL\n");
    expect_rows("SELECT trigram, model, layer, idx, rank FROM trigram_neuron", "1|2|1|2|1\n");
    expect_rows("SELECT id, tested FROM trigram", "0|0\n1|1\n");
    put_tests(s, NULL, 0, "0");
    expect_rows("SELECT (SELECT count(*) FROM trigram_model) + (SELECT count(*) FROM"
                " trigram_neuron) + (SELECT sum(tested) FROM trigram)",
                "0\n");
    expect_rows("SELECT value FROM meta WHERE key = 'trigrams_tested'", "0\n");
    expect_rows("SELECT count(*) FROM trigram", "2\n");
    store_close(s);
    whole_end(&w);
}

/* A pair of rows with one key: nothing of it is written. */
static void tests_that_fail_leave_the_file_as_it_was(void **state)
{
    (void)state;
    struct whole w;
    struct store *s = write_tested(&w);
    const struct trigram_test twice[] = {tests_found[0], tests_found[0]};
    struct err err = {0};
    struct found wrong = {twice, 2, "9"};
    assert_int_not_equal(store_write(s, write_found, &wrong, &err), 0);
    assert_non_null(strstr(err.msg, path));
    expect_found();
    add_second(&w);
    checkpoint(s, &w, true); // and it goes on
    expect_found();
    store_close(s);
    whole_end(&w);
}

static void the_digest_is_of_the_tests_too(void **state)
{
    (void)state;
    struct whole w;
    char before[33], with[33], after[33];
    whole_begin(&w);
    add_first(&w);
    struct store *s = open_store();
    checkpoint(s, &w, true);
    get_digest(before);
    put_tests(s, tests_found, 2, "1");
    get_digest(with);
    assert_string_not_equal(with, before);
    neurons[1].ablated = -0.5;
    put_tests(s, tests_found, 2, "1");
    get_digest(after);
    assert_string_not_equal(after, with);
    neurons[1].ablated = NAN;
    put_tests(s, tests_found, 2, "1");
    get_digest(after);
    assert_string_equal(after, with);
    put_tests(s, NULL, 0, "0");
    get_digest(after);
    assert_string_equal(after, before);
    store_close(s);
    whole_end(&w);
}

static void clear_forgets_trigrams(void **state)
{
    (void)state;
    struct whole w;
    struct err err = {0};
    struct store *s = write_tested(&w);
    ok(store_clear(s, &err), &err);
    expect_rows("SELECT (SELECT count(*) FROM trigram) + (SELECT count(*) FROM trigram_gap) +"
                " (SELECT count(*) FROM trigram_example) + (SELECT count(*) FROM trigram_model) +"
                " (SELECT count(*) FROM trigram_neuron) + (SELECT count(*) FROM state) +"
                " (SELECT count(*) FROM meta)",
                "0\n");
    store_close(s);
    whole_end(&w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, new_path)
    const struct CMUnitTest tests[] = {
        T(rows_are_as_by_hand),
        T(log_probs_that_are_no_numbers_are_null),
        T(without_a_tokenizer_tokens_have_no_text),
        T(a_later_checkpoint_writes_them_anew),
        T(a_run_loaded_has_the_same_trigrams),
        T(trigrams_that_are_damaged_in_the_file_are_refused),
        T(tests_are_rows_by_their_names),
        T(a_checkpoint_keeps_the_tests),
        T(tests_are_put_in_place_of_those_before),
        T(tests_that_fail_leave_the_file_as_it_was),
        T(the_digest_is_of_the_tests_too),
        T(clear_forgets_trigrams),
    };
    return cmocka_run_group_tests(tests, make_store_folder, remove_store_folder);
}
