#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/examples.h"

#define PLACES 200

static uint64_t next_random(uint64_t below)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

/* A place with arrays of its own, which tell it. */
static struct example make(uint32_t key, uint64_t context, uint32_t shard, uint64_t doc,
                           uint32_t at)
{
    struct example e = {.key = key,
                        .shard = shard,
                        .doc = doc,
                        .at = at,
                        .context = context,
                        .n_tokens = 1 + at % 3,
                        .n_acts = 1 + at % 3,
                        .n_rows = 1,
                        .n_words = at % 2};
    assert_int_equal(example_new(&e, NULL), 0);
    e.ids[at % 3] = key;
    e.acts[at % 3] = (float)doc;
    return e;
}

/* Few keys and contexts, so that many agree; no place twice. */
static void make_places(struct example *places, size_t n)
{
    const uint64_t keys = 1 + next_random(40), contexts = 1 + next_random(60);
    for (size_t i = 0; i < n; i++) {
        places[i] = make((uint32_t)next_random(keys), next_random(contexts), (uint32_t)(i % 2),
                         i / 4, (uint32_t)(i / 2 % 2 + 2 * next_random(9)));
        if (next_random(20) == 0) {
            places[i].key = UINT32_MAX; // a cutoff may be that
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct example *x = a, *y = b;
    const uint64_t one[] = {x->key, x->shard, x->doc, x->at};
    const uint64_t other[] = {y->key, y->shard, y->doc, y->at};
    for (int i = 0; i < 4; i++) {
        if (one[i] != other[i]) {
            return one[i] < other[i] ? -1 : 1;
        }
    }
    return 0;
}

/* All, in order, the first of each context, and of these the first 'most'. */
static size_t slow_list(const struct example *places, size_t n, uint32_t most, struct example *out)
{
    struct example all[PLACES];
    size_t n_out = 0;
    memcpy(all, places, n * sizeof *all);
    qsort(all, n, sizeof *all, by_place);
    for (size_t i = 0; i < n && n_out < most; i++) {
        bool again = false;
        for (size_t k = 0; k < n_out; k++) {
            again = again || out[k].context == all[i].context;
        }
        if (!again) {
            out[n_out++] = all[i];
        }
    }
    return n_out;
}

static void expect_list(const struct example_list *l, const struct example *wanted, size_t n)
{
    assert_int_equal(l->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct example *e = &l->items[i], *w = &wanted[i];
        assert_int_equal(by_place(e, w), 0);
        assert_true(e->context == w->context);
        assert_int_equal(e->ids[e->at % 3], w->key);
        assert_true(e->acts[e->at % 3] == (float)w->doc);
    }
}

static struct example copy_of(const struct example *e)
{
    return make(e->key, e->context, e->shard, e->doc, e->at);
}

/* As a part does: what is beyond the cutoff is not looked at. */
static void put(struct example_list *l, const struct example *place, uint32_t most)
{
    struct example e = copy_of(place);
    const bool belongs = example_belongs(l, &e, most);
    assert_true(!belongs || e.key <= example_cutoff(l, most));
    if (!belongs) {
        example_free(&e);
        return;
    }
    assert_int_equal(example_insert(l, &e, most, NULL), 0);
    assert_null(e.labels);
}

static void shuffle(struct example *places, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t k = next_random(i);
        const struct example last = places[i - 1];
        places[i - 1] = places[k];
        places[k] = last;
    }
}

static void any_order_and_grouping_gives_the_least_of_each_context(void **state)
{
    (void)state;
    enum { LISTS_MOST = 7 };
    struct example places[PLACES], wanted[PLACES];
    for (int round = 0; round < 300; round++) {
        const size_t n = next_random(PLACES + 1);
        const uint32_t most = 1 + (uint32_t)next_random(round % 3 ? 8 : 60);
        make_places(places, n);
        const size_t n_wanted = slow_list(places, n, most, wanted);
        for (int again = 0; again < 4; again++) {
            struct example_list lists[LISTS_MOST] = {0};
            size_t n_lists = 1 + next_random(LISTS_MOST);
            shuffle(places, n);
            for (size_t i = 0; i < n; i++) {
                put(&lists[next_random(n_lists)], &places[i], most);
            }
            for (; n_lists > 1; n_lists--) {
                struct example_list *to = &lists[next_random(n_lists - 1)];
                struct example_list *from = &lists[n_lists - 1];
                assert_int_equal(example_list_take(to, from, most, NULL), 0);
                assert_int_equal(from->n, 0);
                example_list_free(from);
            }
            expect_list(&lists[0], wanted, n_wanted);
            assert_true(lists[0].cap <= most || lists[0].cap <= 4);
            example_list_clear(&lists[0]);
            assert_int_equal(lists[0].n, 0);
            put(&lists[0], &places[0], most);
            example_list_free(&lists[0]);
        }
        for (size_t i = 0; i < n; i++) {
            example_free(&places[i]);
        }
    }
}

static void a_list_with_room_lets_everything_in(void **state)
{
    (void)state;
    struct example_list l = {0};
    struct example a = make(5, 1, 0, 0, 0), b = make(UINT32_MAX, 2, 0, 0, 1);
    assert_true(example_cutoff(&l, 2) == UINT32_MAX);
    assert_int_equal(example_insert(&l, &a, 2, NULL), 0);
    assert_true(example_cutoff(&l, 2) == UINT32_MAX);
    assert_true(example_belongs(&l, &b, 2));
    assert_int_equal(example_insert(&l, &b, 2, NULL), 0);
    struct example c = make(7, 3, 0, 0, 2);
    assert_int_equal(example_insert(&l, &c, 2, NULL), 0);
    assert_int_equal(example_cutoff(&l, 2), 7);
    example_list_free(&l);
}

static void an_equal_key_enters_where_its_place_is_earlier(void **state)
{
    (void)state;
    struct example_list l = {0};
    struct example a = make(5, 1, 1, 1, 1);
    assert_int_equal(example_insert(&l, &a, 1, NULL), 0);
    const struct {
        uint32_t shard;
        uint64_t doc;
        uint32_t at;
        bool enters;
    } cases[] = {{1, 1, 1, false}, {1, 1, 2, false}, {1, 2, 0, false}, {2, 0, 0, false},
                 {1, 1, 0, true},  {1, 0, 9, true},  {0, 9, 9, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint64_t context = 1; context <= 2; context++) { // the same one's place or the last's
            struct example e = {.key = 5,
                                .context = context,
                                .shard = cases[i].shard,
                                .doc = cases[i].doc,
                                .at = cases[i].at};
            assert_int_equal(example_belongs(&l, &e, 1), cases[i].enters);
        }
    }
    example_list_free(&l);
}

static void labels_are_those_of_the_token_and_of_its_document(void **state)
{
    (void)state;
    struct example e = {.n_tokens = 3, .before = 1, .n_acts = 3, .n_rows = 3, .n_words = 2};
    assert_int_equal(example_new(&e, NULL), 0);
    e.labels[2 * 1 + 1] = 1; // hypothesis 64 of token 1
    e.labels[2 * 2] = 2;     // 1 of token 2
    e.labels[2 * 3] = 8;     // 3 gave up
    assert_true(example_labelled(&e, 64));
    assert_false(example_labelled(&e, 1));
    assert_true(example_unknown(&e, 3));
    assert_false(example_unknown(&e, 64));
    example_free(&e);
    e = (struct example){.n_tokens = 3, .before = 1, .n_acts = 3, .n_rows = 1, .n_words = 1};
    assert_int_equal(example_new(&e, NULL), 0);
    e.labels[0] = 2;
    e.labels[1] = 4;
    assert_true(example_labelled(&e, 1) && !example_labelled(&e, 2));
    assert_true(example_unknown(&e, 2) && !example_unknown(&e, 1));
    example_free(&e);
    assert_null(e.acts);
}

static void a_place_is_told_by_what_its_window_has_before_it(void **state)
{
    (void)state;
    // windows of 3, 12 and 2 tokens; the first begins before the document
    static const uint32_t ids[] = {7, 7, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 1, 2};
    static const uint32_t pos[] = {4, 5, 6, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2};
    static const uint32_t ends[] = {2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34};
    struct example_doc d = {.shard = 2, .number = 5, .n = 17, .ids = ids, .ends = ends, .pos = pos};
    static const size_t before[] = {0, 1, 2, 0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 0, 1};
    static const size_t after[] = {2, 1, 0, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2, 1, 0, 1, 0};
    for (size_t at = 0; at < 17; at++) {
        assert_int_equal(example_n_before(&d, at, 5), before[at]);
        assert_int_equal(example_n_after(&d, at, 4), after[at]);
    }
    struct example e = example_at(&d, 4, 11);
    assert_true(e.key == 11 && e.shard == 2 && e.doc == 5 && e.at == 4 && !e.labels);
    assert_true(e.byte_start == 8 && e.byte_end == 10);
    assert_true(e.context == example_at(&d, 16, 0).context); // 1 2, from a window's beginning
    assert_true(e.context != example_at(&d, 13, 0).context); // 1 2, with more before it
    e = example_at(&d, 13, 0);
    d.ids = (const uint32_t[17]){[5] = 3, 4, 5, 6, 7, 8, 9, 1, 2}; // the same 9
    assert_true(e.context == example_at(&d, 13, 0).context);
    d.ids = (const uint32_t[17]){[5] = 0, 4, 5, 6, 7, 8, 9, 1, 2};
    assert_true(e.context != example_at(&d, 13, 0).context);
    d.ends = NULL;
    assert_true(example_at(&d, 4, 0).byte_end == 0 && example_at(&d, 0, 0).byte_start == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_and_grouping_gives_the_least_of_each_context),
        cmocka_unit_test(a_list_with_room_lets_everything_in),
        cmocka_unit_test(an_equal_key_enters_where_its_place_is_earlier),
        cmocka_unit_test(labels_are_those_of_the_token_and_of_its_document),
        cmocka_unit_test(a_place_is_told_by_what_its_window_has_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
