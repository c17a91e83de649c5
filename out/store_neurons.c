/*
 * The tables of neurons: statistics, examples, effects; scores of every neuron and hypothesis, and
 * for the best neurons of each hypothesis and the watched pairs histograms and counterexamples.
 */
#include "out/store.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/scores.h"
#include "out/store_sql.h"

#define BEST_MOST 10            // neurons of a hypothesis that are shown in full
#define COUNTEREXAMPLES_MOST 20 // of each kind
#define INTERVALS_MOST 8

/* What the writers below share. */
struct writer {
    const struct store *s;
    const struct run *run;
    const struct neurons *neurons;
    const struct neurons_shape *shape;
    struct buf json[3]; // texts of the row in hand
    struct best {       // [n_hypotheses]
        size_t n;
        struct {
            double worth; // average precision on dev
            uint32_t layer, neuron;
        } items[BEST_MOST + 1];
    } * best;
    struct err *err;
};

// --- JSON ---------------------------------------------------------------------------------------

static int put_u64(struct buf *b, uint64_t value, struct err *err)
{
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return buf_append(b, text + at, sizeof text - at, err);
}

/* Four digits, which is enough for a colour; null where it is not finite.  By hand, since there are
 * millions. */
static int put_four_digits(struct buf *b, float value, struct err *err)
{
    if (!isfinite(value)) {
        return buf_append(b, "null", 4, err);
    }
    double size = fabs((double)value);
    if (size < 1e-4 || size >= 1000) {
        return size == 0 ? buf_append(b, "0", 1, err) : buf_printf(b, err, "%.4g", (double)value);
    }
    unsigned decimals = 1;
    for (double least = 100; size < least; least /= 10) {
        decimals++;
    }
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    uint64_t digits = (uint64_t)llrint(size * powers[decimals]);
    while (decimals > 0 && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    char text[24];
    size_t at = sizeof text;
    for (unsigned i = 0; i <= decimals || digits > 0; i++) {
        if (i == decimals && i > 0) {
            text[--at] = '.';
        }
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    if (value < 0) {
        text[--at] = '-';
    }
    return buf_append(b, text + at, sizeof text - at, err);
}

static int begin_list(struct buf *b, struct err *err)
{
    b->len = 0;
    return buf_append(b, "[", 1, err);
}

static int end_list(struct buf *b, struct err *err)
{
    return buf_append(b, "]", 2, err); // with its NUL
}

static int next_item(struct buf *b, struct err *err)
{
    return b->len > 1 ? buf_append(b, ",", 1, err) : 0;
}

/* [[bin, n], ...] */
static int hist_json(struct buf *b, const uint64_t hist[BINS], struct err *err)
{
    int rc = begin_list(b, err);
    for (uint64_t bin = 0; bin < BINS && !rc; bin++) {
        if (hist[bin] == 0) {
            continue;
        }
        rc = next_item(b, err);
        rc = rc ? rc : buf_append(b, "[", 1, err);
        rc = rc ? rc : put_u64(b, bin, err);
        rc = rc ? rc : buf_append(b, ",", 1, err);
        rc = rc ? rc : put_u64(b, hist[bin], err);
        rc = rc ? rc : buf_append(b, "]", 1, err);
    }
    return rc ? rc : end_list(b, err);
}

static int tokens_json(struct buf *b, const struct example *e, struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t i = 0; i < e->n_tokens && !rc; i++) {
        rc = next_item(b, err);
        rc = rc ? rc : put_u64(b, e->ids[i], err);
    }
    return rc ? rc : end_list(b, err);
}

/* Of an example that has its neuron's; of a sample null but for the token itself. */
static int activations_json(struct buf *b, const struct example *e, bool sample, float activation,
                            struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t i = 0; i < e->n_tokens && !rc; i++) {
        const float a = sample ? (i == e->before ? activation : NAN) : e->acts[i];
        rc = next_item(b, err);
        rc = rc ? rc : put_four_digits(b, a, err);
    }
    return rc ? rc : end_list(b, err);
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

/* The hypotheses that label the token. */
static int labels_json(struct buf *b, const struct example *e, size_t n_hypotheses, struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t h = 0; h < n_hypotheses && !rc; h++) {
        if (example_labelled(e, h)) {
            rc = next_item(b, err);
            rc = rc ? rc : put_u64(b, h, err);
        }
    }
    return rc ? rc : end_list(b, err);
}

/* The tokens that h labels. */
static int labelled_json(struct buf *b, const struct example *e, size_t h, struct err *err)
{
    int rc = begin_list(b, err);
    for (size_t i = 0; i < e->n_rows && !rc; i++) {
        if (bit(e->labels + i * e->n_words, h)) {
            rc = next_item(b, err);
            rc = rc ? rc : put_u64(b, i, err);
        }
    }
    return rc ? rc : end_list(b, err);
}

// --- neurons and their examples -----------------------------------------------------------------

static void put_neuron(struct rows *w, const struct neurons_layer *layer, size_t i)
{
    rows_u64(w, layer->model);
    rows_u64(w, layer->layer);
    rows_u64(w, i);
}

static int write_neurons(struct writer *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM neuron", "INSERT INTO neuron VALUES(?,?,?,?,?,?,?,?,?,?,?)",
              x->err);
    for (size_t l = 0; l < x->shape->n_layers; l++) {
        const struct neurons_layer *layer = &x->shape->layers[l];
        for (size_t i = 0; i < layer->n && !w.rc; i++) {
            struct neuron_stats stats;
            scores_neuron(x->neurons, l, i, &stats);
            w.rc = hist_json(&x->json[0], stats.hist, x->err);
            put_neuron(&w, layer, i);
            rows_foreign(&w, x->run->models[layer->model].site);
            rows_u64(&w, stats.n);
            rows_real(&w, stats.mean);
            rows_real(&w, stats.sd);
            rows_real(&w, (double)stats.min);
            rows_real(&w, (double)stats.max);
            rows_real(&w, stats.share_positive);
            rows_text(&w, x->json[0].data);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

/* The place and its tokens, as example and counterexample have them. */
static void put_place(struct writer *x, struct rows *w, const struct example *e, bool sample,
                      float activation)
{
    w->rc = w->rc ? w->rc : tokens_json(&x->json[0], e, x->err);
    w->rc = w->rc ? w->rc : activations_json(&x->json[1], e, sample, activation, x->err);
    rows_u64(w, e->shard);
    rows_u64(w, e->doc);
    rows_u64(w, e->byte_start);
    rows_u64(w, e->byte_end);
    rows_u64(w, e->before);
    rows_text(w, x->json[0].data);
    rows_text(w, x->json[1].data);
}

static void put_example(struct writer *x, struct rows *w, size_t l, size_t i, const char *kind,
                        size_t rank, const struct example *e, double lo, double hi)
{
    put_neuron(w, &x->shape->layers[l], i);
    rows_text(w, kind);
    rows_u64(w, rank);
    rows_real(w, (double)e->activation);
    rows_real(w, lo);
    rows_real(w, hi);
    put_place(x, w, e, false, e->activation);
    w->rc = w->rc ? w->rc : labels_json(&x->json[2], e, x->shape->n_hypotheses, x->err);
    rows_text(w, x->json[2].data);
    rows_next(w);
}

static const struct example_list *list_of(const struct writer *x, size_t l, size_t list, size_t i)
{
    return &x->neurons->layers[l].lists[list * x->shape->layers[l].n + i];
}

static void put_list(struct writer *x, struct rows *w, size_t l, size_t i, const char *kind,
                     unsigned list, size_t most)
{
    const struct example_list *items = list_of(x, l, list, i);
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

static uint64_t group_tokens(const uint64_t hist[BINS], int k)
{
    uint64_t n = 0;
    for (int bin = 0; bin < BINS; bin++) {
        const int32_t bits = bins_bits(bins_least(bin));
        n += (unsigned)bins_group(bits) == group_from_top(k) ? hist[bin] : 0;
    }
    return n;
}

/* How far from 0 two neighbours reach. */
static double reach(const struct interval *v)
{
    return fmax(fabs(group_edge(v[0].first)), fabs(group_edge(v[1].last + 1)));
}

/* Up to INTERVALS_MOST: where more groups are in use, neighbours are joined, those next to 0 first.
 */
static size_t make_intervals(const uint64_t hist[BINS], struct interval *v)
{
    size_t n = 0;
    for (int k = 0; k < BINS_GROUPS; k++) {
        if (group_tokens(hist, k) > 0) {
            v[n++] = (struct interval){k, k};
        }
    }
    while (n > INTERVALS_MOST) {
        size_t least = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            least = reach(&v[i]) < reach(&v[least]) ? i : least;
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
static void put_intervals(struct writer *x, struct rows *w, size_t l, size_t i)
{
    struct neuron_stats stats;
    struct interval v[BINS_GROUPS];
    scores_neuron(x->neurons, l, i, &stats);
    const size_t n = make_intervals(stats.hist, v);
    for (size_t k = 0, rank = 0; k < n; k++) {
        const struct example *items[BINS_GROUPS * LIST_GROUP_MOST];
        size_t n_items = 0;
        for (int g = v[k].first; g <= v[k].last; g++) {
            const struct example_list *list = list_of(x, l, LIST_GROUP + group_from_top(g), i);
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

static int write_examples(struct writer *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM example",
              "INSERT INTO example VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
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
static int write_effects(struct writer *x)
{
    static const char *const kinds[RUN_EFFECT_KINDS] = {"output_top", "output_bottom", "input_top",
                                                        "input_bottom"};
    struct rows w;
    rows_open(&w, x->s, "INSERT INTO effect VALUES(?,?,?,?,?,?,?)", x->err);
    if (!x->run->effects || store_has_rows(x->s, "effect")) {
        return rows_close(&w);
    }
    const struct run_effect *e = x->run->effects;
    for (size_t l = 0; l < x->shape->n_layers; l++) {
        for (size_t k = 0; k < x->shape->layers[l].n * RUN_EFFECT_KINDS * RUN_EFFECTS; k++, e++) {
            if (e->token == RUN_NO_TOKEN || w.rc) {
                continue;
            }
            put_neuron(&w, &x->shape->layers[l], k / (RUN_EFFECT_KINDS * RUN_EFFECTS));
            rows_text(&w, kinds[k / RUN_EFFECTS % RUN_EFFECT_KINDS]);
            rows_u64(&w, k % RUN_EFFECTS + 1);
            rows_u64(&w, e->token);
            rows_real(&w, (double)e->value);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_bins(struct writer *x)
{
    struct rows w;
    rows_open(&w, x->s, "INSERT OR REPLACE INTO bin VALUES(?,?,?)", x->err);
    for (int32_t bin = 0; bin < BINS && !w.rc; bin++) {
        rows_u64(&w, (uint64_t)bin);
        rows_real(&w, bin > 0 ? (double)bins_edge(bin) : NAN);
        rows_real(&w, bin + 1 < BINS ? (double)bins_edge(bin + 1) : NAN);
        rows_next(&w);
    }
    return rows_close(&w);
}

// --- scores -------------------------------------------------------------------------------------

/* Remembers the neuron if it is among the best: the greater worth, then the earlier neuron. */
static void keep_best(struct best *b, double worth, size_t layer, size_t neuron)
{
    if (isnan(worth)) {
        return;
    }
    size_t at = b->n;
    while (at > 0 && b->items[at - 1].worth < worth) {
        b->items[at] = b->items[at - 1];
        at--;
    }
    b->items[at].worth = worth;
    b->items[at].layer = (uint32_t)layer;
    b->items[at].neuron = (uint32_t)neuron;
    b->n = b->n < BEST_MOST ? b->n + 1 : BEST_MOST;
}

/* Of the examples shown as the neuron's strongest, but where h gave up, the share that it labels. */
static double top_covered(const struct writer *x, size_t l, size_t i, size_t h)
{
    const struct example_list *top = list_of(x, l, LIST_TOP, i);
    const size_t n = top->n < x->shape->examples ? top->n : x->shape->examples;
    size_t covered = 0, known = 0;
    for (size_t k = 0; k < n; k++) {
        known += !example_unknown(&top->items[k], h);
        covered += example_labelled(&top->items[k], h);
    }
    return store_share((double)covered, (double)known);
}

static void put_score(struct writer *x, struct rows *w, size_t h, size_t l, size_t i,
                      const char *split, const struct score *s, double covered)
{
    rows_u64(w, h);
    put_neuron(w, &x->shape->layers[l], i);
    rows_text(w, split);
    rows_u64(w, s->n_pos);
    rows_u64(w, s->n_neg);
    rows_u64(w, s->docs_pos);
    const double values[] = {s->prevalence,
                             s->mean_pos,
                             s->mean_neg,
                             s->r,
                             s->variance_explained,
                             s->auroc,
                             s->auroc_bound,
                             s->average_precision,
                             s->threshold,
                             s->precision,
                             s->recall,
                             s->f1,
                             s->mcc,
                             s->mutual_information,
                             s->mass_covered,
                             covered};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        rows_real(w, values[k]);
    }
    rows_next(w);
}

static int write_scores(struct writer *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM score",
              "INSERT INTO score VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
    for (size_t h = 0; h < x->shape->n_hypotheses; h++) {
        for (size_t l = 0; l < x->shape->n_layers; l++) {
            for (size_t i = 0; i < x->shape->layers[l].n && !w.rc; i++) {
                struct score scores[SCORES];
                const double covered = top_covered(x, l, i, h);
                scores_of(x->neurons, l, i, scores_row(x->shape, l, h, i), h, scores);
                put_score(x, &w, h, l, i, "all", &scores[SCORE_ALL], covered);
                put_score(x, &w, h, l, i, "dev", &scores[SCORE_DEV], covered);
                put_score(x, &w, h, l, i, "test", &scores[SCORE_TEST], covered);
                keep_best(&x->best[h], scores[SCORE_DEV].average_precision, l, i);
            }
        }
    }
    return rows_close(&w);
}

// --- the best neurons of each hypothesis, and what is watched -----------------------------------

static void put_split_hist(struct writer *x, struct rows *w, size_t h, size_t l, size_t i)
{
    static const char *const names[SPLITS] = {"dev", "test"};
    const size_t row = scores_row(x->shape, l, h, i);
    for (int split = 0; split < SPLITS && row != SIZE_MAX; split++) {
        uint64_t pos[BINS], neg[BINS];
        scores_hists(x->neurons, l, i, row, h, split, pos, neg);
        w->rc = w->rc ? w->rc : hist_json(&x->json[0], pos, x->err);
        w->rc = w->rc ? w->rc : hist_json(&x->json[1], neg, x->err);
        rows_u64(w, h);
        put_neuron(w, &x->shape->layers[l], i);
        rows_text(w, names[split]);
        rows_text(w, x->json[0].data);
        rows_text(w, x->json[1].data);
        rows_next(w);
    }
}

/* A place as a counterexample. */
struct counter {
    const struct example *e;
    float activation;
    bool sample;
};

/* How little is known of what stands around it: several lists may have the place. */
static int unknowns(const struct counter *c)
{
    return 2 * c->sample + (c->e->n_rows != c->e->n_tokens);
}

static int by_strength(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;
    const int32_t one = bins_order(bins_bits(x->activation));
    const int32_t other = bins_order(bins_bits(y->activation));
    return one != other                 ? (one > other ? -1 : 1)
           : x->e->shard != y->e->shard ? (x->e->shard < y->e->shard ? -1 : 1)
           : x->e->doc != y->e->doc     ? (x->e->doc < y->e->doc ? -1 : 1)
           : x->e->at != y->e->at       ? (x->e->at < y->e->at ? -1 : 1)
                                        : unknowns(x) - unknowns(y);
}

static int by_weakness(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;
    const int32_t one = bins_order(bins_bits(x->activation));
    const int32_t other = bins_order(bins_bits(y->activation));
    return one != other ? (one < other ? -1 : 1) : by_strength(a, b);
}

static void put_counterexample(struct writer *x, struct rows *w, size_t h, size_t l, size_t i,
                               const char *kind, size_t rank, const struct counter *c)
{
    rows_u64(w, h);
    put_neuron(w, &x->shape->layers[l], i);
    rows_text(w, kind);
    rows_u64(w, rank);
    rows_real(w, (double)c->activation);
    put_place(x, w, c->e, c->sample, c->activation);
    if (c->e->n_rows == c->e->n_tokens) {
        w->rc = w->rc ? w->rc : labelled_json(&x->json[2], c->e, h, x->err);
        rows_text(w, x->json[2].data);
    } else {
        rows_null(w); // of the other tokens it is not known
    }
    rows_next(w);
}

/* In order, one a document and context. */
static void put_counters(struct writer *x, struct rows *w, size_t h, size_t l, size_t i,
                         const char *kind, struct counter *all, size_t n)
{
    const struct counter *put[COUNTEREXAMPLES_MOST];
    size_t n_put = 0;
    for (size_t k = 0; k < n && n_put < COUNTEREXAMPLES_MOST && !w->rc; k++) {
        bool again = false;
        for (size_t j = 0; j < n_put && !again; j++) {
            const struct example *e = put[j]->e;
            again = e->context == all[k].e->context ||
                    (e->shard == all[k].e->shard && e->doc == all[k].e->doc);
        }
        if (!again) {
            put[n_put++] = &all[k];
            put_counterexample(x, w, h, l, i, kind, n_put, &all[k]);
        }
    }
}

/* Places of the neuron's lists that h labels, or does not, on the wrong side of the threshold. */
static size_t collect(const struct writer *x, size_t h, size_t l, size_t i, bool labelled,
                      double threshold, struct counter *out)
{
    size_t n = 0;
    for (unsigned list = 0; list < LISTS; list++) {
        const struct example_list *items = list_of(x, l, list, i);
        for (size_t k = 0; k < items->n; k++) {
            const struct example *e = &items->items[k];
            const bool fires = (double)e->activation >= threshold;
            if (!example_unknown(e, h) && example_labelled(e, h) == labelled && fires != labelled) {
                out[n++] = (struct counter){e, e->activation, false};
            }
        }
    }
    const struct example_list *samples = &x->neurons->samples[h];
    for (size_t k = 0; k < samples->n && labelled; k++) {
        const float a = samples->items[k].acts[x->shape->layers[l].first + i];
        if (!((double)a >= threshold)) {
            out[n++] = (struct counter){&samples->items[k], a, true};
        }
    }
    return n;
}

static int put_found(struct writer *x, struct rows *w, size_t h, size_t l, size_t i)
{
    struct score scores[SCORES];
    scores_of(x->neurons, l, i, scores_row(x->shape, l, h, i), h, scores);
    const double threshold = scores[SCORE_DEV].threshold;
    size_t most = LIST_SAMPLE_MOST;
    for (unsigned list = 0; list < LISTS; list++) {
        most += neurons_list_most(x->shape, list);
    }
    struct counter *all = mem_new(most, sizeof *all);
    if (!all) {
        return err_nomem(x->err, "counterexamples");
    }
    size_t n = collect(x, h, l, i, false, threshold, all);
    qsort(all, n, sizeof *all, by_strength);
    put_counters(x, w, h, l, i, "fires_without", all, n);
    n = collect(x, h, l, i, true, threshold, all);
    qsort(all, n, sizeof *all, by_weakness);
    put_counters(x, w, h, l, i, "silent_with", all, n);
    free(all);
    return w->rc;
}

/* Of a watched pair all places were looked at. */
static void put_watched(struct writer *x, struct rows *w, size_t watch)
{
    static const char *const kinds[2] = {"fires_without", "silent_with"};
    const struct neurons_watch *v = &x->shape->watches[watch];
    for (size_t side = 0; side < 2; side++) {
        const struct example_list *list = &x->neurons->watched[watch][side];
        for (size_t k = 0; k < list->n && k < COUNTEREXAMPLES_MOST && !w->rc; k++) {
            const struct counter c = {&list->items[k], list->items[k].activation, false};
            put_counterexample(x, w, v->hypothesis, v->layer, v->neuron, kinds[side], k + 1, &c);
        }
    }
}

static size_t find_watch(const struct writer *x, size_t h, size_t l, size_t i)
{
    size_t k = 0;
    while (k < x->shape->n_watches &&
           (x->shape->watches[k].hypothesis != h || x->shape->watches[k].layer != l ||
            x->shape->watches[k].neuron != i)) {
        k++;
    }
    return k;
}

/* Watched pairs are shown in full, too. */
static bool is_best(const struct best *b, size_t l, size_t i)
{
    for (size_t k = 0; k < b->n; k++) {
        if (b->items[k].layer == l && b->items[k].neuron == i) {
            return true;
        }
    }
    return false;
}

static int write_shown(struct writer *x)
{
    struct rows hists, counters;
    rows_anew(&hists, x->s, "DELETE FROM split_hist",
              "INSERT INTO split_hist VALUES(?,?,?,?,?,?,?)", x->err);
    rows_anew(&counters, x->s, "DELETE FROM counterexample",
              "INSERT INTO counterexample VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
    int rc = hists.rc ? hists.rc : counters.rc;
    for (size_t h = 0; h < x->shape->n_hypotheses; h++) {
        for (size_t k = 0; k < x->best[h].n && !rc; k++) {
            const size_t l = x->best[h].items[k].layer, i = x->best[h].items[k].neuron;
            put_split_hist(x, &hists, h, l, i);
            if (find_watch(x, h, l, i) == x->shape->n_watches) {
                rc = put_found(x, &counters, h, l, i);
            }
            rc = rc ? rc : hists.rc;
        }
    }
    for (size_t k = 0; k < x->shape->n_watches && !rc; k++) {
        const struct neurons_watch *v = &x->shape->watches[k];
        put_watched(x, &counters, k);
        if (!is_best(&x->best[v->hypothesis], v->layer, v->neuron)) {
            put_split_hist(x, &hists, v->hypothesis, v->layer, v->neuron);
        }
        rc = counters.rc ? counters.rc : hists.rc;
    }
    rows_close(&hists);
    rows_close(&counters);
    return rc;
}

int store_neurons_write(const struct store *s, const struct run *run, const struct neurons *neurons,
                        struct err *err)
{
    struct writer x = {.s = s, .run = run, .neurons = neurons, .shape = neurons->shape, .err = err};
    x.best = mem_zero(x.shape->n_hypotheses, sizeof *x.best);
    int (*const writers[])(struct writer *) = {write_bins,    write_neurons, write_examples,
                                               write_effects, write_scores,  write_shown};
    int rc = x.best ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < sizeof writers / sizeof *writers && !rc; i++) {
        rc = writers[i](&x);
    }
    for (size_t i = 0; i < sizeof x.json / sizeof *x.json; i++) {
        buf_free(&x.json[i]);
    }
    free(x.best);
    return rc;
}
