/*
 * What of a unit may stand in the lists: each document offers its best place for each list of each
 * neuron.  While a document is in hand, the limits that activations are compared with (act_limits)
 * are those of its best places so far; where it ends, they are again what the lists let in.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/bits.h"
#include "out/results/neurons/neurons_internal.h"
#include "out/results/neurons/unit_neurons_internal.h"

/* Keys: the least is the strongest, or the weakest. */
static uint32_t key_bottom(int32_t order)
{
    return (uint32_t)order ^ UINT32_C(0x80000000);
}

static uint32_t key_top(int32_t order)
{
    return ~key_bottom(order);
}

static int32_t order_bottom(uint32_t key)
{
    return (int32_t)(key ^ UINT32_C(0x80000000));
}

// --- cutoffs ------------------------------------------------------------------------------------

int unit_neurons_cutoffs_new(struct unit_neurons_cutoffs **out, const struct neurons_shape *shape,
                             struct err *err)
{
    struct unit_neurons_cutoffs *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "a worker's neurons");
    }
    c->shape = shape;
    c->keys = mem_zero(shape->n_layers, sizeof *c->keys);
    c->watched = mem_zero(shape->n_watches, sizeof *c->watched);
    c->samples = mem_zero(shape->n_hypotheses, sizeof *c->samples);
    bool all = c->keys && c->watched && c->samples;
    for (size_t i = 0; i < shape->n_layers && all; i++) {
        c->keys[i] = mem_new(LISTS * shape->layers[i].n, sizeof *c->keys[i]);
        all = c->keys[i] != NULL;
    }
    if (!all) {
        unit_neurons_cutoffs_free(c);
        return err_nomem(err, "a worker's neurons");
    }
    *out = c;
    return 0;
}

void unit_neurons_cutoffs_free(struct unit_neurons_cutoffs *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; c->keys && i < c->shape->n_layers; i++) {
        free(c->keys[i]);
    }
    free(c->keys);
    free(c->watched);
    free(c->samples);
    free(c);
}

void unit_neurons_cutoffs_of(struct unit_neurons_cutoffs *c, const struct neurons *whole)
{
    const struct neurons_shape *shape = c->shape;
    for (size_t i = 0; i < shape->n_layers; i++) {
        const size_t n = shape->layers[i].n;
        for (unsigned list = 0; list < LISTS; list++) {
            const uint32_t most = neurons_list_most(shape, list);
            for (size_t k = list * n; k < (list + 1) * n; k++) {
                c->keys[i][k] = example_cutoff(&whole->layers[i].lists[k], most);
            }
        }
    }
    for (size_t i = 0; i < shape->n_watches; i++) {
        c->watched[i][0] = example_cutoff(&whole->watched[i][0], LIST_WATCH_MOST);
        c->watched[i][1] = example_cutoff(&whole->watched[i][1], LIST_WATCH_MOST);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        c->samples[h] = example_cutoff(&whole->samples[h], LIST_SAMPLE_MOST);
    }
}

// --- slots --------------------------------------------------------------------------------------

int unit_neurons_lists_new(struct unit_neurons *p, size_t layer, struct err *err)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    const size_t n = p->shape->layers[layer].n;
    l->n_slots = LISTS * n + 2 * p->shape->n_watches;
    l->lists = mem_zero(LISTS * n, sizeof *l->lists);
    l->best = mem_zero(l->n_slots, sizeof *l->best);
    l->touched = mem_new(l->n_slots, sizeof *l->touched);
    l->top = mem_new(n, sizeof *l->top);
    l->bottom = mem_new(n, sizeof *l->bottom);
    l->salt = mem_new(n, sizeof *l->salt);
    l->hash = mem_new((1 + BINS_GROUPS) * n, sizeof *l->hash);
    l->most = mem_new(n, sizeof *l->most);
    l->open = mem_new(n, sizeof *l->open);
    const bool limits = l->top && l->bottom && l->salt && l->hash && l->most && l->open;
    if (!l->lists || !l->best || !l->touched || !limits) {
        return err_nomem(err, "a worker's neurons");
    }
    for (size_t i = 0; i < l->n_slots; i++) {
        l->best[i].token = UNIT_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t number = p->shape->layers[layer].first + i;
        l->salt[i] = (uint32_t)XXH3_64bits(&number, sizeof number);
    }
    return 0;
}

static void forget_best(struct unit_neurons_lists *l)
{
    for (size_t k = 0; k < l->n_touched; k++) {
        struct unit_neurons_best *best = &l->best[l->touched[k]];
        example_free(&best->held);
        *best = (struct unit_neurons_best){.token = UNIT_NONE};
    }
    l->n_touched = 0;
}

void unit_neurons_lists_free(struct unit_neurons *p, size_t layer)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    if (l->best && l->touched) {
        forget_best(l);
    }
    for (size_t i = 0; l->lists && i < LISTS * p->shape->layers[layer].n; i++) {
        example_list_free(&l->lists[i]);
    }
    void *const rest[] = {l->lists, l->best, l->touched, l->top, l->bottom,
                          l->salt,  l->hash, l->most,    l->open};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        free(rest[i]);
    }
}

/* Of which neuron. */
static size_t slot_neuron(const struct unit_neurons *p, size_t layer, size_t slot)
{
    const size_t n = p->shape->layers[layer].n;
    return slot < LISTS * n ? slot % n : p->shape->watches[(slot - LISTS * n) / 2].neuron;
}

static struct example_list *slot_list(struct unit_neurons *p, size_t layer, size_t slot,
                                      uint32_t *most)
{
    const size_t n = p->shape->layers[layer].n;
    if (slot < LISTS * n) {
        *most = neurons_list_most(p->shape, (unsigned)(slot / n));
        return &p->layers[layer].lists.lists[slot];
    }
    const size_t watch = (slot - LISTS * n) / 2, side = (slot - LISTS * n) % 2;
    *most = LIST_WATCH_MOST;
    return &p->watched[watch][side];
}

/* The greatest key that the lists, the whole's and this one, let in. */
static uint32_t slot_cutoff(struct unit_neurons *p, size_t layer, size_t slot)
{
    uint32_t most, whole = UINT32_MAX;
    const struct example_list *list = slot_list(p, layer, slot, &most);
    const uint32_t own = example_cutoff(list, most);
    const size_t watch = slot - LISTS * p->shape->layers[layer].n; // where it is one
    if (p->cutoffs) {
        whole = slot < LISTS * p->shape->layers[layer].n
                    ? p->cutoffs->keys[layer][slot]
                    : p->cutoffs->watched[watch / 2][watch % 2];
    }
    return own < whole ? own : whole;
}

/* Lets through what has at most this key. */
static void set_limit(struct unit_neurons *p, size_t layer, size_t slot, uint32_t key)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    const size_t n = p->shape->layers[layer].n;
    if (slot < LIST_BOTTOM * n) {
        l->top[slot] = order_bottom(~key);
    } else if (slot < LIST_RANDOM * n) {
        l->bottom[slot - n] = order_bottom(key);
    } else if (slot < LISTS * n) {
        l->hash[slot - LIST_RANDOM * n] = key;
    }
}

#define CLOSED (UINT32_MAX / 128) // a group's list is, where a hash of so many may enter

/* Between documents: from then on limits fall only, until they are again what they are now. */
static void set_most(struct unit_neurons *p, size_t layer)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    const size_t n = p->shape->layers[layer].n;
    uint32_t *restrict most = l->most, *restrict open = l->open;
    memset(most, 0, n * sizeof *most);
    memset(open, 0, n * sizeof *open);
    for (uint32_t group = 0; group < BINS_GROUPS; group++) {
        const uint32_t *restrict hash = l->hash + (1 + group) * n;
        for (size_t i = 0; i < n; i++) {
            const uint32_t closed = hash[i] <= CLOSED;
            const uint32_t least = closed ? hash[i] : 0;
            most[i] = least > most[i] ? least : most[i];
            open[i] |= (1 - closed) << group;
        }
    }
}

void unit_neurons_lists_begin(struct unit_neurons *p, size_t layer)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    forget_best(l);
    l->doc = SIZE_MAX;
    for (size_t slot = 0; slot < LISTS * p->shape->layers[layer].n; slot++) {
        example_list_clear(&l->lists[slot]);
        set_limit(p, layer, slot, slot_cutoff(p, layer, slot));
    }
    set_most(p, layer);
}

// --- examples -----------------------------------------------------------------------------------

/* The document of token t; its tokens begin at *begin. */
static struct example_doc doc_at(const struct unit_neurons *p, size_t t, size_t *begin)
{
    const struct unit_tokens *u = &p->unit;
    const struct unit_tokens_doc *doc = &u->docs[p->doc_of[t]];
    *begin = doc->begin;
    return (struct example_doc){
        .shard = u->shard,
        .number = doc->number,
        .test = doc->test,
        .n = doc->n,
        .ids = u->ids + doc->begin,
        .ends = u->ends ? u->ends + doc->begin : NULL,
        .pos = u->pos + doc->begin,
    };
}

/* A place as it is compared, without its context. */
static struct example bare_example(const struct unit_neurons *p, uint32_t key, size_t t)
{
    size_t begin;
    const struct example_doc doc = doc_at(p, t, &begin);
    return example_at(&doc, t - begin, key);
}

/* Gives it the tokens around, of its document and window, and labels: of all, or of itself alone.
 * *first is the first of these tokens; room is made for n_acts activations, or one a token (0). */
static int add_context(const struct unit_neurons *p, struct example *e, size_t t, bool all_labels,
                       size_t n_acts, size_t *first, struct err *err)
{
    const struct unit_tokens *u = &p->unit;
    size_t begin;
    const struct example_doc doc = doc_at(p, t, &begin);
    const size_t before = example_n_before(&doc, t - begin, EXAMPLE_BEFORE);
    const size_t after = example_n_after(&doc, t - begin, EXAMPLE_TOKENS - 1 - before);
    *first = t - before;
    e->before = (uint32_t)before;
    e->n_tokens = (uint32_t)(before + 1 + after);
    e->n_acts = n_acts ? (uint32_t)n_acts : e->n_tokens;
    e->n_words = (uint32_t)neurons_n_words(p->shape);
    e->n_rows = all_labels ? e->n_tokens : 1;
    const int rc = example_new(e, err);
    if (rc) {
        return rc;
    }
    memcpy(e->ids, u->ids + *first, e->n_tokens * sizeof *e->ids);
    if (e->n_words > 0) {
        memcpy(e->labels, u->labels->words + (all_labels ? *first : t) * e->n_words,
               (size_t)e->n_rows * e->n_words * sizeof *e->labels);
        memcpy(e->labels + (size_t)e->n_rows * e->n_words,
               u->labels->gave_up + p->doc_of[t] * e->n_words, e->n_words * sizeof *e->labels);
    }
    return 0;
}

/* The whole example of a slot's best place, which is in the current block. */
static int fill_example(const struct unit_neurons *p, size_t layer,
                        const struct unit_neurons_rows *rows, size_t slot, struct example *e,
                        struct err *err)
{
    const size_t n = p->shape->layers[layer].n, neuron = slot_neuron(p, layer, slot);
    const size_t t = p->layers[layer].lists.best[slot].token;
    size_t first;
    const bool all_labels = slot < LIST_BOTTOM * n || slot >= LISTS * n;
    const int rc = add_context(p, e, t, all_labels, 0, &first, err);
    for (size_t k = 0; k < e->n_tokens && !rc; k++) {
        e->acts[k] = rows->acts[rows->row[first + k - rows->begin] * n + neuron];
    }
    e->activation = rc ? 0 : e->acts[e->before];
    return rc;
}

// --- the current document -----------------------------------------------------------------------

/* Puts a slot's best place into its list, if it belongs there. */
static int insert_best(struct unit_neurons *p, size_t layer, const struct unit_neurons_rows *rows,
                       size_t slot, struct err *err)
{
    struct unit_neurons_best *best = &p->layers[layer].lists.best[slot];
    uint32_t most;
    struct example_list *list = slot_list(p, layer, slot, &most);
    struct example e = best->fresh ? bare_example(p, best->key, best->token) : best->held;
    if (!example_belongs(list, &e, most)) {
        return 0;
    }
    if (!best->fresh) {
        best->held = (struct example){0};
        return example_insert(list, &e, most, err);
    }
    const int rc = fill_example(p, layer, rows, slot, &e, err);
    return rc ? rc : example_insert(list, &e, most, err);
}

/* Ends the current document. */
static int end_doc(struct unit_neurons *p, size_t layer, const struct unit_neurons_rows *rows,
                   struct err *err)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    int rc = 0;
    for (size_t k = 0; k < l->n_touched && !rc; k++) {
        const size_t slot = l->touched[k];
        rc = insert_best(p, layer, rows, slot, err);
        set_limit(p, layer, slot, slot_cutoff(p, layer, slot));
    }
    if (l->n_touched > 0) {
        forget_best(l);
        set_most(p, layer);
    }
    l->doc = SIZE_MAX;
    return rc;
}

int unit_neurons_lists_enter(struct unit_neurons *p, size_t layer,
                             const struct unit_neurons_rows *rows, size_t t, struct err *err)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    if (l->doc == p->doc_of[t]) {
        return 0;
    }
    const int rc = end_doc(p, layer, rows, err);
    l->doc = p->doc_of[t];
    return rc;
}

int unit_neurons_lists_hold(struct unit_neurons *p, size_t layer,
                            const struct unit_neurons_rows *rows, struct err *err)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    if (l->doc == SIZE_MAX) {
        return 0;
    }
    const struct unit_tokens_doc *doc = &p->unit.docs[l->doc];
    if (doc->begin + doc->n <= rows->end) {
        return end_doc(p, layer, rows, err);
    }
    int rc = 0;
    for (size_t k = 0; k < l->n_touched && !rc; k++) {
        struct unit_neurons_best *best = &l->best[l->touched[k]];
        if (!best->fresh) {
            continue;
        }
        example_free(&best->held);
        best->held = bare_example(p, best->key, best->token);
        rc = fill_example(p, layer, rows, l->touched[k], &best->held, err);
        best->fresh = false;
    }
    return rc;
}

// --- what a row offers --------------------------------------------------------------------------

static void offer(struct unit_neurons *p, size_t layer, size_t slot, uint32_t key, size_t t)
{
    struct unit_neurons_lists *l = &p->layers[layer].lists;
    struct unit_neurons_best *best = &l->best[slot];
    if (best->token == UNIT_NONE) {
        l->touched[l->n_touched++] = (uint32_t)slot;
    } else if (key >= best->key) { // of equal keys the earlier place stands
        return;
    }
    best->key = key;
    best->token = (uint32_t)t;
    best->fresh = true;
    set_limit(p, layer, slot, key > 0 ? key - 1 : 0);
}

static void offer_flagged(struct unit_neurons *p, size_t layer, size_t i, float a, size_t t)
{
    if (!isfinite(a)) {
        return; // it is counted
    }
    const size_t n = p->shape->layers[layer].n;
    const int32_t bits = bins_bits(a), order = bins_order(bits);
    const uint32_t hash = act_hash(p->place[t], p->layers[layer].lists.salt[i]);
    if (p->flags[i] & ACT_TOP) {
        offer(p, layer, LIST_TOP * n + i, key_top(order), t);
    }
    if (p->flags[i] & ACT_BOTTOM) {
        offer(p, layer, LIST_BOTTOM * n + i, key_bottom(order), t);
    }
    if (p->flags[i] & ACT_RANDOM) {
        offer(p, layer, LIST_RANDOM * n + i, hash, t);
    }
    if (p->flags[i] & ACT_GROUP) {
        offer(p, layer, (LIST_GROUP + (size_t)bins_group(bits)) * n + i, hash, t);
    }
}

static void offer_watched(struct unit_neurons *p, size_t layer, const float *a, size_t t)
{
    const struct neurons_shape *shape = p->shape;
    const size_t n_words = neurons_n_words(shape);
    for (size_t i = 0; i < shape->n_watches; i++) {
        const struct neurons_watch *w = &shape->watches[i];
        if (w->layer != layer || !isfinite(a[w->neuron]) ||
            bits_get(p->unit.labels->gave_up + p->doc_of[t] * n_words, w->hypothesis)) {
            continue;
        }
        const bool labelled = bits_get(p->unit.labels->words + t * n_words, w->hypothesis);
        const size_t slot = LISTS * shape->layers[layer].n + 2 * i + labelled;
        const int32_t order = bins_order(bins_bits(a[w->neuron]));
        const uint32_t key = labelled ? key_bottom(order) : key_top(order);
        if (key <= slot_cutoff(p, layer, slot)) {
            offer(p, layer, slot, key, t);
        }
    }
}

void unit_neurons_lists_row(struct unit_neurons *p, size_t layer, const float *a, size_t t,
                            unsigned any)
{
    const size_t n = p->shape->layers[layer].n;
    for (size_t i0 = 0; i0 < n && any; i0 += 8) {
        const size_t end = i0 + 8 < n ? i0 + 8 : n;
        uint64_t eight = 0;
        memcpy(&eight, p->flags + i0, end - i0);
        for (size_t i = i0; i < end && eight; i++) {
            if (p->flags[i]) {
                offer_flagged(p, layer, i, a[i], t);
            }
        }
    }
    if (p->shape->n_watches > 0) {
        offer_watched(p, layer, a, t);
    }
}

// --- samples ------------------------------------------------------------------------------------

/* The best place of tokens at[n], all of one document, for the samples of a hypothesis. */
static int offer_sample(struct unit_neurons *p, size_t h, const uint32_t *at, size_t n,
                        struct err *err)
{
    struct example_list *list = &p->samples[h];
    size_t best = at[0], first;
    for (size_t i = 1; i < n; i++) {
        best = p->place[at[i]] < p->place[best] ? at[i] : best;
    }
    struct example e = bare_example(p, p->place[best], best);
    if ((p->cutoffs && e.key > p->cutoffs->samples[h]) ||
        !example_belongs(list, &e, LIST_SAMPLE_MOST)) {
        return 0;
    }
    p->sampled[best] = 1;
    const int rc = add_context(p, &e, best, true, p->shape->n, &first, err);
    return rc ? rc : example_insert(list, &e, LIST_SAMPLE_MOST, err);
}

int unit_neurons_samples_choose(struct unit_neurons *p, struct err *err)
{
    int rc = 0;
    for (size_t h = 0; h < p->shape->n_hypotheses; h++) {
        const struct unit_token_set *set = &p->unit.labels->sets[set_labelled(h)];
        for (size_t i = 0, end; i < set->n && !rc; i = end) {
            end = i + 1;
            while (end < set->n && p->doc_of[set->at[end]] == p->doc_of[set->at[i]]) {
                end++;
            }
            rc = offer_sample(p, h, set->at + i, end - i, err);
        }
    }
    return rc;
}

void unit_neurons_samples_fill(struct unit_neurons *p, size_t layer, size_t t, const float *a)
{
    const struct unit_tokens_doc *doc = &p->unit.docs[p->doc_of[t]];
    const struct neurons_layer *l = &p->shape->layers[layer];
    for (size_t h = 0; h < p->shape->n_hypotheses; h++) {
        for (uint32_t i = 0; i < p->samples[h].n; i++) {
            const struct example *e = &p->samples[h].items[i];
            if (e->doc == doc->number && e->at == t - doc->begin) {
                memcpy(e->acts + l->first, a, l->n * sizeof *a);
            }
        }
    }
}
