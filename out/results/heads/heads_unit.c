#include "out/results/heads/heads_unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"

#define NONE UINT32_MAX

_Static_assert(HEADS_SOURCES == UNIT_SOURCES, "an example has what a head's sources are");

/* A place that a document offers to a list. */
struct offer {
    uint32_t key;
    uint32_t token; // of the unit
    float dla;
};

/* A head in the document in hand. */
struct of_doc {
    uint64_t n;  // tokens with a dla
    int64_t dla; // their sum, in units
    struct offer offers[HEADS_LISTS];
};

struct heads_unit {
    const struct heads_shape *shape;
    const struct unit_tokens *unit;
    uint32_t *doc_of;      // [tokens of the unit] NONE: it counts nowhere
    unsigned char *repeat; // [tokens of the unit] 1: its id stands earlier in its window
    size_t doc_of_cap, repeat_cap;
    uint32_t *stamp;       // [d_vocab] the last window in which an id was seen, from 1
    uint32_t *doc;         // [n_layers] the document in hand, or NONE
    struct of_doc *of_doc; // [n] of the document in hand
    struct heads *found;   // of the unit
    uint32_t *cutoffs;     // [HEADS_LISTS][n] of the whole's lists: no greater key can enter
    size_t most_heads;
    int64_t *sums;   // [HEADS_SUMS][most_heads] of the block in hand
    int64_t *dla;    // [most_heads] of the token in hand, in units; FIXED_NONE: it does not count
    uint64_t *words; // [bits_words(n_hypotheses)] the hypotheses of the prediction in hand
    struct unit_sources *asked;
    size_t asked_cap;
};

// --- new and free -------------------------------------------------------------------------------

static size_t count_most_heads(const struct heads_shape *s)
{
    size_t most = 0;
    for (size_t l = 0; l < s->n_layers; l++) {
        most = s->layers[l].n > most ? s->layers[l].n : most;
    }
    return most;
}

int heads_unit_new(struct heads_unit **out, const struct heads_shape *s, struct err *err)
{
    struct heads_unit *u = mem_zero(1, sizeof *u);
    if (!u) {
        return err_nomem(err, "heads");
    }
    u->shape = s;
    u->most_heads = count_most_heads(s);
    u->stamp = mem_zero(s->d_vocab, sizeof *u->stamp);
    u->doc = mem_zero(s->n_layers, sizeof *u->doc);
    u->of_doc = mem_zero(s->n, sizeof *u->of_doc);
    u->cutoffs = mem_new(HEADS_LISTS * s->n, sizeof *u->cutoffs);
    u->sums = mem_zero(HEADS_SUMS * u->most_heads, sizeof *u->sums);
    u->dla = mem_zero(u->most_heads, sizeof *u->dla);
    u->words = mem_zero(bits_words(s->n_hypotheses), sizeof *u->words);
    const bool whole =
        u->stamp && u->doc && u->of_doc && u->cutoffs && u->sums && u->dla && u->words;
    const int rc = whole ? heads_new(&u->found, s, err) : err_nomem(err, "heads");
    if (rc) {
        heads_unit_free(u);
        return rc;
    }
    memset(u->cutoffs, 0xff, HEADS_LISTS * s->n * sizeof *u->cutoffs);
    *out = u;
    return 0;
}

void heads_unit_free(struct heads_unit *u)
{
    if (!u) {
        return;
    }
    heads_free(u->found);
    void *const own[] = {u->doc_of,  u->repeat, u->stamp, u->doc,   u->of_doc,
                         u->cutoffs, u->sums,   u->dla,   u->words, u->asked};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(u);
}

void heads_unit_look(struct heads_unit *u, const struct heads *whole)
{
    for (size_t i = 0; i < HEADS_LISTS * u->shape->n; i++) {
        u->cutoffs[i] = u->shape->examples > 0
                            ? example_cutoff(&whole->lists[i], u->shape->examples)
                            : UINT32_MAX;
    }
}

// --- a unit -------------------------------------------------------------------------------------

/* Marks the tokens whose id stands earlier in their window, what stands before the window's tokens
 * included. */
static void mark_repeats(struct heads_unit *u)
{
    const struct unit_tokens *t = u->unit;
    uint32_t window = 0;
    size_t d = 0;
    memset(u->stamp, 0, u->shape->d_vocab * sizeof *u->stamp);
    for (size_t i = 0; i < t->n; i++) {
        while (d + 1 < t->n_docs && t->docs[d + 1].begin <= i) {
            d++;
        }
        if (t->pos[i] == 1) {
            window++;
            u->stamp[t->docs[d].first] = window;
        }
        u->repeat[i] = u->stamp[t->ids[i]] == window;
        u->stamp[t->ids[i]] = window;
    }
}

/* No document offers anything yet. */
static void forget_doc(struct of_doc *d)
{
    *d = (struct of_doc){
        .offers = {{UINT32_MAX, NONE, 0}, {UINT32_MAX, NONE, 0}, {UINT32_MAX, NONE, 0}}};
}

int heads_unit_begin(struct heads_unit *u, const struct unit_tokens *unit, struct err *err)
{
    u->unit = unit;
    heads_clear(u->found);
    memset(u->doc, 0xff, u->shape->n_layers * sizeof *u->doc);
    for (size_t i = 0; i < u->shape->n; i++) {
        forget_doc(&u->of_doc[i]);
    }
    if (unit->n > HEADS_UNIT_MAX) {
        return err_set(err, ERR_LIMIT, "heads: a unit of %zu tokens; --no-heads", unit->n);
    }
    int rc = mem_reserve(&u->doc_of, &u->doc_of_cap, unit->n, sizeof *u->doc_of, "heads", err);
    rc =
        rc ? rc : mem_reserve(&u->repeat, &u->repeat_cap, unit->n, sizeof *u->repeat, "heads", err);
    if (rc || unit->n == 0) {
        return rc;
    }
    memset(u->doc_of, 0xff, unit->n * sizeof *u->doc_of);
    for (size_t d = 0; d < unit->n_docs; d++) {
        for (size_t i = unit->docs[d].begin; i < unit->docs[d].begin + unit->docs[d].n; i++) {
            u->doc_of[i] = unit_skips(unit, i) ? NONE : (uint32_t)d;
        }
    }
    mark_repeats(u);
    return 0;
}

// --- a document ---------------------------------------------------------------------------------

static const uint64_t *gave_up(const struct heads_unit *u, size_t doc)
{
    return u->unit->labels->gave_up + doc * bits_words(u->shape->n_hypotheses);
}

/* Puts a document's best place into a list, with room for its sources, where its token stands until
 * they are known. */
static int offer(struct heads_unit *u, size_t doc, size_t list, const struct offer *o,
                 struct err *err)
{
    const struct unit_tokens *t = u->unit;
    const struct unit_tokens_doc *from = &t->docs[doc];
    const struct example_doc place = {.shard = t->shard,
                                      .number = from->number,
                                      .n = from->n,
                                      .ids = t->ids + from->begin,
                                      .ends = t->ends ? t->ends + from->begin : NULL,
                                      .pos = t->pos + from->begin};
    const size_t at = o->token - from->begin;
    if (o->token == NONE || o->key > u->cutoffs[list]) {
        return 0;
    }
    struct example e = example_at(&place, at, o->key);
    if (!example_belongs(&u->found->lists[list], &e, u->shape->examples)) {
        return 0;
    }
    e.activation = o->dla;
    e.before = (uint32_t)example_n_before(&place, at, EXAMPLE_BEFORE);
    e.n_tokens =
        e.before + 1 + (uint32_t)example_n_after(&place, at, EXAMPLE_TOKENS - 1 - e.before);
    e.n_acts = UNIT_SOURCES * UNIT_SOURCE_FLOATS;
    e.n_rows = 1;
    const int rc = example_new(&e, err);
    if (rc) {
        return rc;
    }
    memcpy(e.ids, place.ids + at - e.before, e.n_tokens * sizeof *e.ids);
    e.acts[0] = (float)o->token; // below HEADS_UNIT_MAX, which a float holds
    return example_insert(&u->found->lists[list], &e, u->shape->examples, err);
}

/* The document of a layer's heads has ended. */
static int end_doc(struct heads_unit *u, size_t layer, struct err *err)
{
    const struct heads_layer *l = &u->shape->layers[layer];
    const size_t n = u->shape->n_hypotheses, doc = u->doc[layer];
    int rc = 0;
    for (size_t i = l->first; i < l->first + l->n && doc != NONE && !rc; i++) {
        struct of_doc *d = &u->of_doc[i];
        moments_add(&u->found->sums[i].dla, d->dla, d->n);
        for (size_t h = 0; h < n && u->unit->labels; h++) {
            if (!bits_get(gave_up(u, doc), h)) {
                u->found->labels[i * n + h].n_all += d->n;
                u->found->labels[i * n + h].dla_all += d->dla;
            }
        }
        for (size_t k = 0; k < HEADS_LISTS && u->shape->examples > 0 && !rc; k++) {
            rc = offer(u, doc, k * u->shape->n + i, &d->offers[k], err);
        }
        forget_doc(d);
    }
    u->doc[layer] = NONE;
    return rc;
}

// --- a token ------------------------------------------------------------------------------------

/* To the nearest whole number, ties to even, of a value below 2^51: added to 1.5 * 2^52 it is
 * rounded to a whole one, which its low bits are. */
static int64_t to_whole(double value)
{
    const double shift = 0x1.8p52, moved = value + shift;
    int64_t bits, shift_bits;
    memcpy(&bits, &moved, sizeof bits);
    memcpy(&shift_bits, &shift, sizeof shift_bits);
    return bits - shift_bits;
}

/* Are all values of a head at a row ones that a sum can hold?  at: of the head and row. */
static bool fits(const float *const values[HEAD_MOMENTS], size_t at)
{
    bool bad = false;
    for (enum head_moment m = 0; m < HEAD_MOMENTS; m++) {
        bad |= !(fabsf(values[m][at]) < heads_most(m));
    }
    return !bad;
}

/* A finite float as a number of the same order. */
static uint32_t order_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | UINT32_C(0x80000000);
}

/* The token is offered to the lists, if it is the document's best so far. */
static void add_offers(struct of_doc *d, size_t token, uint32_t hash, float dla)
{
    const uint32_t keys[HEADS_LISTS] = {
        [HEADS_HELPS] = ~order_of(dla), [HEADS_HURTS] = order_of(dla), [HEADS_RANDOM] = hash};
    for (size_t k = 0; k < HEADS_LISTS; k++) {
        if (d->offers[k].token == NONE || keys[k] < d->offers[k].key) {
            d->offers[k] = (struct offer){keys[k], (uint32_t)token, dla};
        }
    }
}

/* Adds the prediction behind the token to the hypotheses whose labels are about it. */
static void add_labels(struct heads_unit *u, const struct heads_layer *l, size_t token)
{
    const size_t n = u->shape->n_hypotheses, n_words = bits_words(n);
    const uint64_t *own = u->unit->labels->words + token * n_words;
    const uint64_t *not_known = gave_up(u, u->doc_of[token]);
    for (size_t h = 0; h < n; h++) {
        const uint64_t *words = u->shape->predicts_next[h] ? own : own + n_words;
        if (!bits_get(words, h) || bits_get(not_known, h)) {
            continue;
        }
        for (size_t i = 0; i < l->n; i++) {
            struct heads_label *to = &u->found->labels[(l->first + i) * n + h];
            if (u->dla[i] != FIXED_NONE) {
                to->n++;
                to->dla += u->dla[i];
            }
        }
    }
}

/* The token in hand, whose row is 'row' of the block. */
static void add_token(struct heads_unit *u, const struct heads_layer *l, size_t token,
                      bool has_next, size_t row, const float *const values[HEAD_MOMENTS])
{
    const struct unit_tokens_doc *doc = &u->unit->docs[u->doc_of[token]];
    const uint32_t hash = example_hash(u->unit->shard, doc->number, token - doc->begin);
    for (size_t h = 0; h < l->n; h++) {
        struct heads_sums *s = &u->found->sums[l->first + h];
        struct of_doc *d = &u->of_doc[l->first + h];
        const size_t at = row * l->n + h;
        u->dla[h] = FIXED_NONE;
        if (!fits(values, at)) {
            s->n_beyond++;
            continue;
        }
        s->n++;
        s->n_repeat += u->repeat[token];
        for (enum head_moment m = 0; m < HEAD_DLA; m++) {
            u->sums[m * u->most_heads + h] += to_whole((double)values[m][at] * heads_unit(m));
        }
        if (has_next) {
            u->dla[h] = to_whole((double)values[HEAD_DLA][at] * HEADS_DLA_UNIT);
            d->n++;
            d->dla += u->dla[h];
            add_offers(d, token, hash, values[HEAD_DLA][at]);
        }
    }
    if (has_next && u->unit->labels && u->shape->n_hypotheses > 0) {
        add_labels(u, l, token);
    }
}

int heads_unit_see(struct heads_unit *u, size_t model, size_t of_model,
                   const struct unit_block *block, const float *const values[HEAD_MOMENTS],
                   struct err *err)
{
    const size_t layer = heads_find_layer(u->shape, model, of_model);
    const struct heads_layer *l = &u->shape->layers[layer];
    size_t token = block->begin, row = 0;
    int rc = 0;
    memset(u->sums, 0, HEADS_SUMS * u->most_heads * sizeof *u->sums);
    for (size_t k = 0; k < block->n_windows && !rc; k++) {
        row++; // what stands before the window
        for (size_t i = 0; i < block->windows[k] && !rc; i++, token++, row++) {
            const uint32_t doc = u->doc_of[token];
            if (doc == NONE) {
                continue;
            }
            if (u->doc[layer] != doc) {
                rc = end_doc(u, layer, err);
                u->doc[layer] = doc;
            }
            add_token(u, l, token, i + 1 < block->windows[k] && u->doc_of[token + 1] != NONE, row,
                      values);
        }
    }
    for (size_t h = 0; h < l->n; h++) {
        for (size_t m = 0; m < HEADS_SUMS; m++) {
            u->found->sums[l->first + h].sums[m] += u->sums[m * u->most_heads + h];
        }
    }
    return rc;
}

void heads_unit_see_labels(struct heads_unit *u, size_t model, size_t of_model,
                           const struct unit_block *block, const float *to_label)
{
    const struct heads_layer *l = &u->shape->layers[heads_find_layer(u->shape, model, of_model)];
    const size_t n = u->shape->n_hypotheses;
    size_t token = block->begin;
    for (size_t k = 0; k < block->n_windows; k++) {
        to_label += l->n * n; // what stands before the window
        for (size_t i = 0; i < block->windows[k]; i++, token++, to_label += l->n * n) {
            if (u->doc_of[token] == NONE || !u->unit->labels) {
                continue;
            }
            const uint64_t *not_known = gave_up(u, u->doc_of[token]);
            for (size_t at = 0; at < l->n * n; at++) {
                struct heads_label *to = &u->found->labels[l->first * n + at];
                if (!bits_get(not_known, at % n) &&
                    fabsf(to_label[at]) < heads_most(HEAD_TO_SELF)) {
                    to->n_to++;
                    to->to += to_whole((double)to_label[at] * (double)FIXED_ONE);
                }
            }
        }
    }
}

// --- the unit's end -----------------------------------------------------------------------------

static int by_token(const void *a, const void *b)
{
    const struct unit_sources *x = a, *y = b;
    return (x->token > y->token) - (x->token < y->token);
}

/* Gives the examples of layers [first, last), which are of one model, their sources. */
static int ask_sources(struct heads_unit *u, size_t first, size_t last,
                       const struct unit_models *models, struct err *err)
{
    const struct heads_shape *s = u->shape;
    size_t n = 0;
    int rc = 0;
    for (size_t l = first; l < last; l++) {
        for (size_t i = 0; i < HEADS_LISTS * s->layers[l].n && !rc; i++) {
            const size_t head = i % s->layers[l].n, kind = i / s->layers[l].n;
            struct example_list *list = &u->found->lists[kind * s->n + s->layers[l].first + head];
            rc = mem_reserve(&u->asked, &u->asked_cap, n + list->n, sizeof *u->asked, "heads", err);
            for (uint32_t k = 0; k < list->n && !rc; k++) {
                u->asked[n++] = (struct unit_sources){.token = (size_t)list->items[k].acts[0],
                                                      .layer = s->layers[l].layer,
                                                      .head = (uint32_t)head,
                                                      .at = list->items[k].acts};
            }
        }
    }
    if (rc || n == 0) {
        return rc;
    }
    qsort(u->asked, n, sizeof *u->asked, by_token);
    return models->sources(models->context, s->layers[first].model, u->asked, n, err);
}

int heads_unit_end(struct heads_unit *u, const struct unit_models *models, struct err *err)
{
    const struct heads_shape *s = u->shape;
    int rc = 0;
    for (size_t l = 0; l < s->n_layers && !rc; l++) {
        rc = end_doc(u, l, err);
    }
    for (size_t first = 0, last; first < s->n_layers && !rc; first = last) {
        last = first + 1;
        while (last < s->n_layers && s->layers[last].model == s->layers[first].model) {
            last++;
        }
        rc = ask_sources(u, first, last, models, err);
    }
    return rc;
}

struct heads *heads_unit_found(struct heads_unit *u)
{
    return u->found;
}
