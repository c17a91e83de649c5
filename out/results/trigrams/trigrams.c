#include "out/results/trigrams/trigrams.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "out/results/trigrams/trigrams_internal.h"

// --- making -------------------------------------------------------------------------------------

int trigrams_new(struct trigrams **out, const struct trigrams_shape *shape, struct err *err)
{
    struct trigrams *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "trigrams");
    }
    t->shape = shape;
    t->items = mem_zero(shape->n, sizeof *t->items);
    t->logprob = mem_zero(shape->n * shape->n_models, sizeof *t->logprob);
    t->logprob_n = mem_zero(shape->n * shape->n_models, sizeof *t->logprob_n);
    t->gap = mem_zero(shape->n * shape->n_pairs, sizeof *t->gap);
    t->tokens = mem_zero(shape->n_groups, sizeof *t->tokens);
    t->sums = mem_zero(shape->n_layers, sizeof *t->sums);
    bool whole = t->items && t->logprob && t->logprob_n && t->gap && t->tokens && t->sums;
    for (size_t l = 0; whole && l < shape->n_layers; l++) {
        t->sums[l] = mem_zero(shape->n_groups, shape->layers[l] * sizeof **t->sums);
        whole = t->sums[l] != NULL;
    }
    const int rc = whole ? trigrams_unit_new(&t->unit, shape, err) : err_nomem(err, "trigrams");
    if (rc) {
        trigrams_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void trigrams_free(struct trigrams *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; t->items && i < t->shape->n; i++) {
        example_list_free(&t->items[i].places);
        example_list_free(&t->items[i].elsewhere);
    }
    for (size_t l = 0; t->sums && l < t->shape->n_layers; l++) {
        free(t->sums[l]);
    }
    free(t->items);
    free(t->logprob);
    free(t->logprob_n);
    free(t->gap);
    free(t->tokens);
    free(t->sums);
    trigrams_unit_free(t->unit);
    free(t);
}

uint64_t trigrams_memory(const struct trigrams_shape *s)
{
    uint64_t bytes = s->n * (sizeof(struct trigram_sums) + sizeof(struct trigrams_best) +
                             s->n_models * (sizeof(__int128) + sizeof(uint64_t)) +
                             s->n_pairs * (sizeof(struct moments) + sizeof(struct trigrams_gaps)));
    for (size_t l = 0; l < s->n_layers; l++) {
        bytes += s->n_groups * s->layers[l] * sizeof(int64_t);
    }
    return bytes;
}

// --- merging ------------------------------------------------------------------------------------

static void merge_group(struct trigrams *to, const struct trigrams *from, size_t g)
{
    to->tokens[g] += from->tokens[g];
    for (size_t l = 0; l < to->shape->n_layers; l++) {
        const size_t n = to->shape->layers[l];
        int64_t *restrict sum = to->sums[l] + g * n;
        const int64_t *restrict more = from->sums[l] + g * n;
        for (size_t i = 0; i < n; i++) { // those of a damaged file may be anything: they wrap
            sum[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)more[i]);
        }
    }
}

static int merge_item(struct trigrams *to, struct trigrams *from, size_t i, struct err *err)
{
    const struct trigrams_shape *s = to->shape;
    struct trigram_sums *x = &to->items[i], *y = &from->items[i];
    x->n += y->n;
    x->docs += y->docs;
    for (size_t m = i * s->n_models; m < (i + 1) * s->n_models; m++) {
        to->logprob[m] = fixed_sum(to->logprob[m], from->logprob[m]);
        to->logprob_n[m] += from->logprob_n[m];
    }
    for (size_t p = i * s->n_pairs; p < (i + 1) * s->n_pairs; p++) {
        moments_merge(&to->gap[p], &from->gap[p]);
    }
    const int rc = example_list_take(&x->places, &y->places, TRIGRAM_PLACES, err);
    return rc ? rc : example_list_take(&x->elsewhere, &y->elsewhere, TRIGRAM_ELSEWHERE, err);
}

int trigrams_merge(struct trigrams *to, struct trigrams *from, struct err *err)
{
    const struct trigrams_shape *s = to->shape;
    const struct trigrams_unit *u = from->unit;
    assert(!to->unit->tokens.ids);           // its own unit would not know of what came to it
    const bool unit = u->tokens.ids != NULL; // else it was loaded, or merged: all of it counts
    for (size_t k = 0; k < (unit ? u->n_groups_in : s->n_groups); k++) {
        merge_group(to, from, unit ? u->groups[k] : k);
    }
    int rc = 0;
    for (size_t k = 0; k < (unit ? u->n_items_in : s->n) && !rc; k++) {
        rc = merge_item(to, from, unit ? u->items[k] : k, err);
    }
    return rc;
}

// --- tables -------------------------------------------------------------------------------------

void trigrams_cells(const struct trigrams *t, size_t item, uint64_t all,
                    uint64_t tokens[TRIGRAM_CELLS])
{
    const struct trigram_groups *g = &t->shape->groups[item];
    const uint64_t ab = t->tokens[g->ab], b = t->tokens[g->b], a = t->tokens[g->a];
    tokens[TRIGRAM_AB] = ab;
    tokens[TRIGRAM_XB] = b - ab;
    tokens[TRIGRAM_AX] = a - ab;
    tokens[TRIGRAM_XX] = all - a - b + ab;
}

void trigrams_means(const struct trigrams *t, size_t item, size_t layer, size_t neuron,
                    __int128 all, uint64_t n_all, double mean[TRIGRAM_CELLS])
{
    const struct trigram_groups *g = &t->shape->groups[item];
    const size_t n = t->shape->layers[layer];
    const int64_t *sums = t->sums[layer] + neuron;
    const __int128 ab = sums[g->ab * n], b = sums[g->b * n], a = sums[g->a * n];
    const __int128 sum[TRIGRAM_CELLS] = {ab, b - ab, a - ab, fixed_sum(all, ab - a - b)};
    uint64_t tokens[TRIGRAM_CELLS];
    trigrams_cells(t, item, n_all, tokens);
    for (int k = 0; k < TRIGRAM_CELLS; k++) {
        mean[k] =
            tokens[k] > 0
                ? (double)((long double)sum[k] / (long double)tokens[k] / (long double)FIXED_ONE)
                : NAN;
    }
}
