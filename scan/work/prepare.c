#include "scan/work/prepare.h"

#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/effects.h"
#include "out/results/neurons/neurons_collector.h"

_Static_assert(NEURONS_EFFECTS == EFFECTS_TOKENS, "as many tokens at either end");

/* sign 1: a list of the greatest; -1: of the least.  What is not above the mean of all tokens is not
 * raised, and what is not below it not lowered: of weights 0 nothing is listed. */
static void keep_list(struct neurons_effect *to, const struct effects_list *from, float sign)
{
    for (size_t i = 0; i < NEURONS_EFFECTS; i++) {
        const bool listed = i < from->n && sign * from->tokens[i].value > 0;
        to[i] = listed ? (struct neurons_effect){.token = from->tokens[i].id,
                                                 .value = from->tokens[i].value}
                       : (struct neurons_effect){.token = NEURONS_NO_TOKEN};
    }
}

/* The effects of one layer's neurons into to[n][NEURONS_EFFECT_KINDS][NEURONS_EFFECTS]. */
static int layer_effects(struct neurons_effect *to, const struct engine *e, size_t layer, size_t n,
                         bool exact_input, const atomic_int *stop, struct err *err)
{
    static const struct effects_list none;
    struct effects *output = mem_zero(n, sizeof *output), *input = mem_zero(n, sizeof *input);
    int rc = output && input ? 0 : err_nomem(err, "neurons");
    rc = rc ? rc : effects_output(e, layer, 0, n, output, stop, err);
    if (!rc && exact_input) {
        rc = effects_input(e, 0, n, input, stop, err);
    }
    for (size_t i = 0; i < n && !rc; i++, to += NEURONS_EFFECT_KINDS * NEURONS_EFFECTS) {
        keep_list(to + NEURONS_OUTPUT_TOP * NEURONS_EFFECTS, &output[i].greatest, 1);
        keep_list(to + NEURONS_OUTPUT_BOTTOM * NEURONS_EFFECTS, &output[i].least, -1);
        keep_list(to + NEURONS_INPUT_TOP * NEURONS_EFFECTS,
                  exact_input ? &input[i].greatest : &none, 1);
        keep_list(to + NEURONS_INPUT_BOTTOM * NEURONS_EFFECTS,
                  exact_input ? &input[i].least : &none, -1);
    }
    free(output);
    free(input);
    return rc;
}

int prepare_effects(struct results *results, const struct run *run,
                    const struct predictor *predictors, const atomic_int *stop, struct err *err)
{
    struct neurons_shape *s = neurons_shape_in(results);
    if (!s || s->effects || is_stopped(stop)) {
        return 0;
    }
    struct neurons_effect *effects =
        mem_new(s->n * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS, sizeof *effects);
    int rc = effects ? 0 : err_nomem(err, "neurons");
    for (size_t i = 0; i < s->n_layers && !rc; i++) {
        const struct neurons_layer *l = &s->layers[i];
        rc = layer_effects(effects + l->first * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS,
                           predictors[l->model].engine, l->layer, l->n,
                           run->models[l->model].n_layers == 1, stop, err);
    }
    if (rc || is_stopped(stop)) {
        free(effects);
        return rc;
    }
    neurons_shape_set_effects(s, effects);
    return 0;
}
