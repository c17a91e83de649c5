#include "scan/work/details.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "model/explain/attribution.h"
#include "model/pass/logprob.h"

// The most likely tokens that a detail shows.
#define DETAILS_TOP 10

/* What a model says before a token. */
struct view {
    uint64_t rank; // of the true token, from 1
    double entropy;
    size_t n_top;
    uint32_t top[DETAILS_TOP];
    float logprob[DETAILS_TOP];
    struct attribution attribution;
};

/* A model that is asked. */
struct viewer {
    const struct predictor *predictor;
    const struct model *model; // NULL: counts, which have no components
    struct predictor_ctx *run;
    struct attributor *attributor;
    struct view *views; // [n_views]
    float *parts;       // [n_views][attribution_n_components()]
    size_t views_cap, parts_cap;
};

/* A hit that wants its detail. */
struct wanted {
    struct tally_hit *hit;
    size_t pair;
    size_t doc, token; // of the layout
    size_t view;       // tokens of several pairs share their views
};

struct details {
    const struct tally_shape *shape;
    struct viewer *viewers; // [n_models]
    size_t n_models;

    // the unit in hand
    struct wanted *wanted; // [n_wanted], those of one token together
    size_t n_wanted, wanted_cap;
    size_t n_views;

    // the model in hand
    struct viewer *viewer;
    struct engine_pick *picks; // what it is asked
    size_t *viewed;            // the views that its picks are for
    size_t picks_cap, viewed_cap;
};

int details_new(struct details **out, const struct predictor *predictors, size_t n,
                struct predictor_ctx *const *runs, const struct tally_shape *shape, struct err *err)
{
    struct details *d = mem_zero(1, sizeof *d);
    if (!d) {
        return err_nomem(err, "details");
    }
    d->shape = shape;
    d->viewers = mem_zero(n, sizeof *d->viewers);
    int rc = d->viewers ? 0 : err_nomem(err, "details");
    for (; d->n_models < n && !rc; d->n_models++) {
        struct viewer *v = &d->viewers[d->n_models];
        v->predictor = &predictors[d->n_models];
        v->model = v->predictor->model->weights;
        v->run = runs[d->n_models];
        rc = v->model ? attributor_new(&v->attributor, v->predictor->engine, err) : 0;
    }
    if (rc) {
        details_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void details_free(struct details *d)
{
    if (!d) {
        return;
    }
    for (size_t m = 0; m < d->n_models; m++) {
        attributor_free(d->viewers[m].attributor);
        free(d->viewers[m].views);
        free(d->viewers[m].parts);
    }
    free(d->viewers);
    free(d->wanted);
    free(d->picks);
    free(d->viewed);
    free(d);
}

// --- which tokens -------------------------------------------------------------------------------

static int by_token(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    return x->token != y->token ? (x->token < y->token ? -1 : 1) : 0;
}

/* The document of a hit of the unit. */
static size_t hit_doc(const struct layout *l, const struct tally_hit *hit)
{
    size_t low = 0, high = l->n_docs - 1;
    while (low < high) { // documents ascend by number
        const size_t middle = low + (high - low + 1) / 2;
        if (l->docs[middle].doc->number <= hit->doc) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* Lists the hits of the tally, those of one token together. */
static int list_wanted(struct details *d, const struct layout *l, struct tally *tally,
                       struct err *err)
{
    d->n_wanted = d->n_views = 0;
    for (size_t i = 0; i < 2 * tally->shape->n_pairs; i++) {
        const struct tally_hits *hits = &tally->pairs[i / 2].hits[i % 2];
        const int rc = mem_reserve(&d->wanted, &d->wanted_cap, d->n_wanted + hits->n,
                                   sizeof *d->wanted, "details", err);
        if (rc) {
            return rc;
        }
        for (size_t k = 0; k < hits->n; k++) {
            const size_t doc = hit_doc(l, &hits->items[k]);
            d->wanted[d->n_wanted++] =
                (struct wanted){.hit = &hits->items[k],
                                .pair = i / 2,
                                .doc = doc,
                                .token = l->docs[doc].begin + hits->items[k].at};
        }
    }
    if (d->n_wanted > 0) {
        qsort(d->wanted, d->n_wanted, sizeof *d->wanted, by_token);
    }
    for (size_t k = 0; k < d->n_wanted; k++) {
        d->n_views += k == 0 || d->wanted[k].token != d->wanted[k - 1].token;
        d->wanted[k].view = d->n_views - 1;
    }
    return 0;
}

/* Room for the views of all models. */
static int reserve_views(struct details *d, struct err *err)
{
    static const char what[] = "details";
    int rc = mem_reserve(&d->picks, &d->picks_cap, d->n_views, sizeof *d->picks, what, err);
    rc =
        rc ? rc : mem_reserve(&d->viewed, &d->viewed_cap, d->n_views, sizeof *d->viewed, what, err);
    for (size_t m = 0; m < d->n_models && !rc; m++) {
        struct viewer *v = &d->viewers[m];
        rc = mem_reserve(&v->views, &v->views_cap, d->n_views, sizeof *v->views, what, err);
        rc = rc || !v->model
                 ? rc
                 : mem_reserve(&v->parts, &v->parts_cap, d->n_views,
                               attribution_n_components(v->model) * sizeof *v->parts, what, err);
    }
    return rc;
}

// --- what a model says --------------------------------------------------------------------------

static void see_logits(struct view *view, uint32_t token, const float *logits, size_t d_vocab)
{
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    view->rank = 1;
    for (size_t i = 0; i < d_vocab; i++) {
        view->rank += logits[i] > logits[token];
    }
    view->entropy = logprob_entropy(logits, d_vocab, lse);
    view->n_top = logprob_top(logits, d_vocab, DETAILS_TOP, view->top);
    for (size_t i = 0; i < view->n_top; i++) {
        view->logprob[i] = (float)((double)logits[view->top[i]] - lse);
    }
}

/* engine_view() */
static void see(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    const struct details *d = context;
    const struct viewer *v = d->viewer;
    struct attribution attributions[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        const struct engine_pick *pick = &d->picks[k + i];
        const size_t view = d->viewed[k + i];
        see_logits(&v->views[view], pick->window->tokens[pick->at], sights[i].logits,
                   v->predictor->model->config->d_vocab);
        if (v->model) {
            attributions[i].components = v->parts + view * attribution_n_components(v->model);
        }
    }
    if (!v->model) {
        return;
    }
    attribute(v->attributor, d->picks + k, sights, n, attributions);
    for (size_t i = 0; i < n; i++) {
        v->views[d->viewed[k + i]].attribution = attributions[i];
    }
}

static bool has_model(const struct run_pair *p, size_t m)
{
    bool has = p->base == m;
    for (uint32_t i = 0; i < p->n_others; i++) {
        has = has || p->others[i] == m;
    }
    return has;
}

/* What model m says before the tokens of all hits whose pair has it. */
static int ask(struct details *d, size_t m, const struct details_unit *unit, const atomic_int *stop,
               struct err *err)
{
    const struct predictor_unit in = {.layout = unit->layout, .shard = unit->shard};
    size_t n = 0;
    for (size_t k = 0; k < d->n_wanted; k++) {
        const struct wanted *w = &d->wanted[k];
        const bool again = n > 0 && d->viewed[n - 1] == w->view;
        if (!again && has_model(&d->shape->pairs[w->pair], m)) {
            d->picks[n] = layout_pick(unit->layout, unit->windows, w->token);
            d->viewed[n++] = w->view;
        }
    }
    d->viewer = &d->viewers[m];
    return predictor_looks(d->viewer->predictor)
               ? predictor_look(d->viewer->run, &in, d->picks, n, see, d, stop, err)
               : 0;
}

// --- as JSON ------------------------------------------------------------------------------------

static void write_attribution(struct jsonout *j, const struct model *m, const struct attribution *a)
{
    char name[ATTRIBUTION_NAME];
    jsonout_begin(j, '{');
    jsonout_key(j, "logit");
    jsonout_float(j, a->logit);
    jsonout_key(j, "parts");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < attribution_n_components(m); i++) {
        attribution_component_name(m, i, name);
        jsonout_key(j, name);
        jsonout_float(j, a->components[i]);
    }
    jsonout_end(j, '}');
    if (!m->config.attn_only) {
        jsonout_key(j, "neurons");
        jsonout_begin(j, '[');
        for (size_t i = 0; i < a->n_neurons; i++) {
            snprintf(name, sizeof name, "L%uN%u", a->neurons[i].layer, a->neurons[i].index);
            jsonout_begin(j, '[');
            jsonout_string(j, name);
            jsonout_float(j, a->neurons[i].effect);
            jsonout_end(j, ']');
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

static void write_view(struct jsonout *j, const struct viewer *v, size_t number)
{
    const struct view *view = &v->views[number];
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, v->predictor->model->name);
    if (!predictor_looks(v->predictor)) {
        jsonout_end(j, '}');
        return;
    }
    jsonout_key(j, "rank");
    jsonout_u64(j, view->rank);
    jsonout_key(j, "entropy");
    jsonout_float(j, (float)view->entropy);
    jsonout_key(j, "top");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < view->n_top; i++) {
        jsonout_begin(j, '[');
        jsonout_u64(j, view->top[i]);
        jsonout_float(j, view->logprob[i]);
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    if (v->model) {
        jsonout_key(j, "attribution");
        write_attribution(j, v->model, &view->attribution);
    }
    jsonout_end(j, '}');
}

/* Tokens [from, to) of a document. */
struct stretch {
    size_t from, to;
};

/* Those around token 'at'.  No more tokens than bytes, so that even those of a vocabulary with
 * empty ones are few. */
static struct stretch find_around(const struct layout *l, const struct layout_doc *doc, size_t at)
{
    const bool text = doc->text_len > 0; // with tokens it has some, but for ids
    const size_t most_before = text ? TALLY_BEFORE : DETAILS_IDS_BEFORE;
    const size_t most_after = text ? TALLY_AFTER : DETAILS_IDS_AFTER;
    struct stretch s = {.from = at > most_before ? at - most_before : 0,
                        .to = doc->n - at - 1 > most_after ? at + 1 + most_after : doc->n};
    if (text) {
        const uint32_t *ends = l->ends + doc->begin;
        const size_t begin = at > 0 ? ends[at - 1] : 0, end = ends[at];
        while (s.from < at && begin - (s.from > 0 ? ends[s.from - 1] : 0) > TALLY_BEFORE) {
            s.from++;
        }
        while (s.to > at + 1 && ends[s.to - 1] - end > TALLY_AFTER) {
            s.to--;
        }
    }
    return s;
}

/* With two decimals.  Rounded as a whole number, which has no -0. */
static void write_gap(struct jsonout *j, int64_t gap)
{
    const int64_t size = ((gap < 0 ? -gap : gap) * 100 + FIXED_ONE / 2) / FIXED_ONE;
    jsonout_double(j, (double)(gap < 0 ? -size : size) / 100);
}

static void write_around(struct jsonout *j, const struct details_unit *unit, const struct wanted *w,
                         struct tally *tally)
{
    const struct layout_doc *doc = &unit->layout->docs[w->doc];
    const size_t at = w->token - doc->begin;
    const struct stretch s = find_around(unit->layout, doc, at);
    int64_t gaps[TALLY_BEFORE + 1 + TALLY_AFTER];
    tally_gaps(tally, w->pair, unit->logprob, doc->begin + s.from, s.to - s.from, gaps);
    gaps[at - s.from] = w->hit->gap;
    jsonout_key(j, "around");
    jsonout_begin(j, '{');
    jsonout_key(j, "at");
    jsonout_u64(j, at - s.from);
    jsonout_key(j, "tokens");
    jsonout_u32s(j, unit->layout->ids + doc->begin + s.from, s.to - s.from);
    jsonout_key(j, "gaps");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < s.to - s.from; i++) {
        write_gap(j, gaps[i]);
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

static void write_domain(struct jsonout *j, const struct details_unit *unit, size_t doc)
{
    const size_t domain = unit->layout->docs[doc].doc->domain;
    if (domain != SIZE_MAX && unit->domains[domain] != '\0') { // "" counts as none, as in a tally
        jsonout_key(j, "domain");
        jsonout_string(j, unit->domains + domain);
    }
}

static int write_detail(const struct details *d, const struct details_unit *unit,
                        const struct wanted *w, struct tally *tally, struct err *err)
{
    const struct run_pair *p = &d->shape->pairs[w->pair];
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = open_memstream(&text, &len)};
    if (!j.to) {
        return err_nomem(err, "a hit's detail");
    }
    jsonout_begin(&j, '{');
    jsonout_key(&j, "base");
    write_view(&j, &d->viewers[p->base], w->view);
    jsonout_key(&j, "others");
    jsonout_begin(&j, '[');
    for (uint32_t i = 0; i < p->n_others; i++) {
        write_view(&j, &d->viewers[p->others[i]], w->view);
    }
    jsonout_end(&j, ']');
    write_around(&j, unit, w, tally);
    write_domain(&j, unit, w->doc);
    if (unit->more) {
        unit->more(unit->context, w->token, &j);
    }
    jsonout_end(&j, '}');
    int rc = fclose(j.to) ? err_nomem(err, "a hit's detail") : 0;
    rc = rc ? rc : tally_set_detail(w->hit, text, len - 1, err); // without the line's end
    free(text);
    return rc;
}

int details_add(struct details *d, const struct details_unit *unit, struct tally *tally,
                const atomic_int *stop, struct err *err)
{
    int rc = list_wanted(d, unit->layout, tally, err);
    rc = rc ? rc : reserve_views(d, err);
    for (size_t m = 0; m < d->n_models && !rc && d->n_views > 0; m++) {
        rc = ask(d, m, unit, stop, err);
    }
    for (size_t k = 0; k < d->n_wanted && !rc && !is_stopped(stop); k++) {
        rc = write_detail(d, unit, &d->wanted[k], tally, err);
    }
    return rc;
}
