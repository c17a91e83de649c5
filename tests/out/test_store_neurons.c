/* The tables of neurons and hypotheses: rows by hand, and rules against what the lists hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>

#include "out/results/neurons/neurons_collector.h"
#include "out/results/neurons/scores.h"
#include "out/store/store.h"
#include "tests/kit/golden.h"
#include "tests/kit/neurons_kit.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/small_run.h"
#include "tests/kit/store_file.h"

// --- rows by hand -------------------------------------------------------------------------------

/* A document of ids of its own, whose neuron i of layer 0 is acts[i]; "x" labels a token for h0,
 * "y" for h1, "z" for both, "?" says that h0 gave up on all of it. */
static void add(struct kit *k, bool test, const char *labels, size_t n, const float acts[2][4])
{
    struct kit_doc *d = kit_add_doc(k, 0, 10 + k->n, test, n);
    d->gave_up[0] = labels[0] == '?';
    for (size_t i = 0; i < n; i++) {
        d->ids[i] = (uint32_t)(100 * k->n + i);
        d->ends[i] = (uint32_t)(10 * (i + 1));
        d->labels[i] = (labels[i] == 'x' || labels[i] == 'z' ? 1u : 0u) |
                       (labels[i] == 'y' || labels[i] == 'z' ? 2u : 0u);
        d->acts[0][2 * i] = acts[0][i];
        d->acts[0][2 * i + 1] = acts[1][i];
    }
}

static void add_three(struct kit *k)
{
    add(k, false, "x.z.", 4, (const float[2][4]){{1, 0.5f, 4, -2}, {0, 0, 0, 0}});
    add(k, true, "xy.", 3, (const float[2][4]){{2, 0.25f, 0.1f}, {0, -1, 0}});
    add(k, false, "?", 1, (const float[2][4]){{8}, {1}});
}

static void rows_are_as_by_hand(void **state)
{
    (void)state;
    struct small r = small_run(2, 20);
    struct kit k = {.shape = r.neurons, .texts = true};
    add_three(&k);
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);

    expect_rows("SELECT model, layer, idx, site, n, mean, min, max, share_positive FROM neuron"
                " WHERE model = 1",
                "1|0|0|post|8|1.73125004768372|-2.0|8.0|0.875\n"
                "1|0|1|post|8|0.0|-1.0|1.0|0.125\n");
    expect_rows("SELECT model, layer, count(*) FROM neuron GROUP BY 1, 2", "1|0|2\n2|0|3\n2|1|3\n");
    expect_rows("SELECT hist FROM neuron WHERE model = 1 AND idx = 1",
                "[[23,1],[123,6],[253,1]]\n"); // -1, 0, 1: 32 bins of 1/16 octave from 1/4 up
    expect_rows("SELECT count(*), min(lo), max(hi), sum(lo IS NULL), sum(hi IS NULL) FROM bin",
                "331|-1.03845937170697e+34|1.03845937170697e+34|1|1\n");
    expect_rows("SELECT a.id FROM bin AS a JOIN bin AS b ON b.id = a.id + 1 WHERE a.hi <> b.lo",
                "");
    expect_rows("SELECT lo, hi FROM bin WHERE id = 253", "1.0|1.0625\n");

    // the best of each document, with its whole window and which hypotheses label it
    expect_rows("SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end,"
                " token_index, tokens, activations, labels FROM example"
                " WHERE model = 1 AND idx = 0 AND kind IN ('top', 'bottom')",
                "bottom|1|-2.0|NULL|NULL|0|10|30|40|3|[100,101,102,103]|[1,0.5,4,-2]|[]\n"
                "bottom|2|0.100000001490116|NULL|NULL|0|11|20|30|2|[200,201,202]|[2,0.25,0.1]|[]\n"
                "bottom|3|8.0|NULL|NULL|0|12|0|10|0|[300]|[8]|[]\n"
                "top|1|8.0|NULL|NULL|0|12|0|10|0|[300]|[8]|[]\n"
                "top|2|4.0|NULL|NULL|0|10|20|30|2|[100,101,102,103]|[1,0.5,4,-2]|[0,1]\n"
                "top|3|2.0|NULL|NULL|0|11|0|10|0|[200,201,202]|[2,0.25,0.1]|[0]\n");
    expect_rows("SELECT count(*) FROM example WHERE model = 1 AND idx = 0 AND kind = 'random'",
                "3\n");
    // groups in use: 8 and 4 | 2 | 1 | 0.5 | 0.25 | 0.1 | -2: seven, by the edges of groups
    expect_rows("SELECT lo, hi, activation FROM example"
                " WHERE model = 1 AND idx = 0 AND kind = 'interval'"
                " ORDER BY lo IS NULL, lo DESC, activation DESC",
                "4.0|NULL|8.0\n4.0|NULL|4.0\n2.0|4.0|2.0\n1.0|2.0|1.0\n0.5|1.0|0.5\n"
                "0.25|0.5|0.25\n0.0625|0.125|0.100000001490116\nNULL|-0.25|-2.0\n");

    expect_rows("SELECT split, n_pos, n_neg, docs_pos, mean_pos, mean_neg, threshold, precision,"
                " recall, f1, top_covered FROM score WHERE hypothesis = 0 AND model = 1 AND idx = 0"
                " ORDER BY split",
                // 0.1 is 104858 of 2^20; of the document where h0 gave up nothing is known
                "all|3|4|2|2.33333333333333|-0.287499904632568|1.0|1.0|1.0|1.0|1.0\n"
                "dev|2|2|1|2.5|-0.75|1.0|1.0|1.0|1.0|1.0\n"
                "test|1|2|1|2.0|0.175000190734863|1.0|1.0|1.0|1.0|1.0\n");
    expect_rows("SELECT top_covered FROM score WHERE hypothesis = 1 AND model = 1 AND idx = 0"
                " AND split = 'all'",
                "0.333333333333333\n");
    expect_rows("SELECT hypothesis, count(*) FROM score GROUP BY hypothesis", "0|24\n1|24\n");
    expect_rows("SELECT split, labelled, rest FROM split_hist"
                " WHERE hypothesis = 0 AND model = 1 AND idx = 0",
                "dev|[[253,1],[285,1]]|[[22,1],[237,1]]\n"
                "test|[[269,1]]|[[209,1],[221,1]]\n");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

static void counterexamples_are_as_by_hand(void **state)
{
    (void)state;
    struct small r = small_run(2, 20);
    watch(&r, 0, 1, 0);
    struct kit k = {.shape = r.neurons, .texts = true};
    add_three(&k);
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);
    // h1 labels the 4 (dev) and the 0.25 (test): the threshold is 4.  Silent is 0.25; of the 8 in
    // the last document h1 says no.
    expect_rows("SELECT kind, rank, activation, doc, byte_start, token_index, tokens, activations,"
                " labelled FROM counterexample WHERE hypothesis = 1 AND model = 1 AND idx = 0",
                "fires_without|1|8.0|12|0|0|[300]|[8]|[]\n"
                "silent_with|1|0.25|11|10|1|[200,201,202]|[2,0.25,0.1]|[1]\n");
    // Watched: whatever the threshold; not the last document, on which h0 gave up.
    expect_rows("SELECT kind, rank, activation, doc, byte_start, activations, labelled"
                " FROM counterexample WHERE hypothesis = 0 AND model = 1 AND idx = 1",
                "fires_without|1|0.0|10|10|[0,0,0,0]|[0,2]\n"
                "fires_without|2|0.0|11|20|[0,-1,0]|[0]\n"
                "silent_with|1|0.0|10|0|[0,0,0,0]|[0,2]\n"
                "silent_with|2|0.0|11|0|[0,-1,0]|[0]\n");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

static void effects_are_written_once(void **state)
{
    (void)state;
    struct small r = small_run(0, 5);
    const size_t n_effects = 8 * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS;
    struct neurons_effect *effects = calloc(n_effects, sizeof *effects);
    for (size_t i = 0; i < n_effects; i++) {
        effects[i].token = i % 3 ? NEURONS_NO_TOKEN : (uint32_t)i;
        effects[i].value = (float)i / 2;
    }
    neurons_shape_set_effects(r.neurons, effects);
    struct kit k = {.shape = r.neurons};
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);
    write_tables(&r, n);
    expect_rows("SELECT count(*), sum(token = 2 * value) FROM effect", "160|160\n");
    expect_rows("SELECT * FROM effect WHERE model = 2 AND layer = 1 AND idx = 2"
                " AND kind = 'input_top' LIMIT 1", // of neuron 7, kind 2
                "2|1|2|input_top|1|450|225.0\n");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

static void a_run_without_tokens_has_neurons_and_no_numbers(void **state)
{
    (void)state;
    struct small r = small_run(1, 5);
    struct kit k = {.shape = r.neurons};
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);
    expect_rows("SELECT n, mean, sd, skewness, kurtosis, min, max, share_positive, hist, left_out"
                " FROM neuron LIMIT 1",
                "0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|[]|0\n");
    expect_rows("SELECT n_pos, n_neg, prevalence, auroc, average_precision_bound, threshold,"
                " mutual_information, mass_covered, top_covered FROM score LIMIT 1",
                "0|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
    expect_rows("SELECT * FROM example", "");
    expect_rows("SELECT * FROM counterexample", "");
    expect_rows("SELECT * FROM split_hist", "");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

// --- four digits --------------------------------------------------------------------------------

/* All exponents about which there is something to round, and halves of the last digit. */
static float some_value(uint64_t *random)
{
    static const double ties[] = {999.95, 99.995, 9.9995, 0.99995, 0.099995, 0.0001, 0.00099995,
                                  1000,   0.0625, 1024.5, 12345,   1e-30,    1e30,   100};
    const double x = (double)kit_random(random, 2000001) * 1e-6 - 1;
    switch (kit_random(random, 4)) {
    case 0:
        return (float)(ties[kit_random(random, sizeof ties / sizeof *ties)] * (x < 0 ? -1 : 1));
    case 1: // exact in binary: m / 2^k has ties that are even and odd
        return (float)ldexp((double)kit_random(random, 1 << 15) - (1 << 14),
                            -(int)kit_random(random, 16));
    default:
        return (float)ldexp(x, 12 - (int)kit_random(random, 30));
    }
}

static void four_digits_are_as_printf_has_them(void **state)
{
    (void)state;
    enum { DOCS = 300, TOKENS = 64 };
    struct small r = small_run(0, DOCS);
    struct kit k = {.shape = r.neurons};
    uint64_t random = 1;
    for (size_t d = 0; d < DOCS; d++) {
        struct kit_doc *doc = kit_add_doc(&k, 0, d, false, TOKENS);
        for (size_t i = 0; i < TOKENS; i++) {
            doc->ids[i] = (uint32_t)(d * TOKENS + i);
            doc->acts[0][2 * i] = some_value(&random);
        }
        doc->acts[0][0] = 1e31f; // the strongest is the first: the context is all 64
        doc->acts[0][2] = d == 0 ? NAN : -INFINITY;
        doc->acts[0][4] = -0.0f;
    }
    k.docs[0].acts[0][0] = INFINITY;
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);
    const struct example_list *top = n->layers[0].lists;
    struct buf rows = rows_of("SELECT activations FROM example WHERE model = 1 AND layer = 0"
                              " AND idx = 0 AND kind = 'top' ORDER BY rank");
    char *save = NULL, *line = strtok_r(rows.data, "\n", &save);
    for (size_t d = 0; d < DOCS; d++, line = strtok_r(NULL, "\n", &save)) {
        struct json_object *list = golden_parse(line);
        const struct example *e = &top->items[d];
        assert_non_null(list);
        assert_int_equal(json_object_array_length(list), e->n_tokens);
        for (size_t i = 0; i < e->n_tokens; i++) {
            struct json_object *got = json_object_array_get_idx(list, i);
            char text[32];
            snprintf(text, sizeof text, "%.4g", (double)e->acts[i]);
            if (!isfinite(e->acts[i])) {
                assert_null(got);
            } else if (json_object_get_double(got) != strtod(text, NULL)) {
                fail_msg("%a: is %s, wanted %s", (double)e->acts[i],
                         json_object_to_json_string(got), text);
            }
        }
        json_object_put(list);
    }
    buf_free(&rows);
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

// --- intervals ----------------------------------------------------------------------------------

/* A document of one token for each activation. */
static void expect_intervals(const float *acts, size_t n_acts, const char *wanted)
{
    struct small r = small_run(0, 20);
    struct kit k = {.shape = r.neurons};
    for (size_t i = 0; i < n_acts; i++) {
        struct kit_doc *d = kit_add_doc(&k, 0, i, false, 1);
        d->ids[0] = (uint32_t)i;
        d->acts[0][0] = acts[i];
    }
    struct neurons *n = kit_whole(&k);
    new_path(NULL);
    write_tables(&r, n);
    expect_rows("SELECT lo, hi, count(*) FROM example WHERE model = 1 AND idx = 0"
                " AND kind = 'interval' GROUP BY lo, hi ORDER BY min(rank)",
                wanted);
    expect_rows("SELECT activation, lo, hi FROM example WHERE kind = 'interval'"
                " AND NOT ((lo IS NULL OR activation >= lo) AND (hi IS NULL OR activation <= hi))",
                "");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

static void intervals_next_to_zero_are_joined(void **state)
{
    (void)state;
    static const float nine[] = {5, 3, 1.5f, 0.75f, 0.3f, 0.2f, 0.1f, 0.05f, 0.001f};
    expect_intervals(nine, 9,
                     "4.0|NULL|1\n2.0|4.0|1\n1.0|2.0|1\n0.5|1.0|1\n0.25|0.5|1\n0.125|0.25|1\n"
                     "0.0625|0.125|1\n0.0|0.0625|2\n");
    static const float all[] = {5,      3,      1.5f,   0.75f,  0.3f, 0.2f,   0.1f,  0.05f,
                                0.025f, 0.012f, 0.006f, 0.001f, 0,    -0.02f, -0.1f, -1};
    expect_intervals(all, 16,
                     "4.0|NULL|1\n2.0|4.0|1\n1.0|2.0|1\n0.5|1.0|1\n0.25|0.5|1\n"
                     "-0.0625|0.25|3\n-0.25|-0.0625|1\nNULL|-0.25|1\n");
    static const float few[] = {0.3f, 0.3f, 0.3f, 0.3f, -5, -7};
    expect_intervals(few, 6, "0.25|0.5|3\nNULL|-0.25|2\n");
    static const float zeros[] = {0, -0.0f};
    expect_intervals(zeros, 2, "-0.015625|0.0|2\n");
}

// --- counterexamples by their rules -------------------------------------------------------------

struct place {
    const struct example *e;
    float activation;
    bool known; // its labels around
};

static int by_activation(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->activation != y->activation ? (x->activation > y->activation ? -1 : 1)
           : x->e->shard != y->e->shard   ? (x->e->shard < y->e->shard ? -1 : 1)
           : x->e->doc != y->e->doc       ? (x->e->doc < y->e->doc ? -1 : 1)
           : x->e->at != y->e->at         ? (x->e->at < y->e->at ? -1 : 1)
                                          : y->known - x->known;
}

static int by_weakness(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->activation != y->activation ? (x->activation < y->activation ? -1 : 1)
                                          : by_activation(a, b);
}

/* What is kept of the neuron, and of h's samples. */
static size_t kept_places(const struct neurons *n, size_t layer, size_t neuron, size_t h,
                          struct place *out)
{
    const struct neurons_layer *l = &n->shape->layers[layer];
    size_t n_out = 0;
    for (size_t list = 0; list < LISTS; list++) {
        const struct example_list *items = &n->layers[layer].lists[list * l->n + neuron];
        for (size_t k = 0; k < items->n; k++) {
            const struct example *e = &items->items[k];
            out[n_out++] = (struct place){e, e->activation, e->n_rows == e->n_tokens};
        }
    }
    for (size_t k = 0; k < n->samples[h].n; k++) {
        const struct example *e = &n->samples[h].items[k];
        out[n_out++] = (struct place){e, e->acts[l->first + neuron], true};
    }
    return n_out;
}

/* The rows that a pair which is not watched must have. */
static void put_wanted(struct buf *to, const struct neurons *n, size_t layer, size_t neuron,
                       size_t h, bool labelled)
{
    struct place all[400];
    struct score s[SCORES];
    const size_t n_all = kept_places(n, layer, neuron, h, all);
    const struct example *put[20];
    size_t n_put = 0;
    scores_of(n, layer, neuron, neuron, h, s);
    qsort(all, n_all, sizeof *all, labelled ? by_weakness : by_activation);
    for (size_t k = 0; k < n_all && n_put < 20; k++) {
        const struct example *e = all[k].e;
        const bool fires = (double)all[k].activation >= s[SCORE_DEV].threshold;
        bool again =
            example_unknown(e, h) || example_labelled(e, h) != labelled || fires == labelled;
        for (size_t j = 0; j < n_put; j++) {
            again = again || put[j]->context == e->context ||
                    (put[j]->shard == e->shard && put[j]->doc == e->doc);
        }
        if (!again) {
            put[n_put++] = e;
            buf_printf(to, NULL, "%s|%zu|%.17g|%" PRIu32 "|%" PRIu64 "|%" PRIu32 "|%d\n",
                       labelled ? "silent_with" : "fires_without", n_put,
                       (double)all[k].activation + 0, e->shard, e->doc, e->at, all[k].known);
        }
    }
}

/* Of a pair, in the order of put_wanted(): the index in the document stands for its bytes, since
 * the test's tokens are of one byte. */
static struct buf counter_rows(const struct neurons_layer *l, size_t neuron, size_t h)
{
    char query[400];
    snprintf(query, sizeof query,
             "SELECT kind, rank, printf('%%!.17g', activation + 0.0), shard, doc, byte_start,"
             " labelled IS NOT NULL FROM counterexample"
             " WHERE model = %d AND layer = %d AND idx = %zu AND hypothesis = %zu"
             " ORDER BY kind, rank",
             (int)l->model, (int)l->layer, neuron, h);
    return rows_of(query);
}

/* Lines are compared with their activations read back. */
static void expect_lines(const char *got, const char *wanted)
{
    while (*got && *wanted) {
        char kind[2][32];
        double a[2];
        unsigned long long v[2][5];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(sscanf(i ? wanted : got, "%31[a-z_]|%llu|%lf|%llu|%llu|%llu|%llu",
                                    kind[i], &v[i][0], &a[i], &v[i][1], &v[i][2], &v[i][3],
                                    &v[i][4]),
                             7);
        }
        assert_string_equal(kind[0], kind[1]);
        assert_true(a[0] == a[1]);
        assert_memory_equal(v[0], v[1], sizeof v[0]);
        got = strchr(got, '\n') + 1;
        wanted = strchr(wanted, '\n') + 1;
    }
    assert_string_equal(got, wanted);
}

static void counterexamples_are_what_was_kept_on_the_wrong_side(void **state)
{
    (void)state;
    size_t n_rows = 0, n_unknown = 0;
    for (uint64_t seed = 1; seed < 8; seed += 2) { // odd: with bytes
        struct small r = small_run(4, 20);
        struct kit k;
        watch(&r, 1, 2, 0);
        kit_make(&k, r.neurons, 150, 40, seed);
        for (size_t d = 0; d < k.n; d++) {
            for (uint32_t i = 0; i < k.docs[d].n; i++) {
                k.docs[d].ends[i] = i + 1;
            }
        }
        struct neurons *n = kit_whole(&k);
        new_path(NULL);
        write_tables(&r, n);
        for (size_t l = 0; l < 3; l++) {
            const struct neurons_layer *layer = &r.neurons->layers[l];
            for (size_t i = 0; i < layer->n * 4; i++) {
                const size_t neuron = i / 4, h = i % 4;
                if (h == 2 || (l == 1 && neuron == 2 && h == 0)) { // 2 never labels
                    continue;
                }
                struct buf got = counter_rows(layer, neuron, h), wanted = {0};
                put_wanted(&wanted, n, l, neuron, h, false);
                put_wanted(&wanted, n, l, neuron, h, true);
                buf_append(&wanted, "", 1, NULL);
                expect_lines(got.data, wanted.data);
                for (const char *at = got.data; (at = strchr(at, '\n')) != NULL; at++) {
                    n_rows++;
                    n_unknown += at[-1] == '0';
                }
                buf_free(&got);
                buf_free(&wanted);
            }
        }
        expect_rows("SELECT count(*) FROM counterexample WHERE hypothesis = 2", "0\n");
        expect_rows("SELECT kind, count(*), sum(labelled IS NULL) FROM counterexample"
                    " WHERE model = 2 AND layer = 0 AND idx = 2 AND hypothesis = 0 GROUP BY kind",
                    "fires_without|20|0\nsilent_with|20|0\n");
        neurons_free(n);
        kit_free(&k);
        small_free(&r);
    }
    assert_true(n_rows > 500 && n_unknown > 50 && n_unknown < n_rows / 2);
}

// --- all of it ----------------------------------------------------------------------------------

static void texts_are_json_and_ranks_have_no_gaps(void **state)
{
    (void)state;
    struct small r = small_run(4, 20);
    struct kit k;
    watch(&r, 0, 1, 3);
    kit_make(&k, r.neurons, 100, 80, 3);
    struct neurons *n = kit_whole(&k);
    write_tables(&r, n);
    static const char *const columns[][2] = {{"neuron", "hist"},
                                             {"example", "tokens"},
                                             {"example", "activations"},
                                             {"example", "labels"},
                                             {"split_hist", "labelled"},
                                             {"split_hist", "rest"},
                                             {"counterexample", "tokens"},
                                             {"counterexample", "activations"},
                                             {"counterexample", "coalesce(labelled, '[]')"}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char query[200];
        snprintf(query, sizeof query, "SELECT count(*) > 0, sum(NOT json_valid(%s)) FROM %s",
                 columns[i][1], columns[i][0]);
        expect_rows(query, "1|0\n");
    }
    expect_rows("SELECT count(*) FROM (SELECT 1 FROM example GROUP BY model, layer, idx, kind"
                " HAVING max(rank) <> count(*) OR min(rank) <> 1)",
                "0\n");
    expect_rows("SELECT count(*) FROM example WHERE json_array_length(tokens) <>"
                " json_array_length(activations) OR token_index >= json_array_length(tokens)"
                " OR json_array_length(tokens) > 64",
                "0\n");
    expect_rows("SELECT max(n), count(DISTINCT n) FROM (SELECT count(*) AS n FROM split_hist"
                " WHERE hypothesis <> 2 GROUP BY hypothesis)", // 8 neurons, two halves
                "16|1\n");
    expect_rows("SELECT hypothesis, sum(n) FROM (SELECT hypothesis, (SELECT sum(value->>1) FROM"
                " json_each(labelled)) AS n FROM split_hist WHERE model = 1 AND idx = 0)"
                " GROUP BY 1 EXCEPT SELECT hypothesis, n_pos FROM score WHERE split = 'all'"
                " AND model = 1 AND idx = 0",
                "");
    neurons_free(n);
    kit_free(&k);
    small_free(&r);
}

static void a_later_checkpoint_and_a_loaded_run_write_the_same(void **state)
{
    (void)state;
    struct small r = small_run(4, 20);
    struct kit k;
    uint64_t random = 5;
    char once[33], again[33], early[33];
    watch(&r, 2, 0, 1);
    kit_make(&k, r.neurons, 60, 40, 3);
    struct neurons *n = kit_anyhow(&k, &random);
    write_tables(&r, n);
    get_digest(once);

    new_path(NULL);
    struct kit half = k;
    half.n = 20;
    struct neurons *first = kit_whole(&half);
    write_tables(&r, first);
    get_digest(early);
    assert_string_not_equal(early, once);
    half = k;
    half.docs += 20;
    half.n -= 20;
    struct neurons *rest = kit_whole(&half);
    assert_int_equal(neurons_merge(first, rest, NULL), 0);
    write_tables(&r, first);
    get_digest(again);
    assert_string_equal(again, once);

    struct store *s = NULL;
    struct run back = {0};
    struct results results = {0};
    struct err err = {0};
    bool exists;
    ok(store_open_read(&s, path, &err), &err);
    ok(store_load(s, &back, &results, &err), &err);
    store_close(s);
    for (size_t piece = 0; piece <= 3; piece++) {
        struct buf a = kit_save(first, piece), b = kit_save(neurons_of(&results), piece);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        buf_free(&a);
        buf_free(&b);
    }
    new_path(NULL);
    ok(store_open(&s, path, &exists, &err), &err);
    ok(store_checkpoint(s, &back, &results, true, NULL, &err), &err);
    store_close(s);
    get_digest(again);
    assert_string_equal(again, once);
    neurons_free(n);
    neurons_free(first);
    neurons_free(rest);
    results_free(&results);
    run_free(&back);
    kit_free(&k);
    small_free(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, new_path)
    const struct CMUnitTest tests[] = {
        T(rows_are_as_by_hand),
        T(counterexamples_are_as_by_hand),
        T(effects_are_written_once),
        T(a_run_without_tokens_has_neurons_and_no_numbers),
        T(four_digits_are_as_printf_has_them),
        T(intervals_next_to_zero_are_joined),
        T(counterexamples_are_what_was_kept_on_the_wrong_side),
        T(texts_are_json_and_ranks_have_no_gaps),
        T(a_later_checkpoint_and_a_loaded_run_write_the_same),
    };
    return cmocka_run_group_tests(tests, make_store_folder, remove_store_folder);
}
