#include "model/explain/minimal.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/pool.h"
#include "model/explain/attribution.h"
#include "model/explain/patch.h"
#include "model/kernels/kern.h"
#include "model/pass/engine.h"
#include "model/pass/logprob.h"

/* What is needed while a model runs on both prompts. */
struct work {
    struct minimal *found;
    struct patcher *patcher;
    struct recording *recordings[2];
    struct changed *changed;
};

/* What makes a changed model of the prompts. */
struct changed {
    const struct changes *changes;
    struct recording *plain[2]; // of the model without changes
    struct patch *patches[2];   // [changes->n] of prompt k
    float *means;               // [changes->width]
};

double minimal_effect(const struct minimal *m, size_t k, double difference)
{
    const double own = m->output[k].difference, other = m->output[!k].difference;
    return own == other ? NAN : difference == own ? 0 : (difference - own) / (other - own);
}

size_t minimal_per_layer(const struct config *c)
{
    return c->n_heads + !c->attn_only;
}

void minimal_component_name(const struct config *c, size_t i, char name[MINIMAL_NAME])
{
    const size_t layer = i / minimal_per_layer(c), k = i % minimal_per_layer(c);
    if (k < c->n_heads) {
        snprintf(name, MINIMAL_NAME, "L%zuH%zu", layer, k);
    } else {
        snprintf(name, MINIMAL_NAME, "L%zuMLP", layer);
    }
}

// --- what is changed ----------------------------------------------------------------------------

/* Where a change's values stand in a recording. */
static struct patch values_of(const struct recording *r, const struct change *x)
{
    const enum patch_kind kind = x->what == CHANGE_HEAD  ? PATCH_Z
                                 : x->what == CHANGE_MLP ? PATCH_MLP_OUT
                                                         : PATCH_POST;
    return patch_from(r, kind, x->layer, x->index);
}

/* The mean of a change's values over all positions of both prompts. */
static void make_mean(const struct changed *c, const struct change *x)
{
    for (size_t j = 0; j < x->width; j++) {
        double sum = 0;
        size_t n = 0;
        for (size_t k = 0; k < 2; k++) {
            const struct patch of = values_of(c->plain[k], x);
            for (size_t i = 0; i < c->plain[k]->n; i++, n++) {
                sum += (double)of.values[i * of.stride + j];
            }
        }
        c->means[x->at + j] = (float)(sum / (double)n);
    }
}

/* Makes the patches of prompt k. */
static void make_patches(const struct changed *c, size_t k)
{
    for (size_t i = 0; i < c->changes->n; i++) {
        const struct change *x = &c->changes->items[i];
        struct patch *p = &c->patches[k][i];
        *p = values_of(c->plain[!k], x);
        if (x->verb != CHANGE_RESAMPLE) {
            p->values = x->verb == CHANGE_MEAN ? c->means + x->at : NULL;
            p->stride = 0;
        }
    }
}

static void changed_free(struct changed *c)
{
    for (size_t k = 0; k < 2; k++) {
        recording_free(c->plain[k]);
        free(c->patches[k]);
    }
    free(c->means);
}

/* Runs both prompts without changes, and makes the patches that change the model. */
static int make_changed(struct work *w, struct err *err)
{
    struct changed *c = w->changed;
    const struct minimal *m = w->found;
    int rc = 0;
    if (!c->changes) {
        return 0;
    }
    c->means = mem_new(c->changes->width, sizeof *c->means);
    rc = c->means ? 0 : err_nomem(err, "a changed model");
    for (size_t k = 0; k < 2 && !rc; k++) {
        c->patches[k] = mem_zero(c->changes->n, sizeof *c->patches[k]);
        rc = c->patches[k] ? recording_new(&c->plain[k], w->patcher, m->prompts.ids[k], m->n, err)
                           : err_nomem(err, "a changed model");
    }
    for (size_t i = 0; i < c->changes->n && !rc; i++) {
        make_mean(c, &c->changes->items[i]);
    }
    for (size_t k = 0; k < 2 && !rc; k++) {
        make_patches(c, k);
    }
    return rc;
}

/* From now on the patcher runs prompt k with the changes. */
static void change_prompt(const struct work *w, size_t k)
{
    if (w->changed->changes) {
        patcher_change(w->patcher, w->changed->patches[k], w->changed->changes->n);
    }
}

// --- what the model says ------------------------------------------------------------------------

static void see(struct minimal_output *s, const float *logits, size_t d_vocab,
                const uint32_t answers[2])
{
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    for (size_t a = 0; a < 2; a++) {
        s->logits[a] = logits[answers[a]];
        s->logprobs[a] = (double)s->logits[a] - lse;
        s->ranks[a] = 1;
        for (size_t i = 0; i < d_vocab; i++) {
            s->ranks[a] += logits[i] > s->logits[a];
        }
    }
    s->difference = (double)s->logits[0] - (double)s->logits[1];
    s->n_top = logprob_top(logits, d_vocab, MINIMAL_TOP, s->top);
    for (size_t i = 0; i < s->n_top; i++) {
        s->top_logprob[i] = (double)logits[s->top[i]] - lse;
    }
}

// --- attribution --------------------------------------------------------------------------------

/* What an attributor reads of a prompt's last token. z: [n_layers][n_heads * d_head]; mlp_out:
 * [n_layers][d_model], NULL: nothing is changed; post as in struct minimal. */
static struct engine_sight sight(const struct recording *r, float *z, float *post, float *mlp_out)
{
    const struct config *c = &r->model->config;
    for (size_t i = 0; i < c->n_layers * c->n_heads; i++) {
        memcpy(z + i * c->d_head, r->z + ((i + 1) * r->n - 1) * c->d_head, c->d_head * sizeof *z);
    }
    for (size_t l = 0; l < c->n_layers && !c->attn_only; l++) {
        memcpy(post + l * c->d_mlp, r->post + ((l + 1) * r->n - 1) * c->d_mlp,
               c->d_mlp * sizeof *post);
        if (mlp_out) {
            memcpy(mlp_out + l * c->d_model, r->mlp_out + ((l + 1) * r->n - 1) * c->d_model,
                   c->d_model * sizeof *mlp_out);
        }
    }
    return (struct engine_sight){
        .logits = r->logits,
        .resid = r->resid_pre + ((c->n_layers + 1) * r->n - 1) * c->d_model,
        .z = z,
        .post = post,
        .mlp_out = c->attn_only ? NULL : mlp_out,
    };
}

/* Attributes both answers after prompt k and keeps their difference. */
static int attribute_prompt(struct work *w, size_t k, struct attributor *a, struct err *err)
{
    struct minimal *m = w->found;
    const struct config *c = &m->model->config;
    float *z = mem_new(c->n_layers, c->n_heads * c->d_head * sizeof *z);
    float *mlp_out = mem_new(c->n_layers, c->d_model * sizeof *mlp_out);
    float *components = mem_new(2 * m->n_components, sizeof *components);
    uint32_t *tokens = mem_new(2 * m->n, sizeof *tokens); // each answer behind the prompt
    int rc = z && mlp_out && components && tokens ? 0 : err_nomem(err, "an attribution");
    struct engine_window windows[2];
    struct engine_pick picks[2];
    struct engine_sight sights[2];
    struct attribution found[2];
    for (size_t i = 0; i < 2 && !rc; i++) {
        uint32_t *own = tokens + i * m->n;
        memcpy(own, m->prompts.ids[k] + 1, (m->n - 1) * sizeof *own);
        own[m->n - 1] = m->prompts.answers[i];
        windows[i] =
            (struct engine_window){.first = m->prompts.ids[k][0], .tokens = own, .n = m->n};
        picks[i] = (struct engine_pick){.window = &windows[i], .at = m->n - 1};
        sights[i] = sight(w->recordings[k], z, m->post[k], w->changed->changes ? mlp_out : NULL);
        found[i].components = components + i * m->n_components;
    }
    if (!rc) {
        attribute(a, picks, sights, 2, found);
    }
    for (size_t i = 0; i < m->n_components && !rc; i++) {
        m->components[k][i] = (double)found[0].components[i] - (double)found[1].components[i];
    }
    for (size_t i = 0; i < m->n_neurons && !rc; i++) {
        m->effects[k][i] = (double)found[0].effects[i] - (double)found[1].effects[i];
    }
    free(z);
    free(mlp_out);
    free(components);
    free(tokens);
    return rc;
}

/* An index and the size by which it is sorted. */
struct sized {
    double size;
    size_t index;
};

/* Orders the largest first; of equal ones the first. */
static int by_size(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : x->index < y->index ? -1 : 1;
}

/* Lists the neurons of the largest direct effects. */
static int list_neurons(struct minimal *m, struct err *err)
{
    struct sized *all = mem_new(m->n_neurons, sizeof *all);
    if (!all) {
        return err_nomem(err, "neurons");
    }
    for (size_t which = 0; which < 3; which++) {
        for (size_t i = 0; i < m->n_neurons; i++) {
            const double effect =
                which < 2 ? m->effects[which][i] : m->effects[1][i] - m->effects[0][i];
            all[i] = (struct sized){fabs(effect), i};
        }
        qsort(all, m->n_neurons, sizeof *all, by_size);
        for (size_t i = 0; i < m->n_listed; i++) {
            m->listed[which][i] = all[i].index;
        }
    }
    free(all);
    return 0;
}

static int find_attribution(struct work *w, struct err *err)
{
    const struct engine *given = w->found->options.engine;
    struct engine *own = NULL;
    struct attributor *a = NULL;
    int rc = given ? 0 : engine_new(&own, w->found->model, kern_best(), PRECISION_EXACT, err);
    rc = rc ? rc : attributor_new(&a, given ? given : own, err);
    for (size_t k = 0; k < 2 && !rc; k++) {
        rc = attribute_prompt(w, k, a, err);
    }
    attributor_free(a);
    engine_free(own);
    return rc ? rc : list_neurons(w->found, err);
}

// --- patching -----------------------------------------------------------------------------------

/* The difference after prompt k with a patch from the other prompt. */
static double patched(struct work *w, size_t k, const struct patch *patch)
{
    float logits[2];
    patch_run(w->patcher, w->recordings[k], patch, 1);
    patch_token_logits(w->patcher, w->found->prompts.answers, 2, logits);
    return (double)logits[0] - (double)logits[1];
}

static struct patch component(const struct work *w, size_t k, size_t i)
{
    const size_t layer = i / w->found->per_layer, head = i % w->found->per_layer;
    const bool is_head = head < w->found->model->config.n_heads;
    return patch_from(w->recordings[!k], is_head ? PATCH_Z : PATCH_MLP_OUT, layer,
                      is_head ? head : 0);
}

static void patch_components(struct work *w, size_t k)
{
    struct minimal *m = w->found;
    const size_t n_layers = m->model->config.n_layers;
    for (size_t i = 0; i < n_layers * m->per_layer; i++) {
        struct patch patch = component(w, k, i);
        m->patched[k][i] = patched(w, k, &patch);
        for (size_t at = 0; at < m->n && m->options.positions; at++) {
            patch.position = at;
            m->at[k][i * m->n + at] = patched(w, k, &patch);
        }
    }
    for (size_t i = 0; i < n_layers * m->n && m->options.positions; i++) {
        struct patch patch = patch_from(w->recordings[!k], PATCH_RESID_PRE, i / m->n, 0);
        patch.position = i % m->n;
        m->resid_pre[k][i] = patched(w, k, &patch);
    }
}

/* The size of the change that a neuron writes: |W_out[i]| times the change of its activations. */
static double written(const struct work *w, size_t neuron)
{
    const struct config *c = &w->found->model->config;
    const size_t layer = neuron / c->d_mlp, index = neuron % c->d_mlp;
    const float *out = w->found->model->layers[layer].W_out + index * c->d_model;
    double square = 0, change = 0;
    for (size_t i = 0; i < c->d_model; i++) {
        square += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < w->found->n; i++) {
        const size_t at = (layer * w->found->n + i) * c->d_mlp + index;
        const double d = (double)w->recordings[0]->post[at] - (double)w->recordings[1]->post[at];
        change += d * d;
    }
    return sqrt(square * change);
}

/* One direction's share of the work: into prompt k.  Owned by one thread. */
struct direction {
    struct work work; // its patcher is its own
    size_t k;
    const struct sized *tried;      // [n_tried] neurons
    struct sized *changes;          // [n_tried]
    struct minimal_neuron *results; // [n_tried]
};

/* Patches the neurons that are to be tried and keeps those that matter most. */
static void patch_neurons(struct direction *d)
{
    struct minimal *m = d->work.found;
    const size_t d_mlp = m->model->config.d_mlp, k = d->k;
    for (size_t i = 0; i < m->n_tried; i++) {
        const size_t layer = d->tried[i].index / d_mlp, index = d->tried[i].index % d_mlp;
        const struct patch patch = patch_from(d->work.recordings[!k], PATCH_POST, layer, index);
        d->results[i] = (struct minimal_neuron){layer, index, patched(&d->work, k, &patch)};
        d->changes[i] = (struct sized){fabs(d->results[i].difference - m->output[k].difference), i};
    }
    qsort(d->changes, m->n_tried, sizeof *d->changes, by_size);
    for (size_t i = 0; i < m->n_patched; i++) {
        m->neurons[k][i] = d->results[d->changes[i].index];
    }
}

static void patch_direction(struct direction *d)
{
    change_prompt(&d->work, d->k);
    patch_components(&d->work, d->k);
    if (d->work.found->n_tried > 0) {
        patch_neurons(d);
    }
}

/* Both directions, which threads take. */
struct directions {
    struct direction items[2];
    atomic_size_t next;
};

/* pool_fn() */
static int patch_directions(void *context, struct pool *pool, struct err *err)
{
    (void)pool;
    (void)err;
    struct directions *d = context;
    for (size_t k; (k = atomic_fetch_add(&d->next, 1)) < 2;) {
        patch_direction(&d->items[k]);
    }
    return 0;
}

/* Sorts all neurons: those that write the largest changes first. */
static void rank_neurons(const struct work *w, struct sized *all)
{
    for (size_t i = 0; i < w->found->n_neurons; i++) {
        all[i] = (struct sized){written(w, i), i};
    }
    qsort(all, w->found->n_neurons, sizeof *all, by_size);
}

/* Patches in both directions, with a thread each. */
static int find_patched(struct work *w, struct err *err)
{
    struct minimal *m = w->found;
    struct directions both = {.items = {{.work = *w}, {.work = *w, .k = 1}}};
    struct work *other = &both.items[1].work;
    other->patcher = NULL;
    struct sized *all = mem_new(m->n_neurons, sizeof *all);
    int rc = all ? patcher_new(&other->patcher, m->model, err) : err_nomem(err, "neurons");
    for (size_t k = 0; k < 2 && !rc; k++) {
        struct direction *d = &both.items[k];
        d->tried = all;
        d->changes = mem_new(m->n_tried, sizeof *d->changes);
        d->results = mem_new(m->n_tried, sizeof *d->results);
        rc = d->changes && d->results ? 0 : err_nomem(err, "neurons");
    }
    if (!rc && m->n_tried > 0) {
        rank_neurons(w, all);
    }
    rc = rc ? rc : pool_run(2, patch_directions, &both, err);
    for (size_t k = 0; k < 2; k++) {
        free(both.items[k].changes);
        free(both.items[k].results);
    }
    patcher_free(other->patcher);
    free(all);
    return rc;
}

// --- all of it ----------------------------------------------------------------------------------

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int make_room(struct minimal *m, struct err *err)
{
    const size_t n_outputs = m->model->config.n_layers * m->per_layer;
    const size_t at_positions = m->options.positions ? m->n : 0;
    bool ok = true;
    for (size_t k = 0; k < 2; k++) {
        m->components[k] = mem_new(m->n_components, sizeof *m->components[k]);
        m->effects[k] = mem_new(m->n_neurons, sizeof *m->effects[k]);
        m->post[k] = mem_new(m->n_neurons, sizeof *m->post[k]);
        m->patched[k] = mem_new(n_outputs, sizeof *m->patched[k]);
        m->neurons[k] = mem_new(m->n_patched, sizeof *m->neurons[k]);
        ok =
            ok && m->components[k] && m->effects[k] && m->post[k] && m->patched[k] && m->neurons[k];
        if (m->options.positions) {
            m->resid_pre[k] =
                mem_new(at_positions, m->model->config.n_layers * sizeof *m->resid_pre[k]);
            m->at[k] = mem_new(at_positions, n_outputs * sizeof *m->at[k]);
            ok = ok && m->resid_pre[k] && m->at[k];
        }
    }
    for (size_t i = 0; i < 3; i++) {
        m->listed[i] = mem_new(m->n_listed, sizeof *m->listed[i]);
        ok = ok && m->listed[i];
    }
    return ok ? 0 : err_nomem(err, "a pair of prompts");
}

int minimal_find(struct minimal *out, const struct model *model,
                 const struct minimal_prompts *prompts, const struct minimal_options *options,
                 struct err *err)
{
    const struct config *c = &model->config;
    struct minimal *m = out;
    struct changed changed = {
        .changes = options->changes && options->changes->n > 0 ? options->changes : NULL};
    struct work w = {.found = m, .changed = &changed};
    *m = (struct minimal){
        .model = model, .name = model->name, .prompts = *prompts, .options = *options};
    m->n = prompts->n;
    m->n_components = attribution_n_components(model);
    m->n_neurons = c->attn_only ? 0 : c->n_layers * c->d_mlp;
    m->per_layer = minimal_per_layer(c);
    m->n_listed = least(m->n_neurons, MINIMAL_LISTED);
    m->n_tried = options->neurons > 0 ? least(m->n_neurons, MINIMAL_TRIED) : 0;
    m->n_patched = least(m->n_tried, options->neurons);
    int rc = make_room(m, err);
    rc = rc ? rc : patcher_new(&w.patcher, model, err);
    rc = rc ? rc : make_changed(&w, err);
    for (size_t k = 0; k < 2 && !rc; k++) {
        change_prompt(&w, k);
        rc = recording_new(&w.recordings[k], w.patcher, prompts->ids[k], m->n, err);
        if (!rc) {
            see(&m->output[k], w.recordings[k]->logits, c->d_vocab, prompts->answers);
        }
    }
    rc = rc ? rc : find_attribution(&w, err);
    rc = rc ? rc : find_patched(&w, err);
    recording_free(w.recordings[0]);
    recording_free(w.recordings[1]);
    changed_free(&changed);
    patcher_free(w.patcher);
    return rc;
}

void minimal_free(struct minimal *m)
{
    for (size_t k = 0; k < 2; k++) {
        free(m->components[k]);
        free(m->effects[k]);
        free(m->post[k]);
        free(m->patched[k]);
        free(m->resid_pre[k]);
        free(m->at[k]);
        free(m->neurons[k]);
    }
    for (size_t i = 0; i < 3; i++) {
        free(m->listed[i]);
    }
    *m = (struct minimal){0};
}
