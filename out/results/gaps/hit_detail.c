#include "out/results/gaps/hit_detail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "out/results/bytes.h"
#include "out/results/fixed.h"

#define AROUND_MAX 65536 // tokens that a saved detail may have around it
#define COMPONENTS_MAX 1048576

int32_t hit_detail_hundredths(int64_t gap)
{
    if (gap == FIXED_NONE) {
        return HIT_GAP_NONE;
    }
    const int64_t size = ((gap < 0 ? -gap : gap) * 100 + FIXED_ONE / 2) / FIXED_ONE;
    return (int32_t)(gap < 0 ? -size : size);
}

// --- a copy -------------------------------------------------------------------------------------

/* Hands out pieces of one block: first they are counted, then cut. */
struct room {
    char *block; // NULL while they are counted
    size_t used;
};

static void *cut(struct room *r, const void *from, size_t len)
{
    char *at = r->block ? r->block + r->used : NULL;
    r->used += (len + 7) / 8 * 8;
    if (at && len > 0) {
        memcpy(at, from, len);
    }
    return at;
}

static void copy_into(struct room *r, const struct hit_detail *d)
{
    struct hit_detail *to = cut(r, d, sizeof *d);
    struct token_view *views = cut(r, d->views, d->n_views * sizeof *views);
    for (uint32_t i = 0; i < d->n_views; i++) {
        const float *components = cut(r, d->views[i].components,
                                      d->views[i].n_components * sizeof *d->views[i].components);
        if (views) {
            views[i].components = components;
        }
    }
    const uint32_t *ids = cut(r, d->ids, d->n * sizeof *ids);
    const int32_t *gaps = cut(r, d->gaps, d->n * sizeof *gaps);
    const uint32_t *labels = cut(r, d->labels, d->n_labels * sizeof *labels);
    const char *domain = d->domain ? cut(r, d->domain, strlen(d->domain) + 1) : NULL;
    if (to) {
        to->views = views;
        to->ids = ids;
        to->gaps = gaps;
        to->labels = labels;
        to->domain = domain;
    }
}

int hit_detail_copy(struct hit_detail **out, const struct hit_detail *d, struct err *err)
{
    struct room room = {0};
    copy_into(&room, d);
    room.block = mem_new(room.used, 1);
    if (!room.block) {
        return err_nomem(err, "a hit's detail");
    }
    room.used = 0;
    copy_into(&room, d);
    *out = (struct hit_detail *)(void *)room.block;
    return 0;
}

// --- bytes --------------------------------------------------------------------------------------

static void put_view(struct bytes_writer *w, const struct token_view *v)
{
    bytes_put(w, v->looks);
    if (!v->looks) {
        return;
    }
    bytes_put(w, v->rank);
    bytes_put_real(w, (double)v->entropy);
    bytes_put(w, v->n_top);
    for (uint32_t i = 0; i < v->n_top; i++) {
        bytes_put(w, v->top[i]);
        bytes_put_real(w, (double)v->logprob[i]);
    }
    bytes_put(w, v->n_components);
    if (v->n_components == 0) {
        return;
    }
    bytes_put_real(w, (double)v->logit);
    for (uint32_t i = 0; i < v->n_components; i++) {
        bytes_put_real(w, (double)v->components[i]);
    }
    bytes_put(w, v->has_neurons);
    bytes_put(w, v->n_neurons);
    for (uint32_t i = 0; i < v->n_neurons; i++) {
        bytes_put(w, v->neurons[i].layer);
        bytes_put(w, v->neurons[i].index);
        bytes_put_real(w, (double)v->neurons[i].effect);
    }
}

int hit_detail_save(const struct hit_detail *d, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, d->n_views);
    for (uint32_t i = 0; i < d->n_views; i++) {
        put_view(&w, &d->views[i]);
    }
    bytes_put(&w, d->at);
    bytes_put(&w, d->n);
    for (uint32_t i = 0; i < d->n; i++) {
        bytes_put(&w, d->ids[i]);
        bytes_put(&w, (uint64_t)(int64_t)d->gaps[i]);
    }
    bytes_put(&w, d->domain != NULL);
    bytes_put_text(&w, d->domain ? d->domain : "");
    bytes_put(&w, d->has_labels);
    bytes_put(&w, d->n_labels);
    for (uint32_t i = 0; i < d->n_labels; i++) {
        bytes_put(&w, d->labels[i]);
    }
    return w.rc;
}

static void get_view(struct bytes_reader *r, struct token_view *v, float **components)
{
    static const char what[] = "a hit's detail";
    *v = (struct token_view){.looks = bytes_get(r, 0, 1, what) != 0};
    if (!v->looks) {
        return;
    }
    v->rank = bytes_get(r, 0, UINT64_MAX, what);
    v->entropy = (float)bytes_get_real(r, what);
    v->n_top = (uint32_t)bytes_get(r, 0, TOKEN_VIEW_TOP, what);
    for (uint32_t i = 0; i < v->n_top; i++) {
        v->top[i] = (uint32_t)bytes_get(r, 0, UINT32_MAX, what);
        v->logprob[i] = (float)bytes_get_real(r, what);
    }
    size_t n = bytes_get_n(r, COMPONENTS_MAX, 8, what);
    *components = bytes_get_room(r, n, sizeof **components, &n, what);
    v->components = *components;
    v->n_components = (uint32_t)n;
    if (n == 0) {
        return;
    }
    v->logit = (float)bytes_get_real(r, what);
    for (size_t i = 0; i < n; i++) {
        (*components)[i] = (float)bytes_get_real(r, what);
    }
    v->has_neurons = bytes_get(r, 0, 1, what) != 0;
    v->n_neurons = (uint32_t)bytes_get(r, 0, TOKEN_VIEW_NEURONS, what);
    for (uint32_t i = 0; i < v->n_neurons; i++) {
        v->neurons[i].layer = (uint32_t)bytes_get(r, 0, UINT32_MAX, what);
        v->neurons[i].index = (uint32_t)bytes_get(r, 0, UINT32_MAX, what);
        v->neurons[i].effect = (float)bytes_get_real(r, what);
    }
}

int hit_detail_load(struct hit_detail **out, const void *bytes, size_t len, struct err *err)
{
    static const char what[] = "a hit's detail";
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved tally", .err = err};
    struct token_view views[1 + RUN_OTHERS_MAX];
    float *components[1 + RUN_OTHERS_MAX] = {0};
    struct hit_detail d = {.views = views};
    d.n_views = (uint32_t)bytes_get(&r, 0, 1 + RUN_OTHERS_MAX, what);
    for (uint32_t i = 0; i < d.n_views; i++) {
        get_view(&r, &views[i], &components[i]);
    }
    d.at = (uint32_t)bytes_get(&r, 0, AROUND_MAX, what);
    size_t n = bytes_get_n(&r, AROUND_MAX, 16, what), n_ids;
    uint32_t *ids = bytes_get_room(&r, n, sizeof *ids, &n_ids, what);
    int32_t *gaps = bytes_get_room(&r, n, sizeof *gaps, &n, what);
    n = n < n_ids ? n : n_ids;
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)bytes_get(&r, 0, UINT32_MAX, what);
        gaps[i] = (int32_t)(uint32_t)bytes_get(&r, 0, UINT64_MAX, what);
    }
    const bool has_domain = bytes_get(&r, 0, 1, what) != 0;
    char *domain = bytes_get_text(&r, what);
    d.has_labels = bytes_get(&r, 0, 1, what) != 0;
    size_t n_labels = bytes_get_n(&r, UINT32_MAX, 8, what);
    uint32_t *labels = bytes_get_room(&r, n_labels, sizeof *labels, &n_labels, what);
    for (size_t i = 0; i < n_labels; i++) {
        labels[i] = (uint32_t)bytes_get(&r, 0, UINT32_MAX, what);
    }
    if (!r.rc && (r.left > 0 || (n > 0 && d.at >= n) ||
                  utf8_valid_prefix(domain, strlen(domain)) != strlen(domain))) {
        bytes_bad(&r, what);
    }
    d.n = (uint32_t)n;
    d.ids = ids;
    d.gaps = gaps;
    d.domain = has_domain ? domain : NULL;
    d.n_labels = (uint32_t)n_labels;
    d.labels = labels;
    const int rc = r.rc ? r.rc : hit_detail_copy(out, &d, err);
    for (size_t i = 0; i < sizeof components / sizeof *components; i++) {
        free(components[i]);
    }
    free(ids);
    free(gaps);
    free(domain);
    free(labels);
    return rc;
}

// --- JSON ---------------------------------------------------------------------------------------

static void write_attribution(struct jsonout *j, const struct token_view *v,
                              const struct run_model *m)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "logit");
    jsonout_float(j, v->logit);
    jsonout_key(j, "parts");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < v->n_components && i < m->n_components; i++) {
        jsonout_key(j, m->components[i]);
        jsonout_float(j, v->components[i]);
    }
    jsonout_end(j, '}');
    if (v->has_neurons) {
        jsonout_key(j, "neurons");
        jsonout_begin(j, '[');
        for (size_t i = 0; i < v->n_neurons; i++) {
            char name[32];
            snprintf(name, sizeof name, "L%uN%u", v->neurons[i].layer, v->neurons[i].index);
            jsonout_begin(j, '[');
            jsonout_string(j, name);
            jsonout_float(j, v->neurons[i].effect);
            jsonout_end(j, ']');
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

static void write_view(struct jsonout *j, const struct token_view *v, const struct run_model *m)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, m->name);
    if (!v->looks) {
        jsonout_end(j, '}');
        return;
    }
    jsonout_key(j, "rank");
    jsonout_u64(j, v->rank);
    jsonout_key(j, "entropy");
    jsonout_float(j, v->entropy);
    jsonout_key(j, "top");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < v->n_top; i++) {
        jsonout_begin(j, '[');
        jsonout_u64(j, v->top[i]);
        jsonout_float(j, v->logprob[i]);
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    if (v->n_components > 0) {
        jsonout_key(j, "attribution");
        write_attribution(j, v, m);
    }
    jsonout_end(j, '}');
}

static void write_around(struct jsonout *j, const struct hit_detail *d)
{
    jsonout_key(j, "around");
    jsonout_begin(j, '{');
    jsonout_key(j, "at");
    jsonout_u64(j, d->at);
    jsonout_key(j, "tokens");
    jsonout_u32s(j, d->ids, d->n);
    jsonout_key(j, "gaps");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < d->n; i++) {
        jsonout_double(j, d->gaps[i] == HIT_GAP_NONE ? NAN : (double)d->gaps[i] / 100);
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

void hit_detail_json(struct jsonout *j, const struct hit_detail *d, const struct run *run,
                     const struct run_pair *pair)
{
    jsonout_begin(j, '{');
    if (d->n_views == 1 + pair->n_others) {
        jsonout_key(j, "base");
        write_view(j, &d->views[0], &run->models[pair->base]);
        jsonout_key(j, "others");
        jsonout_begin(j, '[');
        for (uint32_t i = 0; i < pair->n_others; i++) {
            write_view(j, &d->views[1 + i], &run->models[pair->others[i]]);
        }
        jsonout_end(j, ']');
    }
    write_around(j, d);
    if (d->domain) {
        jsonout_key(j, "domain");
        jsonout_string(j, d->domain);
    }
    if (d->has_labels) {
        jsonout_key(j, "hypotheses");
        jsonout_begin(j, '[');
        for (uint32_t i = 0; i < d->n_labels; i++) {
            if (d->labels[i] < run->n_hypotheses) {
                jsonout_string(j, run->hypotheses[d->labels[i]].name);
            }
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}
