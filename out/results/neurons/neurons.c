#include "out/results/neurons/neurons.h"

#include <stdlib.h>

#include "out/results/fixed.h"
#include "out/results/neurons/neurons_internal.h"
#include "out/results/neurons/unit_neurons_internal.h"

uint32_t neurons_list_most(const struct neurons_shape *shape, unsigned list)
{
    switch (list) {
    case LIST_TOP:
        return shape->examples > LIST_TOP_LEAST ? shape->examples : LIST_TOP_LEAST;
    case LIST_BOTTOM:
        return LIST_BOTTOM_MOST;
    case LIST_RANDOM:
        return LIST_RANDOM_MOST;
    default:
        return LIST_GROUP_MOST;
    }
}

// --- new and free -------------------------------------------------------------------------------

static int layer_new(struct layer_sums *l, const struct neurons_shape *shape, size_t layer,
                     struct err *err)
{
    const size_t n_sets = neurons_n_sets(shape);
    for (int split = 0; split < SPLITS; split++) {
        l->sums[split] = mem_zero(n_sets, sizeof *l->sums[split]);
        l->hist[split] = mem_zero(n_sets, sizeof *l->hist[split]);
    }
    l->powers[SPLIT_DEV] = mem_zero(shape->layers[layer].n, sizeof *l->powers[SPLIT_DEV]);
    l->powers[SPLIT_TEST] = mem_zero(shape->layers[layer].n, sizeof *l->powers[SPLIT_TEST]);
    l->lists = mem_zero(LISTS * shape->layers[layer].n, sizeof *l->lists);
    const bool all = l->sums[SPLIT_DEV] && l->sums[SPLIT_TEST] && l->hist[SPLIT_DEV] &&
                     l->hist[SPLIT_TEST] && l->lists && l->powers[SPLIT_DEV] &&
                     l->powers[SPLIT_TEST];
    return all ? 0 : err_nomem(err, "neurons");
}

int neurons_new(struct neurons **out, const struct neurons_shape *shape, struct err *err)
{
    struct neurons *n = mem_zero(1, sizeof *n);
    if (!n) {
        return err_nomem(err, "neurons");
    }
    n->shape = shape;
    n->layers = mem_zero(shape->n_layers, sizeof *n->layers);
    n->sets[SPLIT_DEV] = mem_zero(neurons_n_sets(shape), sizeof *n->sets[SPLIT_DEV]);
    n->sets[SPLIT_TEST] = mem_zero(neurons_n_sets(shape), sizeof *n->sets[SPLIT_TEST]);
    n->watched = mem_zero(shape->n_watches, sizeof *n->watched);
    n->samples = mem_zero(shape->n_hypotheses, sizeof *n->samples);
    int rc = n->layers && n->sets[SPLIT_DEV] && n->sets[SPLIT_TEST] && n->watched && n->samples
                 ? 0
                 : err_nomem(err, "neurons");
    for (size_t i = 0; i < shape->n_layers && !rc; i++) {
        rc = layer_new(&n->layers[i], shape, i, err);
    }
    if (rc) {
        neurons_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

static void layer_free(struct layer_sums *l, const struct neurons_shape *shape, size_t layer)
{
    for (int split = 0; split < SPLITS; split++) {
        for (size_t set = 0; set < neurons_n_sets(shape); set++) {
            if (l->sums[split]) {
                free(l->sums[split][set]);
            }
            if (l->hist[split]) {
                free(l->hist[split][set]);
            }
        }
        free(l->sums[split]);
        free(l->powers[split]);
        free(l->hist[split]);
    }
    for (size_t i = 0; l->lists && i < LISTS * shape->layers[layer].n; i++) {
        example_list_free(&l->lists[i]);
    }
    free(l->lists);
}

void neurons_free(struct neurons *n)
{
    if (!n) {
        return;
    }
    for (size_t i = 0; n->layers && i < n->shape->n_layers; i++) {
        layer_free(&n->layers[i], n->shape, i);
    }
    for (size_t i = 0; n->watched && i < n->shape->n_watches; i++) {
        example_list_free(&n->watched[i][0]);
        example_list_free(&n->watched[i][1]);
    }
    for (size_t i = 0; n->samples && i < n->shape->n_hypotheses; i++) {
        example_list_free(&n->samples[i]);
    }
    free(n->layers);
    free(n->sets[SPLIT_DEV]);
    free(n->sets[SPLIT_TEST]);
    free(n->watched);
    free(n->samples);
    free(n);
}

// --- merging ------------------------------------------------------------------------------------

int neurons_reserve_set(struct neurons *n, size_t layer, int split, size_t set, struct err *err)
{
    struct layer_sums *l = &n->layers[layer];
    if (!l->sums[split][set]) {
        l->sums[split][set] = mem_zero(n->shape->layers[layer].n, sizeof(struct set_sums));
    }
    if (!l->hist[split][set]) {
        l->hist[split][set] =
            mem_zero(neurons_n_hists(n->shape, layer, set) * BINS, sizeof(uint64_t));
    }
    return l->sums[split][set] && l->hist[split][set] ? 0 : err_nomem(err, "neurons");
}

int neurons_take_layer(struct neurons *to, size_t layer, struct example_list *lists,
                       struct err *err)
{
    const size_t n = to->shape->layers[layer].n;
    int rc = 0;
    for (size_t i = 0; i < LISTS * n && !rc; i++) {
        rc = example_list_take(&to->layers[layer].lists[i], &lists[i],
                               neurons_list_most(to->shape, (unsigned)(i / n)), err);
    }
    return rc;
}

int neurons_take_hypotheses(struct neurons *to, struct example_list (*watched)[2],
                            struct example_list *samples, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < 2 * to->shape->n_watches && !rc; i++) {
        rc = example_list_take(&to->watched[i / 2][i % 2], &watched[i / 2][i % 2], LIST_WATCH_MOST,
                               err);
    }
    for (size_t h = 0; h < to->shape->n_hypotheses && !rc; h++) {
        rc = example_list_take(&to->samples[h], &samples[h], LIST_SAMPLE_MOST, err);
    }
    return rc;
}

void neurons_sums_add(struct set_sums *to, const struct set_sums *x)
{
    wide_add(&to->sum, &x->sum);
    wide_add(&to->positive, &x->positive);
    wide_add(&to->squares, &x->squares);
    to->left_out += x->left_out;
    to->beyond += x->beyond;
}

void neurons_sums_subtract(struct set_sums *from, const struct set_sums *x)
{
    wide_subtract(&from->sum, &x->sum);
    wide_subtract(&from->positive, &x->positive);
    wide_subtract(&from->squares, &x->squares);
    from->left_out -= x->left_out;
    from->beyond -= x->beyond;
}

bool neurons_sum_all(const struct neurons *n, size_t layer, size_t i, __int128 *sum)
{
    uint64_t others = 0;
    *sum = 0;
    for (int split = 0; split < SPLITS; split++) {
        const struct set_sums *s = n->layers[layer].sums[split][SET_ALL];
        if (s) {
            const uint64_t *words = s[i].sum.words;
            const unsigned __int128 low = (unsigned __int128)words[1] << 64 | words[0];
            *sum = fixed_sum(*sum, (__int128)low);
            others += s[i].beyond + s[i].left_out;
        }
    }
    return others == 0;
}

static int merge_set(struct neurons *to, const struct neurons *from, size_t layer, int split,
                     size_t set, struct err *err)
{
    const struct set_sums *sums = from->layers[layer].sums[split][set];
    const uint64_t *hist = from->layers[layer].hist[split][set];
    if (!sums || !hist) {
        return 0;
    }
    const int rc = neurons_reserve_set(to, layer, split, set, err);
    if (rc) {
        return rc;
    }
    struct set_sums *to_sums = to->layers[layer].sums[split][set];
    uint64_t *to_hist = to->layers[layer].hist[split][set];
    for (size_t i = 0; i < to->shape->layers[layer].n; i++) {
        neurons_sums_add(&to_sums[i], &sums[i]);
    }
    const size_t n = neurons_n_hists(to->shape, layer, set) * BINS;
    for (size_t i = 0; i < n; i++) {
        to_hist[i] += hist[i];
    }
    return 0;
}

static int merge_layer(struct neurons *to, struct neurons *from, size_t layer, struct err *err)
{
    int rc = 0;
    for (int split = 0; split < SPLITS; split++) {
        for (size_t i = 0; i < to->shape->layers[layer].n; i++) {
            struct power_sums *powers = &to->layers[layer].powers[split][i];
            wide_add(&powers->cubes, &from->layers[layer].powers[split][i].cubes);
            wide_add(&powers->fourths, &from->layers[layer].powers[split][i].fourths);
        }
        for (size_t set = 0; set < neurons_n_sets(to->shape) && !rc; set++) {
            rc = merge_set(to, from, layer, split, set, err);
        }
    }
    return rc ? rc : neurons_take_layer(to, layer, from->layers[layer].lists, err);
}

int neurons_merge(struct neurons *to, struct neurons *from, struct err *err)
{
    const struct neurons_shape *shape = to->shape;
    int rc = 0;
    for (int split = 0; split < SPLITS; split++) {
        for (size_t set = 0; set < neurons_n_sets(shape); set++) {
            to->sets[split][set].tokens += from->sets[split][set].tokens;
            to->sets[split][set].docs += from->sets[split][set].docs;
        }
    }
    for (size_t i = 0; i < shape->n_layers && !rc; i++) {
        rc = merge_layer(to, from, i, err);
    }
    return rc ? rc : neurons_take_hypotheses(to, from->watched, from->samples, err);
}

// --- memory -------------------------------------------------------------------------------------

// Bytes of a row of each table, with its share of a page, and of a bin in the saved state: the
// first three measured, the last its least and a count of 14 bits.
#define SCORE_ROW 192
#define EXAMPLE_ROW 1000
#define HIST_ROW 1300
#define SAVED_BIN 3
// Rows a neuron has of 'example' beside the strongest; neurons a hypothesis has of those tables
// that list the best ones, and rows of each.
#define OTHER_EXAMPLES 44
#define BEST_NEURONS 11
#define BEST_ROWS 40

/* Of an example with the labels of 'n_rows' tokens and n_acts activations, with what malloc() adds.
 */
static uint64_t example_bytes(const struct neurons_shape *shape, uint64_t n_rows, uint64_t n_acts)
{
    return sizeof(struct example) + EXAMPLE_TOKENS * sizeof(uint32_t) +
           (n_rows + 1) * neurons_n_words(shape) * sizeof(uint64_t) + n_acts * sizeof(float) + 24;
}

/* Of all lists of a neuron, full. */
static uint64_t lists_bytes(const struct neurons_shape *shape)
{
    uint64_t bytes = 0;
    for (unsigned list = 0; list < LISTS; list++) {
        const uint64_t rows = list == LIST_TOP ? EXAMPLE_TOKENS : 1;
        bytes += neurons_list_most(shape, list) * example_bytes(shape, rows, EXAMPLE_TOKENS);
    }
    return bytes;
}

/* What saving takes beside what is saved: pages of the state and of the tables, and a piece of the
 * state as bytes, whose buffer may have half as much room again. */
static uint64_t saving_bytes(const struct neurons_shape *shape, uint64_t state, uint64_t piece)
{
    const uint64_t best = BEST_NEURONS * (BEST_ROWS * EXAMPLE_ROW + SPLITS * HIST_ROW);
    const uint64_t of_neuron =
        3 * SCORE_ROW * shape->n_hypotheses + (OTHER_EXAMPLES + shape->examples) * EXAMPLE_ROW;
    return state + piece + piece / 2 + shape->n * of_neuron +
           (shape->n_hypotheses + shape->n_watches) * best;
}

void neurons_memory(const struct neurons_shape *shape, size_t n_unsure, struct neurons_memory *out)
{
    const uint64_t n_sets = 1 + shape->n_hypotheses + n_unsure, lists = lists_bytes(shape);
    const uint64_t samples =
        shape->n_hypotheses * LIST_SAMPLE_MOST * example_bytes(shape, EXAMPLE_TOKENS, shape->n);
    const uint64_t best = sizeof(struct unit_neurons_best) + sizeof(struct example_list) +
                          example_bytes(shape, 1, EXAMPLE_TOKENS);
    uint64_t state = samples, greatest = samples;
    *out = (struct neurons_memory){.whole = samples, .part = samples};
    for (size_t i = 0; i < shape->n_layers; i++) {
        const uint64_t n = shape->layers[i].n, sums = SPLITS * n_sets * n;
        uint64_t bins = n;
        for (size_t h = 0; h < shape->n_hypotheses; h++) {
            bins += neurons_n_hists(shape, i, set_labelled(h)) * (h < n_unsure ? 2 : 1);
        }
        bins *= SPLITS * BINS;
        const uint64_t wide =
            sums * sizeof(struct set_sums) + SPLITS * n * sizeof(struct power_sums);
        const uint64_t piece = bins * SAVED_BIN + wide + n * lists;
        out->whole += bins * sizeof(uint64_t) + wide + n * lists;
        out->part += bins / BINS * UNIT_BINS + sums * 4 * sizeof(int64_t) + n * lists +
                     n * (UNIT_STRIDE * sizeof(uint16_t) + LISTS * best);
        state += piece;
        greatest = piece > greatest ? piece : greatest;
    }
    out->saving = saving_bytes(shape, state, greatest);
}
