#include "out/results/neurons/unit_neurons.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/neurons_internal.h"
#include "out/results/neurons/unit_neurons_internal.h"

#define COUNTED ACT_TURNED // neurons that are counted in turn

/* A set's tokens of a chunk, on the way into histograms. */
struct unit_neurons_count {
    const uint16_t *at; // [n] positions in the chunk
    size_t n;
    struct unit_neurons_hists *hists;
    uint8_t *hist;                       // of the next neuron that the set counts
    const struct neurons_subset *subset; // NULL: all neurons
    size_t next;                         // of the subset
};

// --- new and free -------------------------------------------------------------------------------

static int layer_new(struct unit_neurons *p, size_t layer, struct err *err)
{
    struct unit_neurons_layer *l = &p->layers[layer];
    const size_t n_sets = neurons_n_sets(p->shape);
    l->sets[SPLIT_DEV] = mem_zero(n_sets, sizeof *l->sets[SPLIT_DEV]);
    l->sets[SPLIT_TEST] = mem_zero(n_sets, sizeof *l->sets[SPLIT_TEST]);
    const size_t n_groups = (p->shape->layers[layer].n + COUNTED - 1) / COUNTED;
    l->bins = mem_new(n_groups, UNIT_STRIDE * COUNTED * sizeof *l->bins);
    if (!l->sets[SPLIT_DEV] || !l->sets[SPLIT_TEST] || !l->bins ||
        unit_powers_new(&l->powers[SPLIT_DEV], p->shape->layers[layer].n) ||
        unit_powers_new(&l->powers[SPLIT_TEST], p->shape->layers[layer].n)) {
        return err_nomem(err, "a worker's neurons");
    }
    return unit_neurons_lists_new(p, layer, err);
}

int unit_neurons_new(struct unit_neurons **out, const struct neurons_shape *shape, struct err *err)
{
    struct unit_neurons *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a worker's neurons");
    }
    size_t most = 0; // neurons of a layer
    for (size_t i = 0; i < shape->n_layers; i++) {
        most = shape->layers[i].n > most ? shape->layers[i].n : most;
    }
    p->shape = shape;
    p->kern = act_kernels_best();
    p->layers = mem_zero(shape->n_layers, sizeof *p->layers);
    p->sets[SPLIT_DEV] = mem_zero(neurons_n_sets(shape), sizeof *p->sets[SPLIT_DEV]);
    p->sets[SPLIT_TEST] = mem_zero(neurons_n_sets(shape), sizeof *p->sets[SPLIT_TEST]);
    p->watched = mem_zero(shape->n_watches, sizeof *p->watched);
    p->samples = mem_zero(shape->n_hypotheses, sizeof *p->samples);
    p->fixed = mem_new(UNIT_ROWS * most, sizeof *p->fixed);
    p->bins = mem_new(UNIT_ROWS * most, sizeof *p->bins);
    p->flags = mem_new(most, 1);
    p->counts = mem_new(SPLITS * neurons_n_sets(shape), sizeof *p->counts);
    int rc = p->layers && p->sets[SPLIT_DEV] && p->sets[SPLIT_TEST] && p->watched && p->samples &&
                     p->fixed && p->bins && p->flags && p->counts
                 ? 0
                 : err_nomem(err, "a worker's neurons");
    for (size_t i = 0; i < shape->n_layers && !rc; i++) {
        rc = layer_new(p, i, err);
    }
    if (rc) {
        unit_neurons_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void sums_free(struct unit_neurons_sums *s)
{
    free(s->sum); // all four are one block
    free(s->beyond);
    free(s->hists.cells);
    free(s->hists.full);
}

void unit_neurons_free(struct unit_neurons *p)
{
    if (!p) {
        return;
    }
    const size_t n_sets = neurons_n_sets(p->shape);
    for (size_t i = 0; p->layers && i < p->shape->n_layers; i++) {
        struct unit_neurons_layer *l = &p->layers[i];
        for (size_t k = 0; k < SPLITS * n_sets; k++) {
            if (l->sets[k % SPLITS]) {
                sums_free(&l->sets[k % SPLITS][k / SPLITS]);
            }
        }
        free(l->sets[SPLIT_DEV]);
        free(l->sets[SPLIT_TEST]);
        free(l->bins);
        unit_powers_free(&l->powers[SPLIT_DEV]);
        unit_powers_free(&l->powers[SPLIT_TEST]);
        unit_neurons_lists_free(p, i);
    }
    for (size_t k = 0; k < SPLITS * n_sets; k++) {
        if (p->sets[k % SPLITS]) {
            free(p->sets[k % SPLITS][k / SPLITS].at);
        }
    }
    for (size_t i = 0; p->watched && i < p->shape->n_watches; i++) {
        example_list_free(&p->watched[i][0]);
        example_list_free(&p->watched[i][1]);
    }
    for (size_t i = 0; p->samples && i < p->shape->n_hypotheses; i++) {
        example_list_free(&p->samples[i]);
    }
    void *const rest[] = {
        p->layers, p->sets[SPLIT_DEV], p->sets[SPLIT_TEST], p->watched, p->samples, p->kind,
        p->place,  p->doc_of,          p->sampled,          p->row,     p->fixed,   p->bins,
        p->flags,  p->positions,       p->counts,           p->others,  p->large};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        free(rest[i]);
    }
    free(p);
}

// --- a unit -------------------------------------------------------------------------------------

static int reserve_tokens(struct unit_neurons *p, size_t n_tokens, struct err *err)
{
    static const char what[] = "a unit's tokens";
    const size_t n = n_tokens + 1; // of no tokens too there are arrays
    int rc = mem_reserve(&p->kind, &p->kind_cap, n, sizeof *p->kind, what, err);
    rc = rc ? rc : mem_reserve(&p->place, &p->place_cap, n, sizeof *p->place, what, err);
    rc = rc ? rc : mem_reserve(&p->doc_of, &p->doc_of_cap, n, sizeof *p->doc_of, what, err);
    return rc ? rc : mem_reserve(&p->sampled, &p->sampled_cap, n, sizeof *p->sampled, what, err);
}

static void describe_tokens(struct unit_neurons *p)
{
    const struct unit_tokens *u = &p->unit;
    memset(p->kind, UNIT_NO_DOC, u->n);
    memset(p->sampled, 0, u->n);
    for (size_t d = 0; d < u->n_docs; d++) {
        const struct unit_tokens_doc *doc = &u->docs[d];
        for (size_t i = 0; i < doc->n; i++) {
            const bool skipped = unit_skips(u, doc->begin + i);
            p->kind[doc->begin + i] = skipped ? UNIT_NO_DOC : doc->test ? UNIT_TEST : UNIT_DEV;
            p->place[doc->begin + i] = example_hash(u->shard, doc->number, i);
            p->doc_of[doc->begin + i] = (uint32_t)d;
        }
    }
}

/* Adds tokens at[n] (NULL: all) of the unit to a set of each half. */
static int fill_set(struct unit_neurons *p, size_t set, const uint32_t *at, size_t n,
                    const uint32_t *ordinal, struct err *err)
{
    size_t last_doc = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const size_t token = at ? at[i] : i;
        if (p->kind[token] == UNIT_NO_DOC) {
            continue;
        }
        struct unit_neurons_tokens *s = &p->sets[p->kind[token]][set];
        const int rc =
            mem_reserve(&s->at, &s->cap, s->n + 1, sizeof *s->at, "a unit's labels", err);
        if (rc) {
            return rc;
        }
        s->at[s->n++] = ordinal[token];
        s->docs += p->doc_of[token] != last_doc;
        last_doc = p->doc_of[token];
    }
    return 0;
}

/* Makes a set of more than half of the tokens one of the others. */
static int turn_set(struct unit_neurons *p, int split, size_t set, struct err *err)
{
    const struct unit_neurons_tokens *all = &p->sets[split][SET_ALL];
    struct unit_neurons_tokens *s = &p->sets[split][set];
    s->tokens = s->n;
    s->others = set_is_labelled(set) && s->n > all->n / 2;
    if (!s->others) {
        return 0;
    }
    const int rc = mem_reserve(&p->others, &p->others_cap, all->n - s->n, sizeof *p->others,
                               "a unit's labels", err);
    size_t n = 0;
    for (size_t i = 0, k = 0; i < all->n && !rc; i++) {
        if (k < s->n && s->at[k] == all->at[i]) {
            k++;
        } else {
            p->others[n++] = all->at[i];
        }
    }
    for (size_t i = 0; i < n; i++) { // there is room: they are fewer
        s->at[i] = p->others[i];
    }
    s->n = n;
    return rc;
}

static int fill_sets(struct unit_neurons *p, struct err *err)
{
    const struct unit_tokens *u = &p->unit;
    uint32_t *ordinal = mem_new(u->n, sizeof *ordinal), n = 0;
    if (!ordinal) {
        return err_nomem(err, "a unit's tokens");
    }
    for (size_t i = 0; i < u->n; i++) {
        ordinal[i] = n;
        n += p->kind[i] != UNIT_NO_DOC;
    }
    int rc = fill_set(p, SET_ALL, NULL, u->n, ordinal, err);
    for (size_t set = 1; set < neurons_n_sets(p->shape) && !rc; set++) {
        rc = fill_set(p, set, u->labels->sets[set].at, u->labels->sets[set].n, ordinal, err);
    }
    for (size_t k = 0; k < SPLITS * neurons_n_sets(p->shape) && !rc; k++) {
        rc = turn_set(p, (int)(k % SPLITS), k / SPLITS, err);
    }
    free(ordinal);
    return rc;
}

static void clear_sets(struct unit_neurons *p)
{
    for (size_t set = 0; set < neurons_n_sets(p->shape); set++) {
        for (int split = 0; split < SPLITS; split++) {
            struct unit_neurons_tokens *s = &p->sets[split][set];
            s->n = 0;
            s->others = false;
            s->tokens = s->docs = 0;
        }
    }
}

static void clear_sums(struct unit_neurons *p, size_t layer, int split, size_t set)
{
    struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    if (s->used) {
        const size_t n = p->shape->layers[layer].n, arrays = s->low ? 4 : 2;
        memset(s->sum, 0, arrays * n * sizeof *s->sum);
        memset(s->hists.cells, 0, neurons_n_hists(p->shape, layer, set) * UNIT_BINS);
    }
    free(s->beyond); // rare
    s->beyond = NULL;
    s->used = false;
    s->hists.n_full = s->hists.tokens = 0;
    s->sums_at = s->hist_at = 0;
}

int unit_neurons_begin(struct unit_neurons *p, const struct unit_tokens *unit,
                       const struct unit_neurons_cutoffs *cutoffs, struct err *err)
{
    p->unit = *unit;
    p->cutoffs = cutoffs;
    clear_sets(p);
    for (size_t i = 0; i < p->shape->n_layers; i++) {
        unit_powers_clear(&p->layers[i].powers[SPLIT_DEV], p->shape->layers[i].n);
        unit_powers_clear(&p->layers[i].powers[SPLIT_TEST], p->shape->layers[i].n);
        for (size_t set = 0; set < neurons_n_sets(p->shape); set++) {
            clear_sums(p, i, SPLIT_DEV, set);
            clear_sums(p, i, SPLIT_TEST, set);
        }
        p->layers[i].n_rows = p->layers[i].begin = 0;
        unit_neurons_lists_begin(p, i);
    }
    for (size_t i = 0; i < p->shape->n_watches; i++) {
        example_list_clear(&p->watched[i][0]);
        example_list_clear(&p->watched[i][1]);
    }
    for (size_t h = 0; h < p->shape->n_hypotheses; h++) {
        example_list_clear(&p->samples[h]);
    }
    int rc = reserve_tokens(p, unit->n, err);
    if (rc) {
        p->unit.n = 0;
        return rc;
    }
    describe_tokens(p);
    rc = fill_sets(p, err);
    return rc ? rc : unit_neurons_samples_choose(p, err);
}

// --- sums and histograms ------------------------------------------------------------------------

static int reserve_sums(struct unit_neurons *p, size_t layer, int split, size_t set,
                        struct err *err)
{
    struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    const size_t n = p->shape->layers[layer].n;
    const size_t arrays = set_is_labelled(set) ? 2 : 4;
    if (!s->sum) {
        s->sum = mem_zero(arrays * n, sizeof *s->sum);
        s->positive = s->sum ? s->sum + n : NULL;
        s->low = arrays == 4 && s->sum ? (uint64_t *)(s->sum + 2 * n) : NULL;
        s->high = s->low ? s->low + n : NULL;
    }
    if (!s->hists.cells) {
        s->hists.cells = mem_zero(neurons_n_hists(p->shape, layer, set), UNIT_BINS);
    }
    s->used = s->sum && s->hists.cells;
    return s->used ? 0 : err_nomem(err, "a worker's neurons");
}

/* Adds rows [begin, begin + n) of the unit, which are in p->fixed, to the sums of a set. */
static int add_sums(struct unit_neurons *p, size_t layer, int split, size_t set, size_t begin,
                    size_t n, struct err *err)
{
    struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    const struct unit_neurons_tokens *tokens = &p->sets[split][set];
    const size_t n_neurons = p->shape->layers[layer].n;
    uint8_t at[UNIT_ROWS];
    size_t n_at = 0;
    while (s->sums_at < tokens->n && tokens->at[s->sums_at] < begin + n) {
        at[n_at++] = (uint8_t)(tokens->at[s->sums_at++] - begin);
    }
    if (n_at == 0) {
        return 0;
    }
    const int rc = s->used ? 0 : reserve_sums(p, layer, split, set, err);
    if (rc) {
        return rc;
    }
    p->kern->sums(p->fixed, n_neurons, at, n_at, s->sum, s->positive);
    if (s->low) {
        p->kern->squares(p->fixed, n_neurons, at, n_at, s->low, s->high);
    }
    if (set == SET_ALL) {
        unit_powers_rows(p, layer, split, at, n_at);
    }
    return unit_powers_large(p, layer, split, set, at, n_at, err);
}

/* The sets that have tokens in the chunk: how many. */
static size_t list_counts(struct unit_neurons *p, size_t layer, size_t begin, size_t n)
{
    size_t n_counts = 0;
    uint16_t *to = p->positions;
    for (size_t k = 0; k < SPLITS * neurons_n_sets(p->shape); k++) {
        const size_t set = k / SPLITS;
        struct unit_neurons_sums *s = &p->layers[layer].sets[k % SPLITS][set];
        const struct unit_neurons_tokens *tokens = &p->sets[k % SPLITS][set];
        const struct neurons_subset *subset = neurons_subset(p->shape, layer, set);
        struct unit_neurons_count c = {
            .at = to, .hists = &s->hists, .hist = s->hists.cells, .subset = subset};
        while (s->hist_at < tokens->n && tokens->at[s->hist_at] < begin + n) {
            to[c.n++] = (uint16_t)(tokens->at[s->hist_at++] - begin);
        }
        to += c.n;
        if (c.n > 0) {
            p->counts[n_counts++] = c;
        }
    }
    return n_counts;
}

/* Room for what n_hists histograms will not hold once 'more' tokens are counted. */
static int reserve_full(struct unit_neurons_hists *h, size_t n_hists, size_t more, struct err *err)
{
    h->tokens += more;
    const size_t all = h->tokens / UNIT_COUNT_ONE * n_hists;
    const size_t next = h->n_full + (more / UNIT_COUNT_ONE + 1) * n_hists;
    return mem_reserve(&h->full, &h->full_cap, all < next ? all : next, sizeof *h->full,
                       "a worker's neurons", err);
}

/* Room for the positions of every set's tokens in a chunk, and in its histograms. */
static int reserve_positions(struct unit_neurons *p, size_t layer, size_t begin, size_t n,
                             struct err *err)
{
    size_t all = 0;
    for (size_t k = 0; k < SPLITS * neurons_n_sets(p->shape); k++) {
        const struct unit_neurons_tokens *tokens = &p->sets[k % SPLITS][k / SPLITS];
        struct unit_neurons_sums *s = &p->layers[layer].sets[k % SPLITS][k / SPLITS];
        size_t own = 0;
        while (s->hist_at + own < tokens->n && tokens->at[s->hist_at + own] < begin + n) {
            own++;
        }
        const int rc =
            reserve_full(&s->hists, neurons_n_hists(p->shape, layer, k / SPLITS), own, err);
        if (rc) {
            return rc;
        }
        all += own;
    }
    return mem_reserve(&p->positions, &p->positions_cap, all, sizeof *p->positions, "a chunk", err);
}

/* Counts a token in a cell. */
static inline void count(struct unit_neurons_hists *h, uint8_t *cell)
{
    if (__builtin_expect(++*cell == 0, 0)) { // reserve_full() made room
        h->full[h->n_full++] = (uint32_t)(cell - h->cells);
    }
}

/* One neuron of a set; bins: its own, COUNTED apart. */
static void count_one(struct unit_neurons_count *c, const uint16_t *restrict bins)
{
    uint8_t *hist = c->hist;
    for (size_t j = 0; j < c->n; j++) {
        count(c->hists, hist + bins[c->at[j] * COUNTED]);
    }
    c->hist += UNIT_BINS;
}

/* COUNTED neurons in turn: a count that waits for the one before, since both are of a bin, does not
 * hold up the others. */
static void count_all(struct unit_neurons_count *c, const uint16_t *restrict bins)
{
    struct unit_neurons_hists *h = c->hists;
    uint8_t *hist = c->hist;
    for (size_t j = 0; j < c->n; j++) {
        const uint16_t *at = bins + c->at[j] * COUNTED;
        for (size_t i = 0; i < COUNTED; i++) {
            count(h, hist + i * UNIT_BINS + at[i]);
        }
    }
    c->hist += COUNTED * UNIT_BINS;
}

/* Those of neurons [first, first + n) that the set has; bins: of the first. */
static void count_some(struct unit_neurons_count *c, const uint16_t *bins, size_t first, size_t n)
{
    if (!c->subset && n == COUNTED) {
        count_all(c, bins);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const bool has =
            !c->subset || (c->next < c->subset->n && c->subset->items[c->next] == first + i);
        if (has) {
            count_one(c, bins + i);
        }
        c->next += has;
    }
}

/* The next histograms, of which few are in a cache, while others are counted. */
static void fetch(const uint8_t *hist)
{
    for (size_t i = 0; i < COUNTED * UNIT_BINS; i += 64) {
        __builtin_prefetch(hist + i, 1);
    }
}

static int count_chunk(struct unit_neurons *p, size_t layer, struct err *err)
{
    struct unit_neurons_layer *l = &p->layers[layer];
    const size_t begin = l->begin, n = l->n_rows - l->begin;
    const int rc = reserve_positions(p, layer, begin, n, err);
    if (rc || n == 0) {
        return rc;
    }
    const size_t n_counts = list_counts(p, layer, begin, n), n_neurons = p->shape->layers[layer].n;
    for (size_t i = 0; i < n_neurons; i += COUNTED) {
        const size_t n_some = n_neurons - i < COUNTED ? n_neurons - i : COUNTED;
        for (size_t k = 0; k < n_counts; k++) {
            if (k + 1 < n_counts) {
                fetch(p->counts[k + 1].hist);
            }
            count_some(&p->counts[k], l->bins + i * UNIT_STRIDE, i, n_some);
        }
    }
    l->begin = l->n_rows;
    return 0;
}

/* The layer's next n rows are in p->fixed and p->bins. */
static int add_rows(struct unit_neurons *p, size_t layer, size_t n, struct err *err)
{
    struct unit_neurons_layer *l = &p->layers[layer];
    int rc = 0;
    for (size_t set = 0; set < neurons_n_sets(p->shape) && !rc; set++) {
        rc = add_sums(p, layer, SPLIT_DEV, set, l->n_rows, n, err);
        rc = rc ? rc : add_sums(p, layer, SPLIT_TEST, set, l->n_rows, n, err);
    }
    if (!rc && l->n_rows - l->begin + n > UNIT_CHUNK) {
        rc = count_chunk(p, layer, err);
    }
    p->kern->turn(p->bins, n, p->shape->layers[layer].n, l->bins + (l->n_rows - l->begin) * COUNTED,
                  UNIT_STRIDE);
    l->n_rows += n;
    return rc;
}

// --- blocks -------------------------------------------------------------------------------------

/* Where each token's row is. */
static int place_rows(struct unit_neurons *p, struct unit_neurons_rows *rows, const size_t *n,
                      size_t n_windows, struct err *err)
{
    rows->end = rows->begin;
    for (size_t k = 0; k < n_windows; k++) {
        rows->end += n[k];
    }
    const size_t all = rows->end - rows->begin;
    const int rc = mem_reserve(&p->row, &p->row_cap, all, sizeof *p->row, "a block", err);
    for (size_t k = 0, at = 0; k < n_windows && !rc; k++) {
        for (size_t i = 0; i < n[k]; i++, at++) {
            p->row[at] = (uint32_t)(at + k + 1); // a row before the tokens of each window
        }
    }
    rows->row = p->row;
    return rc;
}

int unit_neurons_block(struct unit_neurons *p, size_t layer, size_t begin, const size_t *n,
                       size_t n_windows, const float *acts, struct err *err)
{
    const size_t n_neurons = p->shape->layers[layer].n;
    const struct unit_neurons_lists *lists = &p->layers[layer].lists;
    const struct act_limits limits = {lists->top,  lists->bottom, lists->salt,
                                      lists->hash, lists->most,   lists->open};
    struct unit_neurons_rows rows = {.acts = acts, .begin = begin};
    size_t n_rows = 0; // in p->fixed
    int rc = place_rows(p, &rows, n, n_windows, err);
    for (size_t t = begin; t < rows.end && !rc; t++) {
        if (p->kind[t] == UNIT_NO_DOC) {
            continue;
        }
        const float *a = acts + rows.row[t - begin] * n_neurons;
        rc = unit_neurons_lists_enter(p, layer, &rows, t, err);
        const unsigned any =
            p->kern->row(a, n_neurons, p->place[t], &limits, p->fixed + n_rows * n_neurons,
                         p->bins + n_rows * n_neurons, p->flags);
        unit_neurons_lists_row(p, layer, a, t, any);
        rc = rc ? rc : unit_powers_find(p, a, n_neurons, n_rows, any & ACT_BEYOND, err);
        if (p->sampled[t]) {
            unit_neurons_samples_fill(p, layer, t, a);
        }
        if (++n_rows == UNIT_ROWS && !rc) {
            rc = add_rows(p, layer, n_rows, err);
            n_rows = 0;
        }
    }
    if (!rc && n_rows > 0) {
        rc = add_rows(p, layer, n_rows, err);
    }
    return rc ? rc : unit_neurons_lists_hold(p, layer, &rows, err);
}

int unit_neurons_end(struct unit_neurons *p, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < p->shape->n_layers && !rc; i++) {
        assert(p->layers[i].n_rows ==
               p->sets[SPLIT_DEV][SET_ALL].n + p->sets[SPLIT_TEST][SET_ALL].n);
        rc = count_chunk(p, i, err);
    }
    return rc;
}
