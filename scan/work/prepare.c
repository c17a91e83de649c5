#include "scan/work/prepare.h"

#include <math.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/effects.h"
#include "out/results/neurons/scores.h"

_Static_assert(RUN_EFFECTS == EFFECTS_TOKENS, "as many tokens at either end");

// --- effects ------------------------------------------------------------------------------------

static void keep_list(struct run_effect *to, const struct effects_list *from)
{
    for (size_t i = 0; i < RUN_EFFECTS; i++) {
        to[i] = i < from->n ? (struct run_effect){.token = from->tokens[i].id,
                                                  .value = from->tokens[i].value}
                            : (struct run_effect){.token = RUN_NO_TOKEN};
    }
}

/* The effects of one layer's neurons into to[n][RUN_EFFECT_KINDS][RUN_EFFECTS]. */
static int layer_effects(struct run_effect *to, const struct engine *e, size_t layer, size_t n,
                         bool exact_input, const atomic_int *stop, struct err *err)
{
    static const struct effects_list none;
    struct effects *output = mem_zero(n, sizeof *output), *input = mem_zero(n, sizeof *input);
    int rc = output && input ? 0 : err_nomem(err, "neurons");
    rc = rc ? rc : effects_output(e, layer, 0, n, output, stop, err);
    rc = rc || !exact_input ? rc : effects_input(e, 0, n, input, stop, err);
    for (size_t i = 0; i < n && !rc; i++, to += RUN_EFFECT_KINDS * RUN_EFFECTS) {
        keep_list(to + RUN_OUTPUT_TOP * RUN_EFFECTS, &output[i].greatest);
        keep_list(to + RUN_OUTPUT_BOTTOM * RUN_EFFECTS, &output[i].least);
        keep_list(to + RUN_INPUT_TOP * RUN_EFFECTS, exact_input ? &input[i].greatest : &none);
        keep_list(to + RUN_INPUT_BOTTOM * RUN_EFFECTS, exact_input ? &input[i].least : &none);
    }
    free(output);
    free(input);
    return rc;
}

int prepare_effects(struct run *run, const struct predictor *predictors, const atomic_int *stop,
                    struct err *err)
{
    const struct neurons_shape *s = run->neurons;
    if (!s || run->effects) {
        return 0;
    }
    struct run_effect *effects = mem_new(s->n * RUN_EFFECT_KINDS * RUN_EFFECTS, sizeof *effects);
    int rc = effects ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < s->n_layers && !rc; i++) {
        const struct neurons_layer *l = &s->layers[i];
        rc = layer_effects(effects + l->first * RUN_EFFECT_KINDS * RUN_EFFECTS,
                           predictors[l->model].engine, l->layer, l->n,
                           run->models[l->model].n_layers == 1, stop, err);
    }
    if (rc || is_stopped(stop)) {
        free(effects);
        return rc;
    }
    run->effects = effects;
    return 0;
}

// --- subsets ------------------------------------------------------------------------------------

/* A neuron, and how strongly it correlates with a hypothesis. */
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

/* The neurons of layer l that correlate best with hypothesis h; ranked[n] is overwritten. */
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

int prepare_subsets(struct run *run, struct neurons *first, struct err *err)
{
    const struct neurons_shape *s = first->shape;
    const size_t n = s->n_layers * s->n_hypotheses;
    struct neurons_subset *subsets = mem_zero(n, sizeof *subsets);
    struct ranked *ranked = mem_new(s->n, sizeof *ranked);
    int rc = subsets && ranked ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = choose(&subsets[i], first, i / s->n_hypotheses, i % s->n_hypotheses, run->histograms,
                    ranked, err);
    }
    free(ranked);
    neurons_free(first); // now: its shape points into the run's layers, which change next
    rc = rc ? rc : run_shape_neurons(run, subsets, err);
    if (rc) {
        run_subsets_free(subsets, n);
    }
    return rc;
}
