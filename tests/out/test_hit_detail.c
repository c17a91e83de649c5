/* Why a hit: its detail copied, saved and loaded, damaged, as JSON; and the credit summed from it. */
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

#include "out/results/gaps/hit_detail.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/store_file.h"

// --- a detail -----------------------------------------------------------------------------------

/* Of pair 1, base:one+two: an attention-only model, one with neurons, one that does not look. */
struct made {
    struct token_view views[3];
    float parts[2][3];
    uint32_t ids[4], labels[2];
    int32_t gaps[4];
    char domain[16];
    struct hit_detail detail;
};

static void make(struct made *m)
{
    memset(m, 0, sizeof *m);
    m->views[0] = (struct token_view){.looks = true,
                                      .rank = 3,
                                      .entropy = 2.125f,
                                      .n_top = 2,
                                      .top = {1, 9},
                                      .logprob = {-0.5f, -1.25f},
                                      .logit = 4.1f,
                                      .n_components = 2,
                                      .components = m->parts[0]};
    m->views[1] = (struct token_view){.looks = true,
                                      .rank = 1,
                                      .entropy = 0.1f,
                                      .n_top = 1,
                                      .top = {2},
                                      .logprob = {-0.001f},
                                      .logit = -1,
                                      .n_components = 3,
                                      .components = m->parts[1],
                                      .has_neurons = true,
                                      .n_neurons = 2,
                                      .neurons = {{0, 31, 0.9f}, {0, 7, -0.25f}}};
    m->parts[0][0] = 1.6f;
    m->parts[0][1] = 0.2f;
    m->parts[1][0] = -0.0f;
    m->parts[1][1] = INFINITY;
    m->parts[1][2] = 1e-20f;
    memcpy(m->ids, (const uint32_t[]){5, 4, 0, UINT32_MAX}, sizeof m->ids);
    memcpy(m->gaps, (const int32_t[]){31, -1, 0, -100000}, sizeof m->gaps);
    memcpy(m->labels, (const uint32_t[]){0, 1}, sizeof m->labels);
    strcpy(m->domain, "a \"b\" \xc3\xa9");
    m->detail = (struct hit_detail){.n_views = 3,
                                    .views = m->views,
                                    .at = 2,
                                    .n = 4,
                                    .ids = m->ids,
                                    .gaps = m->gaps,
                                    .domain = m->domain,
                                    .has_labels = true,
                                    .n_labels = 2,
                                    .labels = m->labels};
}

/* The sample's run, whose models have names for those components, with two hypotheses. */
static struct run make_run(void)
{
    static const char *const names[] = {"embed", "L0H0", "L0MLP"};
    struct run r = sample_run();
    for (size_t m = 0; m < 2; m++) {
        r.models[m].n_components = 2 + m;
        r.models[m].components = calloc(2 + m, sizeof *r.models[m].components);
        for (size_t i = 0; i < 2 + m; i++) {
            r.models[m].components[i] = strdup(names[i]);
        }
    }
    r.hypotheses = calloc(2, sizeof *r.hypotheses);
    r.hypotheses[0] = (struct run_hypothesis){
        .name = strdup("base64"), .kind = strdup("code"), .spec = strdup("{}")};
    r.hypotheses[1] = (struct run_hypothesis){
        .name = strdup("the \"1\""), .kind = strdup("tokens"), .spec = strdup("[]")};
    r.n_hypotheses = 2;
    return r;
}

/* As make() and make_run() have it: 0.1 and 0.9 are the shortest that read back as these floats. */
#define JSON_OF_ALL                                                                                \
    "{\"base\":{\"model\":\"base\",\"rank\":3,\"entropy\":2.125,\"top\":[[1,-0.5],[9,-1.25]],"     \
    "\"attribution\":{\"logit\":4.1,\"parts\":{\"embed\":1.6,\"L0H0\":0.2}}},"                     \
    "\"others\":[{\"model\":\"one\",\"rank\":1,\"entropy\":0.1,\"top\":[[2,-0.001]],"              \
    "\"attribution\":{\"logit\":-1,\"parts\":{\"embed\":-0.0,\"L0H0\":null,\"L0MLP\":1e-20},"      \
    "\"neurons\":[[\"L0N31\",0.9],[\"L0N7\",-0.25]]}},{\"model\":\"two\"}],"                       \
    "\"around\":{\"at\":2,\"tokens\":[5,4,0,4294967295],\"gaps\":[0.31,-0.01,0,-1000]},"           \
    "\"domain\":\"a \\\"b\\\" \xc3\xa9\""
#define JSON JSON_OF_ALL ",\"hypotheses\":[\"base64\",\"the \\\"1\\\"\"]}"

/* The caller frees it. */
static char *json_of(const struct hit_detail *d, const struct run *r, const struct run_pair *pair)
{
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = open_memstream(&text, &len)};
    assert_non_null(j.to);
    hit_detail_json(&j, d, r, pair);
    assert_int_equal(fclose(j.to), 0);
    assert_true(len > 0 && text[len - 1] == '\n');
    text[len - 1] = '\0';
    return text;
}

static struct buf save(const struct hit_detail *d)
{
    struct buf bytes = {0};
    assert_int_equal(hit_detail_save(d, &bytes, NULL), 0);
    return bytes;
}

static void expect_same(const struct hit_detail *a, const struct hit_detail *b)
{
    struct buf x = save(a), y = save(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    buf_free(&x);
    buf_free(&y);
}

// --- a copy, and bytes --------------------------------------------------------------------------

/* Field by field what make() says. */
static void expect_made(const struct hit_detail *d)
{
    struct made m;
    make(&m);
    assert_int_equal(d->n_views, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct token_view *v = &d->views[i], *w = &m.views[i];
        assert_int_equal(v->looks, w->looks);
        assert_int_equal(v->rank, w->rank);
        assert_true(v->entropy == w->entropy && v->logit == w->logit);
        assert_int_equal(v->n_top, w->n_top);
        assert_memory_equal(v->top, w->top, sizeof w->top);
        assert_memory_equal(v->logprob, w->logprob, sizeof w->logprob);
        assert_int_equal(v->n_components, w->n_components);
        if (w->n_components > 0) {
            assert_memory_equal(v->components, w->components, w->n_components * sizeof(float));
        }
        assert_int_equal(v->has_neurons, w->has_neurons);
        assert_int_equal(v->n_neurons, w->n_neurons);
        assert_memory_equal(v->neurons, w->neurons, sizeof w->neurons);
    }
    assert_int_equal(d->at, 2);
    assert_int_equal(d->n, 4);
    assert_memory_equal(d->ids, m.ids, sizeof m.ids);
    assert_memory_equal(d->gaps, m.gaps, sizeof m.gaps);
    assert_string_equal(d->domain, m.domain);
    assert_true(d->has_labels);
    assert_int_equal(d->n_labels, 2);
    assert_memory_equal(d->labels, m.labels, sizeof m.labels);
}

static void a_copy_is_a_block_of_its_own(void **state)
{
    (void)state;
    struct made m;
    struct hit_detail *copy = NULL;
    make(&m);
    assert_int_equal(hit_detail_copy(&copy, &m.detail, NULL), 0);
    memset(&m, 0xa5, sizeof m);
    expect_made(copy);
    free(copy);
    const struct hit_detail nothing = {0};
    assert_int_equal(hit_detail_copy(&copy, &nothing, NULL), 0);
    assert_int_equal(copy->n_views, 0);
    assert_int_equal(copy->n, 0);
    assert_null(copy->domain);
    assert_false(copy->has_labels);
    expect_same(copy, &nothing);
    free(copy);
}

static void a_detail_saved_and_loaded_is_the_same(void **state)
{
    (void)state;
    struct made m;
    struct hit_detail *back = NULL;
    struct err err = {0};
    make(&m);
    struct buf bytes = save(&m.detail);
    ok(hit_detail_load(&back, bytes.data, bytes.len, &err), &err);
    expect_made(back);
    expect_same(back, &m.detail);
    free(back);
    buf_free(&bytes);
    // without a domain, without hypotheses; and hypotheses of which none labels it
    m.detail.domain = NULL;
    for (int has = 0; has < 2; has++) {
        m.detail.has_labels = has;
        m.detail.n_labels = 0;
        bytes = save(&m.detail);
        ok(hit_detail_load(&back, bytes.data, bytes.len, &err), &err);
        assert_null(back->domain);
        assert_int_equal(back->has_labels, has);
        assert_int_equal(back->n_labels, 0);
        expect_same(back, &m.detail);
        free(back);
        buf_free(&bytes);
    }
}

/* Loads exactly these bytes from the heap, where ASan sees one too far; what they give can be
 * copied, saved and shown. */
static int load_copy(const void *bytes, size_t len, const struct run *r)
{
    struct hit_detail *d = NULL, *again = NULL;
    struct err err = {0};
    void *block = malloc(len ? len : 1);
    memcpy(block, bytes, len);
    const int rc = hit_detail_load(&d, block, len, &err);
    free(block);
    assert_true((rc == 0) == (d != NULL));
    assert_true(rc == 0 || (rc == ERR_FORMAT && strstr(err.msg, "the saved tally is damaged")));
    if (d) {
        struct buf saved = save(d);
        assert_int_equal(hit_detail_load(&again, saved.data, saved.len, NULL), 0);
        expect_same(d, again);
        buf_free(&saved);
        free(again);
        for (size_t p = 0; p < r->n_pairs; p++) {
            free(json_of(d, r, &r->pairs[p]));
        }
    }
    free(d);
    return rc;
}

static void damaged_bytes_are_refused_or_a_detail(void **state)
{
    (void)state;
    struct run r = make_run();
    struct made m;
    make(&m);
    struct buf bytes = save(&m.detail);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(load_copy(bytes.data, len, &r), ERR_FORMAT);
    }
    size_t refused = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            refused += load_copy(bytes.data, bytes.len, &r) == ERR_FORMAT;
            bytes.data[i] ^= (char)(1 << bit);
        }
        const char was = bytes.data[i];
        bytes.data[i] = '\xff';
        refused += load_copy(bytes.data, bytes.len, &r) == ERR_FORMAT;
        bytes.data[i] = was;
    }
    assert_true(refused > bytes.len && refused < 9 * bytes.len);
    assert_int_equal(load_copy(bytes.data, bytes.len, &r), 0);
    buf_append(&bytes, "x", 1, NULL);
    assert_int_equal(load_copy(bytes.data, bytes.len, &r), ERR_FORMAT);
    buf_free(&bytes);
    m.domain[3] = '\xff'; // no UTF-8
    bytes = save(&m.detail);
    assert_int_equal(load_copy(bytes.data, bytes.len, &r), ERR_FORMAT);
    buf_free(&bytes);
    make(&m);
    m.detail.at = 4; // beyond its tokens
    bytes = save(&m.detail);
    assert_int_equal(load_copy(bytes.data, bytes.len, &r), ERR_FORMAT);
    buf_free(&bytes);
    run_free(&r);
}

// --- as JSON ------------------------------------------------------------------------------------

static void expect_json(const struct hit_detail *d, const struct run *r,
                        const struct run_pair *pair, const char *wanted)
{
    char *text = json_of(d, r, pair);
    assert_string_equal(text, wanted);
    free(text);
}

static void json_is_as_the_header_says(void **state)
{
    (void)state;
    struct run r = make_run();
    struct made m;
    make(&m);
    expect_json(&m.detail, &r, &r.pairs[1], JSON);
    // without a domain and hypotheses those keys are missing, and counts have no attribution
    static const struct token_view counts[] = {
        {.looks = true, .rank = 2, .entropy = 1.5f}, {.looks = false}, {.looks = false}};
    m.detail.views = counts;
    m.detail.domain = NULL;
    m.detail.has_labels = false;
    expect_json(&m.detail, &r, &r.pairs[1],
                "{\"base\":{\"model\":\"base\",\"rank\":2,\"entropy\":1.5,\"top\":[]},\"others\":"
                "[{\"model\":\"one\"},{\"model\":\"two\"}],\"around\":{\"at\":2,\"tokens\":"
                "[5,4,0,4294967295],\"gaps\":[0.31,-0.01,0,-1000]}}");
    // hypotheses of which none labels it
    m.detail.has_labels = true;
    m.detail.n_labels = m.detail.n = 0;
    m.detail.at = 0;
    expect_json(&m.detail, &r, &r.pairs[1],
                "{\"base\":{\"model\":\"base\",\"rank\":2,\"entropy\":1.5,\"top\":[]},\"others\":"
                "[{\"model\":\"one\"},{\"model\":\"two\"}],\"around\":{\"at\":0,\"tokens\":[],"
                "\"gaps\":[]},\"hypotheses\":[]}");
    run_free(&r);
}

/* As a damaged run.db may say. */
static void what_a_run_has_not_is_left_out(void **state)
{
    (void)state;
    struct run r = make_run();
    struct made m;
    make(&m);
    // views of another number of models; a hypothesis that there is not
    m.labels[1] = 2;
    m.detail.n = 1;
    m.detail.at = 0;
    m.detail.domain = NULL;
    expect_json(&m.detail, &r, &r.pairs[0],
                "{\"around\":{\"at\":0,\"tokens\":[5],\"gaps\":[0.31]},"
                "\"hypotheses\":[\"base64\"]}");
    // more components than the model has names
    m.views[0].n_components = 3;
    m.views[0].components = m.parts[1];
    m.detail.n_views = 2;
    m.detail.has_labels = false;
    m.views[1].looks = false;
    expect_json(
        &m.detail, &r, &r.pairs[0],
        "{\"base\":{\"model\":\"base\",\"rank\":3,\"entropy\":2.125,\"top\":[[1,-0.5],"
        "[9,-1.25]],\"attribution\":{\"logit\":4.1,\"parts\":{\"embed\":-0.0,\"L0H0\":null}}},"
        "\"others\":[{\"model\":\"one\"}],\"around\":{\"at\":0,\"tokens\":[5],"
        "\"gaps\":[0.31]}}");
    run_free(&r);
}

static void hundredths_are_rounded_half_away_from_0(void **state)
{
    (void)state;
    static const struct {
        int64_t gap; // of 2^-20
        int32_t wanted;
    } cases[] = {
        {0, 0},
        {FIXED_ONE, 100},
        {5242, 0},           // 0.004999 nats
        {5243, 1},           // 0.005000114
        {FIXED_ONE / 8, 13}, // 12.5
        {3 * FIXED_ONE / 8, 38},
        {FIXED_ONE / 8 - 1, 12},
        {1000 * (int64_t)FIXED_ONE, 100000},
        {2000 * (int64_t)FIXED_ONE, 200000}, // the most: two log-probs that a floor of -1000 allows
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(hit_detail_hundredths(cases[i].gap), cases[i].wanted);
        assert_int_equal(hit_detail_hundredths(-cases[i].gap), -cases[i].wanted);
    }
}

// --- in run.db ----------------------------------------------------------------------------------

static void write_run(const struct run *r, const struct results *results)
{
    struct store *s = NULL;
    struct err err = {0};
    bool exists;
    ok(store_open(&s, path, &exists, &err), &err);
    ok(store_checkpoint(s, r, results, true, NULL, &err), &err);
    store_close(s);
}

/* The sample's run and tally, all units in. */
static struct tally *fill(struct run *r, struct results *results)
{
    struct tally *t = sample_results(results, r);
    for (uint64_t unit = 0; unit < SAMPLE_UNITS; unit++) {
        sample_add_unit(r, t, unit);
    }
    return t;
}

static void a_hits_row_has_its_detail_also_when_it_was_loaded(void **state)
{
    (void)state;
    struct run r = make_run(), back = {0};
    struct results results = {0}, loaded = {0};
    struct made m;
    struct store *s = NULL;
    struct err err = {0};
    const struct tally_hit *hit;
    const size_t n_hypotheses = r.n_hypotheses;
    make(&m);
    m.detail.has_labels = false;
    m.detail.n_labels = 0;
    r.n_hypotheses = 0;
    struct tally *t = fill(&r, &results);
    struct tally_hits *hits = &t->pairs[1].hits[TALLY_BASE];
    assert_true(hits->n > 1);
    assert_int_equal(tally_set_detail(&hits->items[1], &m.detail, NULL), 0);
    write_run(&r, &results);
    expect_rows("SELECT side, rank, detail FROM hit WHERE detail <> ''",
                "base|2|" JSON_OF_ALL "}\n");
    ok(store_open_read(&s, path, &err), &err);
    ok(store_load(s, &back, &loaded, &err), &err);
    store_close(s);
    hit = gaps_of(&loaded)->pairs[1].hits[TALLY_BASE].items;
    expect_same(hit[1].detail, &m.detail);
    assert_null(hit[0].detail);
    new_path(NULL);
    write_run(&back, &loaded);
    expect_rows("SELECT side, rank, detail FROM hit WHERE detail <> ''",
                "base|2|" JSON_OF_ALL "}\n");
    results_free(&results);
    results_free(&loaded);
    r.n_hypotheses = n_hypotheses; // to be freed
    run_free(&r);
    run_free(&back);
}

/* A neuron of a view of pair 0's model 1, in the detail of the hit. */
static void set_neurons(struct tally_hit *hit, uint32_t n, const uint32_t *index,
                        const float *effect)
{
    static const float part;
    struct token_view views[2] = {{.looks = true,
                                   .n_components = 1,
                                   .components = &part,
                                   .has_neurons = true,
                                   .n_neurons = 1,
                                   .neurons = {{0, 1, 100}}}}; // the base's: no credit
    views[1] = views[0];
    views[1].n_neurons = n;
    for (uint32_t i = 0; i < n; i++) {
        views[1].neurons[i].layer = 0;
        views[1].neurons[i].index = index[i];
        views[1].neurons[i].effect = effect[i];
    }
    const struct hit_detail d = {.n_views = 2, .views = views};
    assert_int_equal(tally_set_detail(hit, &d, NULL), 0);
}

/*
 * 4447 / 2^21 = 0.002120494842529297 is a float half way between 2223 and 2224 of 2^-20.  It is
 * shown as 0.0021204948, a little less, so 2223 is what anyone gets who adds up what is shown.
 * -1.5 and 0.1 (shown; the float is 0.100000001490116) are -1572864 and 104858 of 2^-20.
 */
static void credit_is_the_sum_of_what_details_show(void **state)
{
    (void)state;
    static const uint32_t first[] = {7, 3}, second[] = {3, 7, 9};
    static const float tie = 4447 * 0x1p-21f;
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = fill(&r, &results);
    struct tally_hits *other = &t->pairs[0].hits[TALLY_OTHER];
    assert_true((double)tie * 0x1p20 == 2223.5);
    assert_true(other->n >= 3);
    set_neurons(&other->items[0], 2, first, (const float[]){tie, -1.5f});
    set_neurons(&other->items[2], 3, second, (const float[]){0.1f, tie, INFINITY});
    set_neurons(&t->pairs[0].hits[TALLY_BASE].items[0], 1, first, (const float[]){50});
    write_run(&r, &results);
    expect_rows("SELECT pair, model, layer, idx, hits, credit * 1048576 FROM gap_credit",
                "0|1|0|3|2|-1468006.0\n" // -1572864 + 104858
                "0|1|0|7|2|4446.0\n"
                "0|1|0|9|1|NULL\n");
    expect_rows("SELECT detail ->> '$.others[0].attribution.neurons[0][1]' FROM hit"
                " WHERE pair = 0 AND side = 'other' AND rank = 1",
                "0.0021204948\n");
    results_free(&results);
    run_free(&r);
}

/* 3e38 and NaN have no place in a sum, 1e20 has: 2^66.4, in units of 2^-20 beyond 64 bits. */
static void credit_is_summed_beyond_64_bits_and_none_where_it_cannot_be(void **state)
{
    (void)state;
    static const uint32_t first[] = {3, 7, 8, 9};
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = fill(&r, &results);
    struct tally_hits *other = &t->pairs[0].hits[TALLY_OTHER];
    assert_true(other->n >= 2);
    set_neurons(&other->items[0], 4, first, (const float[]){1e20f, 3e38f, NAN, -1e20f});
    set_neurons(&other->items[1], 4, first, (const float[]){1e20f, 1, 1, 1e20f});
    write_run(&r, &results);
    expect_rows("SELECT idx, hits, credit FROM gap_credit",
                "3|2|2.0e+20\n7|2|NULL\n8|2|NULL\n9|2|0.0\n");
    results_free(&results);
    run_free(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, new_path)
    const struct CMUnitTest tests[] = {
        T(a_copy_is_a_block_of_its_own),
        T(a_detail_saved_and_loaded_is_the_same),
        T(damaged_bytes_are_refused_or_a_detail),
        T(json_is_as_the_header_says),
        T(what_a_run_has_not_is_left_out),
        T(hundredths_are_rounded_half_away_from_0),
        T(a_hits_row_has_its_detail_also_when_it_was_loaded),
        T(credit_is_the_sum_of_what_details_show),
        T(credit_is_summed_beyond_64_bits_and_none_where_it_cannot_be),
    };
    return cmocka_run_group_tests(tests, make_store_folder, remove_store_folder);
}
