/*
 * A unit of trigrams.  Its tokens that are in a group are listed first; the neurons' rows of these
 * are added as blocks come; each document then says where its trigrams stand, and what its best
 * place is for their lists.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/gaps/gap.h"
#include "out/results/neurons/act_kernels.h"
#include "out/results/trigrams/trigrams_internal.h"

// --- making -------------------------------------------------------------------------------------

void trigrams_unit_free(struct trigrams_unit *u)
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

int trigrams_unit_new(struct trigrams_unit **out, const struct trigrams_shape *s, struct err *err)
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

// --- tokens and their groups --------------------------------------------------------------------

/* Forgets all of the unit before. */
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
        memset(t->logprob_n + i * s->n_models, 0, s->n_models * sizeof *t->logprob_n);
        memset(t->gap + i * s->n_pairs, 0, s->n_pairs * sizeof *t->gap);
        u->is_in[i] = false;
    }
    u->n_groups_in = u->n_items_in = u->n_rows = 0;
    memset(u->next, 0, s->n_layers * sizeof *u->next);
}

static void count_group(struct trigrams *t, uint32_t group)
{
    if (group != TRIGRAMS_NONE && t->tokens[group]++ == 0) {
        t->unit->groups[t->unit->n_groups_in++] = group;
    }
}

/* of[n], by id */
static uint32_t lookup(const uint32_t *of, size_t n, uint32_t id)
{
    return id < n ? of[id] : TRIGRAMS_NONE;
}

/* The row of token i; follows: another one is before it. */
static struct trigrams_row row_of(const struct trigrams_shape *s, const struct unit_tokens *unit,
                                  size_t i, bool follows)
{
    struct trigrams_row row = {
        .token = (uint32_t)i, .ab = TRIGRAMS_NONE, .a = TRIGRAMS_NONE, .follows = follows};
    row.b = lookup(s->of_b, s->n_ids, unit->ids[i]);
    if (follows) {
        row.a = lookup(s->of_a, s->n_ids, unit->ids[i - 1]);
    }
    if (row.b != TRIGRAMS_NONE && row.a != TRIGRAMS_NONE) {
        row.ab = trigrams_find_ab(s, row.b, unit->ids[i - 1]);
    }
    return row;
}

static int add_row(struct trigrams *t, const struct trigrams_row *row, struct err *err)
{
    struct trigrams_unit *u = t->unit;
    const int rc =
        mem_reserve(&u->rows, &u->rows_cap, u->n_rows + 1, sizeof *u->rows, "trigrams", err);
    if (rc) {
        return rc;
    }
    u->rows[u->n_rows++] = *row;
    count_group(t, row->ab);
    count_group(t, row->b);
    count_group(t, row->a);
    return 0;
}

int trigrams_begin(struct trigrams *t, const struct unit_tokens *unit, struct err *err)
{
    int rc = 0;
    assert(unit->n <= UINT32_MAX);
    clear(t);
    t->unit->tokens = *unit;
    for (size_t d = 0; d < unit->n_docs && !rc; d++) {
        const size_t begin = unit->docs[d].begin, end = begin + unit->docs[d].n;
        for (size_t i = begin; i < end && !rc; i++) {
            const struct trigrams_row row =
                row_of(t->shape, unit, i, i > begin && unit->pos[i] != 1);
            if (unit_skips(unit, i)) {
                continue;
            }
            if (row.b != TRIGRAMS_NONE || row.a != TRIGRAMS_NONE) {
                rc = add_row(t, &row, err);
            }
        }
    }
    return rc;
}

void trigrams_block(struct trigrams *t, size_t layer, size_t begin, const size_t *n,
                    size_t n_windows, const float *acts)
{
    const struct act_kernels *kern = act_kernels_best();
    const struct trigrams_unit *u = t->unit;
    const size_t width = t->shape->layers[layer];
    size_t *next = &u->next[layer];
    for (size_t k = 0, token = begin; k < n_windows; token += n[k++]) {
        acts += width; // what stands before the window's tokens
        for (; *next < u->n_rows && u->rows[*next].token < token + n[k]; ++*next) {
            const struct trigrams_row *row = &u->rows[*next];
            const uint32_t groups[] = {row->ab, row->b, row->a};
            assert(row->token >= token);
            for (size_t g = 0; g < 3; g++) {
                if (groups[g] != TRIGRAMS_NONE) {
                    kern->add(acts + (row->token - token) * width, width,
                              t->sums[layer] + groups[g] * width);
                }
            }
        }
        acts += n[k] * width;
    }
}

// --- a document ---------------------------------------------------------------------------------

static struct trigrams_best *touch(struct trigrams_unit *u, uint32_t item)
{
    struct trigrams_best *best = &u->best[item];
    if (!best->touched) {
        *best = (struct trigrams_best){
            .touched = true, .place = {.at = TRIGRAMS_NONE}, .elsewhere = {.at = TRIGRAMS_NONE}};
        u->touched[u->n_touched++] = item;
    }
    return best;
}

static void offer(struct trigrams_place *place, uint32_t key, size_t at)
{
    if (place->at == TRIGRAMS_NONE || key < place->key) { // of equal ones the earlier
        *place = (struct trigrams_place){.key = key, .at = (uint32_t)at};
    }
}

/* Token 'at' of the document is the C of an item. */
static void add_place(struct trigrams *t, uint32_t item, const struct tally_doc *doc, size_t at,
                      const struct run_pair *pairs, double floor)
{
    const struct trigrams_shape *s = t->shape;
    struct trigrams_best *best = touch(t->unit, item);
    best->n++;
    offer(&best->place, example_hash(doc->shard, doc->number, at), at);
    for (size_t m = 0; m < s->n_models; m++) {
        const int64_t logprob = fixed_from(doc->logprob[m][at]);
        const bool none = logprob == FIXED_NONE;
        t->logprob[item * s->n_models + m] += none ? 0 : logprob;
        t->logprob_n[item * s->n_models + m] += !none;
    }
    for (size_t p = 0; p < s->n_pairs; p++) {
        int64_t gap;
        gaps_of_tokens(&pairs[p], floor, doc->logprob, at, 1, &gap);
        struct trigrams_gaps *gaps = &t->unit->gaps[item * s->n_pairs + p];
        gaps->sum += gap == FIXED_NONE ? 0 : gap;
        gaps->n += gap != FIXED_NONE;
    }
}

/* Of B's row, those trigrams whose A does not stand before it. */
static void offer_elsewhere(struct trigrams *t, const struct trigrams_row *row,
                            const struct tally_doc *doc, size_t at)
{
    const struct trigrams_shape *s = t->shape;
    const uint32_t key = example_hash(doc->shard, doc->number, at);
    const uint32_t first = s->b_first[row->b - s->n_ab], end = s->b_first[row->b - s->n_ab + 1];
    for (uint32_t ab = first; ab < end; ab++) {
        for (uint32_t k = s->ab_first[ab]; k < s->ab_first[ab + 1] && ab != row->ab; k++) {
            offer(&touch(t->unit, s->order[k])->elsewhere, key, at);
        }
    }
}

_Static_assert(1 + TRIGRAM_BEFORE + 1 + TRIGRAM_AFTER <= EXAMPLE_TOKENS, "room for a context");

/* Puts a place, if there is one, into a list of at most 'most', if it belongs there, with what
 * begins its window in front. */
static int insert(struct example_list *list, uint32_t most, const struct trigrams_place *place,
                  const struct trigrams *t, uint32_t first, const struct tally_doc *doc,
                  struct err *err)
{
    const struct example_doc d = {.shard = doc->shard,
                                  .number = doc->number,
                                  .n = doc->n,
                                  .ids = doc->ids,
                                  .ends = doc->ends,
                                  .pos = doc->pos};
    const size_t at = place->at;
    if (at == TRIGRAMS_NONE || place->key > example_cutoff(list, most)) {
        return 0;
    }
    struct example e = example_at(&d, at, place->key);
    if (!example_belongs(list, &e, most)) {
        return 0;
    }
    const size_t before = example_n_before(&d, at, TRIGRAM_BEFORE);
    const size_t n = before + 1 + example_n_after(&d, at, TRIGRAM_AFTER);
    e.before = (uint32_t)before + 1;
    e.n_tokens = (uint32_t)n + 1;
    e.n_acts = (uint32_t)t->shape->n_models;
    e.n_rows = 1;
    const int rc = example_new(&e, err);
    if (rc) {
        return rc;
    }
    e.ids[0] = first;
    memcpy(e.ids + 1, doc->ids + at - before, n * sizeof *e.ids);
    for (size_t m = 0; m < t->shape->n_models; m++) {
        e.acts[m] = (float)doc->logprob[m][at];
    }
    return example_insert(list, &e, most, err);
}

/* Adds what the document has of an item, which is untouched again. */
static int end_item(struct trigrams *t, uint32_t item, uint32_t first, const struct tally_doc *doc,
                    struct err *err)
{
    const struct trigrams_shape *s = t->shape;
    struct trigrams_unit *u = t->unit;
    struct trigram_sums *sums = &t->items[item];
    const struct trigrams_best best = u->best[item];
    u->best[item] = (struct trigrams_best){0};
    if (!u->is_in[item]) {
        u->is_in[item] = true;
        u->items[u->n_items_in++] = item;
    }
    sums->n += best.n;
    sums->docs += best.n > 0;
    for (size_t p = 0; p < s->n_pairs; p++) {
        struct trigrams_gaps *gaps = &u->gaps[item * s->n_pairs + p];
        moments_add(&t->gap[item * s->n_pairs + p], gaps->sum, gaps->n);
        *gaps = (struct trigrams_gaps){0};
    }
    const int rc = insert(&sums->places, TRIGRAM_PLACES, &best.place, t, first, doc, err);
    return rc ? rc
              : insert(&sums->elsewhere, TRIGRAM_ELSEWHERE, &best.elsewhere, t, first, doc, err);
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

int trigrams_add_doc(struct trigrams *t, size_t d, const struct tally_doc *doc,
                     const struct run_pair *pairs, double floor, struct err *err)
{
    struct trigrams_unit *u = t->unit;
    const size_t begin = u->tokens.docs[d].begin;
    for (size_t k = find_row(u, begin); k < u->n_rows && u->rows[k].token < begin + doc->n; k++) {
        const struct trigrams_row *row = &u->rows[k];
        const size_t at = row->token - begin;
        if (row->ab != TRIGRAMS_NONE && at + 1 < doc->n && doc->pos[at + 1] != 1 &&
            !unit_skips(&u->tokens, row->token + 1)) {
            const uint32_t item = trigrams_find_item(t->shape, row->ab, doc->ids[at + 1]);
            if (item != TRIGRAMS_NONE) {
                add_place(t, item, doc, at + 1, pairs, floor);
            }
        }
        if (row->b != TRIGRAMS_NONE && row->follows) {
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
