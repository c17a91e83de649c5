/*
 * neurons_shape.c - the neurons of a run: which there are, what is kept of them
 *
 * Saved in the form of bytes.h: watches, examples, histograms, and, where they are known, the
 * neurons of each layer and hypothesis that have histograms, and the effects.
 */
#include "out/results/neurons/neurons.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/run.h"

#define WATCHES_MAX 4096 // that a saved shape may have

// --- making -------------------------------------------------------------------------------------

void neurons_subsets_free(struct neurons_subset *subsets, size_t n)
{
    for (size_t i = 0; subsets && i < n; i++) {
        uint32_t *items;
        memcpy(&items, &subsets[i].items, sizeof items); // ours, though nobody may change them
        free(items);
    }
    free(subsets);
}

/* Frees what a pointer to constants points to: it is the shape's own. */
static void free_own(const void *pointer_to_it)
{
    void *own;
    memcpy(&own, pointer_to_it, sizeof own);
    free(own);
}

void neurons_shape_free(struct neurons_shape *s)
{
    if (!s) {
        return;
    }
    neurons_shape_set_subsets(s, NULL);
    free_own(&s->layers);
    free_own(&s->watches);
    free_own(&s->effects);
    free(s);
}

void neurons_shape_set_subsets(struct neurons_shape *s, struct neurons_subset *subsets)
{
    struct neurons_subset *old;
    memcpy(&old, &s->subsets, sizeof old);
    neurons_subsets_free(old, s->n_layers * s->n_hypotheses);
    s->subsets = subsets;
}

void neurons_shape_set_effects(struct neurons_shape *s, struct neurons_effect *effects)
{
    free_own(&s->effects);
    s->effects = effects;
}

enum row_site neurons_row_site(const char *site)
{
    return strcmp(site, "pre") == 0 ? ROW_PRE : strcmp(site, "mid") == 0 ? ROW_MID : ROW_POST;
}

size_t neurons_first_layer(const struct neurons_shape *s, size_t model)
{
    for (size_t i = 0; s && i < s->n_layers; i++) {
        if (s->layers[i].model == model) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t count_layers(const struct run *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_models; i++) {
        n += r->models[i].site[0] ? r->models[i].n_layers : 0;
    }
    return n;
}

/* The sizes are checked: a damaged run.db may say anything. */
static int list_layers(const struct run *r, struct neurons_layer *layers, size_t *n_neurons,
                       struct err *err)
{
    uint64_t first = 0;
    for (size_t i = 0, k = 0; i < r->n_models; i++) {
        const struct run_model *m = &r->models[i];
        for (size_t l = 0; m->site[0] && l < m->n_layers; l++) {
            layers[k++] = (struct neurons_layer){
                .model = (uint32_t)i, .layer = (uint32_t)l, .n = m->d_mlp, .first = (size_t)first};
            first += m->d_mlp;
            if (m->d_mlp == 0 || first > NEURONS_MAX) {
                return err_set(err, ERR_LIMIT, "neurons: at most %" PRIu64, NEURONS_MAX);
            }
        }
    }
    *n_neurons = (size_t)first;
    return 0;
}

static int check_watches(const struct neurons_shape *s, struct err *err)
{
    for (size_t i = 0; i < s->n_watches; i++) {
        const struct neurons_watch *w = &s->watches[i];
        if (w->layer >= s->n_layers || w->neuron >= s->layers[w->layer].n ||
            w->hypothesis >= s->n_hypotheses) {
            return err_set(err, ERR_LIMIT, "watched pair %zu: there is no such neuron", i + 1);
        }
    }
    return 0;
}

int neurons_shape_make(struct neurons_shape **out, const struct run *run,
                       const struct neurons_ask *ask, struct err *err)
{
    const size_t n_layers = count_layers(run);
    *out = NULL;
    if (n_layers > NEURONS_MAX) { // a neuron each, at least
        return err_set(err, ERR_LIMIT, "neurons: at most %" PRIu64, NEURONS_MAX);
    }
    struct neurons_shape *s = mem_zero(1, sizeof *s);
    struct neurons_layer *layers = mem_zero(n_layers, sizeof *layers);
    struct neurons_watch *watches = mem_new(ask->n_watches, sizeof *watches);
    int rc = s && layers && watches ? 0 : err_nomem(err, "neurons");
    if (rc) {
        free(s);
        free(layers);
        free(watches);
        return rc;
    }
    if (ask->n_watches > 0) {
        memcpy(watches, ask->watches, ask->n_watches * sizeof *watches);
    }
    *s = (struct neurons_shape){.layers = layers,
                                .n_layers = n_layers,
                                .n_hypotheses = run->n_hypotheses,
                                .watches = watches,
                                .n_watches = ask->n_watches,
                                .examples = ask->examples,
                                .histograms = ask->histograms};
    rc = list_layers(run, layers, &s->n, err);
    rc = rc ? rc : check_watches(s, err);
    if (rc || n_layers == 0) {
        neurons_shape_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

// --- two shapes ---------------------------------------------------------------------------------

static int differ(struct err *why, const char *what, uint64_t a, uint64_t b)
{
    return err_set(why, ERR_MISMATCH, "%s: one has %" PRIu64 ", the other %" PRIu64, what, a, b);
}

/* Have both histograms of the same neurons?  They were chosen on the first unit. */
static bool same_subsets(const struct neurons_shape *a, const struct neurons_shape *b)
{
    if ((a->subsets != NULL) != (b->subsets != NULL)) {
        return false;
    }
    const size_t n = a->subsets ? a->n_layers * a->n_hypotheses : 0;
    for (size_t i = 0; i < n; i++) {
        const struct neurons_subset *x = &a->subsets[i], *y = &b->subsets[i];
        if (x->n != y->n || memcmp(x->items, y->items, x->n * sizeof *x->items) != 0) {
            return false;
        }
    }
    return true;
}

int neurons_shape_same(const struct neurons_shape *a, const struct neurons_shape *b, bool fixed,
                       struct err *why)
{
    if (a->n_watches != b->n_watches) {
        return differ(why, "number of watched pairs", a->n_watches, b->n_watches);
    }
    for (size_t i = 0; i < a->n_watches; i++) {
        const struct neurons_watch *x = &a->watches[i], *y = &b->watches[i];
        if (x->layer != y->layer || x->neuron != y->neuron || x->hypothesis != y->hypothesis) {
            return err_set(why, ERR_MISMATCH, "watched pair %zu: not the same", i + 1);
        }
    }
    if (a->examples != b->examples) {
        return differ(why, "examples", a->examples, b->examples);
    }
    if (a->histograms != b->histograms) {
        return differ(why, "histograms", a->histograms, b->histograms);
    }
    if (fixed && !same_subsets(a, b)) {
        return err_set(why, ERR_MISMATCH,
                       "--histograms: the parts chose other neurons on the first unit, since their "
                       "kernels differ; scan all parts with the same --kernels");
    }
    return 0;
}

// --- bytes --------------------------------------------------------------------------------------

static size_t n_effects(const struct neurons_shape *s)
{
    return s->n * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS;
}

int neurons_shape_save(const struct neurons_shape *s, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->n_watches);
    for (size_t i = 0; i < s->n_watches; i++) {
        bytes_put(&w, s->watches[i].layer);
        bytes_put(&w, s->watches[i].neuron);
        bytes_put(&w, s->watches[i].hypothesis);
    }
    bytes_put(&w, s->examples);
    bytes_put(&w, s->histograms);
    const size_t n = s->subsets ? s->n_layers * s->n_hypotheses : 0;
    bytes_put(&w, n);
    for (size_t i = 0; i < n; i++) {
        bytes_put(&w, s->subsets[i].n);
        for (size_t k = 0; k < s->subsets[i].n; k++) {
            bytes_put(&w, s->subsets[i].items[k]);
        }
    }
    bytes_put(&w, s->effects != NULL);
    for (size_t i = 0; s->effects && i < n_effects(s); i++) {
        bytes_put(&w, s->effects[i].token);
        bytes_put_real(&w, (double)s->effects[i].value);
    }
    return w.rc;
}

/* Neurons of a layer, ascending. */
static void get_subset(struct bytes_reader *r, struct neurons_subset *subset, size_t n_neurons)
{
    size_t n_items;
    const size_t n = bytes_get_n(r, n_neurons, 8, "neurons with histograms");
    uint32_t *items = bytes_get_room(r, n, sizeof *items, &n_items, "neurons with histograms");
    for (size_t i = 0, least = 0; i < n_items && !r->rc; i++) {
        items[i] = (uint32_t)bytes_get(r, least, n_neurons - 1, "neurons with histograms");
        least = items[i] + (size_t)1;
    }
    *subset = (struct neurons_subset){.items = items, .n = n_items};
}

static void get_subsets(struct bytes_reader *r, struct neurons_shape *s)
{
    const size_t wanted = s->n_layers * s->n_hypotheses;
    size_t n = bytes_get_n(r, wanted, 8, "neurons with histograms");
    if (n == 0 || r->rc) {
        return;
    }
    if (n != wanted) {
        bytes_bad(r, "neurons with histograms");
        return;
    }
    struct neurons_subset *subsets = bytes_get_room(r, n, sizeof *subsets, &n, "neurons");
    if (subsets) {
        neurons_shape_set_subsets(s, subsets);
    }
    for (size_t i = 0; i < n && !r->rc; i++) {
        get_subset(r, &subsets[i], s->layers[i / s->n_hypotheses].n);
    }
}

static void get_effects(struct bytes_reader *r, struct neurons_shape *s)
{
    if (bytes_get(r, 0, 1, "effects") == 0) {
        return;
    }
    size_t n = n_effects(s);
    if (n > r->left / 16) {
        bytes_bad(r, "effects");
    }
    struct neurons_effect *effects = bytes_get_room(r, n, sizeof *effects, &n, "effects");
    for (size_t i = 0; i < n; i++) {
        effects[i].token = (uint32_t)bytes_get(r, 0, UINT32_MAX, "effects");
        effects[i].value = (float)bytes_get_real(r, "effects");
    }
    neurons_shape_set_effects(s, effects);
}

int neurons_shape_load(struct neurons_shape **out, const struct run *run, const void *bytes,
                       size_t len, struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved run", .err = err};
    struct neurons_ask ask = {0};
    struct neurons_shape *s = NULL;
    const size_t n = bytes_get_n(&r, WATCHES_MAX, 24, "number of watched pairs");
    struct neurons_watch *watches =
        bytes_get_room(&r, n, sizeof *watches, &ask.n_watches, "watched pairs");
    for (size_t i = 0; i < ask.n_watches; i++) {
        watches[i].layer = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "a watched layer");
        watches[i].neuron = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "a watched neuron");
        watches[i].hypothesis = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "a watched hypothesis");
    }
    ask.watches = watches;
    ask.examples = (uint32_t)bytes_get(&r, 0, NEURONS_EXAMPLES_MAX, "examples");
    ask.histograms = (uint32_t)bytes_get(&r, 0, UINT32_MAX, "histograms");
    r.rc = r.rc ? r.rc : neurons_shape_make(&s, run, &ask, err);
    if (r.rc == ERR_LIMIT) {
        r.rc = 0;
        bytes_bad(&r, "its neurons, or a watched pair");
    }
    if (!r.rc && !s) {
        bytes_bad(&r, "it has no neurons");
    }
    if (s) {
        get_subsets(&r, s);
        get_effects(&r, s);
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "what is asked of its neurons");
    }
    free(watches);
    if (r.rc) {
        neurons_shape_free(s);
        return r.rc;
    }
    *out = s;
    return 0;
}
