/*
 * A whole as bytes.  Numbers and lists are those of varints.h; signed ones zigzag.
 *
 *   piece 0:      magic, n_layers, n_hypotheses, n_watches, examples;
 *                 per half and set: tokens, docs; the watched lists; the samples
 *   piece 1 + i:  n; per half and set a byte, 0: nothing, or 3: sums (1) and histograms (2); then
 *                 those sums, by neuron: sum, positive, squares, left out, beyond; those
 *                 histograms, by neuron: how many bins are not empty; of FEW_BINS or fewer how far
 *                 each is from the one before, and its count; else a byte a bin, its count or 255,
 *                 and what is more than 255 of those, in their order; per half, by neuron, cubes
 *                 and fourths; the lists by kind and neuron
 *
 * A wide number is WIDE_VARINTS numbers of 128 bits, the lowest first, zigzag as a whole.
 *
 * A whole has one such writing, and what is read must be that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/neurons_internal.h"
#include "out/results/varints.h"

#define MAGIC UINT64_C(0x34554e5347) // "GSNU4"
#define WIDE_VARINTS (WIDE_WORDS / 2)
#define FEW_BINS 40 // a histogram of so many bins, or fewer, is written bin by bin
#define MANY 255    // tokens of a bin: the rest follows

// --- writing
// --------------------------------------------------------------------------------------

/* Two words a number; there is room for them. */
static void put_wide(struct varints_writer *w, const struct wide *x)
{
    const struct wide plain = wide_zigzag(x);
    for (int i = 0; i < WIDE_WORDS; i += 2) {
        varints_next(w->to, (unsigned __int128)plain.words[i + 1] << 64 | plain.words[i]);
    }
}

static void put_sums(struct varints_writer *w, const struct set_sums *sums, size_t n)
{
    varints_room(w, (3 * WIDE_VARINTS + 2) * n);
    for (size_t i = 0; i < n && !w->rc; i++) {
        put_wide(w, &sums[i].sum);
        put_wide(w, &sums[i].positive);
        put_wide(w, &sums[i].squares);
        varints_next(w->to, sums[i].left_out);
        varints_next(w->to, sums[i].beyond);
    }
}

static void put_powers(struct varints_writer *w, const struct power_sums *powers, size_t n)
{
    varints_room(w, 2 * WIDE_VARINTS * n);
    for (size_t i = 0; i < n && !w->rc; i++) {
        put_wide(w, &powers[i].cubes);
        put_wide(w, &powers[i].fourths);
    }
}

/* Of few bins each with its count; of more a byte a bin, which compresses better. */
static void put_hist(struct varints_writer *w, const uint64_t *hist)
{
    size_t n = 0, last = 0;
    varints_room(w, 1 + 2 * BINS);
    if (w->rc) {
        return;
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        n += hist[bin] > 0;
    }
    varints_next(w->to, n);
    for (size_t bin = 0; bin < BINS && n > FEW_BINS; bin++) {
        w->to->data[w->to->len++] = (char)(hist[bin] < MANY ? hist[bin] : MANY);
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        if (n <= FEW_BINS && hist[bin] > 0) {
            varints_next(w->to, bin - last);
            varints_next(w->to, hist[bin]);
            last = bin;
        } else if (n > FEW_BINS && hist[bin] >= MANY) {
            varints_next(w->to, hist[bin] - MANY);
        }
    }
}

static void put_common(struct varints_writer *w, const struct neurons *n)
{
    const struct neurons_shape *shape = n->shape;
    varints_put(w, MAGIC);
    varints_put(w, shape->n_layers);
    varints_put(w, shape->n_hypotheses);
    varints_put(w, shape->n_watches);
    varints_put(w, shape->examples);
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        varints_put(w, n->sets[k % SPLITS][k / SPLITS].tokens);
        varints_put(w, n->sets[k % SPLITS][k / SPLITS].docs);
    }
    for (size_t i = 0; i < shape->n_watches; i++) {
        varints_put_lists(w, n->watched[i], 2, VARINTS_DIGITS);
    }
    varints_put_lists(w, n->samples, shape->n_hypotheses, VARINTS_WHOLE);
}

static void put_layer(struct varints_writer *w, const struct neurons *n, size_t layer)
{
    const struct neurons_shape *shape = n->shape;
    const struct layer_sums *l = &n->layers[layer];
    const size_t n_neurons = shape->layers[layer].n;
    varints_put(w, n_neurons);
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        const struct set_sums *sums = l->sums[k % SPLITS][k / SPLITS];
        const uint64_t *hist = l->hist[k % SPLITS][k / SPLITS];
        varints_put(w, (sums ? 1u : 0u) + (hist ? 2u : 0u));
        if (sums) {
            put_sums(w, sums, n_neurons);
        }
        const size_t n_hists = hist ? neurons_n_hists(shape, layer, k / SPLITS) : 0;
        for (size_t i = 0; i < n_hists; i++) {
            put_hist(w, hist + i * BINS);
        }
    }
    put_powers(w, l->powers[SPLIT_DEV], n_neurons);
    put_powers(w, l->powers[SPLIT_TEST], n_neurons);
    for (size_t list = 0; list < LISTS; list++) {
        varints_put_lists(w, l->lists + list * n_neurons, n_neurons, VARINTS_DIGITS);
    }
}

int neurons_save(const struct neurons *n, size_t piece, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    struct varints_writer w = {.to = out, .err = err};
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

// --- reading
// --------------------------------------------------------------------------------------

static void get_few_bins(struct varints_reader *r, uint64_t *hist, uint64_t n)
{
    size_t bin = 0;
    for (uint64_t i = 0; i < n && !r->rc; i++) {
        const size_t step = (size_t)varints_get(r, BINS - 1, "a bin");
        bin += step;
        if (bin >= BINS || (step == 0 && i > 0)) {
            varints_bad(r, "a bin");
            return;
        }
        hist[bin] = varints_get(r, UINT64_MAX, "a count");
        if (hist[bin] == 0) {
            varints_bad(r, "a count");
        }
    }
}

static void get_hist(struct varints_reader *r, uint64_t *hist)
{
    const uint64_t n = varints_get(r, BINS, "a histogram");
    if (n <= FEW_BINS) {
        get_few_bins(r, hist, n);
        return;
    }
    if (r->left < BINS) {
        varints_bad(r, "a histogram");
        return;
    }
    const unsigned char *bytes = r->at;
    uint64_t found = 0;
    r->at += BINS;
    r->left -= BINS;
    for (size_t bin = 0; bin < BINS && !r->rc; bin++) {
        hist[bin] = bytes[bin];
        found += bytes[bin] > 0;
        if (bytes[bin] == MANY) {
            hist[bin] += varints_get(r, UINT64_MAX - MANY, "a count");
        }
    }
    if (found != n) {
        varints_bad(r, "a histogram");
    }
}

static struct wide get_wide(struct varints_reader *r)
{
    struct wide x;
    for (int i = 0; i < WIDE_WORDS; i += 2) {
        const unsigned __int128 two = varints_get_wide(r, "a sum");
        x.words[i] = (uint64_t)two;
        x.words[i + 1] = (uint64_t)(two >> 64);
    }
    return wide_unzigzag(&x);
}

static void get_powers(struct varints_reader *r, struct power_sums *powers, size_t n)
{
    for (size_t i = 0; i < n && !r->rc; i++) {
        powers[i].cubes = get_wide(r);
        powers[i].fourths = get_wide(r);
    }
}

static void get_common(struct varints_reader *r, struct neurons *n)
{
    const struct neurons_shape *shape = n->shape;
    const uint32_t n_words = (uint32_t)neurons_n_words(shape);
    varints_want(r, MAGIC, "the beginning");
    varints_want(r, shape->n_layers, "layers");
    varints_want(r, shape->n_hypotheses, "hypotheses");
    varints_want(r, shape->n_watches, "watches");
    varints_want(r, shape->examples, "examples");
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        n->sets[k % SPLITS][k / SPLITS].tokens = varints_get(r, UINT64_MAX, "tokens");
        n->sets[k % SPLITS][k / SPLITS].docs = varints_get(r, UINT64_MAX, "documents");
    }
    for (size_t i = 0; i < shape->n_watches; i++) {
        varints_get_lists(r, n->watched[i], 2, LIST_WATCH_MOST, n_words, 0, VARINTS_DIGITS);
    }
    varints_get_lists(r, n->samples, shape->n_hypotheses, LIST_SAMPLE_MOST, n_words, shape->n,
                      VARINTS_WHOLE);
}

static void get_set(struct varints_reader *r, struct neurons *n, size_t layer, int split,
                    size_t set)
{
    struct layer_sums *l = &n->layers[layer];
    const size_t n_neurons = n->shape->layers[layer].n;
    const uint64_t what = varints_get(r, 3, "a set");
    if (r->rc || what == 0) {
        return;
    }
    if (what != 3) { // written together
        varints_bad(r, "a set");
        return;
    }
    // A number is a byte at least: no room is made for what cannot be there.
    const size_t n_hists = neurons_n_hists(n->shape, layer, set);
    if ((3 * WIDE_VARINTS + 2) * n_neurons + n_hists > r->left) {
        varints_bad(r, "it ends too early");
        return;
    }
    r->rc = neurons_reserve_set(n, layer, split, set, r->err);
    for (size_t i = 0; i < n_neurons && !r->rc; i++) {
        struct set_sums *s = &l->sums[split][set][i];
        s->sum = get_wide(r);
        s->positive = get_wide(r);
        s->squares = get_wide(r);
        s->left_out = varints_get(r, UINT64_MAX, "activations left out");
        s->beyond = varints_get(r, UINT64_MAX, "large activations");
    }
    for (size_t i = 0; i < n_hists && !r->rc; i++) {
        get_hist(r, l->hist[split][set] + i * BINS);
    }
}

static void get_layer(struct varints_reader *r, struct neurons *n, size_t layer)
{
    const struct neurons_shape *shape = n->shape;
    const size_t n_neurons = shape->layers[layer].n;
    varints_want(r, n_neurons, "a layer's neurons");
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape) && !r->rc; k++) {
        get_set(r, n, layer, (int)(k % SPLITS), k / SPLITS);
    }
    get_powers(r, n->layers[layer].powers[SPLIT_DEV], n_neurons);
    get_powers(r, n->layers[layer].powers[SPLIT_TEST], n_neurons);
    for (unsigned list = 0; list < LISTS && !r->rc; list++) {
        varints_get_lists(r, n->layers[layer].lists + list * n_neurons, n_neurons,
                          neurons_list_most(shape, list), (uint32_t)neurons_n_words(shape), 0,
                          VARINTS_DIGITS);
    }
}

int neurons_load(struct neurons *n, size_t piece, const void *bytes, size_t len, struct err *err)
{
    struct varints_reader r = {.at = bytes, .left = len, .of = "neurons", .err = err};
    if (piece == 0) {
        get_common(&r, n);
    } else {
        get_layer(&r, n, piece - 1);
    }
    if (!r.rc && r.left > 0) {
        varints_bad(&r, "something follows it");
    }
    return r.rc;
}
