#include "out/results/skips/skip_shape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"

int skip_shape_new(struct skip_shape **out, const struct run *run, uint32_t base, struct err *err)
{
    struct skip_shape *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "skip-trigrams");
    }
    s->base = base;
    s->n_models = run_full_models(run);
    *out = s;
    return 0;
}

void skip_shape_free(struct skip_shape *s)
{
    if (!s) {
        return;
    }
    void *const own[] = {s->items, s->as,   s->pairs, s->cells,
                         s->own,   s->of_a, s->of_b,  s->pair_cells};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(s);
}

// --- pairs and cells ----------------------------------------------------------------------------

static int by_tokens(const void *a, const void *b, void *context)
{
    const struct skip *items = context;
    const struct skip *x = &items[*(const uint32_t *)a], *y = &items[*(const uint32_t *)b];
    return x->head != y->head ? (x->head > y->head ? 1 : -1)
           : x->a != y->a     ? (x->a > y->a ? 1 : -1)
           : x->b != y->b     ? (x->b > y->b ? 1 : -1)
                              : (x->c > y->c) - (x->c < y->c);
}

static int by_pair(const void *a, const void *b)
{
    const struct skip_pair *x = a, *y = b;
    return x->b != y->b ? (x->b > y->b ? 1 : -1) : (x->a > y->a) - (x->a < y->a);
}

static int by_cell(const void *a, const void *b)
{
    const struct skip_cell *x = a, *y = b;
    return x->pair != y->pair ? (x->pair > y->pair ? 1 : -1) : (x->c > y->c) - (x->c < y->c);
}

/* Leaves each of items[n], sorted, once; returns how many. */
static size_t once(void *items, size_t n, size_t size, int (*by)(const void *, const void *))
{
    char *at = items;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || by(at + (kept - 1) * size, at + i * size) != 0) {
            memmove(at + kept++ * size, at + i * size, size);
        }
    }
    return kept;
}

static uint32_t find_pair(const struct skip_shape *s, uint32_t a, uint32_t b)
{
    const struct skip_pair key = {.b = b, .a = a};
    const struct skip_pair *found = bsearch(&key, s->pairs, s->n_pairs, sizeof *s->pairs, by_pair);
    return found ? (uint32_t)(found - s->pairs) : SKIP_NONE;
}

uint32_t skip_shape_cell(const struct skip_shape *s, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t of_a = a < s->n_ids ? s->of_a[a] : SKIP_NONE;
    const uint32_t pair = of_a == SKIP_NONE ? SKIP_NONE : find_pair(s, of_a, b);
    const struct skip_cell key = {.pair = pair, .c = c};
    const struct skip_cell *found =
        pair == SKIP_NONE ? NULL : bsearch(&key, s->cells, s->n_cells, sizeof *s->cells, by_cell);
    return found ? (uint32_t)(found - s->cells) : SKIP_NONE;
}

static int make_pairs(struct skip_shape *s, struct err *err)
{
    s->pairs = mem_new(s->n, sizeof *s->pairs);
    if (!s->pairs) {
        return err_nomem(err, "skip-trigrams");
    }
    for (size_t i = 0; i < s->n; i++) {
        s->pairs[i] = (struct skip_pair){.b = s->items[i].b, .a = s->of_a[s->items[i].a]};
    }
    qsort(s->pairs, s->n, sizeof *s->pairs, by_pair);
    s->n_pairs = once(s->pairs, s->n, sizeof *s->pairs, by_pair);
    for (size_t p = s->n_pairs; p-- > 0;) {
        s->of_b[s->pairs[p].b] = (uint32_t)p;
    }
    return 0;
}

/* Sorts the cells and leaves each once.  Errors: ERR_LIMIT. */
static int tidy_cells(struct skip_shape *s, struct err *err)
{
    if (s->n_cells > 0) {
        qsort(s->cells, s->n_cells, sizeof *s->cells, by_cell);
        s->n_cells = once(s->cells, s->n_cells, sizeof *s->cells, by_cell);
    }
    return s->n_cells * s->n_models <= SKIP_SUMS_MAX
               ? 0
               : err_set(err, ERR_LIMIT,
                         "--skips: %zu skip-trigrams have %zu crossings or more, too many for %zu "
                         "models: lower 'most' of --skip-rule",
                         s->n, s->n_cells, s->n_models);
}

/* Appends the cells of the skip-trigrams order[n], which have the head and the A in common: each B
 * with each C. */
static int add_cells(struct skip_shape *s, const uint32_t *order, size_t n, size_t *cap,
                     struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const struct skip *x = &s->items[order[i]];
        if (i > 0 && s->items[order[i - 1]].b == x->b) {
            continue;
        }
        const uint32_t pair = find_pair(s, s->of_a[x->a], x->b);
        rc = mem_reserve(&s->cells, cap, s->n_cells + n, sizeof *s->cells, "skip-trigrams", err);
        for (size_t j = 0; j < n && !rc; j++) {
            s->cells[s->n_cells++] = (struct skip_cell){.pair = pair, .c = s->items[order[j]].c};
        }
        if (!rc && s->n_cells * s->n_models > 4 * SKIP_SUMS_MAX) {
            rc = tidy_cells(s, err);
        }
    }
    return rc;
}

static int make_cells(struct skip_shape *s, struct err *err)
{
    size_t cap = 0;
    uint32_t *order = mem_new(s->n, sizeof *order);
    int rc = order ? 0 : err_nomem(err, "skip-trigrams");
    for (size_t i = 0; i < s->n && !rc; i++) {
        order[i] = (uint32_t)i;
    }
    if (!rc) {
        qsort_r(order, s->n, sizeof *order, by_tokens, s->items);
    }
    for (size_t i = 1; i < s->n && !rc; i++) {
        if (by_tokens(&order[i - 1], &order[i], s->items) == 0) {
            rc = err_set(err, ERR_FORMAT, "skip-trigrams: one is there twice");
        }
    }
    for (size_t i = 0, end; i < s->n && !rc; i = end) {
        const struct skip *x = &s->items[order[i]];
        for (end = i;
             end < s->n && s->items[order[end]].head == x->head && s->items[order[end]].a == x->a;
             end++) {
        }
        rc = add_cells(s, order + i, end - i, &cap, err);
    }
    free(order);
    return rc ? rc : tidy_cells(s, err);
}

static int index_cells(struct skip_shape *s, struct err *err)
{
    s->pair_cells = mem_zero(s->n_pairs + 1, sizeof *s->pair_cells);
    s->own = mem_new(s->n, sizeof *s->own);
    if (!s->pair_cells || !s->own) {
        return err_nomem(err, "skip-trigrams");
    }
    for (size_t k = 0; k < s->n_cells; k++) {
        s->pair_cells[s->cells[k].pair + 1] = (uint32_t)(k + 1);
    }
    for (size_t i = 0; i < s->n; i++) {
        s->own[i] = skip_shape_cell(s, s->items[i].a, s->items[i].b, s->items[i].c);
    }
    return 0;
}

/* Room for what stands at each id, and all of it but the pairs. */
static int index_ids(struct skip_shape *s, struct err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        s->n_ids = s->items[i].b >= s->n_ids ? (size_t)s->items[i].b + 1 : s->n_ids;
    }
    for (size_t i = 0; i < s->n_as; i++) {
        s->n_ids = s->as[i].id >= s->n_ids ? (size_t)s->as[i].id + 1 : s->n_ids;
    }
    s->of_a = mem_new(s->n_ids, sizeof *s->of_a);
    s->of_b = mem_new(s->n_ids, sizeof *s->of_b);
    if (!s->of_a || !s->of_b) {
        return err_nomem(err, "skip-trigrams");
    }
    memset(s->of_a, 0xff, s->n_ids * sizeof *s->of_a); // none
    memset(s->of_b, 0xff, s->n_ids * sizeof *s->of_b);
    for (size_t i = 0; i < s->n_as; i++) {
        s->of_a[s->as[i].id] = (uint32_t)i;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i].a >= s->n_ids || s->of_a[s->items[i].a] == SKIP_NONE) {
            return err_set(err, ERR_FORMAT, "skip-trigrams: an A is missing");
        }
    }
    return 0;
}

int skip_shape_choose(struct skip_shape *s, const struct skip_source *source,
                      const struct skip *items, size_t n, const struct skip_a *as, size_t n_as,
                      struct err *err)
{
    s->source = *source;
    s->items = mem_new(n, sizeof *s->items);
    s->as = mem_new(n_as, sizeof *s->as);
    if (!s->items || !s->as) {
        return err_nomem(err, "skip-trigrams");
    }
    for (; s->n < n; s->n++) {
        s->items[s->n] = items[s->n];
    }
    for (; s->n_as < n_as; s->n_as++) {
        s->as[s->n_as] = as[s->n_as];
    }
    int rc = index_ids(s, err);
    rc = rc ? rc : make_pairs(s, err);
    rc = rc ? rc : make_cells(s, err);
    rc = rc ? rc : index_cells(s, err);
    s->chosen = rc == 0;
    return rc;
}

// --- bytes --------------------------------------------------------------------------------------

int skip_shape_save(const struct skip_shape *s, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->base);
    bytes_put(&w, s->chosen);
    bytes_put(&w, s->source.tokens);
    bytes_put(&w, s->source.vocabulary);
    bytes_put(&w, s->source.frequent);
    bytes_put_real(&w, s->source.scale);
    bytes_put(&w, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct skip *x = &s->items[i];
        bytes_put(&w, x->head);
        bytes_put(&w, x->a);
        bytes_put(&w, x->b);
        bytes_put(&w, x->c);
        bytes_put_real(&w, x->attention);
        bytes_put_real(&w, x->raise);
    }
    bytes_put(&w, s->n_as);
    for (size_t i = 0; i < s->n_as; i++) {
        bytes_put(&w, s->as[i].id);
        bytes_put(&w, s->as[i].n_fillers);
        for (size_t k = 0; k < s->as[i].n_fillers; k++) {
            bytes_put(&w, s->as[i].fillers[k]);
        }
    }
    return w.rc;
}

static void get_items(struct bytes_reader *r, struct skip *items, size_t n, uint64_t last_id,
                      uint64_t last_head)
{
    for (size_t i = 0; i < n; i++) {
        items[i].head = (uint32_t)bytes_get(r, 0, last_head, "a head");
        items[i].a = (uint32_t)bytes_get(r, 0, last_id, "a token");
        items[i].b = (uint32_t)bytes_get(r, 0, last_id, "a token");
        items[i].c = (uint32_t)bytes_get(r, 0, last_id, "a token");
        items[i].attention = bytes_get_real(r, "a strength");
        items[i].raise = bytes_get_real(r, "a strength");
    }
}

static void get_as(struct bytes_reader *r, struct skip_a *as, size_t n, uint64_t last_id)
{
    for (size_t i = 0; i < n; i++) {
        as[i].id = (uint32_t)bytes_get(r, i > 0 ? (uint64_t)as[i - 1].id + 1 : 0, last_id, "an A");
        as[i].n_fillers = (uint32_t)bytes_get(r, 0, SKIP_FILLERS, "stand-ins");
        for (size_t k = 0; k < as[i].n_fillers; k++) {
            as[i].fillers[k] = (uint32_t)bytes_get(r, 0, last_id, "a stand-in");
        }
    }
}

int skip_shape_load(struct skip_shape **out, const struct run *run, const void *bytes, size_t len,
                    struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved skip-trigrams", .err = err};
    const size_t n_models = run_full_models(run);
    const uint64_t last_id = run_d_vocab(run) - 1;
    struct skip_shape *s = NULL;
    struct skip_source source;
    if (n_models == 0) {
        bytes_bad(&r, "there is no model");
        return r.rc;
    }
    const uint32_t base = (uint32_t)bytes_get(&r, 0, n_models - 1, "their base");
    const bool chosen = bytes_get(&r, 0, 1, "whether they are chosen") != 0;
    const size_t n_heads = run->models[base].n_heads;
    source.tokens = bytes_get(&r, 0, UINT64_MAX, "tokens");
    source.vocabulary = bytes_get(&r, 0, UINT64_MAX, "tokens");
    source.frequent = bytes_get(&r, 0, UINT64_MAX, "tokens");
    source.scale = bytes_get_real(&r, "a scale");
    size_t n = bytes_get_n(&r, SKIP_MOST, 6 * 8, "how many they are"), n_as;
    struct skip *items = bytes_get_room(&r, n, sizeof *items, &n, "skip-trigrams");
    get_items(&r, items, n, last_id, n_heads > 0 ? n_heads - 1 : 0);
    n_as = bytes_get_n(&r, SKIP_MOST, 2 * 8, "how many A there are");
    struct skip_a *as = bytes_get_room(&r, n_as, sizeof *as, &n_as, "skip-trigrams");
    get_as(&r, as, n_as, last_id);
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "something follows them");
    }
    if (!r.rc && !chosen && (n > 0 || n_as > 0 || source.tokens > 0)) {
        bytes_bad(&r, "they are not chosen yet");
    }
    r.rc = r.rc ? r.rc : skip_shape_new(&s, run, base, err);
    if (!r.rc && chosen) {
        const int rc = skip_shape_choose(s, &source, items, n, as, n_as, err);
        if (rc == ERR_NOMEM) {
            r.rc = rc;
        } else if (rc) {
            bytes_bad(&r, "what they are");
        }
    }
    free(items);
    free(as);
    if (r.rc) {
        skip_shape_free(s);
        return r.rc;
    }
    *out = s;
    return 0;
}

int skip_shape_same(const struct skip_shape *a, const struct skip_shape *b, bool fixed,
                    struct err *why)
{
    if (a->base != b->base) {
        return err_set(why, ERR_MISMATCH, "base of skip-trigrams: not the same model");
    }
    if (!fixed || !a->chosen || !b->chosen) {
        return 0;
    }
    if (a->n != b->n) {
        return err_set(why, ERR_MISMATCH, "number of skip-trigrams: one has %zu, the other %zu",
                       a->n, b->n);
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct skip *x = &a->items[i], *y = &b->items[i];
        if (x->head != y->head || x->a != y->a || x->b != y->b || x->c != y->c) {
            return err_set(why, ERR_MISMATCH,
                           "skip-trigram %zu: not the same (they are found with other --kernels?)",
                           i);
        }
    }
    return 0;
}
