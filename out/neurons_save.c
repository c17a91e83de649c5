/*
 * A whole as bytes.  Numbers are varints, 7 bits a byte, the lowest first; signed ones zigzag.
 *
 *   piece 0:      magic, n_layers, n_hypotheses, n_watches, examples;
 *                 per half and set: tokens, docs; the watched lists; the samples
 *   piece 1 + i:  n; per half and set a byte, 0: nothing, or 3: sums (1) and histograms (2); then
 *                 those sums, by neuron: sum, positive, squares; those histograms, by neuron: how
 *                 many bins are not empty, and of each how far it is from the one before, and its
 *                 count; the lists by kind and neuron
 *   a list:       n, and for each example its fields, labels, ids, and activations as they are
 *
 * A whole has one such writing, and what is read must be that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/neurons_parts.h"

#define MAGIC UINT64_C(0x31554e5347) // "GSNU1"
#define VARINT_MOST 19               // bytes of one of 128 bits

// --- writing ------------------------------------------------------------------------------------

struct writer {
    struct buf *to;
    struct err *err;
    int rc; // the first error; what comes after it does nothing
};

/* Room for n numbers that are put next. */
static void make_room(struct writer *w, size_t n)
{
    if (!w->rc) {
        w->rc = buf_reserve(w->to, n * VARINT_MOST, w->err);
    }
}

/* Into room that there is. */
static void put_next(struct buf *to, unsigned __int128 value)
{
    while (value >= 0x80) {
        to->data[to->len++] = (char)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    to->data[to->len++] = (char)value;
}

static void put(struct writer *w, uint64_t value)
{
    make_room(w, 1);
    if (!w->rc) {
        put_next(w->to, value);
    }
}

static unsigned __int128 zigzag(__int128 value)
{
    return ((unsigned __int128)value << 1) ^ (unsigned __int128)(value >> 127);
}

static void put_sums(struct writer *w, const struct set_sums *sums, size_t n)
{
    make_room(w, 3 * n);
    for (size_t i = 0; i < n && !w->rc; i++) {
        put_next(w->to, zigzag(sums[i].sum));
        put_next(w->to, zigzag(sums[i].positive));
        put_next(w->to, zigzag(sums[i].squares));
    }
}

static void put_hist(struct writer *w, const uint64_t *hist)
{
    size_t n = 0, last = 0;
    make_room(w, 1 + 2 * BINS);
    if (w->rc) {
        return;
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        n += hist[bin] > 0;
    }
    put_next(w->to, n);
    for (size_t bin = 0; bin < BINS; bin++) {
        if (hist[bin] > 0) {
            put_next(w->to, bin - last);
            put_next(w->to, hist[bin]);
            last = bin;
        }
    }
}

static void put_example(struct writer *w, const struct example *e)
{
    const size_t n_labels = ((size_t)e->n_rows + 1) * e->n_words;
    uint32_t activation;
    memcpy(&activation, &e->activation, sizeof activation);
    const uint64_t fields[] = {e->key,        activation,  e->shard,   e->at,       e->doc,
                               e->byte_start, e->byte_end, e->context, e->n_tokens, e->before,
                               e->n_acts,     e->n_rows,   e->n_words};
    const size_t n_fields = sizeof fields / sizeof *fields;
    make_room(w, n_fields + n_labels + e->n_tokens + e->n_acts);
    if (w->rc) {
        return;
    }
    for (size_t i = 0; i < n_fields; i++) {
        put_next(w->to, fields[i]);
    }
    for (size_t i = 0; i < n_labels; i++) {
        put_next(w->to, e->labels[i]);
    }
    for (size_t i = 0; i < e->n_tokens; i++) {
        put_next(w->to, e->ids[i]);
    }
    memcpy(w->to->data + w->to->len, e->acts, e->n_acts * sizeof *e->acts);
    w->to->len += e->n_acts * sizeof *e->acts;
}

static void put_list(struct writer *w, const struct example_list *l)
{
    put(w, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        put_example(w, &l->items[i]);
    }
}

static void put_common(struct writer *w, const struct neurons *n)
{
    const struct neurons_shape *shape = n->shape;
    put(w, MAGIC);
    put(w, shape->n_layers);
    put(w, shape->n_hypotheses);
    put(w, shape->n_watches);
    put(w, shape->examples);
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        put(w, n->sets[k % SPLITS][k / SPLITS].tokens);
        put(w, n->sets[k % SPLITS][k / SPLITS].docs);
    }
    for (size_t i = 0; i < 2 * shape->n_watches; i++) {
        put_list(w, &n->watched[i / 2][i % 2]);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        put_list(w, &n->samples[h]);
    }
}

static void put_layer(struct writer *w, const struct neurons *n, size_t layer)
{
    const struct neurons_shape *shape = n->shape;
    const struct layer_sums *l = &n->layers[layer];
    const size_t n_neurons = shape->layers[layer].n;
    put(w, n_neurons);
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        const struct set_sums *sums = l->sums[k % SPLITS][k / SPLITS];
        const uint64_t *hist = l->hist[k % SPLITS][k / SPLITS];
        put(w, (sums ? 1u : 0u) + (hist ? 2u : 0u));
        if (sums) {
            put_sums(w, sums, n_neurons);
        }
        const size_t n_hists = hist ? neurons_n_hists(shape, layer, k / SPLITS) : 0;
        for (size_t i = 0; i < n_hists; i++) {
            put_hist(w, hist + i * BINS);
        }
    }
    for (size_t i = 0; i < LISTS * n_neurons; i++) {
        put_list(w, &l->lists[i]);
    }
}

int neurons_save(const struct neurons *n, size_t piece, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    struct writer w = {.to = out, .err = err};
    if (piece == 0) {
        put_common(&w, n);
    } else {
        put_layer(&w, n, piece - 1);
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

// --- reading ------------------------------------------------------------------------------------

struct reader {
    const unsigned char *at;
    size_t left;
    struct err *err;
    int rc; // the first error; what comes after it reads zeros
};

static void bad(struct reader *r, const char *what)
{
    if (!r->rc) {
        r->rc = err_set(r->err, ERR_FORMAT, "the saved neurons are damaged: %s", what);
    }
}

static unsigned __int128 get_wide(struct reader *r, const char *what)
{
    unsigned __int128 value = 0;
    for (unsigned shift = 0; !r->rc; shift += 7) {
        if (r->left == 0) {
            bad(r, what);
            break;
        }
        const unsigned char byte = *r->at++;
        r->left--;
        if ((byte == 0 && shift > 0) || (shift == 126 && byte > 3)) { // longer than it need be
            bad(r, what);
            break;
        }
        value |= (unsigned __int128)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return r->rc ? 0 : value;
}

/* A number up to 'most', or 0 and an error. */
static uint64_t get(struct reader *r, uint64_t most, const char *what)
{
    const unsigned __int128 value = get_wide(r, what);
    if (value > most) {
        bad(r, what);
        return 0;
    }
    return (uint64_t)value;
}

static void want(struct reader *r, uint64_t value, const char *what)
{
    if (get(r, UINT64_MAX, what) != value) {
        bad(r, what);
    }
}

static __int128 get_signed(struct reader *r, const char *what)
{
    const unsigned __int128 value = get_wide(r, what);
    if (value >> 121) { // more than can be: a few of them can still be added
        bad(r, what);
        return 0;
    }
    return (__int128)(value >> 1) ^ -(__int128)(value & 1);
}

static void get_hist(struct reader *r, uint64_t *hist)
{
    const uint64_t n = get(r, BINS, "a histogram");
    size_t bin = 0;
    for (uint64_t i = 0; i < n && !r->rc; i++) {
        const size_t step = (size_t)get(r, BINS - 1, "a bin");
        bin += step;
        if (bin >= BINS || (step == 0 && i > 0)) {
            bad(r, "a bin");
            return;
        }
        hist[bin] = get(r, UINT64_MAX, "a count");
        if (hist[bin] == 0) {
            bad(r, "a count");
        }
    }
}

/* An example's fields, checked; its arrays have room. */
static void get_fields(struct reader *r, struct example *e, uint32_t n_words, size_t n_acts)
{
    e->key = (uint32_t)get(r, UINT32_MAX, "a key");
    const uint32_t activation = (uint32_t)get(r, UINT32_MAX, "an activation");
    memcpy(&e->activation, &activation, sizeof e->activation);
    e->shard = (uint32_t)get(r, UINT32_MAX, "a shard");
    e->at = (uint32_t)get(r, UINT32_MAX, "a place");
    e->doc = get(r, UINT64_MAX, "a document");
    e->byte_start = (uint32_t)get(r, UINT32_MAX, "a place");
    e->byte_end = (uint32_t)get(r, UINT32_MAX, "a place");
    e->context = get(r, UINT64_MAX, "a context");
    e->n_tokens = (uint32_t)get(r, EXAMPLE_TOKENS, "a context");
    e->before = (uint32_t)get(r, EXAMPLE_TOKENS, "a context");
    e->n_acts = (uint32_t)get(r, UINT32_MAX, "activations");
    e->n_rows = (uint32_t)get(r, EXAMPLE_TOKENS, "labels");
    e->n_words = (uint32_t)get(r, UINT32_MAX, "labels");
    if (e->before >= e->n_tokens || e->n_acts != (n_acts ? n_acts : e->n_tokens) ||
        (e->n_rows != 1 && e->n_rows != e->n_tokens) || e->n_words != n_words ||
        e->n_acts > r->left / sizeof *e->acts) {
        bad(r, "an example");
    }
}

/* n_acts: of every example; 0: one a token. */
static void get_example(struct reader *r, struct example *e, uint32_t n_words, size_t n_acts)
{
    get_fields(r, e, n_words, n_acts);
    if (!r->rc) {
        r->rc = example_new(e, r->err);
    }
    for (size_t i = 0; !r->rc && i < ((size_t)e->n_rows + 1) * e->n_words; i++) {
        e->labels[i] = get(r, UINT64_MAX, "labels");
    }
    for (size_t i = 0; !r->rc && i < e->n_tokens; i++) {
        e->ids[i] = (uint32_t)get(r, UINT32_MAX, "a token");
    }
    const size_t bytes = e->n_acts * sizeof *e->acts;
    if (!r->rc && bytes > r->left) {
        bad(r, "activations");
    }
    if (!r->rc) {
        memcpy(e->acts, r->at, bytes);
        r->at += bytes;
        r->left -= bytes;
    }
}

static void get_list(struct reader *r, struct example_list *l, uint32_t most, uint32_t n_words,
                     size_t n_acts)
{
    const uint64_t n = get(r, most, "a list");
    for (uint64_t i = 0; i < n && !r->rc; i++) {
        struct example e = {0};
        get_example(r, &e, n_words, n_acts);
        if (!r->rc && i > 0 && !example_before(&l->items[i - 1], &e)) {
            bad(r, "a list out of order");
        }
        if (!r->rc && !example_belongs(l, &e, most)) {
            bad(r, "a list that has the same context twice");
        }
        if (r->rc) {
            example_free(&e);
            return;
        }
        r->rc = example_insert(l, &e, most, r->err);
    }
}

static void get_common(struct reader *r, struct neurons *n)
{
    const struct neurons_shape *shape = n->shape;
    const uint32_t n_words = (uint32_t)neurons_n_words(shape);
    want(r, MAGIC, "the beginning");
    want(r, shape->n_layers, "layers");
    want(r, shape->n_hypotheses, "hypotheses");
    want(r, shape->n_watches, "watches");
    want(r, shape->examples, "examples");
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        n->sets[k % SPLITS][k / SPLITS].tokens = get(r, UINT64_MAX, "tokens");
        n->sets[k % SPLITS][k / SPLITS].docs = get(r, UINT64_MAX, "documents");
    }
    for (size_t i = 0; i < 2 * shape->n_watches; i++) {
        get_list(r, &n->watched[i / 2][i % 2], LIST_WATCH_MOST, n_words, 0);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        get_list(r, &n->samples[h], LIST_SAMPLE_MOST, n_words, shape->n);
    }
}

static void get_set(struct reader *r, struct neurons *n, size_t layer, int split, size_t set)
{
    struct layer_sums *l = &n->layers[layer];
    const size_t n_neurons = n->shape->layers[layer].n;
    const uint64_t what = get(r, 3, "a set");
    if (r->rc || what == 0) {
        return;
    }
    if (what != 3) { // written together
        bad(r, "a set");
        return;
    }
    // A number is a byte at least: no room is made for what cannot be there.
    const size_t n_hists = neurons_n_hists(n->shape, layer, set);
    if (3 * n_neurons + n_hists > r->left) {
        bad(r, "it ends too early");
        return;
    }
    r->rc = neurons_reserve_set(n, layer, split, set, r->err);
    for (size_t i = 0; i < n_neurons && !r->rc; i++) {
        struct set_sums *s = &l->sums[split][set][i];
        s->sum = get_signed(r, "a sum");
        s->positive = get_signed(r, "a sum");
        s->squares = get_signed(r, "a sum");
    }
    for (size_t i = 0; i < n_hists && !r->rc; i++) {
        get_hist(r, l->hist[split][set] + i * BINS);
    }
}

static void get_layer(struct reader *r, struct neurons *n, size_t layer)
{
    const struct neurons_shape *shape = n->shape;
    const size_t n_neurons = shape->layers[layer].n;
    want(r, n_neurons, "a layer's neurons");
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape) && !r->rc; k++) {
        get_set(r, n, layer, (int)(k % SPLITS), k / SPLITS);
    }
    for (size_t i = 0; i < LISTS * n_neurons && !r->rc; i++) {
        get_list(r, &n->layers[layer].lists[i], neurons_list_most(shape, (unsigned)(i / n_neurons)),
                 (uint32_t)neurons_n_words(shape), 0);
    }
}

int neurons_load(struct neurons *n, size_t piece, const void *bytes, size_t len, struct err *err)
{
    struct reader r = {.at = bytes, .left = len, .err = err};
    if (piece == 0) {
        get_common(&r, n);
    } else {
        get_layer(&r, n, piece - 1);
    }
    if (!r.rc && r.left > 0) {
        bad(&r, "something follows it");
    }
    return r.rc;
}
