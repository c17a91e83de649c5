/*
 * The tables of neurons and hypotheses: scores; and for the best neurons of each hypothesis and the
 * watched pairs histograms and counterexamples.
 */
#include <math.h>
#include <stdlib.h>

#include "out/results/neurons/scores.h"
#include "out/results/neurons/neurons_rows.h"

#define BEST_MOST 10            // neurons of a hypothesis that are shown in full
#define COUNTEREXAMPLES_MOST 20 // of each kind

/* The best neurons of a hypothesis. */
struct best {
    size_t n;
    struct {
        double worth; // average precision on dev
        uint32_t layer, neuron;
    } items[BEST_MOST + 1];
};

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

/* Of the examples shown as the neuron's strongest, but where h gave up, the share that it labels.
 */
static double top_covered(const struct neuron_rows *x, size_t l, size_t i, size_t h)
{
    const struct example_list *top = neuron_rows_list(x, l, LIST_TOP, i);
    const size_t n = top->n < x->shape->examples ? top->n : x->shape->examples;
    size_t covered = 0, known = 0;
    for (size_t k = 0; k < n; k++) {
        known += !example_unknown(&top->items[k], h);
        covered += example_labelled(&top->items[k], h);
    }
    return known > 0 ? (double)covered / (double)known : NAN;
}

static void put_score(struct neuron_rows *x, struct rows *w, size_t h, size_t l, size_t i,
                      const char *split, const struct score *s, double covered)
{
    rows_u64(w, h);
    neuron_rows_id(w, &x->shape->layers[l], i);
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
                             s->average_precision_bound,
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

static int write_scores(struct neuron_rows *x, struct best *best)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM score",
              "INSERT INTO score VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
              x->err);
    for (size_t h = 0; h < x->shape->n_hypotheses; h++) {
        for (size_t l = 0; l < x->shape->n_layers; l++) {
            for (size_t i = 0; i < x->shape->layers[l].n && !w.rc; i++) {
                struct score scores[SCORES];
                const double covered = top_covered(x, l, i, h);
                scores_of(x->neurons, l, i, scores_row(x->shape, l, h, i), h, scores);
                put_score(x, &w, h, l, i, "all", &scores[SCORE_ALL], covered);
                put_score(x, &w, h, l, i, "dev", &scores[SCORE_DEV], covered);
                put_score(x, &w, h, l, i, "test", &scores[SCORE_TEST], covered);
                keep_best(&best[h], scores[SCORE_DEV].average_precision, l, i);
            }
        }
    }
    return rows_close(&w);
}

// --- the best neurons of each hypothesis, and what is watched -----------------------------------

static void put_split_hist(struct neuron_rows *x, struct rows *w, size_t h, size_t l, size_t i)
{
    static const char *const names[SPLITS] = {"dev", "test"};
    const size_t row = scores_row(x->shape, l, h, i);
    for (int split = 0; split < SPLITS && row != SIZE_MAX; split++) {
        uint64_t pos[BINS], neg[BINS];
        scores_hists(x->neurons, l, i, row, h, split, pos, neg);
        w->rc = w->rc ? w->rc : neuron_rows_hist(&x->json[0], pos, x->err);
        w->rc = w->rc ? w->rc : neuron_rows_hist(&x->json[1], neg, x->err);
        rows_u64(w, h);
        neuron_rows_id(w, &x->shape->layers[l], i);
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

/* Are the labels of all its tokens known?  Several lists may have the place. */
static bool has_labels(const struct counter *c)
{
    return c->e->n_rows == c->e->n_tokens;
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
           : x->sample != y->sample     ? x->sample - y->sample // the neuron's activations first
                                        : has_labels(y) - has_labels(x);
}

static int by_weakness(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;
    const int32_t one = bins_order(bins_bits(x->activation));
    const int32_t other = bins_order(bins_bits(y->activation));
    return one != other ? (one < other ? -1 : 1) : by_strength(a, b);
}

/* labels: c, or the same place as another list has it. */
static void put_counterexample(struct neuron_rows *x, struct rows *w, size_t h, size_t l, size_t i,
                               const char *kind, size_t rank, const struct counter *c,
                               const struct counter *labels)
{
    rows_u64(w, h);
    neuron_rows_id(w, &x->shape->layers[l], i);
    rows_text(w, kind);
    rows_u64(w, rank);
    rows_real(w, (double)c->activation);
    neuron_rows_place(x, w, c->e, c->sample, c->activation);
    if (has_labels(labels)) {
        w->rc = w->rc ? w->rc : neuron_rows_labelled(&x->json[2], labels->e, h, x->err);
        rows_text(w, x->json[2].data);
    } else {
        rows_null(w); // of the other tokens it is not known
    }
    rows_next(w);
}

/* Of all[n], the first one, or its like that has labels. */
static const struct counter *find_labels(const struct counter *all, size_t n)
{
    for (size_t k = 0; k < n && all[k].e->shard == all->e->shard && all[k].e->doc == all->e->doc &&
                       all[k].e->at == all->e->at;
         k++) {
        if (has_labels(&all[k])) {
            return &all[k];
        }
    }
    return all;
}

/* In order, one a document and context. */
static void put_counters(struct neuron_rows *x, struct rows *w, size_t h, size_t l, size_t i,
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
            put_counterexample(x, w, h, l, i, kind, n_put, &all[k], find_labels(&all[k], n - k));
        }
    }
}

/* Places of the neuron's lists that h labels, or does not, on the wrong side of the threshold. */
static size_t collect(const struct neuron_rows *x, size_t h, size_t l, size_t i, bool labelled,
                      double threshold, struct counter *out)
{
    size_t n = 0;
    for (unsigned list = 0; list < LISTS; list++) {
        const struct example_list *items = neuron_rows_list(x, l, list, i);
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
        if (isfinite(a) && !((double)a >= threshold)) {
            out[n++] = (struct counter){&samples->items[k], a, true};
        }
    }
    return n;
}

static int put_found(struct neuron_rows *x, struct rows *w, size_t h, size_t l, size_t i)
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
static void put_watched(struct neuron_rows *x, struct rows *w, size_t watch)
{
    static const char *const kinds[2] = {"fires_without", "silent_with"};
    const struct neurons_watch *v = &x->shape->watches[watch];
    for (size_t side = 0; side < 2; side++) {
        const struct example_list *list = &x->neurons->watched[watch][side];
        for (size_t k = 0; k < list->n && k < COUNTEREXAMPLES_MOST && !w->rc; k++) {
            const struct counter c = {&list->items[k], list->items[k].activation, false};
            put_counterexample(x, w, v->hypothesis, v->layer, v->neuron, kinds[side], k + 1, &c,
                               &c);
        }
    }
}

static size_t find_watch(const struct neuron_rows *x, size_t h, size_t l, size_t i)
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

static int write_shown(struct neuron_rows *x, const struct best *all)
{
    struct rows hists, counters;
    rows_anew(&hists, x->s, "DELETE FROM split_hist",
              "INSERT INTO split_hist VALUES(?,?,?,?,?,?,?)", x->err);
    rows_anew(&counters, x->s, "DELETE FROM counterexample",
              "INSERT INTO counterexample VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", x->err);
    int rc = hists.rc ? hists.rc : counters.rc;
    for (size_t h = 0; h < x->shape->n_hypotheses; h++) {
        for (size_t k = 0; k < all[h].n && !rc; k++) {
            const size_t l = all[h].items[k].layer, i = all[h].items[k].neuron;
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
        if (!is_best(&all[v->hypothesis], v->layer, v->neuron)) {
            put_split_hist(x, &hists, v->hypothesis, v->layer, v->neuron);
        }
        rc = counters.rc ? counters.rc : hists.rc;
    }
    rows_close(&hists);
    rows_close(&counters);
    return rc;
}

int neurons_write_scores(struct neuron_rows *x)
{
    struct best *best = mem_zero(x->shape->n_hypotheses, sizeof *best);
    int rc = best ? write_scores(x, best) : err_nomem(x->err, "scores");
    rc = rc ? rc : write_shown(x, best);
    free(best);
    return rc;
}
