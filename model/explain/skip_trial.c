#include "model/explain/skip_trial.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/attribution.h"

#define WINDOWS (SKIP_TRIAL_PLACES * SKIP_TRIAL_FILLERS)

_Static_assert(SKIP_TRIAL_PLACES <= ENGINE_SIGHTS, "all places are seen in one call");

/* A head or neuron, and the sum of its direct effects. */
struct effect {
    bool neuron;
    uint32_t layer, index;
    double direct;
};

struct skip_trial {
    const struct engine *engine;
    const struct model *model;
    struct engine_ctx *ctx;
    struct attributor *attributor;
    float *components; // [SKIP_TRIAL_PLACES][n_components]
    size_t n_components;
    struct effect *effects; // [n_effects] heads, then neurons
    uint32_t *component_of; // [n_heads of all layers] a head's component
    size_t n_heads, n_effects;

    uint32_t tokens[WINDOWS][SKIP_TRIAL_TOKENS + 1];
    struct engine_window windows[WINDOWS];
    struct engine_pick picks[WINDOWS];
    double logprob[WINDOWS], plain[SKIP_TRIAL_PLACES];
};

/* Lists heads and neurons, and where heads are among the components. */
static void list_effects(struct skip_trial *t)
{
    const struct config *c = &t->model->config;
    const size_t n_neurons = c->attn_only ? 0 : c->d_mlp;
    for (size_t i = 0; i < t->n_components; i++) {
        char name[ATTRIBUTION_NAME];
        unsigned layer, head;
        int end = 0;
        attribution_component_name(t->model, i, name);
        if (sscanf(name, "L%uH%u%n", &layer, &head, &end) == 2 && name[end] == '\0') {
            t->component_of[layer * c->n_heads + head] = (uint32_t)i;
        }
    }
    for (uint32_t l = 0; l < c->n_layers; l++) {
        for (uint32_t h = 0; h < c->n_heads; h++) {
            t->effects[t->n_effects++] = (struct effect){.layer = l, .index = h};
        }
    }
    t->n_heads = t->n_effects;
    for (uint32_t l = 0; l < c->n_layers; l++) {
        for (uint32_t i = 0; i < n_neurons; i++) {
            t->effects[t->n_effects++] = (struct effect){.neuron = true, .layer = l, .index = i};
        }
    }
}

int skip_trial_new(struct skip_trial **out, const struct engine *e, struct err *err)
{
    struct skip_trial *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "skip-trigrams");
    }
    t->engine = e;
    t->model = engine_model(e);
    const struct config *c = &t->model->config;
    t->n_components = attribution_n_components(t->model);
    t->components = mem_new(SKIP_TRIAL_PLACES * t->n_components, sizeof *t->components);
    t->effects = mem_new(c->n_layers * (c->n_heads + c->d_mlp), sizeof *t->effects);
    t->component_of = mem_zero(c->n_layers * c->n_heads, sizeof *t->component_of);
    int rc = t->components && t->effects && t->component_of ? 0 : err_nomem(err, "skip-trigrams");
    rc = rc ? rc : engine_ctx_new(&t->ctx, e, err);
    rc = rc ? rc : attributor_new(&t->attributor, e, err);
    if (rc) {
        skip_trial_free(t);
        return rc;
    }
    list_effects(t);
    *out = t;
    return 0;
}

void skip_trial_free(struct skip_trial *t)
{
    if (t) {
        attributor_free(t->attributor);
        engine_ctx_free(t->ctx);
        free(t->components);
        free(t->effects);
        free(t->component_of);
        free(t);
    }
}

// --- runs ---------------------------------------------------------------------------------------

/* Sets window k to a place, with A replaced by a stand-in unless that is A. */
static void set_window(struct skip_trial *t, size_t k, const struct skip_trial_question *q,
                       const struct skip_trial_place *p, uint32_t filler)
{
    assert(p->n >= 1 && p->n <= SKIP_TRIAL_TOKENS && p->n + 1 <= t->model->config.n_ctx);
    for (size_t i = 0; i < p->n; i++) {
        t->tokens[k][i] = p->ids[i] == q->a ? filler : p->ids[i];
    }
    t->tokens[k][p->n] = q->c;
    t->windows[k] =
        (struct engine_window){.first = p->first, .tokens = t->tokens[k], .n = p->n + 1};
    t->picks[k] = (struct engine_pick){.window = &t->windows[k], .at = p->n};
}

/* The windows of all places as they are. */
static void set_plain(struct skip_trial *t, const struct skip_trial_question *q)
{
    for (size_t i = 0; i < q->n_places; i++) {
        set_window(t, i, q, &q->places[i], q->a);
    }
}

/* ln P(C) of the plain windows with something at 0 ("zero.L0H3") into t->logprob. */
static int run_without(struct skip_trial *t, size_t n, const char *change, const atomic_int *stop,
                       struct err *err)
{
    static const struct engine_replaced by_zero;
    struct changes changes = {0};
    int rc = changes_parse(&changes, change, &t->model->config, err);
    rc = rc ? rc : engine_change(t->ctx, &changes, err);
    if (!rc) {
        engine_replace(t->ctx, &by_zero);
        engine_pick_exact(t->ctx, t->picks, n, t->logprob, stop);
        engine_replace(t->ctx, NULL);
    }
    changes_free(&changes);
    return rc;
}

static double mean_p(const double *logprob, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += exp(logprob[i]);
    }
    return sum / (double)n;
}

/* By how much the mean falls from t->plain. */
static double fall(const struct skip_trial *t, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += t->plain[i] - t->logprob[i];
    }
    return sum / (double)n;
}

static void run_without_a(struct skip_trial *t, const struct skip_trial_question *q,
                          struct skip_trial_cause *out, const atomic_int *stop)
{
    const size_t each = q->n_fillers < SKIP_TRIAL_FILLERS ? q->n_fillers : SKIP_TRIAL_FILLERS;
    const size_t n = q->n_places * each;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t place = i / each;
        set_window(t, i, q, &q->places[place], q->fillers[(place + i % each) % q->n_fillers]);
    }
    engine_pick_exact(t->ctx, t->picks, n, t->logprob, stop);
    for (size_t i = 0; i < n; i++) {
        sum += t->plain[i / each] - t->logprob[i];
    }
    out->fall_without_a = sum / (double)n;
    out->p_without_a = mean_p(t->logprob, n);
}

int skip_trial_cause(struct skip_trial *t, const struct skip_trial_question *q,
                     struct skip_trial_cause *out, const atomic_int *stop, struct err *err)
{
    char change[48];
    assert(q->n_places >= 1 && q->n_places <= SKIP_TRIAL_PLACES && q->n_fillers >= 1);
    set_plain(t, q);
    engine_pick_exact(t->ctx, t->picks, q->n_places, t->plain, stop);
    out->p = mean_p(t->plain, q->n_places);
    run_without_a(t, q, out, stop);
    set_plain(t, q);
    snprintf(change, sizeof change, "zero.L0H%zu", q->head);
    const int rc = run_without(t, q->n_places, change, stop, err);
    out->p_without_head = mean_p(t->logprob, q->n_places);
    out->fall_without_head = fall(t, q->n_places);
    return rc;
}

// --- parts --------------------------------------------------------------------------------------

/* engine_view(): adds the direct effects of all places. */
static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct skip_trial *t = context;
    const struct config *c = &t->model->config;
    struct attribution out[1];
    for (size_t i = 0; i < n; i++) { // one at a time: of each the effects of all neurons
        out[0].components = t->components;
        attribute(t->attributor, t->picks + k + i, sights + i, 1, out);
        for (size_t h = 0; h < t->n_heads; h++) {
            t->effects[h].direct += (double)t->components[t->component_of[h]];
        }
        for (size_t j = 0; t->n_heads + j < t->n_effects; j++) {
            t->effects[t->n_heads + j].direct +=
                (double)out[0].effects[t->effects[t->n_heads + j].layer * c->d_mlp +
                                       t->effects[t->n_heads + j].index];
        }
    }
}

/* Fills the largest effects; of equal ones the first. */
static void choose_parts(const struct skip_trial *t, size_t n_places, struct skip_trial_parts *out)
{
    out->n = 0;
    for (size_t i = 0; i < t->n_effects; i++) {
        const struct effect *x = &t->effects[i];
        const double direct = x->direct / (double)n_places;
        size_t at = out->n < SKIP_TRIAL_PARTS ? out->n++ : SKIP_TRIAL_PARTS;
        for (; at > 0 && fabs(out->parts[at - 1].direct) < fabs(direct); at--) {
            if (at < SKIP_TRIAL_PARTS) {
                out->parts[at] = out->parts[at - 1];
            }
        }
        if (at < SKIP_TRIAL_PARTS) {
            out->parts[at] = (struct skip_trial_part){
                .neuron = x->neuron, .layer = x->layer, .index = x->index, .direct = direct};
        }
    }
}

/* The change from t->plain to t->logprob. */
static void read_change(const struct skip_trial *t, size_t n, struct skip_trial_part *out)
{
    double square = 0;
    out->p_without = mean_p(t->logprob, n);
    out->change = -fall(t, n);
    for (size_t i = 0; i < n; i++) {
        const double off = t->logprob[i] - t->plain[i] - out->change;
        square += off * off;
    }
    out->change_se = n < 2 ? NAN : sqrt(square / (double)(n - 1) / (double)n);
}

int skip_trial_parts(struct skip_trial *t, const struct skip_trial_question *q,
                     struct skip_trial_parts *out, const atomic_int *stop, struct err *err)
{
    int rc = 0;
    assert(q->n_places >= 1 && q->n_places <= SKIP_TRIAL_PLACES);
    for (size_t i = 0; i < t->n_effects; i++) {
        t->effects[i].direct = 0;
    }
    set_plain(t, q);
    engine_pick_exact(t->ctx, t->picks, q->n_places, t->plain, stop);
    engine_look(t->ctx, t->picks, q->n_places, see, t, stop);
    out->p = mean_p(t->plain, q->n_places);
    choose_parts(t, q->n_places, out);
    for (size_t i = 0; i < out->n && !rc; i++) {
        struct skip_trial_part *x = &out->parts[i];
        char change[48];
        snprintf(change, sizeof change, "zero.L%uH%u", x->layer, x->index);
        if (x->neuron) {
            snprintf(change, sizeof change, "zero.L%uN%u", x->layer, x->index);
        }
        rc = run_without(t, q->n_places, change, stop, err);
        read_change(t, q->n_places, x);
    }
    return rc;
}
