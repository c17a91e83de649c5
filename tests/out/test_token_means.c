/* Means by token and documents, by hand: which tokens, what is left out, order, merging. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/documents/documents.h"
#include "out/results/token_means/token_means_collector.h"
#include "tests/kit/must.h"
#include "tests/kit/run_neurons.h"

/* A run whose only neurons are three of one layer. */
static struct run small_run(void)
{
    struct run r = sample_run_neurons();
    free(r.models[2].site);
    r.models[2].site = strdup("");
    r.models[1].n_layers = 1;
    r.models[1].d_mlp = 3;
    return r;
}

static struct token_means_shape *choose(const struct run *r, uint32_t asked)
{
    static const uint64_t counts[10] = {2, 0, 7, 2, 9, 2, 0, 0, 0, 0};
    struct token_means_shape *s = NULL;
    assert_int_equal(token_means_shape_new(&s, r, asked, NULL), 0);
    assert_int_equal(token_means_shape_choose(s, counts, NULL), 0);
    return s;
}

static void the_most_frequent_tokens_are_chosen_of_equal_ones_the_lower_ids(void **state)
{
    (void)state;
    struct run r = small_run();
    struct token_means_shape *few = choose(&r, 3), *many = choose(&r, 10);
    const uint32_t three[] = {0, 2, 4}, all[] = {0, 2, 3, 4, 5}; // none of count 0
    assert_int_equal(few->n_tokens, 3);
    assert_memory_equal(few->ids, three, sizeof three);
    assert_int_equal(many->n_tokens, 5);
    assert_memory_equal(many->ids, all, sizeof all);
    assert_int_equal(few->place[4], 2);
    assert_int_equal(few->place[3], TOKEN_MEANS_NONE);
    struct err why = {0};
    assert_int_equal(token_means_shape_same(few, many, false, &why), ERR_MISMATCH);
    token_means_shape_free(few);
    token_means_shape_free(many);
    run_free(&r);
}

/* A unit of one document with tokens 4 2 4 9 4 4 4 4, the one at 'skip' left out, in windows of 3
 * and 5; what stands before a window has other numbers. */
static void add_unit(struct token_means *m, const struct run *r, const float *odd, size_t skip)
{
    const struct collector_kind *kind = &token_means_collector;
    static const uint32_t ids[8] = {4, 2, 4, 9, 4, 4, 4, 4};
    static const size_t windows[2] = {3, 5};
    const struct unit_tokens_doc doc = {.n = 8};
    unsigned char skipped[8] = {0};
    skipped[skip] = 1;
    const struct unit_tokens unit = {
        .n = 8, .ids = ids, .docs = &doc, .n_docs = 1, .skipped = skipped};
    const struct unit_block block = {.end = 8, .windows = windows, .n_windows = 2};
    float rows[10][3];
    for (size_t i = 0; i < 10; i++) {
        const bool before = i == 0 || i == 4;
        const float at = before ? 1000 : (float)(i - 1 - (i > 4));
        rows[i][0] = at;
        rows[i][1] = -0.5f;
        rows[i][2] = i == 1 ? *odd : 0.25f;
    }
    void *part = NULL;
    struct collector_needs needs = {0};
    kind->needs(m->shape, r, 1, &needs);
    assert_int_equal(needs.see, ROW_BIT(ROW_POST));
    assert_int_equal(kind->part_new(&part, m->shape, NULL), 0);
    for (int again = 0; again < 2; again++) { // what a part had before is forgotten
        assert_int_equal(kind->begin_unit(part, &unit, NULL), 0);
        assert_int_equal(kind->see(part, 1, 0, ROW_POST, &block, rows[0], NULL), 0);
    }
    assert_int_equal(kind->add(m, part, NULL), 0);
    kind->part_free(part);
}

static void bos_skipped_tokens_and_what_is_not_finite_count_nowhere(void **state)
{
    (void)state;
    const float odds[] = {NAN, INFINITY, -INFINITY, 1048576, 1048575, 3e38f};
    struct run r = small_run();
    struct token_means_shape *s = choose(&r, 3);
    for (size_t i = 0; i < sizeof odds / sizeof *odds; i++) {
        struct token_means *m = NULL;
        struct token_means_item items[TOKEN_MEANS_SHOWN];
        assert_int_equal(token_means_new(&m, s, NULL), 0);
        add_unit(m, &r, &odds[i], 7);
        assert_int_equal(m->rows[0].n, 0);
        assert_null(m->rows[0].sum);
        assert_int_equal(m->rows[1].n, 1); // too few to be listed
        assert_int_equal(m->rows[2].n, 5); // at 0, 2, 4, 5, 6
        assert_int_equal(token_means_greatest(m, 0, items), 1);
        assert_int_equal(items[0].token, 2);
        assert_true(items[0].mean == 17.0 / 5);
        assert_int_equal(token_means_greatest(m, 1, items), 1);
        assert_true(items[0].mean == -0.5);
        assert_int_equal(token_means_greatest(m, 2, items), odds[i] == 1048575);
        add_unit(m, &r, &odds[i], 7);
        assert_int_equal(token_means_greatest(m, 2, items), 1);
        assert_int_equal(items[0].n, odds[i] == 1048575 ? 10 : 8);
        assert_true(items[0].mean == (odds[i] == 1048575 ? (2 * 1048575 + 2) / 10.0 : 0.25));
        token_means_free(m);
    }
    token_means_shape_free(s);
    run_free(&r);
}

static void expect_equal(const struct token_means *a, const struct token_means *b)
{
    struct buf x = {0}, y = {0};
    assert_int_equal(token_means_save(a, 0, &x, NULL), 0);
    assert_int_equal(token_means_save(b, 0, &y, NULL), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    buf_free(&x);
    buf_free(&y);
}

static void merging_in_any_order_gives_the_same_bytes_which_load_again(void **state)
{
    (void)state;
    const float odds[] = {NAN, -3.14159f};
    struct run r = small_run();
    struct token_means_shape *s = choose(&r, 3);
    struct token_means *m[5];
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(token_means_new(&m[i], s, NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) { // 0: both; 1 and 3: one each, in either order
        add_unit(m[0], &r, &odds[i], 1 + i);
        add_unit(m[1 + i], &r, &odds[i], 1 + i);
        add_unit(m[4 - i], &r, &odds[i], 1 + i);
    }
    assert_int_equal(token_means_merge(m[1], m[2], NULL), 0);
    assert_int_equal(token_means_merge(m[3], m[4], NULL), 0);
    expect_equal(m[0], m[1]);
    expect_equal(m[0], m[3]);
    struct buf bytes = {0};
    struct token_means *again = NULL;
    struct err err = {0};
    assert_int_equal(token_means_save(m[0], 0, &bytes, NULL), 0);
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_equal(token_means_new(&again, s, NULL), 0);
        assert_int_equal(token_means_load(again, 0, bytes.data, n, &err), ERR_FORMAT);
        token_means_free(again);
    }
    assert_int_equal(token_means_new(&again, s, NULL), 0);
    assert_int_equal(token_means_load(again, 0, bytes.data, bytes.len, &err), 0);
    expect_equal(m[0], again);
    token_means_free(again);
    buf_free(&bytes);
    for (size_t i = 0; i < 5; i++) {
        token_means_free(m[i]);
    }
    token_means_shape_free(s);
    run_free(&r);
}

// --- documents ----------------------------------------------------------------------------------

static const struct documents_shape shape = {.most = 4, .n_models = 1, .n_shards = 9};

static struct documents *documents_of(const uint64_t (*places)[3], size_t n)
{
    struct documents *d = NULL;
    assert_int_equal(documents_new(&d, &shape, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        struct document *x = NULL;
        assert_int_equal(documents_append(d, &x, NULL), 0);
        x->hash = places[i][0];
        x->shard = places[i][1];
        x->number = places[i][2];
        x->tokens = 10 * places[i][2];
        x->sums[0] = (struct document_sum){.sum = -(__int128)places[i][2], .n = places[i][2]};
    }
    documents_sort(d);
    return d;
}

static void of_many_documents_the_first_are_kept_in_any_order(void **state)
{
    (void)state;
    static const uint64_t places[6][3] = {{7, 1, 1}, {3, 2, 2}, {9, 0, 3},
                                          {3, 1, 4}, {3, 1, 2}, {8, 5, 6}};
    static const uint64_t kept[4][3] = {{3, 1, 2}, {3, 1, 4}, {3, 2, 2}, {7, 1, 1}};
    for (size_t cut = 0; cut <= 6; cut++) {
        for (int turn = 0; turn < 2; turn++) {
            struct documents *a = documents_of(places, cut);
            struct documents *b = documents_of(places + cut, 6 - cut), *d = NULL;
            assert_int_equal(documents_new(&d, &shape, NULL), 0);
            assert_int_equal(documents_merge(d, turn ? b : a, NULL), 0);
            assert_int_equal(documents_merge(d, turn ? a : b, NULL), 0);
            assert_int_equal(d->n, 4);
            for (size_t i = 0; i < 4; i++) {
                const struct document *x = documents_at(d, i);
                assert_true(x->hash == kept[i][0] && x->shard == kept[i][1] &&
                            x->number == kept[i][2] && x->tokens == 10 * kept[i][2] &&
                            x->sums[0].n == kept[i][2]);
            }
            documents_free(a);
            documents_free(b);
            documents_free(d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_frequent_tokens_are_chosen_of_equal_ones_the_lower_ids),
        cmocka_unit_test(bos_skipped_tokens_and_what_is_not_finite_count_nowhere),
        cmocka_unit_test(merging_in_any_order_gives_the_same_bytes_which_load_again),
        cmocka_unit_test(of_many_documents_the_first_are_kept_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
