/* A unit's sums and histograms on their way into the whole. */
#include <string.h>

#include "out/results/neurons/neurons_internal.h"
#include "out/results/neurons/unit_neurons_internal.h"

/* What a neuron does on a set, all of it. */
static struct set_sums sums_of(const struct unit_neurons_sums *s, size_t i)
{
    struct set_sums out = {0};
    if (!s->used) {
        return out;
    }
    out.sum = wide_from(s->sum[i]);
    out.positive = wide_from(s->positive[i]);
    if (s->low) {
        out.squares = wide_from(((__int128)s->high[i] << 32) + s->low[i]);
    }
    if (s->beyond) {
        neurons_sums_add(&out, &s->beyond[i]);
    }
    return out;
}

/* Adds n histograms of cells; rows: which of them; NULL: all in order.  Of most sets most bins are
 * empty. */
static void add_cells(uint64_t *to, const struct unit_neurons_hists *h,
                      const struct neurons_subset *rows, size_t n, uint64_t times)
{
    enum { STEP = 8 }; // bins looked at at once
    for (size_t k = 0; k < n; k++) {
        const uint8_t *hist = h->cells + (rows ? rows->items[k] : k) * UNIT_BINS;
        for (size_t bin = 0; bin < BINS; bin += STEP) {
            uint64_t any;
            memcpy(&any, hist + bin, sizeof any);
            for (size_t i = bin; any && i < bin + STEP && i < BINS; i++) {
                to[k * BINS + i] += times * hist[i];
            }
        }
    }
}

/* The place of a row in the subset, NULL: all; SIZE_MAX: it is not there. */
static size_t find_row(const struct neurons_subset *rows, size_t row)
{
    size_t low = 0, high = rows ? rows->n : 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (rows->items[middle] < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return !rows ? row : low < rows->n && rows->items[low] == row ? low : SIZE_MAX;
}

/* Adds 'times' a set's histograms, of which 'rows' names those that are wanted; all but what is not
 * finite.  times may be -1 of 64 bits. */
static void add_hists(uint64_t *to, const struct unit_neurons_hists *h,
                      const struct neurons_subset *rows, size_t n, uint64_t times)
{
    add_cells(to, h, rows, n, times);
    for (size_t i = 0; i < h->n_full; i++) {
        const size_t bin = h->full[i] % UNIT_BINS, k = find_row(rows, h->full[i] / UNIT_BINS);
        if (k != SIZE_MAX && bin < BINS) {
            to[k * BINS + bin] += times * UNIT_COUNT_ONE;
        }
    }
}

/* Adds what all tokens have and the counted ones, where there are any, have not. */
static void add_others(struct neurons *to, const struct unit_neurons *p, size_t layer, int split,
                       size_t set)
{
    const struct unit_neurons_sums *all = &p->layers[layer].sets[split][SET_ALL];
    const struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    const struct neurons_subset *subset = neurons_subset(p->shape, layer, set);
    struct set_sums *sums = to->layers[layer].sums[split][set];
    uint64_t *hist = to->layers[layer].hist[split][set];
    for (size_t i = 0; i < p->shape->layers[layer].n; i++) {
        struct set_sums rest = sums_of(all, i);
        const struct set_sums counted = sums_of(s, i);
        neurons_sums_subtract(&rest, &counted);
        rest.squares = (struct wide){{0}}; // of labelled tokens nobody asks for them
        neurons_sums_add(&sums[i], &rest);
    }
    const size_t n = neurons_n_hists(p->shape, layer, set);
    add_hists(hist, &all->hists, subset, n, 1);
    if (s->used) {
        add_hists(hist, &s->hists, NULL, n, UINT64_MAX);
    }
}

static int add_set(struct neurons *to, const struct unit_neurons *p, size_t layer, int split,
                   size_t set, struct err *err)
{
    const struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    const bool others = p->sets[split][set].others;
    if (!s->used && !others) {
        return 0;
    }
    const int rc = neurons_reserve_set(to, layer, split, set, err);
    if (rc) {
        return rc;
    }
    if (others) {
        add_others(to, p, layer, split, set);
        return 0;
    }
    struct set_sums *sums = to->layers[layer].sums[split][set];
    for (size_t i = 0; i < p->shape->layers[layer].n; i++) {
        const struct set_sums x = sums_of(s, i);
        neurons_sums_add(&sums[i], &x);
    }
    add_hists(to->layers[layer].hist[split][set], &s->hists, NULL,
              neurons_n_hists(p->shape, layer, set), 1);
    return 0;
}

int neurons_add(struct neurons *to, struct unit_neurons *p, struct err *err)
{
    const struct neurons_shape *shape = p->shape;
    int rc = 0;
    for (size_t k = 0; k < SPLITS * neurons_n_sets(shape); k++) {
        to->sets[k % SPLITS][k / SPLITS].tokens += p->sets[k % SPLITS][k / SPLITS].tokens;
        to->sets[k % SPLITS][k / SPLITS].docs += p->sets[k % SPLITS][k / SPLITS].docs;
        for (size_t i = 0; i < shape->n_layers && !rc; i++) {
            rc = add_set(to, p, i, (int)(k % SPLITS), k / SPLITS, err);
        }
    }
    for (size_t i = 0; i < shape->n_layers && !rc; i++) {
        unit_powers_add(to, p, i, SPLIT_DEV);
        unit_powers_add(to, p, i, SPLIT_TEST);
        rc = neurons_take_layer(to, i, p->layers[i].lists.lists, err);
    }
    return rc ? rc : neurons_take_hypotheses(to, p->watched, p->samples, err);
}
