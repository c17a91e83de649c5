#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/neurons/scores.h"
#include "tests/kit/neurons_kit.h"

static void near(double got, double wanted)
{
    if (got != wanted &&
        !(isnan(wanted) ? isnan(got) : fabs(got - wanted) <= 1e-12 * fmax(1, fabs(wanted)))) {
        fail_msg("is %.17g, wanted %.17g", got, wanted);
    }
}

static const struct neurons_layer one_neuron = {.n = 1};
static const struct neurons_shape shape = {
    .layers = &one_neuron, .n_layers = 1, .n = 1, .n_hypotheses = 1, .examples = 20};

/* A document; labels: "x.x" labels its first and third token, "?" says that it gave up. */
static void add(struct kit *k, bool test, const char *labels, size_t n, const float *acts)
{
    struct kit_doc *d = kit_add_doc(k, 0, k->n, test, n);
    d->gave_up[0] = labels[0] == '?';
    for (size_t i = 0; i < n; i++) {
        d->ids[i] = (uint32_t)(100 * k->n + i);
        d->labels[i] = labels[0] != '?' && labels[i] == 'x';
        d->acts[0][i] = acts[i];
    }
}
#define ACTS(...)                                                                                  \
    sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[])                                      \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void scores(struct kit *k, struct score out[SCORES])
{
    struct neurons *n = kit_whole(k);
    scores_of(n, 0, 0, scores_row(&shape, 0, 0, 0), 0, out);
    neurons_free(n);
    kit_free(k);
}

// --- by hand ------------------------------------------------------------------------------------

static void every_statistic_is_as_by_hand(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "x.x..", ACTS(1, 1, 4, -2, 0));
    add(&k, false, "?", ACTS(7, 7, -7));
    add(&k, true, "..", ACTS(1, 0.5f));
    scores(&k, s);

    const struct score *d = &s[SCORE_DEV];
    assert_true(d->n_pos == 2 && d->n_neg == 3 && d->docs_pos == 1);
    near(d->prevalence, 0.4);
    near(d->mean_pos, 2.5);                       // 1, 4
    near(d->mean_neg, -1.0 / 3);                  // 1, -2, 0
    const double variance = 22.0 / 5 - 0.8 * 0.8; // of 1 1 4 -2 0
    near(d->r, (2.5 + 1.0 / 3) / sqrt(variance) * sqrt(0.4 * 0.6));
    near(d->variance_explained, d->r * d->r);
    near(d->auroc, 5.5 / 6); // 4 beats three, 1 beats two and ties with one
    near(d->auroc_bound, 0.5 / 6);
    near(d->average_precision, (1 + 2.0 / 3) / 2); // at 4: 1 of 1; at 1: 2 of 3
    near(d->threshold, 1);                         // F1 2/3 from 4 on, 4/5 from 1 on
    near(d->precision, 2.0 / 3);
    near(d->recall, 1);
    near(d->f1, 0.8);
    near(d->mcc, 4.0 / 6); // tp 2, fp 1, fn 0, tn 2: (4 - 0) / sqrt(3 * 2 * 3 * 2)
    // H(label) - 2/5 of a bit; 2 labels, 4 bins, 5 cells: no correction
    near(d->mutual_information, -0.4 * log2(0.4) - 0.6 * log2(0.6) - 0.4);
    near(d->mass_covered, 5.0 / 6);

    const struct score *t = &s[SCORE_TEST]; // nothing is labelled
    assert_true(t->n_pos == 0 && t->n_neg == 2 && t->docs_pos == 0);
    near(t->prevalence, 0);
    near(t->mean_pos, NAN);
    near(t->mean_neg, 0.75);
    near(t->r, NAN);
    near(t->variance_explained, NAN);
    near(t->auroc, NAN);
    near(t->auroc_bound, NAN);
    near(t->average_precision, NAN);
    near(t->threshold, 1); // dev's
    near(t->precision, 0);
    near(t->recall, NAN);
    near(t->f1, 0);
    near(t->mcc, NAN);
    near(t->mutual_information, 0);
    near(t->mass_covered, 0);

    const struct score *a = &s[SCORE_ALL];
    assert_true(a->n_pos == 2 && a->n_neg == 5 && a->docs_pos == 1);
    near(a->mean_neg, 0.1);             // 1, -2, 0, 1, 0.5
    near(a->auroc, (5 + 3 + 1) / 10.0); // 4 beats five, 1 beats three and ties with two
    near(a->precision, 0.5);            // tp 2, fp 2, fn 0, tn 3
    near(a->f1, 4.0 / 6);
    near(a->mcc, 6 / sqrt(4 * 2 * 5 * 3));
    near(a->mass_covered, 5 / 7.5);
}

static void a_perfect_neuron_scores_one(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "xx..", ACTS(2, 2, 0, 0));
    add(&k, true, "x..", ACTS(3, 0, -1));
    scores(&k, s);
    for (int i = 0; i < SCORES; i++) {
        near(s[i].auroc, 1);
        near(s[i].auroc_bound, 0);
        near(s[i].average_precision, 1);
        near(s[i].threshold, 2);
        near(s[i].precision, 1);
        near(s[i].recall, 1);
        near(s[i].f1, 1);
        near(s[i].mcc, 1);
        near(s[i].mass_covered, 1);
    }
    near(s[SCORE_DEV].r, 1);
    // 1 bit, and 2 labels, 2 bins, 2 cells: (2 + 2 - 2 - 1) / (2 * 4 ln 2)
    near(s[SCORE_DEV].mutual_information, 1 + 1 / (8 * log(2)));
    // of 1 and 2 tokens; 2 labels, 3 bins, 3 cells
    near(s[SCORE_TEST].mutual_information, log2(3) - 2.0 / 3 + 1 / (6 * log(2)));
}

static void a_useless_neuron_says_nothing(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "x.x...", ACTS(1, 1, 1, 1, 1, 1));
    add(&k, true, "x.", ACTS(-1, -1));
    scores(&k, s);
    near(s[SCORE_DEV].r, NAN); // nothing varies
    near(s[SCORE_DEV].auroc, 0.5);
    near(s[SCORE_DEV].auroc_bound, 0.5);
    near(s[SCORE_DEV].average_precision, 1.0 / 3);
    near(s[SCORE_DEV].mutual_information, 0); // 2 labels, 1 bin, 2 cells
    near(s[SCORE_DEV].precision, 1.0 / 3);
    near(s[SCORE_DEV].mcc, NAN);        // everything fires
    near(s[SCORE_TEST].precision, NAN); // nothing fires
    near(s[SCORE_TEST].recall, 0);
    near(s[SCORE_TEST].f1, 0);
    near(s[SCORE_TEST].mass_covered, NAN); // nothing is positive
}

static void a_neuron_may_speak_by_being_less(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "x..", ACTS(-2.1f, 1, 3));
    scores(&k, s);
    near(s[SCORE_DEV].auroc, 0);
    near(s[SCORE_DEV].average_precision, 1.0 / 3);
    // everything from its bin on, (-4, -2], is taken: the bin's least float
    near(s[SCORE_DEV].threshold, (double)nextafterf(-4.0f, 0));
    near(s[SCORE_DEV].recall, 1);
    assert_true(s[SCORE_DEV].r < 0);
    near(s[SCORE_DEV].mass_covered, 0);
}

static void a_hypothesis_may_always_or_never_match(void **state)
{
    (void)state;
    struct kit always = {.shape = &shape}, never = {.shape = &shape}, gave_up = {.shape = &shape};
    struct score s[SCORES];
    add(&always, false, "xxx", ACTS(1, -1, 2));
    scores(&always, s);
    near(s[SCORE_DEV].prevalence, 1);
    near(s[SCORE_DEV].mean_pos, 2.0 / 3);
    near(s[SCORE_DEV].mean_neg, NAN);
    near(s[SCORE_DEV].r, NAN);
    near(s[SCORE_DEV].auroc, NAN);
    near(s[SCORE_DEV].average_precision, 1);
    near(s[SCORE_DEV].f1, 1);
    near(s[SCORE_DEV].mcc, NAN);
    near(s[SCORE_DEV].mutual_information, 0);
    near(s[SCORE_DEV].mass_covered, 1);
    assert_true(s[SCORE_TEST].n_pos == 0 && s[SCORE_TEST].n_neg == 0);
    near(s[SCORE_TEST].prevalence, NAN); // no token at all
    near(s[SCORE_TEST].mean_neg, NAN);
    near(s[SCORE_TEST].f1, NAN);
    near(s[SCORE_TEST].mutual_information, NAN);
    near(s[SCORE_TEST].mass_covered, NAN);

    add(&never, false, "...", ACTS(1, -1, 2));
    add(&never, true, "x", ACTS(1));
    scores(&never, s);
    near(s[SCORE_DEV].average_precision, NAN);
    near(s[SCORE_DEV].threshold, NAN); // no F1 to choose by
    near(s[SCORE_TEST].threshold, NAN);
    near(s[SCORE_TEST].f1, NAN);
    near(s[SCORE_TEST].average_precision, 1);
    near(s[SCORE_ALL].prevalence, 0.25);

    add(&gave_up, false, "?", ACTS(1, -1, 2));
    scores(&gave_up, s);
    assert_true(s[SCORE_ALL].n_pos == 0 && s[SCORE_ALL].n_neg == 0);
    near(s[SCORE_ALL].mean_neg, NAN);
    near(s[SCORE_ALL].mass_covered, NAN);
}

static void of_equal_f1_the_highest_threshold_stands(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    // from 4 on: 2 * 1 / (1 + 2); from 1 on: 2 * 2 / (4 + 2)
    add(&k, false, "x..x", ACTS(4, 2, 2, 1));
    scores(&k, s);
    near(s[SCORE_DEV].threshold, 4);
    near(s[SCORE_DEV].f1, 2.0 / 3);
}

static void test_documents_do_not_move_the_threshold(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "x.", ACTS(4, 1));
    add(&k, true, "xxx.", ACTS(2, 2, 4, 1)); // from 2 on would be perfect
    scores(&k, s);
    near(s[SCORE_TEST].threshold, 4);
    near(s[SCORE_TEST].recall, 1.0 / 3);
    near(s[SCORE_ALL].recall, 0.5);
    near(s[SCORE_ALL].precision, 1);
}

// --- at random ----------------------------------------------------------------------------------

static const struct neurons_layer layers[] = {{.n = 3, .first = 0}, {.n = 4, .first = 3}};
static const struct neurons_shape two = {
    .layers = layers, .n_layers = 2, .n = 7, .n_hypotheses = 4, .examples = 20};

static bool counts(const struct kit_doc *d, int split, size_t h)
{
    return (split == SCORE_ALL || d->test == (split == SCORE_TEST)) && !(d->gave_up[0] >> h & 1);
}

/* All pairs of a labelled token and another, of the activations themselves. */
static double slow_auroc(const struct kit *k, size_t layer, size_t neuron, size_t h, int split)
{
    static struct {
        float a;
        bool labelled;
    } all[20000];
    size_t n = 0;
    double won = 0, pairs = 0;
    for (size_t d = 0; d < k->n; d++) {
        for (size_t i = 0; i < k->docs[d].n && counts(&k->docs[d], split, h); i++, n++) {
            all[n].a = k->docs[d].acts[layer][i * layers[layer].n + neuron];
            all[n].labelled = k->docs[d].labels[i] >> h & 1;
        }
    }
    for (size_t x = 0; x < n; x++) {
        for (size_t y = 0; y < n && all[x].labelled; y++) {
            if (!all[y].labelled) {
                won += all[x].a > all[y].a ? 1 : all[x].a == all[y].a ? 0.5 : 0;
                pairs++;
            }
        }
    }
    return won / pairs;
}

static void the_bound_holds_for_the_activations_themselves(void **state)
{
    (void)state;
    struct kit k;
    double furthest = 0;
    kit_make(&k, &two, 40, 60, 5);
    struct neurons *n = kit_whole(&k);
    for (size_t h = 0; h < 4; h++) {
        for (size_t l = 0; l < 2; l++) {
            for (size_t i = 0; i < layers[l].n; i++) {
                struct score s[SCORES];
                scores_of(n, l, i, i, h, s);
                for (int split = 0; split < SCORES; split++) {
                    const double exact = slow_auroc(&k, l, i, h, split);
                    const double off = fabs(s[split].auroc - exact);
                    assert_true(isnan(exact) == isnan(s[split].auroc));
                    assert_true(isnan(exact) || off <= s[split].auroc_bound + 1e-12);
                    furthest = off > furthest ? off : furthest;
                }
            }
        }
    }
    assert_true(furthest > 1e-5); // bins do hold different activations
    neurons_free(n);
    kit_free(&k);
}

/* The threshold's statistics by comparing activations with it, r by Pearson's formula. */
static void statistics_are_those_of_the_tokens(void **state)
{
    (void)state;
    struct kit k;
    kit_make(&k, &two, 60, 60, 7);
    struct neurons *n = kit_whole(&k);
    for (size_t h = 0; h < 4; h++) {
        for (int split = 0; split < SCORES; split++) {
            struct score s[SCORES];
            double tp = 0, fp = 0, fn = 0, tn = 0, x = 0, y = 0, xx = 0, xy = 0;
            scores_of(n, 1, 2, 2, h, s);
            for (const struct kit_doc *d = k.docs; d < k.docs + k.n; d++) {
                for (size_t i = 0; i < d->n && counts(d, split, h); i++) {
                    const double a = (double)d->acts[1][i * 4 + 2];
                    const bool fires = a >= s[SCORE_DEV].threshold, is = d->labels[i] >> h & 1;
                    tp += fires && is;
                    fp += fires && !is;
                    fn += !fires && is;
                    tn += !fires && !is;
                    x += a;
                    xx += a * a;
                    y += is;
                    xy += is ? a : 0;
                }
            }
            const double m = tp + fp + fn + tn;
            const double r = (m * xy - x * y) / sqrt(m * xx - x * x) / sqrt(m * y - y * y);
            assert_true(s[split].n_pos == (uint64_t)y && s[split].n_neg == (uint64_t)(m - y));
            assert_true(isnan(r) ? isnan(s[split].r) : fabs(s[split].r - r) < 1e-5);
            if (y == 0) {
                assert_int_equal(h, 2); // never labels
                continue;
            }
            near(s[split].precision, tp / (tp + fp));
            near(s[split].recall, tp / (tp + fn));
            near(s[split].f1, 2 * tp / (2 * tp + fp + fn));
            near(s[split].mcc,
                 (tp * tn - fp * fn) / sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)));
        }
    }
    neurons_free(n);
    kit_free(&k);
}

static void without_histograms_there_are_sums(void **state)
{
    (void)state;
    static const uint32_t items[] = {1, 2};
    static const struct neurons_subset subsets[] = {{items, 2}};
    const struct neurons_layer layer = {.n = 4};
    const struct neurons_shape sub = {.layers = &layer,
                                      .n_layers = 1,
                                      .n = 4,
                                      .n_hypotheses = 1,
                                      .examples = 20,
                                      .subsets = subsets};
    assert_true(scores_row(&sub, 0, 0, 0) == SIZE_MAX && scores_row(&sub, 0, 0, 3) == SIZE_MAX);
    assert_int_equal(scores_row(&sub, 0, 0, 1), 0);
    assert_int_equal(scores_row(&sub, 0, 0, 2), 1);
    struct kit k;
    kit_make(&k, &sub, 40, 60, 5);
    struct neurons *n = kit_whole(&k);
    struct neurons_shape full = sub;
    full.subsets = NULL;
    k.shape = &full;
    struct neurons *wanted = kit_whole(&k);
    for (size_t i = 0; i < 4; i++) {
        struct score s[SCORES], w[SCORES];
        const size_t row = scores_row(&sub, 0, 0, i);
        scores_of(n, 0, i, row, 0, s);
        scores_of(wanted, 0, i, i, 0, w);
        for (int split = 0; split < SCORES; split++) {
            near(s[split].r, w[split].r);
            near(s[split].mass_covered, w[split].mass_covered);
            near(s[split].auroc, row == SIZE_MAX ? NAN : w[split].auroc);
            near(s[split].average_precision, row == SIZE_MAX ? NAN : w[split].average_precision);
            near(s[split].threshold, row == SIZE_MAX ? NAN : w[split].threshold);
            near(s[split].mutual_information, row == SIZE_MAX ? NAN : w[split].mutual_information);
            near(s[split].mcc, row == SIZE_MAX ? NAN : w[split].mcc);
        }
    }
    neurons_free(n);
    neurons_free(wanted);
    kit_free(&k);
}

static void a_neuron_has_its_moments_extremes_and_histogram(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct neuron_stats s;
    struct neurons *n;
    assert_int_equal(neurons_new(&n, &shape, NULL), 0);
    scores_neuron(n, 0, 0, &s);
    assert_true(s.n == 0 && isnan(s.mean) && isnan(s.sd) && isnan(s.min) && isnan(s.max) &&
                isnan(s.share_positive));
    neurons_free(n);
    add(&k, false, "...", ACTS(1, 1, -3));
    add(&k, true, "?", ACTS(5, 0));
    n = kit_whole(&k);
    scores_neuron(n, 0, 0, &s);
    assert_true(s.n == 5);
    near(s.mean, 4.0 / 5);
    const double mean = 4.0 / 5, values[] = {1, 1, -3, 5, 0};
    double powers[5] = {0};
    for (int i = 0; i < 5; i++) {
        for (int p = 2; p <= 4; p++) {
            powers[p] += pow(values[i] - mean, p) / 5;
        }
    }
    near(s.sd, sqrt(powers[2]));
    assert_true(fabs(s.skewness - powers[3] / pow(powers[2], 1.5)) < 1e-9); // of ten digits
    assert_true(fabs(s.kurtosis - powers[4] / powers[2] / powers[2]) < 1e-9);
    near((double)s.min, -3);
    near((double)s.max, 5);
    near(s.share_positive, 0.6);
    assert_true(s.hist[bins_of(bins_bits(1))] == 2 && s.hist[bins_of(bins_bits(0))] == 1);
    neurons_free(n);
    kit_free(&k);
}

// --- average precision, and moments, of whatever activations ------------------------------------

/* That of the activations themselves: the mean over labelled tokens of the precision of firing from
 * their activation on. */
static double slow_precision(const float *a, const char *labels, size_t n)
{
    double sum = 0, n_pos = 0;
    for (size_t x = 0; x < n; x++) {
        double tp = 0, all = 0;
        for (size_t y = 0; y < n && labels[x] == 'x'; y++) {
            tp += a[y] >= a[x] && labels[y] == 'x';
            all += a[y] >= a[x];
        }
        sum += labels[x] == 'x' ? tp / all : 0;
        n_pos += labels[x] == 'x';
    }
    return sum / n_pos;
}

/* Activations of every size, close together, and with ties. */
static void average_precision_is_within_its_bound(void **state)
{
    (void)state;
    enum { N = 300 };
    static const double scales[] = {1e-5, 0.01, 1, 40, 1e5, 1e20, 1e37};
    uint64_t random = 9;
    double furthest = 0, widest = 0;
    for (size_t round = 0; round < 70; round++) {
        float acts[N];
        char labels[N + 1] = "";
        for (size_t i = 0; i < N; i++) {
            const double x = (double)kit_random(&random, round % 3 ? 100000 : 20) / 100000;
            labels[i] = kit_random(&random, 4) == 0 ? 'x' : '.';
            acts[i] = (float)(scales[round % 7] * (x + (labels[i] == 'x') * 0.2));
        }
        struct kit k = {.shape = &shape};
        struct score s[SCORES];
        add(&k, false, labels, N, acts);
        scores(&k, s);
        const double exact = slow_precision(acts, labels, N);
        const double off = fabs(s[SCORE_DEV].average_precision - exact);
        assert_true(off <= s[SCORE_DEV].average_precision_bound + 1e-12);
        furthest = fmax(furthest, off);
        widest = fmax(widest, s[SCORE_DEV].average_precision_bound);
    }
    assert_true(furthest > 1e-3 && widest < 1); // bins do hold different activations
}

/* "x.": one labelled and another token in a bin, of which either may be above. */
static void the_bound_is_of_either_order_in_a_bin(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    add(&k, false, "x.x.", ACTS(3.001f, 3.002f, 1, 0));
    scores(&k, s);
    near(s[SCORE_DEV].average_precision, (1.0 / 2 + 2.0 / 3) / 2);
    near(s[SCORE_DEV].average_precision_bound, (1.0 - 1.0 / 2) / 2);
}

/* Mean, sd, r and the higher moments of huge, and of nearly equal, activations, by two passes. */
static void moments_are_exact_whatever_the_activations(void **state)
{
    (void)state;
    enum { N = 400 };
    static const double around[][2] = {{0, 1e-3},   {0.5, 1e-4},  {1, 0.02}, {-3, 1e-3},
                                       {1000, 0.1}, {2000, 1e-2}, {1e6, 30}, {0, 1e20},
                                       {0, 3e37},   {145, 2.4e20}};
    for (size_t round = 0; round < sizeof around / sizeof *around; round++) {
        uint64_t random = round + 1;
        float acts[N];
        char labels[N + 1] = "";
        long double sum = 0, powers[5] = {0}, pos = 0, n_pos = 0;
        for (size_t i = 0; i < N; i++) {
            const double x = (double)kit_random(&random, 2000001) * 1e-6 - 1;
            acts[i] = (float)(around[round][0] + around[round][1] * x * x * x);
            if (around[round][0] == 145 && i > 0) {
                acts[i] = (float)(145 + x); // one of 2.4e20, the others small
            }
            labels[i] = kit_random(&random, 3) == 0 ? 'x' : '.';
            sum += (long double)acts[i];
            pos += labels[i] == 'x' ? (long double)acts[i] : 0;
            n_pos += labels[i] == 'x';
        }
        const long double mean = sum / N;
        for (size_t i = 0; i < N; i++) {
            const long double off = (long double)acts[i] - mean;
            for (int p = 2; p <= 4; p++) {
                powers[p] += powl(off, p) / N;
            }
        }
        struct kit k = {.shape = &shape};
        struct neuron_stats s;
        struct score scored[SCORES];
        add(&k, false, labels, N, acts);
        struct neurons *n = kit_whole(&k);
        scores_neuron(n, 0, 0, &s);
        scores_of(n, 0, 0, 0, 0, scored);
        neurons_free(n);
        kit_free(&k);
        const long double sd = sqrtl(powers[2]);
        const long double r =
            (pos / n_pos - (sum - pos) / (N - n_pos)) / sd * sqrtl(n_pos * (N - n_pos)) / N;
        // activations below 1024 are rounded to 2^-20
        const double within = 1e-10 + 1e-6 / (double)sd;
        assert_true(fabsl((long double)s.mean - mean) <= within * (double)(fabsl(mean) + sd));
        assert_true(fabsl((long double)s.sd / sd - 1) <= within);
        const long double skewness = powers[3] / powl(sd, 3);
        assert_true(fabsl((long double)s.skewness - skewness) <=
                    10 * within * (double)(1 + fabsl(skewness)));
        assert_true(fabsl((long double)s.kurtosis / (powers[4] / powl(sd, 4)) - 1) <= 10 * within);
        assert_true(fabsl((long double)scored[SCORE_DEV].r - r) <= 10 * within);
        assert_true(s.left_out == 0);
    }
}

static void what_is_not_finite_is_left_out_of_everything(void **state)
{
    (void)state;
    struct kit k = {.shape = &shape};
    struct score s[SCORES];
    struct neuron_stats stats;
    add(&k, false, "x.x..x", ACTS(2, NAN, INFINITY, 1, -INFINITY, 3));
    struct neurons *n = kit_whole(&k);
    scores_neuron(n, 0, 0, &stats);
    scores_of(n, 0, 0, 0, 0, s);
    assert_true(stats.n == 3 && stats.left_out == 3);
    near(stats.mean, 2);
    near(stats.sd, sqrt(2.0 / 3));
    near((double)stats.min, 1);
    near((double)stats.max, 3);
    assert_true(s[SCORE_DEV].n_pos == 2 && s[SCORE_DEV].n_neg == 1);
    near(s[SCORE_DEV].average_precision, 1);
    near(s[SCORE_DEV].auroc, 1);
    near(s[SCORE_DEV].mean_pos, 2.5);
    neurons_free(n);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(average_precision_is_within_its_bound),
        cmocka_unit_test(the_bound_is_of_either_order_in_a_bin),
        cmocka_unit_test(moments_are_exact_whatever_the_activations),
        cmocka_unit_test(what_is_not_finite_is_left_out_of_everything),
        cmocka_unit_test(every_statistic_is_as_by_hand),
        cmocka_unit_test(a_perfect_neuron_scores_one),
        cmocka_unit_test(a_useless_neuron_says_nothing),
        cmocka_unit_test(a_neuron_may_speak_by_being_less),
        cmocka_unit_test(a_hypothesis_may_always_or_never_match),
        cmocka_unit_test(of_equal_f1_the_highest_threshold_stands),
        cmocka_unit_test(test_documents_do_not_move_the_threshold),
        cmocka_unit_test(the_bound_holds_for_the_activations_themselves),
        cmocka_unit_test(statistics_are_those_of_the_tokens),
        cmocka_unit_test(without_histograms_there_are_sums),
        cmocka_unit_test(a_neuron_has_its_moments_extremes_and_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
