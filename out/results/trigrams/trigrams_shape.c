/*
 * Which trigrams a scan looks for, and the groups of tokens that they share: A before B, B, and A
 * before anything.  Sorted by (b, a, c), the items of a group stand together, and so do the groups
 * of A before one B.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/trigrams/trigrams_internal.h"

// --- making -------------------------------------------------------------------------------------

static int by_tokens(const void *a, const void *b, void *context)
{
    const struct trigram *items = context;
    const struct trigram *x = &items[*(const uint32_t *)a], *y = &items[*(const uint32_t *)b];
    return x->b != y->b   ? (x->b > y->b ? 1 : -1)
           : x->a != y->a ? (x->a > y->a ? 1 : -1)
                          : (x->c > y->c) - (x->c < y->c);
}

static int check(const struct trigrams_shape *s, struct err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct trigram *t = &s->items[s->order[i]];
        const struct trigram *before = i > 0 ? &s->items[s->order[i - 1]] : NULL;
        if (before && before->a == t->a && before->b == t->b && before->c == t->c) {
            return err_set(err, ERR_FORMAT, "trigrams: one is there twice");
        }
        if (t->n_fillers[0] > TRIGRAM_FILLERS || t->n_fillers[1] > TRIGRAM_FILLERS) {
            return err_set(err, ERR_FORMAT, "trigrams: fillers");
        }
    }
    return 0;
}

/* Numbers the groups, in the order of 'order'. */
static void number_groups(struct trigrams_shape *s)
{
    size_t n_a = 0;
    memset(s->of_b, 0xff, s->n_ids * sizeof *s->of_b); // none
    memset(s->of_a, 0xff, s->n_ids * sizeof *s->of_a);
    for (size_t i = 0; i < s->n; i++) {
        const struct trigram *t = &s->items[s->order[i]];
        const struct trigram *before = i > 0 ? &s->items[s->order[i - 1]] : NULL;
        if (!before || before->b != t->b) {
            s->of_b[t->b] = (uint32_t)s->n_b;
            s->b_first[s->n_b++] = (uint32_t)s->n_ab;
        }
        if (!before || before->b != t->b || before->a != t->a) {
            s->ab_first[s->n_ab++] = (uint32_t)i;
        }
        if (s->of_a[t->a] == TRIGRAMS_NONE) {
            s->of_a[t->a] = (uint32_t)n_a++;
        }
        s->groups[s->order[i]].ab = (uint32_t)(s->n_ab - 1);
    }
    s->ab_first[s->n_ab] = (uint32_t)s->n;
    s->b_first[s->n_b] = (uint32_t)s->n_ab;
    s->n_groups = s->n_ab + s->n_b + n_a;
    for (size_t id = 0; id < s->n_ids; id++) {
        s->of_b[id] += s->of_b[id] == TRIGRAMS_NONE ? 0 : (uint32_t)s->n_ab;
        s->of_a[id] += s->of_a[id] == TRIGRAMS_NONE ? 0 : (uint32_t)(s->n_ab + s->n_b);
    }
    for (size_t i = 0; i < s->n; i++) {
        s->groups[i].b = s->of_b[s->items[i].b];
        s->groups[i].a = s->of_a[s->items[i].a];
    }
}

static struct trigrams_shape *shape_new(const struct trigram *items, size_t n, const size_t *layers,
                                        size_t n_layers)
{
    struct trigrams_shape *s = mem_zero(1, sizeof *s);
    struct trigram *own = mem_new(n, sizeof *own);
    if (!s || !own) {
        free(s);
        free(own);
        return NULL;
    }
    size_t n_ids = 0;
    for (size_t i = 0; i < n; i++) {
        own[i] = items[i];
        n_ids = items[i].a >= n_ids ? (size_t)items[i].a + 1 : n_ids;
        n_ids = items[i].b >= n_ids ? (size_t)items[i].b + 1 : n_ids;
    }
    *s = (struct trigrams_shape){.items = own,
                                 .n = n,
                                 .n_layers = n_layers,
                                 .n_ids = n_ids,
                                 .layers = mem_new(n_layers, sizeof *s->layers),
                                 .groups = mem_zero(n, sizeof *s->groups),
                                 .of_b = mem_new(n_ids, sizeof *s->of_b),
                                 .of_a = mem_new(n_ids, sizeof *s->of_a),
                                 .order = mem_new(n, sizeof *s->order),
                                 .ab_first = mem_new(n + 1, sizeof *s->ab_first),
                                 .b_first = mem_new(n + 1, sizeof *s->b_first)};
    if (!s->layers || !s->groups || !s->of_b || !s->of_a || !s->order || !s->ab_first ||
        !s->b_first) {
        trigrams_shape_free(s);
        return NULL;
    }
    for (size_t l = 0; l < n_layers; l++) {
        s->layers[l] = layers[l];
    }
    return s;
}

int trigrams_shape_make(struct trigrams_shape **out, const struct trigram *items, size_t n,
                        size_t n_models, size_t n_pairs, const size_t *layers, size_t n_layers,
                        struct err *err)
{
    assert(n <= TRIGRAMS_MAX);
    struct trigrams_shape *s = shape_new(items, n, layers, n_layers);
    if (!s) {
        return err_nomem(err, "trigrams");
    }
    s->n_models = n_models;
    s->n_pairs = n_pairs;
    for (size_t i = 0; i < n; i++) {
        s->order[i] = (uint32_t)i;
    }
    qsort_r(s->order, n, sizeof *s->order, by_tokens, (void *)(uintptr_t)s->items);
    const int rc = check(s, err);
    if (rc) {
        trigrams_shape_free(s);
        return rc;
    }
    number_groups(s);
    *out = s;
    return 0;
}

void trigrams_shape_free(struct trigrams_shape *s)
{
    if (!s) {
        return;
    }
    void *const parts[] = {(void *)(uintptr_t)s->items,
                           s->layers,
                           s->first_layers,
                           s->groups,
                           s->of_b,
                           s->of_a,
                           s->order,
                           s->ab_first,
                           s->b_first};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        free(parts[i]);
    }
    free(s);
}

// --- looking up ---------------------------------------------------------------------------------

uint32_t trigrams_find_ab(const struct trigrams_shape *s, uint32_t b, uint32_t a)
{
    uint32_t lo = s->b_first[b - s->n_ab], hi = s->b_first[b - s->n_ab + 1];
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2, has = s->items[s->order[s->ab_first[mid]]].a;
        if (has == a) {
            return mid;
        }
        lo = has < a ? mid + 1 : lo;
        hi = has < a ? hi : mid;
    }
    return TRIGRAMS_NONE;
}

uint32_t trigrams_find_item(const struct trigrams_shape *s, uint32_t ab, uint32_t c)
{
    uint32_t lo = s->ab_first[ab], hi = s->ab_first[ab + 1];
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2, has = s->items[s->order[mid]].c;
        if (has == c) {
            return s->order[mid];
        }
        lo = has < c ? mid + 1 : lo;
        hi = has < c ? hi : mid;
    }
    return TRIGRAMS_NONE;
}
