#include "out/results/neurons/neurons_subsets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/results/neurons/neurons_collector.h"
#include "out/results/neurons/scores.h"

// --- choosing -----------------------------------------------------------------------------------

/* A neuron and how well it goes with a hypothesis. */
struct ranked {
    uint32_t neuron;
    double worth;
};

static int by_worth(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->worth != y->worth ? (x->worth > y->worth ? -1 : 1)
                                : (x->neuron > y->neuron) - (x->neuron < y->neuron);
}

static int by_neuron(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Chooses those of layer l and hypothesis h; ranked[n] is working memory. */
static int choose(struct neurons_subset *out, const struct neurons *first, size_t l, size_t h,
                  uint32_t most, struct ranked *ranked, struct err *err)
{
    const size_t n_neurons = first->shape->layers[l].n;
    for (size_t i = 0; i < n_neurons; i++) {
        struct score scores[SCORES];
        scores_of(first, l, i, SIZE_MAX, h, scores);
        const double r = fabs(scores[SCORE_ALL].r);
        ranked[i] = (struct ranked){.neuron = (uint32_t)i, .worth = isnan(r) ? 0 : r};
    }
    qsort(ranked, n_neurons, sizeof *ranked, by_worth);
    const size_t n = most < n_neurons ? most : n_neurons;
    uint32_t *items = mem_new(n, sizeof *items);
    if (!items) {
        return err_nomem(err, "neurons");
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = ranked[i].neuron;
    }
    qsort(items, n, sizeof *items, by_neuron);
    *out = (struct neurons_subset){.items = items, .n = n};
    return 0;
}

/* Chooses all of them from what a first unit's neurons and labels do. */
static int choose_all(struct neurons_shape *shape, const struct neurons *first, struct err *err)
{
    const size_t n = shape->n_layers * shape->n_hypotheses;
    struct neurons_subset *subsets = mem_zero(n, sizeof *subsets);
    struct ranked *ranked = mem_new(shape->n, sizeof *ranked);
    int rc = subsets && ranked ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = choose(&subsets[i], first, i / shape->n_hypotheses, i % shape->n_hypotheses,
                    shape->histograms, ranked, err);
    }
    free(ranked);
    if (rc) {
        neurons_subsets_free(subsets, n);
        return rc;
    }
    neurons_shape_set_subsets(shape, subsets);
    return 0;
}

int neurons_subsets_choose(struct neurons_shape *shape, const struct collector_before *before,
                           struct err *err)
{
    if (shape->histograms == 0 || shape->subsets) {
        return 0;
    }
    struct neurons_shape without = *shape; // no histograms but those of all tokens
    struct neurons_subset *none = mem_zero(shape->n_layers * shape->n_hypotheses, sizeof *none);
    struct neurons *first = NULL;
    int rc = none ? 0 : err_nomem(err, "neurons");
    without.subsets = none;
    rc = rc ? rc : neurons_new(&first, &without, err);
    rc = rc ? rc : before->first_unit(before->context, &neurons_collector, &without, first, err);
    if (!rc && !before->stopped(before->context)) {
        rc = choose_all(shape, first, err);
    }
    neurons_free(first);
    free(none);
    return rc;
}

// --- memory -------------------------------------------------------------------------------------

/* May it leave out documents? */
static bool is_unsure(const struct run_hypothesis *h)
{
    return strcmp(h->kind, "regex") == 0 || strcmp(h->kind, "plugin") == 0 ||
           strcmp(h->kind, "exec") == 0;
}

void neurons_run_memory(const struct neurons_shape *shape, const struct run *run,
                        struct neurons_memory *out)
{
    struct neurons_shape will = *shape;
    struct neurons_subset *top = NULL;
    size_t n_unsure = 0;
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        n_unsure += is_unsure(&run->hypotheses[h]);
    }
    if (shape->histograms && !shape->subsets) {
        top = mem_zero(shape->n_layers * shape->n_hypotheses, sizeof *top);
        for (size_t i = 0; top && i < shape->n_layers * shape->n_hypotheses; i++) {
            const size_t n = shape->layers[i / shape->n_hypotheses].n;
            top[i].n = shape->histograms < n ? shape->histograms : n;
        }
        will.subsets = top;
    }
    neurons_memory(&will, n_unsure, out);
    free(top);
}
