/*
 * What the models are asked about single tokens of a unit that they have scored.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/pass/logprob.h"
#include "scan/work/unit_scores_internal.h"

bool unit_ask_stopped(const void *context)
{
    const struct unit_scores *s = context;
    return is_stopped(s->stop);
}

int unit_ask_exact(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                   struct err *err)
{
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[model];
    struct engine_ctx *engine = predictor_engine_ctx(m->ctx);
    bool found = false;
    int rc = engine && n > 0 ? unit_rows_find(s, model, tokens, n, &found, err) : 0;
    if (found) {
        engine_rows_exact(engine, s->rows, s->ids, n, logprob, s->stop);
        return 0;
    }
    rc = rc ? rc : unit_scores_pick(s, model, tokens, n, err);
    return rc || n == 0 ? rc
                        : predictor_pick_exact(m->ctx, &s->in, s->picks, n, logprob, s->stop, err);
}

static void view_logits(struct token_view *v, uint32_t token, const float *logits, size_t d_vocab)
{
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    v->looks = true;
    v->rank = 1;
    for (size_t i = 0; i < d_vocab; i++) {
        v->rank += logits[i] > logits[token];
    }
    v->entropy = (float)logprob_entropy(logits, d_vocab, lse);
    v->n_top = (uint32_t)logprob_top(logits, d_vocab, TOKEN_VIEW_TOP, v->top);
    for (size_t i = 0; i < v->n_top; i++) {
        v->logprob[i] = (float)((double)logits[v->top[i]] - lse);
    }
}

static void view_attribution(struct token_view *v, const struct attribution *a,
                             const struct model *m)
{
    v->logit = a->logit;
    v->components = a->components;
    v->n_components = (uint32_t)attribution_n_components(m);
    v->has_neurons = !m->config.attn_only;
    v->n_neurons = v->has_neurons ? (uint32_t)a->n_neurons : 0;
    for (size_t i = 0; i < v->n_neurons; i++) {
        v->neurons[i].layer = a->neurons[i].layer;
        v->neurons[i].index = a->neurons[i].index;
        v->neurons[i].effect = a->neurons[i].effect;
    }
}

_Static_assert(TOKEN_VIEW_NEURONS >= ATTRIBUTION_NEURONS, "room for the neurons of an attribution");

/* engine_view() */
static void view(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    struct unit_scores *s = context;
    const struct scorer *m = &s->scorers[s->model];
    struct attribution attributions[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        const struct engine_pick *pick = &s->picks[k + i];
        view_logits(&s->views[k + i], pick->window->tokens[pick->at], sights[i].logits,
                    m->predictor->model->config->d_vocab);
    }
    if (!m->attributor) {
        return;
    }
    const struct model *model = m->predictor->model->weights;
    for (size_t i = 0; i < n; i++) {
        attributions[i].components = m->components.at + (k + i) * attribution_n_components(model);
    }
    attribute(m->attributor, s->picks + k, sights, n, attributions);
    for (size_t i = 0; i < n; i++) {
        view_attribution(&s->views[k + i], &attributions[i], model);
    }
}

/* Rows of tokens[n], n <= ENGINE_SIGHTS, of a changed model in s->rows; where there is no room for
 * them the ones that are kept go. */
static int find_few(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                    struct err *err)
{
    bool found = false;
    int rc = unit_rows_find(s, model, tokens, n, &found, err);
    if (!rc && !found) {
        unit_rows_forget(s, model);
        rc = unit_rows_find(s, model, tokens, n, &found, err);
    }
    return rc || found ? rc : err_nomem(err, "what a changed model says");
}

/* What a changed model says: its logits, without what they are made of. */
static int look_at_changed(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                           struct token_view *views, struct err *err)
{
    struct scorer *m = &s->scorers[model];
    const size_t d = m->predictor->model->config->d_model;
    struct engine_sight sights[ENGINE_SIGHTS] = {{0}};
    int rc = floats_reserve(&m->gathered, ENGINE_SIGHTS * d, err);
    s->model = model;
    for (size_t k = 0, more, ld; k < n && !rc && !is_stopped(s->stop); k += more) {
        more = n - k < ENGINE_SIGHTS ? n - k : ENGINE_SIGHTS;
        rc = find_few(s, model, tokens + k, more, err);
        rc = rc ? rc : unit_scores_pick(s, model, tokens + k, more, err);
        if (rc) {
            break;
        }
        for (size_t i = 0; i < more; i++) {
            memcpy(m->gathered.at + i * d, s->rows[i], d * sizeof *m->gathered.at);
        }
        const float *logits = predictor_logits(m->ctx, m->gathered.at, more, &ld);
        for (size_t i = 0; i < more; i++) {
            sights[i].logits = logits + i * ld;
        }
        s->views = views + k;
        view(s, 0, more, sights);
    }
    return rc;
}

int unit_ask_look(void *context, size_t model, const size_t *tokens, size_t n,
                  struct token_view *views, struct err *err)
{
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[model];
    for (size_t i = 0; i < n; i++) {
        views[i] = (struct token_view){0};
    }
    if (n == 0 || !predictor_looks(m->predictor)) {
        return 0;
    }
    if (scorer_is_changed(m)) {
        return look_at_changed(s, model, tokens, n, views, err);
    }
    bool found = false;
    int rc = m->attributor ? unit_rows_find(s, model, tokens, n, &found, err) : 0;
    rc = rc ? rc : unit_scores_pick(s, model, tokens, n, err);
    if (!rc && m->attributor) {
        rc = floats_reserve(&m->components,
                            n * attribution_n_components(m->predictor->model->weights), err);
    }
    s->model = model;
    s->views = views;
    if (rc || !found) {
        return rc ? rc : predictor_look(m->ctx, &s->in, s->picks, n, view, s, s->stop, err);
    }
    engine_rows_look(predictor_engine_ctx(m->ctx), s->rows, n, view, s, s->stop);
    return 0;
}
