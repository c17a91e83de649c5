#include "out/trigrams.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "out/actkern.h"

#define NONE UINT32_MAX
#define CONTEXT 8 // tokens before a place that, with it, tell its context

// --- the shape ----------------------------------------------------------------------------------

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
        if (s->of_a[t->a] == NONE) {
            s->of_a[t->a] = (uint32_t)n_a++;
        }
        s->groups[s->order[i]].ab = (uint32_t)(s->n_ab - 1);
    }
    s->ab_first[s->n_ab] = (uint32_t)s->n;
    s->b_first[s->n_b] = (uint32_t)s->n_ab;
    s->n_groups = s->n_ab + s->n_b + n_a;
    for (size_t id = 0; id < s->n_ids; id++) {
        s->of_b[id] += s->of_b[id] == NONE ? 0 : (uint32_t)s->n_ab;
        s->of_a[id] += s->of_a[id] == NONE ? 0 : (uint32_t)(s->n_ab + s->n_b);
    }
    for (size_t i = 0; i < s->n; i++) {
        s->groups[i].b = s->of_b[s->items[i].b];
        s->groups[i].a = s->of_a[s->items[i].a];
    }
}

int trigrams_shape_make(struct trigrams_shape **out, const struct trigram *items, size_t n,
                        size_t n_models, size_t n_pairs, const size_t *layers, size_t n_layers,
                        struct err *err)
{
    assert(n <= TRIGRAMS_MAX);
    struct trigrams_shape *s = mem_zero(1, sizeof *s);
    struct trigram *own = mem_new(n, sizeof *own);
    if (!s || !own) {
        free(s);
        free(own);
        return err_nomem(err, "trigrams");
    }
    size_t n_ids = 0;
    for (size_t i = 0; i < n; i++) {
        own[i] = items[i];
        n_ids = items[i].a >= n_ids ? (size_t)items[i].a + 1 : n_ids;
        n_ids = items[i].b >= n_ids ? (size_t)items[i].b + 1 : n_ids;
    }
    *s = (struct trigrams_shape){.items = own,
                                 .n = n,
                                 .n_models = n_models,
                                 .n_pairs = n_pairs,
                                 .n_layers = n_layers,
                                 .n_ids = n_ids,
                                 .layers = mem_new(n_layers, sizeof *s->layers),
                                 .groups = mem_zero(n, sizeof *s->groups),
                                 .of_b = mem_new(n_ids, sizeof *s->of_b),
                                 .of_a = mem_new(n_ids, sizeof *s->of_a),
                                 .order = mem_new(n, sizeof *s->order),
                                 .ab_first = mem_new(n + 1, sizeof *s->ab_first),
                                 .b_first = mem_new(n + 1, sizeof *s->b_first)};
    int rc = s->layers && s->groups && s->of_b && s->of_a && s->order && s->ab_first && s->b_first
                 ? 0
                 : err_nomem(err, "trigrams");
    for (size_t i = 0; i < n && !rc; i++) {
        s->order[i] = (uint32_t)i;
    }
    for (size_t l = 0; l < n_layers && !rc; l++) {
        s->layers[l] = layers[l];
    }
    if (!rc) {
        memset(s->of_b, 0xff, n_ids * sizeof *s->of_b);
        memset(s->of_a, 0xff, n_ids * sizeof *s->of_a);
        qsort_r(s->order, n, sizeof *s->order, by_tokens, own);
        rc = check(s, err);
    }
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

/* The group of 'a' before the B of group 'b', or NONE. */
static uint32_t find_ab(const struct trigrams_shape *s, uint32_t b, uint32_t a)
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
    return NONE;
}

/* The item of a group of A before B that predicts 'c', or NONE. */
static uint32_t find_item(const struct trigrams_shape *s, uint32_t ab, uint32_t c)
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
    return NONE;
}

// --- one ----------------------------------------------------------------------------------------

/* A token of the unit that is in a group. */
struct row {
    uint32_t token;    // of the unit
    uint32_t ab, b, a; // its groups, or NONE
    bool follows;      // another token of its document and window is before it
};

/* What the document in hand has of a trigram. */
struct best {
    bool touched;
    uint64_t n;
    uint32_t key[2], at[2]; // of its place of the least key, and of its B elsewhere; NONE: none
};

struct trigrams_unit {
    struct trigrams_tokens tokens;
    struct row *rows; // [n_rows], ascending
    size_t n_rows, rows_cap;
    size_t *next;             // [n_layers] the first row that blocks have not come to
    uint32_t *groups, *items; // [n_groups_in], [n_items_in] what is not empty, in any order
    size_t n_groups_in, n_items_in;
    bool *is_in;       // [n] items that are
    struct best *best; // [n] of the document in hand
    int64_t *gaps;     // [n][n_pairs]
    uint32_t *touched; // [n_touched] items that it has
    size_t n_touched;
};

static void unit_free(struct trigrams_unit *u)
{
    if (u) {
        free(u->rows);
        free(u->next);
        free(u->groups);
        free(u->items);
        free(u->is_in);
        free(u->best);
        free(u->gaps);
        free(u->touched);
        free(u);
    }
}

static int unit_new(struct trigrams_unit **out, const struct trigrams_shape *s, struct err *err)
{
    struct trigrams_unit *u = mem_zero(1, sizeof *u);
    if (!u) {
        return err_nomem(err, "trigrams");
    }
    *out = u;
    u->next = mem_zero(s->n_layers, sizeof *u->next);
    u->groups = mem_new(s->n_groups, sizeof *u->groups);
    u->items = mem_new(s->n, sizeof *u->items);
    u->is_in = mem_zero(s->n, sizeof *u->is_in);
    u->best = mem_zero(s->n, sizeof *u->best);
    u->gaps = mem_zero(s->n * s->n_pairs, sizeof *u->gaps);
    u->touched = mem_new(s->n, sizeof *u->touched);
    return u->next && u->groups && u->items && u->is_in && u->best && u->gaps && u->touched
               ? 0
               : err_nomem(err, "trigrams");
}

int trigrams_new(struct trigrams **out, const struct trigrams_shape *shape, struct err *err)
{
    struct trigrams *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "trigrams");
    }
    t->shape = shape;
    t->items = mem_zero(shape->n, sizeof *t->items);
    t->logprob = mem_zero(shape->n * shape->n_models, sizeof *t->logprob);
    t->gap = mem_zero(shape->n * shape->n_pairs, sizeof *t->gap);
    t->tokens = mem_zero(shape->n_groups, sizeof *t->tokens);
    t->sums = mem_zero(shape->n_layers, sizeof *t->sums);
    bool whole = t->items && t->logprob && t->gap && t->tokens && t->sums;
    for (size_t l = 0; whole && l < shape->n_layers; l++) {
        t->sums[l] = mem_zero(shape->n_groups, shape->layers[l] * sizeof **t->sums);
        whole = t->sums[l] != NULL;
    }
    const int rc = whole ? unit_new(&t->unit, shape, err) : err_nomem(err, "trigrams");
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
    free(t->gap);
    free(t->tokens);
    free(t->sums);
    unit_free(t->unit);
    free(t);
}

uint64_t trigrams_memory(const struct trigrams_shape *s)
{
    uint64_t bytes =
        s->n * (sizeof(struct trigram_sums) + sizeof(struct best) + s->n_models * sizeof(__int128) +
                s->n_pairs * (sizeof(struct moments) + sizeof(int64_t)));
    for (size_t l = 0; l < s->n_layers; l++) {
        bytes += s->n_groups * s->layers[l] * sizeof(int64_t);
    }
    return bytes;
}

// --- a unit -------------------------------------------------------------------------------------

static void clear(struct trigrams *t)
{
    const struct trigrams_shape *s = t->shape;
    struct trigrams_unit *u = t->unit;
    for (size_t k = 0; k < u->n_groups_in; k++) {
        const size_t g = u->groups[k];
        t->tokens[g] = 0;
        for (size_t l = 0; l < s->n_layers; l++) {
            memset(t->sums[l] + g * s->layers[l], 0, s->layers[l] * sizeof **t->sums);
        }
    }
    for (size_t k = 0; k < u->n_items_in; k++) {
        const size_t i = u->items[k];
        t->items[i].n = t->items[i].docs = 0;
        example_list_clear(&t->items[i].places);
        example_list_clear(&t->items[i].elsewhere);
        memset(t->logprob + i * s->n_models, 0, s->n_models * sizeof *t->logprob);
        memset(t->gap + i * s->n_pairs, 0, s->n_pairs * sizeof *t->gap);
        u->is_in[i] = false;
    }
    u->n_groups_in = u->n_items_in = u->n_rows = 0;
    memset(u->next, 0, s->n_layers * sizeof *u->next);
}

static void count_group(struct trigrams *t, uint32_t group)
{
    if (group != NONE && t->tokens[group]++ == 0) {
        t->unit->groups[t->unit->n_groups_in++] = group;
    }
}

static uint32_t lookup(const uint32_t *of, size_t n, uint32_t id)
{
    return id < n ? of[id] : NONE;
}

int trigrams_begin(struct trigrams *t, const struct trigrams_tokens *unit, struct err *err)
{
    const struct trigrams_shape *s = t->shape;
    struct trigrams_unit *u = t->unit;
    assert(unit->n <= UINT32_MAX);
    clear(t);
    u->tokens = *unit;
    for (size_t d = 0; d < unit->n_docs; d++) {
        const size_t begin = unit->docs[d].begin, end = begin + unit->docs[d].n;
        for (size_t i = begin; i < end; i++) {
            const bool follows = i > begin && unit->pos[i] == unit->pos[i - 1] + 1;
            struct row row = {.token = (uint32_t)i, .ab = NONE, .a = NONE, .follows = follows};
            row.b = lookup(s->of_b, s->n_ids, unit->ids[i]);
            if (follows) {
                row.a = lookup(s->of_a, s->n_ids, unit->ids[i - 1]);
            }
            if (row.b == NONE && row.a == NONE) {
                continue;
            }
            if (row.b != NONE && row.a != NONE) {
                row.ab = find_ab(s, row.b, unit->ids[i - 1]);
            }
            const int rc = mem_reserve(&u->rows, &u->rows_cap, u->n_rows + 1, sizeof *u->rows,
                                       "trigrams", err);
            if (rc) {
                return rc;
            }
            u->rows[u->n_rows++] = row;
            count_group(t, row.ab);
            count_group(t, row.b);
            count_group(t, row.a);
        }
    }
    return 0;
}

void trigrams_block(struct trigrams *t, size_t layer, size_t begin, const size_t *n,
                    size_t n_windows, const float *acts)
{
    const struct actkern *kern = actkern_best();
    const struct trigrams_unit *u = t->unit;
    const size_t width = t->shape->layers[layer];
    size_t *next = &u->next[layer];
    for (size_t k = 0, token = begin; k < n_windows; token += n[k++]) {
        acts += width; // what stands before the window's tokens
        for (; *next < u->n_rows && u->rows[*next].token < token + n[k]; ++*next) {
            const struct row *row = &u->rows[*next];
            const uint32_t groups[] = {row->ab, row->b, row->a};
            assert(row->token >= token);
            for (size_t g = 0; g < 3; g++) {
                if (groups[g] != NONE) {
                    kern->add(acts + (row->token - token) * width, width,
                              t->sums[layer] + groups[g] * width);
                }
            }
        }
        acts += n[k] * width;
    }
}

// --- a document ---------------------------------------------------------------------------------

static struct best *touch(struct trigrams_unit *u, uint32_t item)
{
    struct best *best = &u->best[item];
    if (!best->touched) {
        *best = (struct best){.touched = true, .at = {NONE, NONE}};
        u->touched[u->n_touched++] = item;
    }
    return best;
}

static uint32_t place_key(const struct tally_doc *doc, size_t at)
{
    const uint64_t place[3] = {doc->shard, doc->number, at};
    return (uint32_t)XXH3_64bits(place, sizeof place);
}

static void offer(struct best *best, int kind, uint32_t key, size_t at)
{
    if (best->at[kind] == NONE || key < best->key[kind]) { // of equal ones the earlier
        best->key[kind] = key;
        best->at[kind] = (uint32_t)at;
    }
}

/* Token 'at' of the document is the C of an item. */
static void add_place(struct trigrams *t, uint32_t item, const struct tally_doc *doc, size_t at,
                      struct tally *tally)
{
    const struct trigrams_shape *s = t->shape;
    struct best *best = touch(t->unit, item);
    best->n++;
    offer(best, 0, place_key(doc, at), at);
    for (size_t m = 0; m < s->n_models; m++) {
        t->logprob[item * s->n_models + m] += fixed_from(doc->logprob[m][at]);
    }
    for (size_t p = 0; p < s->n_pairs; p++) {
        int64_t gap;
        tally_gaps(tally, p, doc->logprob, at, 1, &gap);
        t->unit->gaps[item * s->n_pairs + p] += gap;
    }
}

/* Of B's row, those trigrams whose A does not stand before it. */
static void offer_elsewhere(struct trigrams *t, const struct row *row, const struct tally_doc *doc,
                            size_t at)
{
    const struct trigrams_shape *s = t->shape;
    const uint32_t key = place_key(doc, at);
    const uint32_t first = s->b_first[row->b - s->n_ab], end = s->b_first[row->b - s->n_ab + 1];
    for (uint32_t ab = first; ab < end; ab++) {
        for (uint32_t k = s->ab_first[ab]; k < s->ab_first[ab + 1] && ab != row->ab; k++) {
            offer(touch(t->unit, s->order[k]), 1, key, at);
        }
    }
}

/* Up to 'most' tokens before 'at' in its window and document. */
static size_t tokens_before(const struct tally_doc *doc, size_t at, size_t most)
{
    size_t n = 0;
    while (n < most && n < at && doc->pos[at - n] == doc->pos[at - n - 1] + 1) {
        n++;
    }
    return n;
}

static int insert(struct trigrams *t, struct example_list *list, uint32_t most, uint32_t first,
                  const struct tally_doc *doc, uint32_t key, size_t at, struct err *err)
{
    if (key > example_cutoff(list, most)) {
        return 0;
    }
    const size_t near = tokens_before(doc, at, CONTEXT);
    struct example e = {.key = key,
                        .shard = doc->shard,
                        .doc = doc->number,
                        .at = (uint32_t)at,
                        .byte_start = doc->ends && at > 0 ? doc->ends[at - 1] : 0,
                        .byte_end = doc->ends ? doc->ends[at] : 0,
                        .context =
                            XXH3_64bits(doc->ids + at - near, (near + 1) * sizeof *doc->ids)};
    if (!example_belongs(list, &e, most)) {
        return 0;
    }
    const size_t before = tokens_before(doc, at, TRIGRAM_BEFORE);
    size_t end = at + 1;
    while (end < doc->n && end <= at + TRIGRAM_AFTER && doc->pos[end] == doc->pos[end - 1] + 1) {
        end++;
    }
    e.before = (uint32_t)before + 1;
    e.n_tokens = (uint32_t)(end - (at - before)) + 1;
    e.n_acts = (uint32_t)t->shape->n_models;
    e.n_rows = 1;
    const int rc = example_new(&e, err);
    if (rc) {
        return rc;
    }
    e.ids[0] = first;
    memcpy(e.ids + 1, doc->ids + at - before, (e.n_tokens - 1) * sizeof *e.ids);
    for (size_t m = 0; m < t->shape->n_models; m++) {
        e.acts[m] = (float)doc->logprob[m][at];
    }
    return example_insert(list, &e, most, err);
}

_Static_assert(1 + TRIGRAM_BEFORE + 1 + TRIGRAM_AFTER <= EXAMPLE_TOKENS, "room for a context");

/* Adds what the document has of an item, which is untouched again. */
static int end_item(struct trigrams *t, uint32_t item, uint32_t first, const struct tally_doc *doc,
                    struct err *err)
{
    const struct trigrams_shape *s = t->shape;
    struct trigrams_unit *u = t->unit;
    struct trigram_sums *sums = &t->items[item];
    const struct best best = u->best[item];
    u->best[item] = (struct best){0};
    if (!u->is_in[item]) {
        u->is_in[item] = true;
        u->items[u->n_items_in++] = item;
    }
    sums->n += best.n;
    sums->docs += best.n > 0;
    for (size_t p = 0; p < s->n_pairs; p++) {
        moments_add(&t->gap[item * s->n_pairs + p], u->gaps[item * s->n_pairs + p], best.n);
        u->gaps[item * s->n_pairs + p] = 0;
    }
    int rc = 0;
    if (best.at[0] != NONE) {
        rc = insert(t, &sums->places, TRIGRAM_PLACES, first, doc, best.key[0], best.at[0], err);
    }
    if (best.at[1] != NONE && !rc) {
        rc = insert(t, &sums->elsewhere, TRIGRAM_ELSEWHERE, first, doc, best.key[1], best.at[1],
                    err);
    }
    return rc;
}

/* The first row of a token from 'token' on. */
static size_t find_row(const struct trigrams_unit *u, size_t token)
{
    size_t lo = 0, hi = u->n_rows;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        lo = u->rows[mid].token < token ? mid + 1 : lo;
        hi = u->rows[mid].token < token ? hi : mid;
    }
    return lo;
}

int trigrams_add_doc(struct trigrams *t, size_t d, const struct tally_doc *doc, struct tally *tally,
                     struct err *err)
{
    struct trigrams_unit *u = t->unit;
    const size_t begin = u->tokens.docs[d].begin;
    for (size_t k = find_row(u, begin); k < u->n_rows && u->rows[k].token < begin + doc->n; k++) {
        const struct row *row = &u->rows[k];
        const size_t at = row->token - begin;
        if (row->ab != NONE && at + 1 < doc->n && doc->pos[at + 1] == doc->pos[at] + 1) {
            const uint32_t item = find_item(t->shape, row->ab, doc->ids[at + 1]);
            if (item != NONE) {
                add_place(t, item, doc, at + 1, tally);
            }
        }
        if (row->b != NONE && row->follows) {
            offer_elsewhere(t, row, doc, at);
        }
    }
    int rc = 0;
    for (size_t k = 0; k < u->n_touched && !rc; k++) {
        rc = end_item(t, u->touched[k], u->tokens.docs[d].first, doc, err);
    }
    u->n_touched = 0;
    return rc;
}

// --- two ----------------------------------------------------------------------------------------

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
