/*
 * The tables of neurons: statistics, examples, effects; and what they all refer to.
 */
#include "out/results/neurons/neurons_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/scores.h"

#define INTERVALS_MOST 8
#define BINS_TEXT "331"
_Static_assert(BINS == 331, "what meta says");

// --- neurons and their examples -----------------------------------------------------------------

static int write_neurons(struct neuron_rows *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM neuron",
              "INSERT INTO neuron VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
    for (size_t l = 0; l < x->shape->n_layers; l++) {
        const struct neurons_layer *layer = &x->shape->layers[l];
        for (size_t i = 0; i < layer->n && !w.rc; i++) {
            struct neuron_stats stats;
            scores_neuron(x->neurons, l, i, &stats);
            w.rc = neuron_rows_hist(&x->json[0], stats.hist, x->err);
            neuron_rows_id(&w, layer, i);
            rows_foreign(&w, x->run->models[layer->model].site);
            rows_u64(&w, stats.n);
            rows_real(&w, stats.mean);
            rows_real(&w, stats.sd);
            rows_real(&w, stats.skewness);
            rows_real(&w, stats.kurtosis);
            rows_real(&w, (double)stats.min);
            rows_real(&w, (double)stats.max);
            rows_real(&w, stats.share_positive);
            rows_text(&w, x->json[0].data);
            rows_u64(&w, stats.left_out);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static void put_example(struct neuron_rows *x, struct rows *w, size_t l, size_t i, const char *kind,
                        size_t rank, const struct example *e, double lo, double hi)
{
    neuron_rows_id(w, &x->shape->layers[l], i);
    rows_text(w, kind);
    rows_u64(w, rank);
    rows_real(w, (double)e->activation);
    rows_real(w, lo);
    rows_real(w, hi);
    neuron_rows_place(x, w, e, false, e->activation);
    w->rc = w->rc ? w->rc : neuron_rows_labels(&x->json[2], e, x->shape->n_hypotheses, x->err);
    rows_text(w, x->json[2].data);
    rows_text(w, e->test ? "test" : "dev");
    rows_next(w);
}

static void put_list(struct neuron_rows *x, struct rows *w, size_t l, size_t i, const char *kind,
                     unsigned list, size_t most)
{
    const struct example_list *items = neuron_rows_list(x, l, list, i);
    for (size_t k = 0; k < items->n && k < most && !w->rc; k++) {
        put_example(x, w, l, i, kind, k + 1, &items->items[k], NAN, NAN);
    }
}

/* Groups next to each other, counted from the one of the highest activations, 0. */
struct interval {
    int first, last;
};

static unsigned group_from_top(int k)
{
    return (unsigned)(k < BINS_GROUPS_ABOVE ? BINS_GROUPS_ABOVE - 1 - k : k);
}

/* The edges of the k-th group from the highest: k above, k + 1 below. */
static double group_edge(int k)
{
    static const double edges[BINS_GROUPS + 1] = {
        INFINITY, 4,      2,      1, 0.5,     0.25,    0x1p-3,  0x1p-4,   0x1p-5,
        0x1p-6,   0x1p-7, 0x1p-8, 0, -0x1p-6, -0x1p-4, -0x1p-2, -INFINITY};
    return edges[k];
}

/* How far from 0 two neighbours reach. */
static double reach(const struct interval *v)
{
    return fmax(fabs(group_edge(v[0].first)), fabs(group_edge(v[1].last + 1)));
}

/* Examples of group k from the top: some, where a token falls into it. */
static const struct example_list *group_list(const struct neuron_rows *x, size_t l, size_t i, int k)
{
    return neuron_rows_list(x, l, LIST_GROUP + group_from_top(k), i);
}

/* Up to INTERVALS_MOST: where more groups are in use, neighbours are joined, those next to 0 first.
 */
static size_t make_intervals(const struct neuron_rows *x, size_t l, size_t i, struct interval *v)
{
    size_t n = 0;
    for (int k = 0; k < BINS_GROUPS; k++) {
        if (group_list(x, l, i, k)->n > 0) {
            v[n++] = (struct interval){k, k};
        }
    }
    while (n > INTERVALS_MOST) {
        size_t least = 0;
        for (size_t j = 1; j + 1 < n; j++) {
            least = reach(&v[j]) < reach(&v[least]) ? j : least;
        }
        v[least].last = v[least + 1].last;
        memmove(&v[least + 1], &v[least + 2], (n - least - 2) * sizeof *v);
        n--;
    }
    return n;
}

static int by_key(const void *a, const void *b)
{
    const struct example *x = *(const struct example *const *)a;
    const struct example *y = *(const struct example *const *)b;
    return example_before(x, y) ? -1 : example_before(y, x);
}

/* Does another of items[n] stand in the same document or context? */
static bool is_again(const struct example *e, const struct example *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i]->context == e->context ||
            (items[i]->shard == e->shard && items[i]->doc == e->doc)) {
            return true;
        }
    }
    return false;
}

/* Up to LIST_GROUP_MOST of each interval, one a document: the least hashes of its groups are its
 * own least. */
static void put_intervals(struct neuron_rows *x, struct rows *w, size_t l, size_t i)
{
    struct interval v[BINS_GROUPS];
    const size_t n = make_intervals(x, l, i, v);
    for (size_t k = 0, rank = 0; k < n; k++) {
        const struct example *items[BINS_GROUPS * LIST_GROUP_MOST];
        size_t n_items = 0;
        for (int g = v[k].first; g <= v[k].last; g++) {
            const struct example_list *list = group_list(x, l, i, g);
            for (size_t j = 0; j < list->n; j++) {
                items[n_items++] = &list->items[j];
            }
        }
        qsort(items, n_items, sizeof *items, by_key);
        const double lo = group_edge(v[k].last + 1), hi = group_edge(v[k].first);
        size_t n_put = 0; // of the items, moved to their beginning
        for (size_t j = 0; j < n_items && n_put < LIST_GROUP_MOST && !w->rc; j++) {
            if (!is_again(items[j], items, n_put)) {
                items[n_put++] = items[j];
                put_example(x, w, l, i, "interval", ++rank, items[j], isinf(lo) ? NAN : lo,
                            isinf(hi) ? NAN : hi);
            }
        }
    }
}

static int write_examples(struct neuron_rows *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM example",
              "INSERT INTO example VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
    for (size_t l = 0; l < x->shape->n_layers; l++) {
        for (size_t i = 0; i < x->shape->layers[l].n && !w.rc; i++) {
            put_list(x, &w, l, i, "bottom", LIST_BOTTOM, LIST_BOTTOM_MOST);
            put_intervals(x, &w, l, i);
            put_list(x, &w, l, i, "random", LIST_RANDOM, LIST_RANDOM_MOST);
            put_list(x, &w, l, i, "top", LIST_TOP, x->shape->examples);
        }
    }
    return rows_close(&w);
}

/* They never change: written once. */
static int write_effects(struct neuron_rows *x)
{
    static const char *const kinds[NEURONS_EFFECT_KINDS] = {"output_top", "output_bottom",
                                                            "input_top", "input_bottom"};
    struct rows w;
    bool written = true;
    const int rc = x->shape->effects ? sql_has_rows(x->s, "effect", &written, x->err) : 0;
    if (rc || written) {
        return rc;
    }
    rows_open(&w, x->s, "INSERT INTO effect VALUES(?,?,?,?,?,?,?)", x->err);
    const struct neurons_effect *e = x->shape->effects;
    for (size_t l = 0; l < x->shape->n_layers; l++) {
        for (size_t k = 0; k < x->shape->layers[l].n * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS;
             k++, e++) {
            if (e->token == NEURONS_NO_TOKEN || !isfinite(e->value) || w.rc) {
                continue;
            }
            neuron_rows_id(&w, &x->shape->layers[l], k / (NEURONS_EFFECT_KINDS * NEURONS_EFFECTS));
            rows_text(&w, kinds[k / NEURONS_EFFECTS % NEURONS_EFFECT_KINDS]);
            rows_u64(&w, k % NEURONS_EFFECTS + 1);
            rows_u64(&w, e->token);
            rows_real(&w, (double)e->value);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_bins(struct neuron_rows *x)
{
    struct rows w;
    rows_open(&w, x->s, "INSERT OR REPLACE INTO bin VALUES(?,?,?)", x->err);
    for (int32_t bin = 0; bin < BINS && !w.rc; bin++) {
        rows_u64(&w, (uint64_t)bin);
        rows_real(&w, bin > 0 ? (double)bins_edge(bin) : NAN);
        rows_real(&w, bin + 1 < BINS ? (double)bins_edge(bin + 1) : NAN);
        rows_next(&w);
    }
    const int rc = rows_close(&w);
    if (rc) {
        return rc;
    }
    rows_open(&w, x->s, "INSERT OR REPLACE INTO meta VALUES('bins', ?)", x->err);
    rows_text(&w, BINS_TEXT);
    rows_next(&w);
    return rows_close(&w);
}

int neurons_write_tables(const struct sql *s, const struct run *run, const struct neurons *neurons,
                         struct err *err)
{
    struct neuron_rows x = {
        .s = s, .run = run, .neurons = neurons, .shape = neurons->shape, .err = err};
    int (*const writers[])(struct neuron_rows *) = {write_bins, write_neurons, write_examples,
                                                    write_effects, neurons_write_scores};
    int rc = 0;
    for (size_t i = 0; i < sizeof writers / sizeof *writers && !rc; i++) {
        rc = writers[i](&x);
    }
    for (size_t i = 0; i < sizeof x.json / sizeof *x.json; i++) {
        buf_free(&x.json[i]);
    }
    return rc;
}
